import { isDeepStrictEqual } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, hex, utf8 } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { MAX_DEPTH, MAX_ITEMS } from '../../formats/limits.js'
import { decode, encode, type Packable } from '../../formats/msgpack.js'
import { misuse } from '../helpers/misuse.js'
import { rejectsWith } from '../helpers/rejects.js'
import { Seeded } from '../helpers/seeded.js'

const random = new Seeded('msgpack')

// ---------------------------------------------------------------- a writer without rules, for what must be refused

/** A type byte, an integer of `width` bytes (two's complement), then whatever belongs to it. */
function head(
  type: number,
  width: number,
  value: number | bigint,
  ...rest: readonly Uint8Array[]
): Uint8Array {
  const bits = BigInt.asUintN(8 * width, BigInt(value))
  const out = new Uint8Array(1 + width)
  out[0] = type
  for (let i = 0; i < width; i++) out[1 + i] = Number((bits >> BigInt(8 * (width - 1 - i))) & 0xffn)
  return concat(out, ...rest)
}

const raw = (...bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes)
const filled = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte)
/** Text in the shortest form, whatever its bytes. */
const text = (bytes: Uint8Array): Uint8Array =>
  bytes.length < 32 ? concat(raw(0xa0 | bytes.length), bytes) : head(0xd9, 1, bytes.length, bytes)
const key = (name: string): Uint8Array => text(utf8(name))
/** A map of up to 15 entries: key, value, key, value. */
const map = (...parts: readonly Uint8Array[]): Uint8Array => concat(raw(0x80 | (parts.length / 2)), ...parts)
const NIL = raw(0xc0)

/** A map with so many different ascending keys. */
function entries(count: number): Uint8Array {
  const parts: Uint8Array[] = []
  for (let i = 0; i < count; i++) parts.push(key(String(i).padStart(6, '0')), NIL)
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

// ---------------------------------------------------------------- the table of refusals

const refusals: [name: string, bytes: Uint8Array][] = []
const refuse = (name: string, ...parts: readonly Uint8Array[]) => refusals.push([name, concat(...parts)])

// Integers in a longer form than needed: each unsigned form with the ends of all shorter ranges.
for (const [type, width, values] of [
  [0xcc, 1, [0, 1, 0x7f]],
  [0xcd, 2, [0, 0x7f, 0x80, 0xff]],
  [0xce, 4, [0, 0x7f, 0xff, 0x100, 0xffff]],
  [0xcf, 8, [0, 0x7f, 0xff, 0xffff, 0x1_0000, 0xffff_ffff]],
  [0xd0, 1, [-1, -0x20, 0, 1, 0x7f]],
  [0xd1, 2, [-1, -0x20, -0x21, -0x80, 0, 0x7f, 0x80, 0x7fff]],
  [0xd2, 4, [-1, -0x20, -0x80, -0x81, -0x8000, 0, 0xff, 0x7fff, 0x8000, 0x7fff_ffff]],
  [0xd3, 8, [-1, -0x80, -0x8000, -0x8001, -0x8000_0000, 0, 0xff, 0x8000_0000, 2 ** 32, 2 ** 53 - 1]]
] as const) {
  for (const value of values) refuse(`${value} as ${type.toString(16)}`, head(type, width, value))
}
// Integers that a JavaScript number cannot hold.
for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n])
  refuse(`${value}`, head(0xcf, 8, value))
for (const value of [-(2n ** 53n), -(2n ** 53n) - 1n, -(2n ** 63n)]) refuse(`${value}`, head(0xd3, 8, value))

