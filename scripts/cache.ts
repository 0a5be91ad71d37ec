/**
 * Build step: what V8 compiles at a cold start, kept, so that a run does not spend its time on it: the code of the
 * engines (sandbox/keep-code.ts), and the code caches of the programs.
 *
 * What is worth keeping is what a run uses: a title is pressed, copied and run once, and the functions that V8 had
 * compiled by then are kept. Each file fits one version of Node only, and its name says which; it is made anew when
 * what it was made of changes.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { KEPT_CODE } from '../sandbox/kept-code.js'
import { newShop, type Shop } from './shop.js'
import { write } from './write.js'

process.chdir(fileURLToPath(new URL('../..', import.meta.url)))

/** What each program does when its functions are looked at, as it is typed. */
const PROGRAMS: Readonly<Record<string, (shop: Shop) => Promise<readonly string[]>>> = {
  'coffer-run': async shop => ['coffer', 'run', await shop.medium(shop.hello)],
  'coffer-program': async shop => ['coffer', 'verify', await shop.medium(shop.hello)],
  'coffer-center': async shop => ['coffer-center', 'init', join(shop.home.folder, 'center')]
}

/** Do the work unless its result is there, made of the same inputs. */
async function keep(results: readonly string[], inputs: readonly string[], work: () => Promise<void> | void) {
  const hash = createHash('sha256')
  for (const path of inputs) hash.update(readFileSync(path))
  const of = hash.digest('hex')
  const stamp = `build/${results[0]!.split('/').at(-1)}-of`
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === of && results.every(path => existsSync(path)))
    return
  await work()
  write(stamp, of)
}

await keep(
  KEPT_CODE.flatMap(name => [`dist/${name}`, `build/sandbox/${name}`]),
  [
    ...['quickjs.wasm', 'quickjs.image', 'ses-child-program.cjs', 'ses-child.cjs', 'keep-code.js'].map(
      name => `dist/${name}`
    )
  ],
  keepEngines
)
for (const [name, typed] of Object.entries(PROGRAMS)) {
  const cache = `dist/${name}.${process.version}-${process.arch}.cache`
  await keep([cache], [`dist/${name}.cjs`], () => makeCodeCache(cache, typed))
}

/** In a process of its own, since it asks of V8 what only V8's own tests ask: without the result all runs the same. */
function keepEngines(): void {
  for (const name of KEPT_CODE) rmSync(`dist/${name}`, { force: true })
  const { status, signal } = spawnSync(process.execPath, ['dist/keep-code.js'], { stdio: 'inherit' })
  if (status !== 0) console.error(`engine: no code is kept; making it ended with ${signal ?? status}`)
  for (const name of KEPT_CODE)
    if (existsSync(`dist/${name}`)) write(`build/sandbox/${name}`, readFileSync(`dist/${name}`))
}

/** The program leaves its cache itself where there is none (scripts/start.cjs). */
async function makeCodeCache(
  cache: string,
  typed: (shop: Shop) => Promise<readonly string[]>
): Promise<void> {
  rmSync(cache, { force: true })
  const folder = mkdtempSync(join(tmpdir(), 'coffer-cache-'))
  try {
    await using shop = await newShop(folder)
    const [program, ...words] = await typed(shop)
    const { status, stderr } = spawnSync(process.execPath, [`dist/bin/${program}.cjs`, ...words], {
      env: { ...process.env, COFFER_HOME: shop.home.folder },
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe']
    })
    if (status !== 0 || !existsSync(cache))
      throw new Error(`the ${program} that fills the code cache ended with ${status}: ${stderr}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
