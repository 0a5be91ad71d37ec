/**
 * A guest by itself: a fresh one with a runtime of some size in it, one after a limit, a large title out of its image, and
 * what a thousand of them hold.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import vm from 'node:vm'
import { getQuickJS } from 'quickjs-emscripten'
import { DEFAULT_LIMITS } from '../../sandbox/guest.js'
import { makeTitleImage } from '../../sandbox/imaging.js'
import { createPool } from '../../sandbox/index.js'
import { launchProgram } from '../../sandbox/launch.js'
import { quickjs } from '../../sandbox/quickjs/node.js'
import { compare, line, median, millisecondsOf, report, table, time, type Side } from './measure.js'
import { benchMemory, BOOT } from './memory.js'
import { importPeer, lacking, readPeer } from './peers.js'

const encode = (text: string) => new TextEncoder().encode(text)
export async function benchGuests(): Promise<void> {
  await fresh()
  await recovery()
  await titles()
  benchMemory()
}

async function fresh(): Promise<void> {
  const pool = await createPool(encode('export const f = () => 1'), { size: 4 })
  const sides: Side[] = [
    {
      name: 'ours',
      async run(times) {
        for (let i = 0; i < times; i++) await (await pool.take()).dispose()
      }
    }
  ]
  const quickJs = await getQuickJS()
  sides.push({
    name: 'emscripten',
    run(times) {
      for (let i = 0; i < times; i++) {
        const runtime = quickJs.newRuntime()
        const context = runtime.newContext()
        context.unwrapResult(context.evalCode(BOOT)).dispose()
        context.dispose()
        runtime.dispose()
      }
    }
  })
  if (lacking('quickjs-wasi') === undefined) {
    const { QuickJS } = await importPeer('quickjs-wasi')
    const module = new WebAssembly.Module(
      readPeer('quickjs-wasi', '/quickjs.wasm') as Uint8Array<ArrayBuffer>
    )
    const first = await QuickJS.create({ wasm: module })
    first.evalCode(BOOT).dispose()
    const snapshot = first.snapshot()
    sides.push({
      name: 'wasi',
      async run(times) {
        for (let i = 0; i < times; i++) (await QuickJS.restore(snapshot, { wasm: module })).dispose()
      }
    })
  }
  if (lacking('isolated-vm') === undefined) {
    const { default: ivm } = await importPeer('isolated-vm')
    sides.push({
      name: 'isolated',
      run(times) {
        for (let i = 0; i < times; i++) {
          const isolate = new ivm.Isolate({ memoryLimit: 64 })
          isolate.createContextSync().evalSync(BOOT)
          isolate.dispose()
        }
      }
    })
  }
  sides.push({
    name: 'vm',
    run(times) {
      for (let i = 0; i < times; i++) vm.runInContext(BOOT, vm.createContext({}))
    }
  })
  // V8 optimizes what a guest is made of for a second, on the same core; and a turn is as long as a guest takes elsewhere.
  const times = await compare(sides, { turnMs: 40, warmMs: 1000, cpu: true })
  table(
    'A fresh guest with its runtime loaded',
    '',
    'coffer, from a pool',
    'quickjs-emscripten',
    'quickjs-wasi',
    'isolated-vm',
    'node:vm'
  )
  const peer = (name: string, goal: number) => ({ name, ms: times.get(name), goal })
  report('taken and given back', times.get('ours')!, [
    peer('emscripten', 1 / 60),
    peer('wasi', 1 / 12),
    peer('isolated', 1 / 20),
    peer('vm', 1)
  ])
  await pool.dispose()
}

const ENDS = {
  'a limit in guest code': 'for (;;);',
  'a limit in native code': '[].indexOf.call({ length: 2 ** 53 - 1 }, 1)',
  'an error at the end of the stack': 'const go = n => go(n + 1) + 1; go(0)',
  'a limit of memory': 'const all = []; for (;;) all.push(new Uint8Array(100_000))'
}

/** From the moment at which a guest has ended to the next one that answers. */
async function recovery(): Promise<void> {
  table('The next guest, after one that ended by', '', 'coffer, from a pool (goal 0.5 ms)')
  for (const [what, body] of Object.entries(ENDS)) {
    const pool = await createPool(encode(`export const f = () => 1; export const end = () => { ${body} }`), {
      size: 1,
      limits: { cpuMs: 200, memoryBytes: 16 * 2 ** 20 }
    })
    const spent: number[] = []
    for (let i = 0; i < 15; i++) {
      const guest = await pool.take()
      // The host turns to other things, as it does between two requests.
      await new Promise(done => setImmediate(done))
      await guest.call('end').catch(() => {})
      let next: typeof guest | undefined
      spent.push(
        await millisecondsOf(async () => {
          await guest.dispose()
          next = await pool.take()
          await next.call('f')
        })
      )
      await next!.dispose()
    }
    line(what, time(median(spent)))
    await pool.dispose()
  }
}

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

async function titles(): Promise<void> {
  const source = encode(largeProgram())
  const options = { limits: { memoryBytes: 128 * 2 ** 20 } }
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const make = (strip: boolean) =>
    makeTitleImage(quickjs(), source, { name: 'title.js', grants: [[]], limits, mark: 'bench', strip })
  const kept = make(false)
  const stripped = make(true)
  if (!(kept instanceof Uint8Array) || !(stripped instanceof Uint8Array))
    throw new Error('internal: no image')
  // As a title is opened: each chunk's tag, each entry's digest, into memory that is wiped.
  const sealed = (bytes: Uint8Array) => {
    const key = randomBytes(32)
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: 16 })
    const ciphertext = Buffer.concat([cipher.update(bytes), cipher.final()])
    return { key, iv, ciphertext, tag: cipher.getAuthTag() }
  }
  const open = ({ key, iv, ciphertext, tag }: ReturnType<typeof sealed>): Uint8Array => {
    const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: 16 }).setAuthTag(tag)
    const plaintext = new Uint8Array(ciphertext.length)
    for (let at = 0; at < ciphertext.length; at += 262_144)
      plaintext.set(decipher.update(ciphertext.subarray(at, at + 262_144)), at)
    decipher.final()
    createHash('sha256').update(plaintext).digest()
    return plaintext
  }
  const side = (name: string, form: 'source' | 'image', bytes: Uint8Array): Side => {
    const title = sealed(bytes)
    return {
      name,
      async run(times) {
        for (let i = 0; i < times; i++) {
          const plaintext = open(title)
          const guest = await launchProgram({ [form]: plaintext }, options)
          plaintext.fill(0)
          await guest.dispose()
        }
      }
    }
  }
  const times = await compare(
    [side('source', 'source', source), side('both', 'image', kept), side('image', 'image', stripped)],
    { rounds: 7, warmMs: 1 }
  )
  const megabytes = ({ length }: Uint8Array) => `${(length / 1e6).toFixed(2)} MB`
  table('A title of 1.1 MB, decrypted and ready to be called', '', 'coffer', 'from source')
  const from = { name: 'source', ms: times.get('source'), goal: 1 / 20 }
  report(`its image, ${megabytes(kept)}`, times.get('both')!, [from])
  report(`its image without text, ${megabytes(stripped)}`, times.get('image')!, [from])
}