// Lengths in a longer form than needed, each with contents that fit.
for (const [type, width, lengths] of [
  [0xd9, 1, [0, 1, 31]],
  [0xda, 2, [0, 31, 32, 255]],
  [0xdb, 4, [0, 31, 255, 256, 65535]]
] as const) {
  for (const length of lengths)
    refuse(`text ${length} as ${type}`, head(type, width, length, filled(length, 0x61)))
}
for (const [type, width, lengths] of [
  [0xc5, 2, [0, 1, 255]],
  [0xc6, 4, [0, 255, 256, 65535]]
] as const) {
  for (const length of lengths)
    refuse(`bytes ${length} as ${type}`, head(type, width, length, filled(length, 0)))
}
for (const [type, width, lengths] of [
  [0xdc, 2, [0, 1, 15]],
  [0xdd, 4, [0, 15, 16, 65535]]
] as const) {
  for (const length of lengths)
    refuse(`array ${length} as ${type}`, head(type, width, length, filled(length, 0xc0)))
}
for (const [type, width, lengths] of [
  [0xde, 2, [0, 1, 15]],
  [0xdf, 4, [0, 15, 16, 65535]]
] as const) {
  for (const length of lengths) refuse(`map ${length} as ${type}`, head(type, width, length, entries(length)))
}

// Types outside the profile.
refuse('never used', raw(0xc1))
refuse('float 32', head(0xca, 4, 0x3f80_0000))
refuse('float 32 zero', head(0xca, 4, 0))
refuse('float 64', head(0xcb, 8, 0x3ff0_0000_0000_0000n))
refuse('float 64 NaN', head(0xcb, 8, 0x7ff8_0000_0000_0000n))
for (const [type, width] of [
  [0xd4, 1],
  [0xd5, 2],
  [0xd6, 4],
  [0xd7, 8],
  [0xd8, 16]
] as const) {
  for (const extension of [0, 1, 0x42, 0x62, 0x65, 0x69, 0x70, 0x72, 0x73, 0x74, 0x78, 0xff]) {
    refuse(`extension ${extension}, ${width}`, raw(type, extension), filled(width, 0x40))
  }
}
for (const extension of [0x65, 0x72, 0xff]) {
  refuse(`extension ${extension}, 8-bit length`, raw(0xc7, 4, extension), filled(4, 0x91))
  refuse(`extension ${extension}, 16-bit length`, raw(0xc8, 0, 4, extension), filled(4, 0x91))
  refuse(`extension ${extension}, 32-bit length`, raw(0xc9, 0, 0, 0, 4, extension), filled(4, 0x91))
}
refuse('extension in an array', raw(0x91, 0xd6, 0xff, 0, 0, 0, 0))
refuse('record definition', raw(0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01))

// Keys.
refuse('repeated key', map(key('a'), NIL, key('a'), NIL))
refuse('repeated key, apart', map(key('a'), NIL, key('b'), NIL, key('a'), NIL))
refuse('descending keys', map(key('b'), NIL, key('a'), NIL))
refuse('a longer key before its prefix', map(key('ab'), NIL, key('a'), NIL))
refuse('keys in numeric order', map(key('9'), NIL, key('10'), NIL))
refuse('upper case after lower case', map(key('a'), NIL, key('B'), NIL))
refuse('repeated key, deep', raw(0x91), map(key('m'), map(key('a'), NIL, key('a'), NIL)))
refuse('empty key', map(raw(0xa0), NIL))
for (const [name, bytes] of [
  ['nil', NIL],
  ['bool', raw(0xc3)],
  ['integer', raw(1)],
  ['negative integer', raw(0xff)],
  ['bytes', raw(0xc4, 1, 0x61)],
  ['array', raw(0x90)],
  ['map', raw(0x80)],
  ['float', head(0xca, 4, 0)],
  ['extension', raw(0xd4, 0, 0)],
  ['never used', raw(0xc1)]
] as const) {
  refuse(`key of type ${name}`, map(bytes, NIL))
}
for (const byte of [0x00, 0x0a, 0x1f, 0x7f]) refuse(`key with byte ${byte}`, map(text(raw(0x61, byte)), NIL))
refuse('key in Latin', map(key('é'), NIL))
refuse('key that is not UTF-8', map(text(raw(0xff)), NIL))
refuse('key of 31 bytes in a longer form', map(head(0xd9, 1, 31, filled(31, 0x61)), NIL))
refuse('key of 256 bytes', map(head(0xda, 2, 256, filled(256, 0x61)), NIL))
refuse('key with a 32-bit length', map(head(0xdb, 4, 65536, filled(65536, 0x61)), NIL))
refuse('__proto__', map(key('__proto__'), map(key('admin'), raw(0xc3))))
refuse('__proto__ among others', map(key('A'), NIL, key('__proto__'), NIL, key('a'), NIL))
refuse('__proto__ in a longer form', map(head(0xd9, 1, 9, utf8('__proto__')), NIL))

