/**
 * Compile the engine, or take the machine code that V8 made of it before, by the same Node on the same kind of
 * processor.
 *
 * V8 compiles a function of wasm when it is first called, and forgets that at the end of the process: some three
 * hundred functions for any program, a third of what a cold start costs. Browsers keep what was compiled; Node has
 * it in it, but shows it to V8's own tests alone, behind a flag of the parser's. Without the file, or where anything
 * about it is not as it was, the engine is compiled, and the program only starts slower
 * (docs/decisions/0019-keep-the-engines-machine-code.md).
 */
import { hash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { cachedDataVersionTag, setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'
import { concat, equalBytes } from '../../formats/bytes.js'
import { resource } from '../resources.js'

const V8 = Number.parseInt(process.versions.v8)

/** Beside the wasm; made by sandbox/keep-code.ts. */
export const NATIVE_CODE = `quickjs.${process.version}-${process.arch}.cache`

/**
 * Whether it can be made. V8 14, of Node 26, ends the process where it is to optimize functions that its quick compiler has
 * not made before, as here.
 */
export const KEEPS_MACHINE_CODE = V8 < 14

const SEAL_BYTES = 32

/** @param wasmHash - SHA-256 of the wasm. @throws WebAssembly.CompileError */
export function compileEngine(wasm: Uint8Array, wasmHash: Uint8Array): WebAssembly.Module {
  return restored(wasm, wasmHash) ?? compiled(wasm)
}

function restored(wasm: Uint8Array, wasmHash: Uint8Array): WebAssembly.Module | undefined {
  const kept = readKept()
  // V8 looks at its version, its flags and the processor's features, never at the bytes: those would run as they are.
  if (kept === undefined || !equalBytes(seal(kept.code, wasmHash), kept.seal)) return undefined
  try {
    return asTestsOfV8<WebAssembly.Module | undefined>('DeserializeWasmModule', kept.code.buffer, wasm)
  } catch {
    return undefined
  }
}

/** The code in a buffer of its own, as V8 takes it. */
function readKept(): { seal: Uint8Array; code: Uint8Array } | undefined {
  let file: number
  try {
    file = openSync(resource(NATIVE_CODE), 'r')
  } catch {
    return undefined
  }
  try {
    const seal = new Uint8Array(SEAL_BYTES)
    const code = new Uint8Array(Math.max(0, fstatSync(file).size - SEAL_BYTES))
    readSync(file, seal)
    readSync(file, code)
    return { seal, code }
  } finally {
    closeSync(file)
  }
}

/**
 * What {@link compileEngine} finds at the next start.
 *
 * @param module - With some functions compiled to the end: V8 keeps no others.
 */
export function nativeCode(module: WebAssembly.Module, wasmHash: Uint8Array): Uint8Array {
  const code = new Uint8Array(asTestsOfV8<ArrayBuffer>('SerializeWasmModule', module))
  return Buffer.concat([seal(code, wasmHash), code])
}

/** Binds machine code to its wasm and to this build of Node. */
const seal = (code: Uint8Array, wasmHash: Uint8Array): Buffer =>
  sha256(
    concat(sha256(`${cachedDataVersionTag()} ${JSON.stringify(process.config)}`), wasmHash, sha256(code))
  )

const sha256 = (data: Uint8Array | string): Buffer => hash('sha256', data, 'buffer')

/** Call a function that V8 keeps for its own tests. What else is parsed meanwhile might call one too: nothing is. */
function asTestsOfV8<T>(name: string, ...args: unknown[]): T {
  return under([...PATIENT, TESTS_OF_V8], () => {
    const parameters = args.map((_, i) => `p${i}`).join()
    const script = new Script(`(function (${parameters}) { return %${name}(${parameters}) })`)
    return (script.runInThisContext() as (...args: unknown[]) => T)(...args)
  })
}

const compiled = (wasm: Uint8Array): WebAssembly.Module =>
  under(PATIENT, () => new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>))

type Flag = readonly [set: string, usual: string]

const TESTS_OF_V8: Flag = ['--allow-natives-syntax', '--no-allow-natives-syntax']
/**
 * What V8 looks at while it makes a module.
 *
 * It optimizes a function of wasm once so many bytes of its code have run. The engine's interpreter is one function of
 * 29 KB, so by V8's own measure every program's first 60 instructions send it there, and a title that says hello
 * pays three times its own CPU time for that. And what the build has validated need not be validated at every start
 * (4 ms): only what is used.
 */
const PATIENT: readonly Flag[] = [
  ['--wasm-tiering-budget=2000000000', `--wasm-tiering-budget=${V8 < 12 ? 1_800_000 : 13_000_000}`],
  ['--wasm-lazy-validation', '--no-wasm-lazy-validation']
]

/** What flags of V8 are set back to: how a host's own wasm is compiled is not ours to change. */
export const USUAL_FLAGS: readonly string[] = [TESTS_OF_V8, ...PATIENT].map(([, usual]) => usual)

/** Set flags of V8 for the moment of one call. */
function under<T>(flags: readonly Flag[], call: () => T): T {
  for (const [set] of flags) setFlagsFromString(set)
  try {
    return call()
  } finally {
    for (const [, usual] of flags) setFlagsFromString(usual)
  }
}
