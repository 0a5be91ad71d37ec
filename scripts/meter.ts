/**
 * Make of the released QuickJS wasm one whose every native loop can be stopped from inside the caller's own thread.
 *
 * The interpreter asks its interrupt handler on calls and backward jumps of guest code, never inside a built-in:
 * `[].indexOf.call({ length: 2 ** 53 - 1 })` would keep a thread for years. So at the head of every loop one unit of
 * fuel is taken, for every block copy or fill one per 16 bytes, and when the fuel is used up an import is called that
 * may throw. Only the interpreter's own function is left alone: it is where time is spent, and it asks by itself.
 *
 * The names come from the glue that the compiler wrote for the same wasm, where they are minified. Files, timers and
 * the environment, which the engine never needs, answer "no such function" (WASI's error 52).
 */
import type { EngineExports, EngineImports } from '../sandbox/quickjs/abi.js'
import binaryen from 'binaryen'

export interface MeteredEngine {
  /** What ships: no data segments, since every instance starts from an image. */
  readonly wasm: Uint8Array
  /** The same functions with their data and start function: what makes the image. */
  readonly bootWasm: Uint8Array
  readonly loops: number
  readonly unmeteredLoops: number
}

/** How the glue shows which import is which: the key of the entry that does this. */
const IMPORTS: Record<Exclude<keyof EngineImports, 'outOfFuel'>, RegExp> = {
  callFunction: /([\w$]+):function\([^)]*\)\{return c\.callbacks\.callFunction/,
  interrupt: /([\w$]+):function\([^)]*\)\{return c\.callbacks\.shouldInterrupt/,
  loadModule: /([\w$]+):function\([^)]*\)\{[^}]*c\.callbacks\.loadModuleSource/,
  freeHostRef: /([\w$]+):function\([^)]*\)\{c\.callbacks\.freeHostRef/,
  grow: /([\w$]+):\w=>\{var \w=H\.length;/,
  now: /([\w$]+):\(\)=>Date\.now\(\)/,
  localTime: /([\w$]+):function\([^)]*\)\{[^{}]*new Date\(1E3\*/,
  timeZone: /([\w$]+):\([^)]*\)=>\{var \w=\(new Date\)\.getFullYear/,
  abort: /([\w$]+):\(\)=>M\(""\)/,
  assertFailed: /([\w$]+):\([^)]*\)=>M\(`Assertion failed/
}

const EXPORTS: Record<keyof EngineExports, RegExp> = {
  initialize: /Z\.([\w$]+)\(\);E\?\./,
  stackPointer: /pa=b\.([\w$]+);return/,
  ...(Object.fromEntries(
    [
      'malloc',
      'free',
      'QTS_NewRuntime',
      'QTS_NewContext',
      'QTS_RuntimeSetMaxStackSize',
      'QTS_RuntimeEnableInterruptHandler',
      'QTS_RuntimeEnableModuleLoader',
      'QTS_GetUndefined',
      'QTS_FreeValuePointer',
      'QTS_NewFunction',
      'QTS_NewArrayBuffer',
      'QTS_NewString',
      'QTS_GetString',
      'QTS_FreeCString',
      'QTS_Eval',
      'QTS_Call',
      'QTS_Throw',
      'QTS_ResolveException',
      'QTS_ExecutePendingJob',
      'QTS_IsJobPending'
    ].map(name => [name, new RegExp(`c\\._${name}=b\\.([\\w$]+);`)])
  ) as Record<Exclude<keyof EngineExports, 'initialize' | 'stackPointer'>, RegExp>)
}

function find(glue: string, name: string, pattern: RegExp): string {
  const found = pattern.exec(glue)?.[1]
  if (found === undefined) throw new Error(`the engine's glue has changed: no ${name} (${pattern})`)
  return found
}

const METER = `
 (global $fuel (mut i32) (i32.const 0))
 (func $refuel (global.set $fuel (call $outOfFuel)))
 (func $charge (param $bytes i32)
  (global.set $fuel (i32.sub (global.get $fuel) (i32.shr_u (local.get $bytes) (i32.const 4))))
  (if (i32.lt_s (global.get $fuel) (i32.const 0)) (then (call $refuel))))
 (func $meteredCopy (param $to i32) (param $from i32) (param $bytes i32)
  (call $charge (local.get $bytes))
  (memory.copy (local.get $to) (local.get $from) (local.get $bytes)))
 (func $meteredFill (param $to i32) (param $value i32) (param $bytes i32)
  (call $charge (local.get $bytes))
  (memory.fill (local.get $to) (local.get $value) (local.get $bytes)))
`
const TURN = `
(global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
(if (i32.lt_s (global.get $fuel) (i32.const 0)) (then (call $refuel)))`

/**
 * @param wasm - The engine as released.
 * @param glue - The JavaScript that was released with it.
 * @throws Error when the glue no longer shows a name that is needed, or the result is not valid wasm.
 */
export function meterEngine(wasm: Uint8Array, glue: string): MeteredEngine {
  const released = binaryen.readBinary(wasm)
  const lines = released.emitText().split('\n')
  released.dispose()

  const importNames = new Map(
    Object.entries(IMPORTS).map(([name, pattern]) => [find(glue, name, pattern), name])
  )
  const exportNames = Object.entries(EXPORTS).map(
    ([name, pattern]) => [find(glue, name, pattern), name] as const
  )
  const memoryKey = find(glue, 'memory', /([\w$]+):q,r:la/)

  const interpreter = longestFunction(lines)
  const types: string[] = []
  const imports: string[] = []
  const data: string[] = []
  const body: string[] = []
  let loops = 0
  let unmeteredLoops = 0
  let current = ''
  for (const line of lines) {
    const imported = /^ \(import "a" "([^"]+)" \((memory|func) ([^\s()]+)(.*)\)\)$/.exec(line)
    const exported = /^ \(export "([^"]+)" (\(func \S+\))\)$/.exec(line)
    if (imported !== null) {
      const [, key, kind, label, rest] = imported as unknown as [string, string, string, string, string]
      if (key === memoryKey) imports.push(` (import "host" "memory" (memory ${label} 1 32768))`)
      else if (kind === 'func' && importNames.has(key)) {
        imports.push(` (import "host" "${importNames.get(key)}" (func ${label}${rest}))`)
      } else
        body.push(
          ` (func ${label}${rest} ${rest.includes('(result i32)') ? '(i32.const 52)' : '(unreachable)'})`
        )
    } else if (exported !== null) {
      // One function may serve several names.
      for (const [key, name] of exportNames) {
        if (key === exported[1]) body.push(` (export "${name}" ${exported[2]})`)
      }
    } else if (/^ \((data|start) /.test(line)) data.push(line)
    else if (/^ \(type /.test(line)) types.push(line)
    else if (line.startsWith(' ')) {
      current = /^ \(func (\S+)/.exec(line)?.[1] ?? current
      const isLoop = /^ *\(loop /.test(line)
      if (isLoop) loops++
      if (isLoop && current === interpreter) unmeteredLoops++
      body.push(
        line.replace('(memory.copy', '(call $meteredCopy').replace('(memory.fill', '(call $meteredFill') +
          (isLoop && current !== interpreter ? TURN : '')
      )
    }
  }
  imports.push(' (import "host" "outOfFuel" (func $outOfFuel (result i32)))')
  const text = (data: readonly string[]) =>
    ['(module', ...types, ...imports, METER, ...data, ...body, ')'].join('\n')
  return { wasm: assemble(text([])), bootWasm: assemble(text(data)), loops, unmeteredLoops }
}

/** The interpreter is by far the longest function. */
function longestFunction(lines: readonly string[]): string {
  let longest = ''
  let length = 0
  let start = -1
  let label = ''
  lines.forEach((line, at) => {
    const opened = /^ \(func (\S+)/.exec(line)
    if (opened === null) return
    if (at - start > length && start >= 0) [longest, length] = [label, at - start]
    start = at
    label = opened[1]!
  })
  return longest
}

function assemble(text: string): Uint8Array {
  const module = binaryen.parseText(text)
  // With all features on, Node 20 refuses what is written.
  const features = binaryen.Features
  module.setFeatures(
    features.MutableGlobals |
      features.BulkMemory |
      features.SignExt |
      features.NontrappingFPToInt |
      features.ReferenceTypes |
      features.Multivalue
  )
  module.runPasses(['remove-unused-module-elements'])
  const binary = module.emitBinary()
  module.dispose()
  if (!WebAssembly.validate(binary as Uint8Array<ArrayBuffer>))
    throw new Error('the metered engine is not valid wasm')
  return binary
}