// Text that is not UTF-8, alone, and inside a text long enough for another decoder.
for (const bad of [
  [0x80], // continuation without a lead
  [0xbf],
  [0xc0, 0x80], // overlong
  [0xc1, 0xbf],
  [0xe0, 0x80, 0x80],
  [0xe0, 0x9f, 0xbf],
  [0xf0, 0x80, 0x80, 0x80],
  [0xf0, 0x8f, 0xbf, 0xbf],
  [0xed, 0xa0, 0x80], // surrogates
  [0xed, 0xbf, 0xbf],
  [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80],
  [0xf4, 0x90, 0x80, 0x80], // above U+10FFFF
  [0xf5, 0x80, 0x80, 0x80],
  [0xf8, 0x88, 0x80, 0x80, 0x80],
  [0xfe],
  [0xff],
  [0xc2], // cut short
  [0xe2, 0x82],
  [0xf0, 0x9f, 0x98],
  [0xc2, 0x20], // wrong continuation
  [0xe2, 0x28, 0xa1],
  [0xe2, 0x82, 0x28],
  [0xf0, 0x9f, 0x98, 0x20],
  [0xf0, 0x28, 0x98, 0x80]
]) {
  const name = bad.map(byte => byte.toString(16)).join(' ')
  refuse(`text ${name}`, text(raw(...bad)))
  refuse(`text ${name}, in the middle`, text(concat(filled(40, 0x61), raw(...bad), filled(40, 0x61))))
  // The missing continuation must not be found in what follows the text.
  refuse(`text ${name}, before more`, raw(0x92), text(raw(...bad)), raw(0xc4, 2, 0x80, 0x80))
}
refuse('a byte order mark', text(raw(0xef, 0xbb, 0xbf)))
refuse('a byte order mark before text', text(concat(raw(0xef, 0xbb, 0xbf), filled(80, 0x61))))

// Depth, number of values, claimed lengths.
const nested = (levels: number): Uint8Array => concat(filled(levels, 0x91), NIL)
refuse('17 arrays', nested(MAX_DEPTH + 1))
refuse('17 empty arrays', filled(MAX_DEPTH, 0x91), raw(0x90))
refuse('10 000 arrays', nested(10_000))
refuse('17 maps', ...Array.from({ length: MAX_DEPTH + 1 }, () => raw(0x81, 0xa1, 0x61)), NIL)
refuse('too many values', head(0xdd, 4, MAX_ITEMS, filled(MAX_ITEMS, 0xc0)))
refuse('too many values in a map', head(0xdf, 4, MAX_ITEMS, entries(MAX_ITEMS)))
const halves = head(0xdd, 4, MAX_ITEMS / 2, filled(MAX_ITEMS / 2, 0xc0))
refuse('too many values in two arrays', raw(0x92), halves, halves)
for (const [name, type] of [
  ['text', 0xdb],
  ['bytes', 0xc6],
  ['array', 0xdd],
  ['map', 0xdf]
] as const) {
  refuse(`${name} of 2^32 - 1`, head(type, 4, 2 ** 32 - 1))
  refuse(`${name} of 2^31, a byte there`, head(type, 4, 2 ** 31), NIL)
}
refuse('text, a byte short', head(0xd9, 1, 40, filled(39, 0x61)))
refuse('bytes, a byte short', head(0xc4, 1, 3, filled(2, 0)))
refuse('array, an item short', raw(0x93, 0xc0, 0xc0))
refuse('map, a value short', raw(0x82, 0xa1, 0x61, 0xc0, 0xa1, 0x62))
refuse('map that claims more than the bytes left', head(0xde, 2, 16), filled(31, 0xc0))

