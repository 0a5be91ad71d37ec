/**
 * How the engine lays out values in its memory, as far as the host reads them there (values.ts). None of this is a
 * promise of the engine's: the build holds every line of it against the engine itself ({@link checkLayout}), so that
 * another release fails to build rather than being misread.
 *
 * Offsets are in bytes, from where a pointer points.
 */
import type { Pointer } from './abi.js'

/** High halves of a JSValue, as signed. Everything outside this range is a double. */
export const TAG = {
  first: -9,
  bigint: -9,
  symbol: -8,
  text: -7,
  rope: -6,
  object: -1,
  integer: 0,
  boolean: 1,
  null: 2,
  undefined: 3,
  exception: 6,
  shortBigint: 7,
  last: 7
} as const

/** Added to the high half of a double's bits when a JSValue is read, and taken away when one is written. */
export const DOUBLE_BIAS = 0x7ff8000a
/** High half of the one NaN: other NaNs' bits would be taken for other tags. */
export const NAN_HIGH = (0x7ff80000 - DOUBLE_BIAS) >>> 0

/** Text: a word with the count of units and, on top, whether they are 16 bits wide; then a word whose two highest bits
 * are not zero for names of properties: 1 for texts. */
export const TEXT = { length: 4, kind: 8, units: 16, kindOfNames: 1 } as const
/** Text that was put together and not yet copied into one. */
export const ROPE = { length: 4, left: 16, right: 24 } as const

export const OBJECT = {
  flags: 5,
  class: 6,
  shape: 20,
  properties: 24,
  values: 36,
  count: 40,
  bytes: 48
} as const
/** In an object's flags. */
export const EXOTIC = 1 << 2
export const FAST_ARRAY = 1 << 3

/** What objects with the same properties share: a list of pairs, a word with flags in its 6 highest bits and a name. */
export const SHAPE = { propertyCount: 32, prototype: 44, properties: 48 } as const
export const ENUMERABLE = 1 << 2
/** Anything but a value: getter and setter, or a module's variable. */
export const NO_VALUE = 3 << 4
export const VARIABLE = 2 << 4
/** A module's variable: where its value is. */
export const VARIABLE_VALUE = 16

/** A module, from where it stands in the list of modules: the JSValue of the function that its statements are. */
export const MODULE = { statements: 68 } as const

/** A name with this bit is an array index. */
export const INDEX_NAME = 0x80000000

export const CLASS = {
  object: 1,
  array: 2,
  nativeFunction: 12,
  function: 13,
  boundFunction: 14,
  nativeClosure: 15,
  generatorFunction: 16,
  uint8Array: 23,
  proxy: 50,
  promise: 51,
  asyncFunction: 54,
  asyncGeneratorFunction: 58
} as const

/** What is called as it is, without a look at what else it may be. */
export const CALLABLE_CLASSES = [
  'function',
  'asyncFunction',
  'generatorFunction',
  'asyncGeneratorFunction',
  'nativeFunction',
  'nativeClosure',
  'boundFunction'
] as const satisfies readonly (keyof typeof CLASS)[]

/** Samples, by what they must turn out to be. */
const CLASS_SAMPLES: Readonly<Record<keyof typeof CLASS, string>> = {
  object: '({})',
  array: '[]',
  nativeFunction: 'Math.max',
  function: '() => 1',
  boundFunction: '(() => 1).bind()',
  nativeClosure: 'Proxy.revocable({}, {}).revoke',
  generatorFunction: '(function* () {})',
  uint8Array: 'new Uint8Array(3)',
  proxy: 'new Proxy({}, {})',
  promise: 'Promise.resolve()',
  asyncFunction: '(async () => 1)',
  asyncGeneratorFunction: '(async function* () {})'
}

/**
 * Hold the table of classes against the engine; the rest is held against it by reading and writing samples (boot.ts).
 *
 * @param classOf - Number of the class of what this expression comes to.
 * @throws Error for another layout.
 */
export function checkClasses(classOf: (expression: string) => number): void {
  for (const [name, expression] of Object.entries(CLASS_SAMPLES)) {
    const expected = CLASS[name as keyof typeof CLASS]
    const found = classOf(expression)
    if (found !== expected)
      throw new Error(`the engine counts its classes in another way: ${name} is ${found}`)
  }
}

/** Where the runtime keeps the table of its names: found by a name whose number is known. */
export function findNames(
  words: Uint32Array,
  runtime: Pointer,
  runtimeBytes: number,
  name: number,
  isName: (text: Pointer) => boolean
): Pointer {
  const found: Pointer[] = []
  for (let at = runtime; at < runtime + runtimeBytes; at += 4) {
    const table = words[at >> 2]!
    if (table === 0 || table % 4 !== 0) continue
    const text = words[(table >> 2) + name]
    if (text !== undefined && text % 8 === 0 && text !== 0 && isName(text)) found.push(at)
  }
  if (found.length !== 1) throw new Error('the engine keeps its names elsewhere')
  return found[0]!
}
