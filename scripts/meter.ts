/**
 * Make of the released QuickJS wasm one that can be stopped wherever it is, from inside the caller's own thread.
 *
 * The interpreter asks its interrupt handler on calls and backward jumps of guest code, never inside a built-in:
 * `[].indexOf.call({ length: 2 ** 53 - 1 })` would keep a thread for years. And whether it asks is up to what stands in
 * its memory, which may come out of a title's image. So it is never asked to ask. Instead, at the head of every loop one
 * unit of fuel is taken, for every copy or fill of a large block one per 16 bytes, at the start of functions by which calls
 * can go on for long (repeats.ts) one too; and when the fuel is used up an import is called that may throw. Nothing that
 * memory holds changes this: it is in the code.
 *
 * The interpreter's own loop is where time is spent; how it takes fuel is a matter of its own (dispatch.ts).
 *
 * The names come from the glue that the compiler wrote for the same wasm, where they are minified. Files, timers and
 * the environment, which the engine never needs, answer "no such function" (WASI's error 52).
 */
import {
  PLACING,
  REJECTION_TRACKER,
  UNDEFINED_VALUE,
  type BootExports,
  type EngineImports
} from '../sandbox/quickjs/abi.js'
import { CALLABLE_CLASSES, CLASS, OBJECT, TAG, VARIABLE_VALUE } from '../sandbox/quickjs/layout.js'
import binaryen from 'binaryen'
import { meterDispatch } from './dispatch.js'
import { padFrame } from './frames.js'
import { withoutTable } from './indirect.js'
import { findRepeats } from './repeats.js'

export interface MeteredEngine {
  /** What ships: no data segments, since every instance starts from an image. */
  readonly wasm: Uint8Array
  /** The same functions with their data and start function: what makes the image. */
  readonly bootWasm: Uint8Array
  readonly loops: number
  readonly meteredCalls: number
  /** @see Repeats */
  readonly longestStretch: number
  readonly paddedFrames: number
}

/** How the glue shows which import is which: the key of the entry that does this. */
const IMPORTS: Record<Exclude<keyof EngineImports, 'outOfFuel' | 'trackRejection' | 'place'>, RegExp> = {
  callFunction: /([\w$]+):function\([^)]*\)\{return c\.callbacks\.callFunction/,
  loadModule: /([\w$]+):function\([^)]*\)\{[^}]*c\.callbacks\.loadModuleSource/,
  grow: /([\w$]+):\w=>\{var \w=H\.length;/,
  now: /([\w$]+):\(\)=>Date\.now\(\)/
}

/**
 * What the engine asks for and is answered inside, in the text of wasm: V8 makes a way out of it for each import of
 * another signature, at each start, and the host would have nothing to add.
 */