// Ends.
refuse('nothing')
refuse('two values', NIL, NIL)
refuse('a trailing byte', raw(0x91, 0x01), raw(0x00))
refuse('a trailing line feed', text(utf8('text')), raw(0x0a))

test(`decode() refuses ${refusals.length} inputs outside the profile`, async () => {
  assert.ok(refusals.length >= 150)
  for (const [name, bytes] of refusals) {
    try {
      decode(bytes)
      assert.unreachable(`accepted: ${name}`)
    } catch (error) {
      if (!(error instanceof CofferError)) throw error
      assert.is(error.code, 'COFFER_ENCODING', name)
    }
  }
})

test('decode() refuses huge claims before it allocates or loops', () => {
  const started = performance.now()
  for (const type of [0xdb, 0xc6, 0xdd, 0xdf]) {
    const bomb = head(type, 4, 2 ** 32 - 1, filled(1000, 0xc0))
    for (let i = 0; i < 1000; i++) assert.not(accepts(bomb))
  }
  assert.ok(performance.now() - started < 2000)
})

// ---------------------------------------------------------------- what is read

const SAMPLE: Packable = {
  '10': 'ten',
  '9': 'nine',
  a: [null, true, false, 0, 127, 128, -32, -33, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1],
  b: [-128, -129, -32768, -32769, -(2 ** 31), -(2 ** 31) - 1, -(2 ** 53) + 1],
  bytes: [new Uint8Array(0), filled(3, 9), filled(300, 8), filled(70000, 7)],
  constructor: {},
  text: [
    '',
    'é',
    '€',
    '😀',
    'x'.repeat(31),
    'é'.repeat(16),
    'y'.repeat(255),
    '😀'.repeat(70),
    'z'.repeat(66000),
    '\0'
  ],
  toString: [[[[]]], { k: { k: {} } }]
}

test('decode() gives back what encode() took', () => {
  // uvu's `equal` follows an own key `constructor`.
  assert.ok(isDeepStrictEqual(decode(encode(SAMPLE)), SAMPLE))
  const items = Array.from({ length: 70000 }, (_, i) => i)
  assert.ok(isDeepStrictEqual(decode(encode(items)), items))
})

test('encode() writes each integer in its shortest form, and both readers agree on it', () => {
  for (const [value, bytes] of [
    [0, '00'],
    [127, '7f'],
    [128, 'cc80'],
    [255, 'ccff'],
    [256, 'cd0100'],
    [65535, 'cdffff'],
    [65536, 'ce00010000'],
    [2 ** 32 - 1, 'ceffffffff'],
    [2 ** 32, 'cf0000000100000000'],
    [2 ** 48, 'cf0001000000000000'],
    [2 ** 53 - 1, 'cf001fffffffffffff'],
    [-1, 'ff'],
    [-32, 'e0'],
    [-33, 'd0df'],
    [-128, 'd080'],
    [-129, 'd1ff7f'],
    [-32768, 'd18000'],
    [-32769, 'd2ffff7fff'],
    [-(2 ** 31), 'd280000000'],
    [-(2 ** 31) - 1, 'd3ffffffff7fffffff'],
    [-(2 ** 53) + 1, 'd3ffe0000000000001']
  ] as const) {
    assert.is(hex(encode(value)), bytes)
    assert.is(decode(encode(value)), value)
  }
  assert.is(hex(encode(-0)), '00')
})

