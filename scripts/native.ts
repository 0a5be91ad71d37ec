/**
 * Keep the machine code of what the engine needs to run a small program, for sandbox/quickjs/native.ts.
 *
 *   node build/scripts/native.js <file>...    each gets the same bytes
 */
import { transform } from 'esbuild'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { loadQuickjs } from '../sandbox/quickjs/factory.js'
import { nativeCode } from '../sandbox/quickjs/native.js'
import { startSession } from '../sandbox/session.js'
import { write } from './write.js'

const wasm = readFileSync(new URL('../sandbox/quickjs.wasm', import.meta.url))
const image = readFileSync(new URL('../sandbox/quickjs.image', import.meta.url))
const { code: program } = await transform(readFileSync('samples/titles/hello/main.ts'), { loader: 'ts' })

// V8 keeps only what its optimizing compiler made: that one compiles here what is called, at once.
setFlagsFromString('--no-liftoff')
let module: WebAssembly.Module | undefined
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
const machine = loadQuickjs({
  wasm,
  image,
  sha256,
  compile: bytes => (module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>))
})
const guest = await startSession(
  'quickjs',
  machine,
  { source: new TextEncoder().encode(program) },
  {
    capabilities: { assets: { list: () => [], read: () => new Uint8Array(0) } },
    stdout: () => {}
  }
)
const exitCode = await guest.run()
if (exitCode !== 0) throw new Error(`the program ended with ${exitCode}`)
await guest.dispose()

// The result is refused under other flags than those it was made under, and the first of these switched off the second.
for (const flag of ['--liftoff', '--wasm-dynamic-tiering']) setFlagsFromString(flag)
const kept = nativeCode(module!, sha256(wasm))
for (const path of process.argv.slice(2)) write(path, kept)
console.log(`engine: kept ${Math.round(kept.length / 1024)} KB of machine code`)
