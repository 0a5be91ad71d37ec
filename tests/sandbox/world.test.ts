/**
 * What a guest finds in its world, name by name, on both engines side by side. Every difference stands here with its
 * reason; one that is new fails, and one that is gone is to be struck out.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import { launch } from '../../sandbox/index.js'

/** All own names of the globals, of their prototypes, and of what has no name of its own; a function with its length. */
const PROGRAM = `
  const protoOf = Reflect.getPrototypeOf
  const own = (object, key) => Reflect.getOwnPropertyDescriptor(object, key)
  const places = new Map([['globalThis', globalThis]])
  for (const key of Reflect.ownKeys(globalThis)) {
    const { value } = own(globalThis, key)
    if (Object(value) !== value || value === globalThis) continue
    places.set(String(key), value)
    if (typeof value === 'function' && value.prototype) places.set(String(key) + '.prototype', value.prototype)
  }
  const asyncGenerator = protoOf(async function* () {}).prototype
  const array = protoOf([].values())
  for (const [name, value] of Object.entries({
    '%TypedArray%': protoOf(Int8Array),
    '%TypedArray%.prototype': protoOf(Int8Array.prototype),
    '%Generator%': protoOf(function* () {}).prototype,
    '%AsyncGenerator%': asyncGenerator,
    '%AsyncIterator%': protoOf(asyncGenerator),
    '%Iterator%': protoOf(array),
    '%ArrayIterator%': array,
    '%MapIterator%': protoOf(new Map().values()),
    '%SetIterator%': protoOf(new Set().values()),
    '%StringIterator%': protoOf(''[Symbol.iterator]()),
    '%RegExpStringIterator%': protoOf('a'.matchAll(/a/g))
  })) places.set(name, value)
  export const world = () =>
    [...places].flatMap(([place, object]) =>
      Reflect.ownKeys(object).map(key => {
        // Through the accessors too that SES puts in place of what it froze, so that titles can override it.
        const { value } = own(object, key)
        return place + ' ' + String(key) + (typeof value === 'function' ? '(' + value.length + ')' : '')
      })
    )`

/** Newer than V8 in Node 20 or than the list of what SES lets through; they come with one or the other. */
const NOT_YET_IN_SES = [
  'globalThis Float16Array',
  'Float16Array ',
  'Float16Array.prototype ',
  'DataView.prototype getFloat16',
  'DataView.prototype setFloat16',
  'Math f16round',
  'Math sumPrecise',
  'globalThis Iterator',
  'Iterator ',
  'Iterator.prototype ',
  '%Iterator% ',
  'Error isError',
  'Object groupBy',
  'Map groupBy',
  'Set groupBy',
  'Map.prototype getOrInsert',
  'WeakMap.prototype getOrInsert',
  'Promise try',
  'Promise withResolvers',
  'RegExp escape',
  'Set.prototype difference',
  'Set.prototype intersection',
  'Set.prototype is',
  'Set.prototype symmetricDifference',
  'Set.prototype union'
]

const ONLY_IN_QUICKJS = [
  ...NOT_YET_IN_SES,
  // Old habits of engines that SES takes away, and QuickJS's own.
  'Function.prototype arguments',
  'Function.prototype caller',
  'Function.prototype columnNumber',
  'Function.prototype fileName',
  'Function.prototype lineNumber',
  'RegExp.prototype compile',
  'globalThis InternalError',
  'InternalError ',
  'InternalError.prototype ',
  'globalThis Symbol(Symbol.toStringTag)'
]

const BASE64_AND_HEX = [
  'Uint8Array fromBase64',
  'Uint8Array fromHex',
  'Uint8Array.prototype setFromBase64',
  'Uint8Array.prototype setFromHex',
  'Uint8Array.prototype toBase64',
  'Uint8Array.prototype toHex'
]
/** Nor in Node 20: SES has what V8 has. */
const NEWER_THAN_QUICKJS = [
  ...('fromBase64' in Uint8Array ? BASE64_AND_HEX : []),
  ...('fromAsync' in Array ? ['Array fromAsync'] : []),
  ...('rawJSON' in JSON ? ['JSON isRawJSON', 'JSON rawJSON'] : [])
]

const ONLY_IN_SES = [
  // V8's own ways to errors' stacks, tamed.
  'Error captureStackTrace',
  'Error prepareStackTrace',
  'Error stackTraceLimit',
  // SES's own.
  'Object Symbol(harden)',
  'ArrayBuffer.prototype immutable',
  'ArrayBuffer.prototype sliceToImmutable',
  'ArrayBuffer.prototype transferToImmutable',
  'globalThis Symbol(Symbol.unscopables)',
  // In QuickJS that of Object, which says the same.
  'BigInt.prototype toLocaleString',
  // Newer than QuickJS.
  'Symbol asyncDispose',
  'Symbol dispose',
  ...NEWER_THAN_QUICKJS
]

/** Their lengths: SES puts functions of its own in the place of these. */
const OTHER_LENGTH = ['ArrayBuffer.prototype resize', 'ArrayBuffer.prototype slice']

const nameOf = (line: string): string => line.replace(/\(\d+\)$/, '')

async function worldOf(engine: 'quickjs' | 'ses'): Promise<readonly string[]> {
  await using guest = await launch(utf8(PROGRAM), { engine })
  return (await guest.call('world')) as string[]
}

test('the two engines show a title the same names, but for those that are listed', async () => {
  const [quickjs, ses] = await Promise.all([worldOf('quickjs'), worldOf('ses')])
  for (const [ours, theirs, listed] of [
    [quickjs, ses, ONLY_IN_QUICKJS],
    [ses, quickjs, ONLY_IN_SES]
  ] as const) {
    assert.ok(ours.length > 800, `${ours.length} names`)
    const there = new Set(theirs.map(nameOf))
    const alone = ours.map(nameOf).filter(name => !there.has(name))
    assert.equal(
      alone.filter(name => !listed.some(beginning => name.startsWith(beginning))),
      [],
      'new differences'
    )
    const gone = listed.filter(beginning => !alone.some(name => name.startsWith(beginning)))
    assert.equal(
      gone.filter(beginning => !NOT_YET_IN_SES.includes(beginning)),
      [],
      'differences that are gone'
    )
  }
})

test('functions of both engines take the same number of arguments, but for those that are listed', async () => {
  const lengths = async (engine: 'quickjs' | 'ses') =>
    new Map((await worldOf(engine)).map(line => [nameOf(line), line]))
  const [quickjs, ses] = await Promise.all([lengths('quickjs'), lengths('ses')])
  const differ = [...quickjs].filter(([name, line]) => {
    const other = ses.get(name)
    return other !== undefined && other !== name && line !== name && other !== line
  })
  assert.equal(differ.map(([name]) => name).sort(), [...OTHER_LENGTH].sort())
})

test.run()