test('decode() takes the longest of everything: 16 levels, 200 000 values, keys of 255 bytes', () => {
  const depthOf = (value: Packable): number => (Array.isArray(value) ? 1 + depthOf(value[0] as Packable) : 0)
  assert.is(depthOf(decode(nested(MAX_DEPTH))), MAX_DEPTH)
  const values = decode(head(0xdd, 4, MAX_ITEMS - 1, filled(MAX_ITEMS - 1, 0xc0))) as Packable[]
  assert.is(values.length, MAX_ITEMS - 1)
  assert.is(
    Object.keys(decode(head(0xdf, 4, MAX_ITEMS - 1, entries(MAX_ITEMS - 1))) as object).length,
    MAX_ITEMS - 1
  )
  const longKey = 'k'.repeat(255)
  assert.equal(decode(encode({ [longKey]: 1 })), { [longKey]: 1 })
})

test('decode() gives bytes of their own memory, from a Buffer too, and leaves its argument alone', () => {
  const source = Buffer.concat([Buffer.from([0xff, 0xff]), encode([filled(3, 1)]), Buffer.from([0xff])])
  const input = source.subarray(2, -1)
  const [bytes] = decode(input) as [Uint8Array]
  assert.is(bytes.constructor, Uint8Array)
  assert.is(bytes.buffer.byteLength, 3)
  assert.equal(Object.keys(input), Object.keys(Buffer.alloc(input.length)))
  source.fill(0)
  assert.equal(bytes, filled(3, 1))
})

test('decode() works on after a refusal, and gives maps that are ordinary objects', async () => {
  await rejectsWith('COFFER_ENCODING', () => decode(raw(0x92, 0xc0)))
  const value = decode(map(key('a'), raw(1))) as object
  assert.is(Object.getPrototypeOf(value), Object.prototype)
  assert.equal(value, { a: 1 })
})

test('msgpackr runs without its native addon, which no outside byte may reach', () => {
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] }
  assert.ok(sharedObjects.length > 0)
  assert.equal(
    sharedObjects.filter(path => path.endsWith('.node')),
    []
  )
})

test('encode() refuses what the profile cannot say', () => {
  const circular: unknown[] = []
  circular.push(circular)
  const deep = (levels: number): Packable => (levels === 0 ? null : [deep(levels - 1)])
  const cases: unknown[] = [
    undefined,
    () => 1,
    Symbol('s'),
    1n,
    0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 53,
    -(2 ** 53),
    new Date(),
    new Map(),
    new Set(),
    new (class Thing {})(),
    new Float64Array(1),
    new ArrayBuffer(1),
    [undefined],
    { a: undefined },
    new Array(1),
    'a\ud800',
    '\udc00a',
    '\ufefftext',
    { '': 1 },
    { é: 1 },
    { 'a\n': 1 },
    { ['k'.repeat(256)]: 1 },
    JSON.parse('{"__proto__": 1}'),
    circular,
    deep(MAX_DEPTH + 1),
    new Array(MAX_ITEMS).fill(null)
  ]
  for (const value of cases) misuse(TypeError, () => encode(value as Packable))
  for (const value of [
    deep(MAX_DEPTH),
    new Array(MAX_ITEMS - 1).fill(null),
    Object.create(null),
    'a\ufeff'
  ]) {
    encode(value as Packable)
  }
})

// ---------------------------------------------------------------- properties

test('decode() refuses every beginning of a value, and every value with a byte more', () => {
  const bytes = encode({ ...(SAMPLE as object), bytes: filled(20, 1), text: ['é', 'x'.repeat(40)] })
  for (let length = 0; length < bytes.length; length++)
    assert.not(accepts(bytes.subarray(0, length)), `${length}`)
  for (let last = 0; last < 256; last++) assert.not(accepts(concat(bytes, raw(last))))
  assert.ok(accepts(bytes))
})

