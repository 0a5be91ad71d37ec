/** A large title out of its image, as it lies sealed in a file, until it can be called; against the same from its source. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { concat, utf8 } from '../../formats/bytes.js'
import { sealPayload } from '../../formats/cobblestone.js'
import { payloadContext } from '../../formats/derive.js'
import { encodePackageHead } from '../../formats/package.js'
import { PROGRAM_NAME } from '../../loader/copier/app.js'
import { imageParts } from '../../loader/copier/image.js'
import { openProgram } from '../../loader/decrypt.js'
import { RandomFile } from '../../loader/files.js'
import type { OpenTitle } from '../../loader/read.js'
import type { PayloadKey } from '../../loader/unwrap.js'
import { DEFAULT_LIMITS, type EngineGuest } from '../../sandbox/guest.js'
import { makeTitleImage } from '../../sandbox/imaging.js'
import { launchProgram } from '../../sandbox/launch.js'
import { quickjs } from '../../sandbox/quickjs/node.js'
import { median, millisecondsOf, report, table } from './measure.js'

/** A bundle of about 1.1 MB: tables, classes and functions, as bundlers leave them. */
function largeProgram(): string {
  const parts: string[] = []
  for (let i = 0; parts.join('').length < 1_100_000 && i < 10_000; i += 50) {
    for (let k = i; k < i + 50; k++) {
      parts.push(`
class Rule${k} {
  constructor(options) { this.options = { name: 'rule ${k}', weight: ${k % 17}, ...options }; this.seen = new Map() }
  match(text, at) { const found = /(?:[a-z]+${k}|\\d{${(k % 5) + 1},})/.exec(text.slice(at)); return found === null ? -1 : found.index + at }
  apply(state, depth) { for (let i = 0; i < state.length; i++) { if (state[i] === ${k}) return { kind: 'hit', i, depth }; if (i > depth) break } return undefined }
}
const table${k} = { ${Array.from({ length: 12 }, (_, n) => `key${n}: ['${k}-${n}', ${n * k}, { a: ${n}, b: 'text of ${k}' }]`).join(', ')} }
rules.push(new Rule${k}({ table: table${k} }))`)
    }
  }
  return `const rules = []${parts.join('')}\nexport const count = () => rules.length`
}

const ID = 'org.example.large'
const ROUNDS = 15
const WARM_ROUNDS = 4
/** In a turn, which takes as long as one launch from source. */
const LAUNCHES = 15

export async function benchImages(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coffer-bench-'))
  try {
    await images(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function images(folder: string): Promise<void> {
  const source = utf8(largeProgram())
  const options = { limits: { memoryBytes: 128 * 2 ** 20 } }
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const make = (strip: boolean) => {
    const image = makeTitleImage(quickjs(), source, {
      name: 'title.js',
      grants: [[]],
      limits,
      mark: 'bench',
      strip
    })
    if (!(image instanceof Uint8Array)) throw new Error('internal: no image')
    return image
  }
  const program = { name: PROGRAM_NAME, role: 'program', bytes: source } as const
  const kept = make(false)
  const stripped = make(true)

  /** A sealed title, and how long it takes until it can be called: what comes after is not waited for. */
  const ready = (name: string, contents: Parameters<typeof encodePackageHead>[0]) => {
    const key = randomBytes(32)
    const { head, indexDigest } = encodePackageHead(contents)
    const plaintext = concat(head, ...contents.map(({ bytes }) => bytes))
    const sealed = sealPayload(key, payloadContext(ID, 1), randomBytes(24), plaintext)
    const path = join(folder, name)
    writeFileSync(path, sealed)
    const manifest = { id: ID, release: 1, payloadBytes: sealed.length, indexDigest }
    const title = { file: RandomFile.open(path), payloadOffset: 0, manifest } as unknown as OpenTitle
    return async (): Promise<number> => {
      let guest: EngineGuest
      const ms = await millisecondsOf(async () => {
        using opened = await openProgram(title, { key } as unknown as PayloadKey)
        guest = await launchProgram(opened, options)
      })
      await guest!.dispose()
      return ms
    }
  }
  const fromSource = ready('source', [program])
  /** Medians of both, by turns. */
  const beside = async (once: () => Promise<number>) => {
    const spent = { source: [] as number[], image: [] as number[] }
    for (let round = 0; round < WARM_ROUNDS + ROUNDS; round++) {
      const counts = round >= WARM_ROUNDS
      const ms = await fromSource()
      if (counts) spent.source.push(ms)
      for (let launch = 0; launch < LAUNCHES; launch++) {
        const ms = await once()
        if (counts) spent.image.push(ms)
      }
    }
    return { source: median(spent.source), image: median(spent.image) }
  }
  const megabytes = ({ length }: Uint8Array) => `${(length / 1e6).toFixed(2)} MB`
  table('A title of 1.1 MB, decrypted, checked and ready to be called', '', 'coffer', 'from source')
  for (const [what, name, contents] of [
    [`its image, ${megabytes(stripped)}`, 'image', imageParts(stripped)],
    [`its image with text, ${megabytes(kept)}, beside its source`, 'both', [...imageParts(kept), program]]
  ] as const) {
    const { source, image } = await beside(ready(name, contents))
    report(what, image, [{ name: 'source', ms: source, goal: 1 / 20 }])
  }
}
