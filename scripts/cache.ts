/**
 * Build step: what V8 compiles at a cold start, kept, so that a run does not spend its time on it: the engine's machine
 * code (sandbox/quickjs/native.ts), and the code caches of the buyer's two programs and of a SES guest's process.
 *
 * What is worth keeping is what a run uses: a title is pressed, copied and run once, and the functions that V8 had
 * compiled by then are kept. Each file fits one version of Node only, and its name says which; it is made anew when
 * what it was made of changes.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NATIVE_CODE } from '../sandbox/quickjs/native.js'
import { Child } from '../sandbox/ses/launch.js'
import { startRemote } from '../sandbox/remote/near.js'
import { newShop } from './shop.js'
import { write } from './write.js'

process.chdir(fileURLToPath(new URL('../..', import.meta.url)))

/** What each program does when its functions are looked at. */
const PROGRAMS = { 'coffer-run': 'run', 'coffer-program': 'verify' }

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

const NATIVE = ['build/sandbox', 'dist'].map(folder => `${folder}/${NATIVE_CODE}`)
const ENGINE = ['quickjs.wasm', 'quickjs.image'].map(name => `dist/${name}`)
await keep(NATIVE, [...ENGINE, 'build/sandbox/quickjs/native.js', 'build/scripts/native.js'], makeNativeCode)
for (const [name, command] of Object.entries(PROGRAMS)) {
  const cache = `dist/${name}.${process.version}-${process.arch}.cache`
  await keep([cache], [`dist/${name}.cjs`], () => makeCodeCache(cache, command))
}
const SES = ['build/sandbox', 'dist'].map(
  folder => `${folder}/ses-child-program.${process.version}-${process.arch}.cache`
)
await keep(SES, ['dist/ses-child-program.cjs', 'dist/ses-child.cjs'], makeSesCache)

/** In a process of its own, since it asks of V8 what only V8's own tests ask: without the result all runs the same. */
function makeNativeCode(): void {
  const { status, signal } = spawnSync(process.execPath, ['build/scripts/native.js', ...NATIVE], {
    stdio: 'inherit'
  })
  if (status !== 0) console.error(`engine: no machine code is kept; making it ended with ${signal ?? status}`)
}

async function makeCodeCache(cache: string, command: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coffer-cache-'))
  try {
    await using shop = await newShop(folder)
    const medium = await shop.medium(shop.hello)
    const maker = join(folder, 'make.cjs')
    const made = join(folder, 'made.cache')
    writeFileSync(
      maker,
      `const { script } = require(${JSON.stringify(join(process.cwd(), 'dist/bin/coffer.cjs'))})
       process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(made)}, script.createCachedData()))`
    )
    const { status, stderr } = spawnSync(process.execPath, [maker, command, medium], {
      env: { ...process.env, COFFER_HOME: shop.home.folder },
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe']
    })
    if (status !== 0)
      throw new Error(`the ${command} that fills the code cache ended with ${status}: ${stderr}`)
    const data = readFileSync(made)
    // With its digest: V8 does not look whether it is whole (loader/cli/start.cjs).
    write(cache, Buffer.concat([data, createHash('sha256').update(data).digest()]))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The process runs a small program, and then gives its code away: to be in it, a function must have been called. */
async function makeSesCache(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coffer-cache-'))
  try {
    const maker = join(folder, 'make.cjs')
    const made = join(folder, 'made.cache')
    writeFileSync(
      maker,
      `const { script, checksum } = require(${JSON.stringify(join(process.cwd(), 'dist/ses-child.cjs'))})
       process.on('message', () => {
         const data = script.createCachedData()
         const words = new Int32Array(data.length / 4 + 1)
         Buffer.from(words.buffer).set(data)
         words[words.length - 1] = checksum(words.subarray(0, -1))
         require('node:fs').writeFileSync(${JSON.stringify(made)}, words)
         process.send('made')
       })`
    )
    const child = spawn(process.execPath, [maker], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe', 'pipe', 'pipe', 'ipc']
    })
    const source = new TextEncoder().encode(`export default () => console.log('made')`)
    const guest = await startRemote('ses', { source }, { stdout: () => {} }, (events, limits) =>
      new Child(child, limits).serve(events)
    )
    await guest.run()
    child.ref()
    child.send('make')
    await once(child, 'message')
    await guest.dispose()
    for (const cache of SES) write(cache, readFileSync(made))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