test('encode() has one form: keys in any order of insertion give the same bytes', () => {
  for (let round = 0; round < 300; round++) {
    const value = anyValue(4)
    const bytes = encode(value)
    assert.ok(isDeepStrictEqual(decode(bytes), value))
    assert.is(Buffer.compare(encode(shuffled(value)), bytes), 0)
  }
})

test('one flipped bit is refused, or means another value in that value’s one form', () => {
  let survived = 0
  for (let round = 0; round < 30; round++) {
    const bytes = encode(anyValue(3))
    for (let bit = 0; bit < Math.min(bytes.length, 200) * 8; bit++) {
      const changed = bytes.slice()
      changed[bit >> 3]! ^= 1 << (bit & 7)
      if (staysItself(changed)) survived++
    }
  }
  assert.ok(survived > 0)
})

test('random bytes are refused, or are the one form of what they mean', () => {
  const tokens = [
    0x00, 0x80, 0x81, 0x82, 0x90, 0x91, 0xa0, 0xa1, 0xa2, 0x61, 0x62, 0xc0, 0xc3, 0xc4, 0xcc, 0xcf
  ]
  let survived = 0
  for (let round = 0; round < 20_000; round++) {
    const length = 1 + random.below(12)
    const bytes = Uint8Array.from({ length }, () =>
      random.below(4) > 0 ? random.pick(tokens) : random.below(256)
    )
    if (staysItself(bytes)) survived++
  }
  assert.ok(survived > 50)
})

/** Whether bytes are accepted; if they are, they must be what their value encodes to. */
function staysItself(bytes: Uint8Array): boolean {
  if (!accepts(bytes)) return false
  const again = encode(decode(bytes))
  if (Buffer.compare(again, bytes) !== 0) assert.is(hex(again), hex(bytes))
  return true
}

function accepts(bytes: Uint8Array): boolean {
  try {
    decode(bytes)
    return true
  } catch (error) {
    if (error instanceof CofferError && error.code === 'COFFER_ENCODING') return false
    throw error
  }
}

function anyValue(depth: number): Packable {
  switch (random.below(depth > 0 ? 8 : 6)) {
    case 0:
      return random.pick([null, true, false])
    case 1:
      return random.below(2 ** random.below(54)) * random.pick([1, 1, -1]) + 0
    case 2:
      return random.pick([2, -2]) ** (1 + random.below(52)) + random.pick([-1, 0, 1])
    case 3:
      return anyText()
    case 4:
      return random.pick([0, 1, 31, 32, 255, 256, 300]) * random.below(2) + random.below(30)
    case 5:
      return random.bytes(random.pick([0, 1, 16, 32, 255, 256]))
    case 6:
      return Array.from({ length: random.pick([0, 1, 3, 15, 16]) }, () => anyValue(depth - 1))
    default: {
      const entry = (): [string, Packable] => [anyKey(), anyValue(depth - 1)]
      return Object.fromEntries(Array.from({ length: random.pick([0, 1, 3, 15, 20]) }, entry))
    }
  }
}

function anyText(): string {
  const letters = ['a', ' ', '\0', '~', 'é', 'ß', '€', '퟿', '', '\uffff', '😀', '\u{10ffff}']
  return Array.from({ length: random.pick([0, 1, 8, 31, 32, 63, 64, 65, 255, 256]) }, () =>
    random.pick(letters)
  ).join('')
}

function anyKey(): string {
  const letters = ['a', 'B', '0', '1', '_', ' ', '~', '-']
  return Array.from({ length: random.pick([1, 2, 5, 31, 32, 40]) }, () => random.pick(letters)).join('')
}

function shuffled(value: Packable): Packable {
  if (Array.isArray(value)) return value.map(shuffled)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  const pairs = Object.entries(value).map(([name, item]): [string, Packable] => [name, shuffled(item)])
  for (let i = pairs.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[pairs[i], pairs[j]] = [pairs[j]!, pairs[i]!]
  }
  return Object.fromEntries(pairs)
}

test.run()