const ANSWERS: readonly { readonly name: string; readonly glue: RegExp; readonly answer: string }[] = [
  // Fuel does it.
  {
    name: 'interrupt',
    glue: /([\w$]+):function\([^)]*\)\{return c\.callbacks\.shouldInterrupt/,
    answer: '(i32.const 0)'
  },
  // No value of the guest's refers to the host.
  { name: 'freeHostRef', glue: /([\w$]+):function\([^)]*\)\{c\.callbacks\.freeHostRef/, answer: '' },
  // The guest's clock runs in UTC: a struct tm of zeros, and no offset.
  {
    name: 'localTime',
    glue: /([\w$]+):function\([^)]*\)\{[^{}]*new Date\(1E3\*/,
    answer: '(call $meteredFill (local.get 1) (i32.const 0) (i32.const 44))'
  },
  {
    name: 'timeZone',
    glue: /([\w$]+):\([^)]*\)=>\{var \w=\(new Date\)\.getFullYear/,
    answer: '(i32.store (local.get 0) (i32.const 0)) (i32.store (local.get 1) (i32.const 0))'
  },
  // The guest ends by a trap.
  { name: 'abort', glue: /([\w$]+):\(\)=>M\(""\)/, answer: '(unreachable)' },
  { name: 'assertFailed', glue: /([\w$]+):\([^)]*\)=>M\(`Assertion failed/, answer: '(unreachable)' }
]

const EXPORTS: Record<
  Exclude<keyof BootExports, 'stack' | 'fuel' | 'callInPlace' | 'callVariable' | 'freeInPlace'>,
  RegExp
> = {
  initialize: /Z\.([\w$]+)\(\);E\?\./,
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
      'QTS_IsJobPending',
      'QTS_bjson_decode'
    ].map(name => [name, new RegExp(`c\\._${name}=b\\.([\\w$]+);`)])
  ) as Record<Exclude<keyof typeof EXPORTS, 'initialize'>, RegExp>)
}

function find(glue: string, name: string, pattern: RegExp): string {
  const found = pattern.exec(glue)?.[1]
  if (found === undefined) throw new Error(`the engine's glue has changed: no ${name} (${pattern})`)
  return found
}

/** Larger blocks are moved in parts of this size, from the end that does not overwrite what is still to be moved. */
const BLOCK_BYTES = 256 * 1024
/** Smaller blocks are free: 10,000 of them, after which the interpreter asks, take a millisecond. */
const SMALL_BLOCK_BYTES = 4096

const METER = `
 (global $fuel (mut i32) (i32.const 0))
 (export "fuel" (global $fuel))
 (export "stack" (global $global$0))
 (func $refuel (global.set $fuel (call $outOfFuel)))
 (func $charge (param $bytes i32)
  (global.set $fuel (i32.sub (global.get $fuel) (i32.shr_u (local.get $bytes) (i32.const 4))))
  (if (i32.lt_s (global.get $fuel) (i32.const 0)) (then (call $refuel))))
 (func $chargeBlock (param $bytes i32)
  (if (i32.ge_u (local.get $bytes) (i32.const ${SMALL_BLOCK_BYTES})) (then (call $charge (local.get $bytes)))))
 (func $meteredCopy (param $to i32) (param $from i32) (param $bytes i32)
  (block $done
   (loop $next
    (br_if $done (i32.le_u (local.get $bytes) (i32.const ${BLOCK_BYTES})))
    (call $charge (i32.const ${BLOCK_BYTES}))
    (local.set $bytes (i32.sub (local.get $bytes) (i32.const ${BLOCK_BYTES})))
    (if (i32.le_u (local.get $to) (local.get $from))
     (then
      (memory.copy (local.get $to) (local.get $from) (i32.const ${BLOCK_BYTES}))
      (local.set $to (i32.add (local.get $to) (i32.const ${BLOCK_BYTES})))
      (local.set $from (i32.add (local.get $from) (i32.const ${BLOCK_BYTES}))))
     (else
      (memory.copy
       (i32.add (local.get $to) (local.get $bytes))
       (i32.add (local.get $from) (local.get $bytes))
       (i32.const ${BLOCK_BYTES}))))
    (br $next)))
  (call $chargeBlock (local.get $bytes))
  (memory.copy (local.get $to) (local.get $from) (local.get $bytes)))
 (func $meteredFill (param $to i32) (param $value i32) (param $bytes i32)
  (block $done
   (loop $next
    (br_if $done (i32.le_u (local.get $bytes) (i32.const ${BLOCK_BYTES})))
    (call $charge (i32.const ${BLOCK_BYTES}))
    (local.set $bytes (i32.sub (local.get $bytes) (i32.const ${BLOCK_BYTES})))
    (memory.fill
     (i32.add (local.get $to) (local.get $bytes)) (local.get $value) (i32.const ${BLOCK_BYTES}))
    (br $next)))
  (call $chargeBlock (local.get $bytes))
  (memory.fill (local.get $to) (local.get $value) (local.get $bytes)))
`
/** What the engine calls by its place when a promise is rejected; values become a pointer to a pair of them. */
const REJECTIONS = `
 (func $onRejection (param $context i32) (param $promise i64) (param $reason i64) (param $handled i32) (param i32)
  (local $pair i32)
  (global.set $global$0 (local.tee $pair (i32.sub (global.get $global$0) (i32.const 16))))
  (i64.store (local.get $pair) (local.get $promise))
  (i64.store offset=8 (local.get $pair) (local.get $reason))
  (call $trackRejection (local.get $pair) (local.get $handled))
  (global.set $global$0 (i32.add (local.get $pair) (i32.const 16))))
 (elem $rejections (i32.const ${REJECTION_TRACKER}) $onRejection)
`

/** The engine's allocator by other functions, for who writes their numbers into its JSRuntime. */
const PLACERS = `
 (func $placedMalloc (param $state i32) (param $bytes i32) (result i32)
  (call $place (local.get $state) (i32.const 0) (local.get $bytes)))
 (func $placedFree (param $state i32) (param $block i32)
  (drop (call $place (local.get $state) (local.get $block) (i32.const 0))))
 (elem $placers (i32.const ${PLACING}) $placedMalloc $placedFree $place)
`

/** Bits by number of class, of which none is above 63: what can be called as it is. */
const CALLABLE = CALLABLE_CLASSES.reduce((bits, name) => bits | (1n << BigInt(CLASS[name])), 0n)

/**
 * The released functions take and give values by way of small blocks from malloc, and lists of pointers to them. These
 * are the same two without: values stand in the memory where the host put them. They are a third of a short call. And a
 * call of what a module's variable holds, if that is a function: to look at it from outside is a tenth of one.
 */
function inPlace(call: string, free: string): string {
  return `
 (func $callInPlace (param $context i32) (param $callee i32) (param $count i32) (param $values i32) (param $result i32)
  (i64.store (local.get $result)
   (call ${call}
    (local.get $context) (i64.load (local.get $callee)) (i64.const ${UNDEFINED_VALUE}) (local.get $count) (local.get $values))))
 (func $freeInPlace (param $context i32) (param $value i32)
  (call ${free} (local.get $context) (i64.load (local.get $value))))
 (func $callVariable
  (param $context i32) (param $variable i32) (param $count i32) (param $values i32) (param $result i32) (result i32)
  (local $value i64) (local $class i64)
  (local.set $value (i64.load (i32.load offset=${VARIABLE_VALUE} (local.get $variable))))
  (if
   (i64.ne (i64.shr_s (local.get $value) (i64.const 32)) (i64.const ${TAG.object}))
   (then (return (i32.const 0))))
  (local.set $class (i64.load16_u offset=${OBJECT.class} (i32.wrap_i64 (local.get $value))))
  (if
   (i32.or
    (i64.ge_u (local.get $class) (i64.const 64))
    (i64.eqz (i64.and (i64.shr_u (i64.const ${CALLABLE}) (local.get $class)) (i64.const 1))))
   (then (return (i32.const 0))))
  (i64.store (local.get $result)
   (call ${call}
    (local.get $context) (local.get $value) (i64.const ${UNDEFINED_VALUE}) (local.get $count) (local.get $values)))
  (i32.const 1))
 (export "callInPlace" (func $callInPlace))
 (export "callVariable" (func $callVariable))
 (export "freeInPlace" (func $freeInPlace))`
}

/** The function inside a released one that does its work, by how it is called there. */
function innerFunction(text: string | undefined, name: string, call: RegExp): string {
  const found = call.exec(text ?? '')?.[1]
  if (found === undefined) throw new Error(`the engine has changed: ${name} does its work in another way`)
  return found
}
const VALUE_OF = (local: number) => String.raw`\(i64\.load\s+\(local\.get \$${local}\)\s+\)\s+`
const INNER_CALL = new RegExp(
  String.raw`\(call (\$\d+)\s+\(local\.get \$0\)\s+${VALUE_OF(1)}${VALUE_OF(2)}\(local\.get \$3\)`
)
const INNER_FREE = new RegExp(String.raw`\(call (\$\d+)\s+\(local\.get \$0\)\s+${VALUE_OF(1)}\)`)

/**
 * What a function of the host's answers is freed once it is read. The host may write it where the function's `this`
 * was instead, which is no block from malloc.
 */
function answerInPlace(text: string, imported: string): string {
  if (!text.includes(`(call ${imported}`)) return text
  const self =
    /\(i32\.add\s+\(local\.get \$(\d+)\)\s+\(i32\.const 8\)\s+\)\s+\(local\.get \$2\)\s+\(local\.get \$3\)/.exec(
      text
    )?.[1]
  const free = /\(call \$\d+\s+\(local\.get \$0\)\s+\)/g
  if (self === undefined || text.match(free)?.length !== 1)
    throw new Error('the engine has changed: it calls the host in another way')
  return text.replace(
    free,
    call => `(if (i32.ne (local.get $0) (i32.add (local.get $${self}) (i32.const 8))) (then ${call}))`
  )
}

/** Take some fuel. The local spares a second load of the global: V8 does not. */
const take = (units: number) => `
(global.set $fuel (local.tee $left (i32.sub (global.get $fuel) (i32.const ${units}))))
(if (i32.lt_s (local.get $left) (i32.const 0)) (then (call $refuel)))`

/** At the head of a loop. */
const TURN = take(1)
/** For a call or jump of the guest's: what lies between two of them is a kilobyte of instructions at most, mostly few. */
const JUMP = take(4)
/** For an instruction in the first bytes of a kilobyte; and how much in debt a guest may be: 16 million instructions. */
const KILOBYTE = 2
const MOST_DEBT = 1_000_000
const TAKE_KILOBYTE = `
(global.set $fuel (i32.sub (global.get $fuel) (i32.const ${KILOBYTE})))
(if (i32.lt_s (global.get $fuel) (i32.const -${MOST_DEBT})) (then (unreachable)))`

/**
 * @param wasm - The engine as released.
 * @param glue - The JavaScript that was released with it.
 * @throws Error when the glue no longer shows a name that is needed, or the result is not valid wasm.
 */
export function meterEngine(wasm: Uint8Array, glue: string): MeteredEngine {
  const released = binaryen.readBinary(wasm)
  const items = topLevelItems(released.emitText())
  released.dispose()

  const importNames = new Map(
    Object.entries(IMPORTS).map(([name, pattern]) => [find(glue, name, pattern), name])
  )
  const answers = new Map(
    ANSWERS.map(({ name, glue: pattern, answer }) => [find(glue, name, pattern), answer])
  )
  const exportNames = Object.entries(EXPORTS).map(
    ([name, pattern]) => [find(glue, name, pattern), name] as const
  )
  const memoryKey = find(glue, 'memory', /([\w$]+):q,r:la/)
  // By far the longest function: a reader of the text could not miss it.
  const interpreter = items.reduce((longest, item) => (item.length > longest.length ? item : longest))

  // Imports have to stand before what is defined here.
  const imports = [
    '(import "host" "outOfFuel" (func $outOfFuel (result i32)))',
    '(import "host" "trackRejection" (func $trackRejection (param i32 i32)))',
    '(import "host" "place" (func $place (param i32 i32 i32) (result i32)))'
  ]
  const bodyOf = (name: string) => {
    const key = exportNames.find(([, exported]) => exported === name)![0]
    const label = items
      .map(item => /^\(export "([^"]+)" \(func (\S+)\)\)$/.exec(item))
      .find(found => found?.[1] === key)?.[2]
    return items.find(item => item.startsWith(`(func ${label} `))
  }
  const definitions: string[] = [
    METER,
    REJECTIONS,
    PLACERS,
    inPlace(
      innerFunction(bodyOf('QTS_Call'), 'QTS_Call', INNER_CALL),
      innerFunction(bodyOf('QTS_FreeValuePointer'), 'QTS_FreeValuePointer', INNER_FREE)
    )
  ]
  const callFunction = items
    .map(item => /^\(import "a" "([^"]+)" \(func (\S+)/.exec(item))
    .find(found => found !== null && importNames.get(found[1]!) === 'callFunction')![2]!
  /** What only the making of an image needs: code that no other export reaches does not ship. */
  const booting: string[] = []
  const data: string[] = []
  const dispatch = meterDispatch(interpreter, JUMP, TAKE_KILOBYTE)
  const repeats = findRepeats(items, labelOf(interpreter))
  let loops = 0
  let paddedFrames = 0
  for (const item of items) {
    const imported = /^\(import "a" "([^"]+)" \((memory|func) ([^\s()]+)(.*)\)\)$/.exec(item)
    const exported = /^\(export "([^"]+)" (\(func \S+\))\)$/.exec(item)
    if (imported !== null) {
      const [, key, kind, label, signature] = imported as unknown as [string, string, string, string, string]
      if (key === memoryKey) imports.push(`(import "host" "memory" (memory ${label} 1 32768))`)
      else if (kind === 'func' && importNames.has(key)) {
        imports.push(`(import "host" "${importNames.get(key)}" (func ${label}${signature}))`)
      } else {
        const unneeded = signature.includes('(result i32)') ? '(i32.const 52)' : '(unreachable)'
        const answer = answers.get(key) ?? unneeded
        definitions.push(`(func ${label}${signature} ${answer})`)
      }
    } else if (exported !== null) {
      // One function may serve several names.
      for (const [key, name] of exportNames) {
        if (key !== exported[1]) continue
        const list = BOOTING.has(name) ? booting : definitions
        list.push(`(export "${name}" ${exported[2]})`)
      }
    } else if (/^\((data|start) /.test(item)) data.push(item)
    else if (item.startsWith('(func ')) {
      loops += item.match(LOOP)?.length ?? 0
      const metered = (item === interpreter ? dispatch.text : item)
        .replace(LOOP, loop => (item === interpreter && loop === dispatch.loop ? loop : loop + TURN))
        .replaceAll('(memory.copy', '(call $meteredCopy')
        .replaceAll('(memory.fill', '(call $meteredFill')
      const padded = padFrame(answerInPlace(metered, callFunction))
      if (padded !== metered) paddedFrames++
      if (item === interpreter) definitions.push(begin(padded, JUMP))
      else definitions.push(begin(padded, repeats.functions.has(labelOf(item)) ? take(1) : ''))
    } else if (item.startsWith('(table ')) {
      const size = Number(/\d+(?= )/.exec(item.replace(/^\(table \S+ /, ''))?.[0])
      if (size !== REJECTION_TRACKER) throw new Error(`the engine's table has changed: ${item}`)
    } else definitions.push(item)
  }
  const text = (more: readonly string[]) => {
    const all = [...imports, ...more, ...definitions].flatMap(item => itemsOf(item))
    return ['(module', ...withoutTable(all), ')'].join('\n')
  }
  return {
    wasm: assemble(text([])),
    bootWasm: assemble(text([...data, ...booting])),
    loops,
    meteredCalls: repeats.functions.size,
    longestStretch: repeats.longestStretch,
    paddedFrames
  }
}

const BOOTING: ReadonlySet<string> = new Set<keyof BootExports>([
  'initialize',
  'QTS_NewRuntime',
  'QTS_NewContext',
  'QTS_RuntimeEnableInterruptHandler',
  'QTS_RuntimeEnableModuleLoader',
  'QTS_GetUndefined',
  'QTS_Call'
])

const LOOP = /\(loop .*/g

const labelOf = (item: string): string => item.split(' ', 2)[1]!

/** Put code in front of a function's own, and declare the local that metering uses. */
function begin(text: string, code: string): string {
  const lines = text.split('\n')
  const first = lines.findIndex((line, i) => i > 0 && !/^\s*\(local /.test(line))
  const locals = ['$left', '$turns'].filter(local => text.includes(local) || code.includes(local))
  return [
    ...lines.slice(0, first),
    ...locals.map(local => `(local ${local} i32)`),
    code,
    ...lines.slice(first)
  ].join('\n')
}

/** What stands directly inside the module, each with its lines. */
function topLevelItems(text: string): string[] {
  return itemsOf(text.slice(text.indexOf('\n') + 1, text.lastIndexOf('\n)')))
}

/** Each begins with one space; what is inside of it, with more or none. */
const itemsOf = (text: string): string[] =>
  text
    .split(/^ (?=\()/m)
    .map(item => item.trim())
    .filter(item => item !== '')

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
