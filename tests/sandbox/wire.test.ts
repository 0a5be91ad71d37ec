/** The codec on its own: every value there and back, every malformed message refused before it costs anything. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Value } from '../../sandbox/guest.js'
import { WIRE } from '../../sandbox/host-wire.js'
import {
  MAX_VALUE_DEPTH,
  MAX_VALUE_ITEMS,
  MalformedMessage,
  Reader,
  UnsupportedValue,
  Writer
} from '../../sandbox/wire.js'

/** With the host's converters, and with the loops that stand in where an engine has none. */
const HOSTS = { converters: WIRE, loops: {} }

const seed = Number(process.env['COFFER_SEED'] ?? 20_260_101)
let state = seed
const random = (below: number): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}

const pick = <T>(list: readonly T[]): T => list[random(list.length)]!

function randomText(): string {
  const pieces = [
    'a',
    '\0',
    'é',
    '€',
    '😀',
    '\ud83d',
    '\ude00',
    '\uffff',
    '\u07ff',
    '\u0800',
    'plain text ',
    '\u{10ffff}',
    '\ufeff'
  ]
  return Array.from({ length: random(40) }, () => pick(pieces)).join('')
}

function randomValue(depth = 0): Value {
  const kinds = depth > 4 ? 9 : 12
  switch (random(kinds)) {
    case 0:
      return pick([undefined, null, true, false])
    case 1:
      return random(2 ** 31) * pick([1, -1])
    case 2:
      return pick([
        -0,
        NaN,
        Infinity,
        -Infinity,
        2 ** 31,
        -(2 ** 31) - 1,
        2 ** 53,
        5e-324,
        Number.MAX_VALUE,
        0.1
      ])
    case 3:
      return Math.fround(random(2 ** 31) / 7) * 2 ** (random(200) - 100)
    case 4:
      return BigInt(random(2 ** 31)) ** BigInt(random(8)) * pick([1n, -1n])
    case 5:
    case 6:
      return randomText()
    case 7:
      return Uint8Array.from({ length: random(50) }, () => random(256))
    case 8:
      return random(100)
    case 9:
    case 10:
      return Array.from({ length: random(6) }, () => randomValue(depth + 1))
    default:
      return Object.fromEntries(
        Array.from({ length: random(6) }, () => [
          pick(['a', 'b', '', '0', '7', 'toString', randomText()]),
          randomValue(depth + 1)
        ])
      )
  }
}

const encode = (value: unknown, host = HOSTS.converters): Uint8Array =>
  new Writer(host).begin(9).value(value).message
const decode = (message: Uint8Array, host = HOSTS.converters): Value => {
  const reader = new Reader(message, host)
  reader.byte()
  const value = reader.value()
  reader.end()
  return value
}
const refuses = (
  kind: typeof MalformedMessage | typeof UnsupportedValue,
  fn: () => unknown,
  what: string
) => {
  try {
    fn()
  } catch (error) {
    if (!(error instanceof kind)) throw error
    return
  }
  assert.unreachable(`${what} was accepted`)
}

test('every value comes back as it went, whichever side wrote it and whichever reads it', () => {
  console.log(`seed ${seed}`)
  for (let i = 0; i < 1500; i++) {
    const value = randomValue()
    const bytes = encode(value).slice()
    assert.equal(encode(value, HOSTS.loops), bytes)
    assert.equal(decode(bytes), value)
    assert.equal(decode(bytes, HOSTS.loops), value)
  }
})

test('numbers are told apart to the last bit', () => {
  for (const value of [
    0,
    -0,
    1,
    -1,
    63,
    64,
    -64,
    -65,
    8191,
    8192,
    2 ** 30,
    2 ** 31 - 1,
    -(2 ** 31),
    2 ** 31,
    -(2 ** 31) - 1,
    1e21,
    4.9e-324
  ]) {
    assert.ok(Object.is(decode(encode(value)), value), String(value))
  }
})

test('a message cut short is refused at every length, and so is one that runs on', () => {
  const message = encode([
    1,
    'é€😀 and more than twenty-four characters',
    '\ud800',
    (-7n) ** 30n,
    1.5,
    new Uint8Array(9),
    { a: [null, { b: undefined }] }
  ]).slice()
  for (const host of Object.values(HOSTS)) {
    for (let length = 0; length < message.length; length++) {
      refuses(
        MalformedMessage,
        () => decode(message.subarray(0, length), host),
        `${length} of ${message.length} bytes`
      )
    }
    refuses(MalformedMessage, () => decode(Uint8Array.from([...message, 0]), host), 'a longer one')
  }
})

test('random and damaged messages are refused or read, and nothing else', () => {
  console.log(`seed ${seed}`)
  for (let i = 0; i < 4000; i++) {
    const bytes =
      i % 2 === 0
        ? Uint8Array.from({ length: random(60) }, () => random(random(2) === 0 ? 14 : 256))
        : encode(randomValue()).slice()
    if (i % 2 === 1) bytes[random(bytes.length)] = random(256)
    for (const host of Object.values(HOSTS)) {
      try {
        decode(bytes, host)
      } catch (error) {
        if (!(error instanceof MalformedMessage)) throw error
      }
    }
  }
})

test('lengths are believed only as far as the message goes', () => {
  const huge = [0xff, 0xff, 0xff, 0xff, 0x0f]
  for (const tag of [6, 7, 8, 9, 10, 11, 12]) {
    const started = process.memoryUsage().arrayBuffers
    refuses(MalformedMessage, () => decode(Uint8Array.from([9, tag, ...huge, 1, 2, 3])), `tag ${tag}`)
    assert.ok(process.memoryUsage().arrayBuffers - started < 2 ** 20)
  }
  refuses(MalformedMessage, () => decode(Uint8Array.from([9, 10, 0xff, 0xff, 0xff, 0xff, 0x1f])), '33 bits')
  refuses(
    MalformedMessage,
    () => decode(Uint8Array.from([9, 10, 0x80, 0x80, 0x80, 0x80, 0x80, 0])),
    'six bytes of length'
  )
  refuses(MalformedMessage, () => decode(Uint8Array.from([9, 13])), 'an unknown tag')
})

test('nesting and number of values are bounded, both ways', () => {
  const nested = (depth: number): Value => (depth === 0 ? 1 : [nested(depth - 1)])
  assert.equal(decode(encode(nested(MAX_VALUE_DEPTH))), nested(MAX_VALUE_DEPTH))
  refuses(UnsupportedValue, () => encode(nested(MAX_VALUE_DEPTH + 1)), 'one level more')
  refuses(
    MalformedMessage,
    () =>
      decode(
        Uint8Array.from([
          9,
          ...Array(MAX_VALUE_DEPTH + 1)
            .fill([11, 1])
            .flat(),
          0
        ])
      ),
    'one level more'
  )
  const many = Array(MAX_VALUE_ITEMS - 1).fill(null)
  assert.is((decode(encode(many)) as Value[]).length, MAX_VALUE_ITEMS - 1)
  refuses(UnsupportedValue, () => encode([...many, null]), 'one value more')
  const message = new Uint8Array(5 + MAX_VALUE_ITEMS).fill(1)
  message.set([9, 11, 0xc0, 0x84, 0x3d])
  refuses(MalformedMessage, () => decode(message.subarray(0, 5 + 1_000_000)), 'one value more')
})

test('text is strict UTF-8', () => {
  for (const bytes of [
    [0x80],
    [0xc0, 0x80],
    [0xc1, 0xbf],
    [0xe0, 0x9f, 0xbf],
    [0xed, 0xa0, 0x80],
    [0xf0, 0x8f, 0xbf, 0xbf],
    [0xf4, 0x90, 0x80, 0x80],
    [0xf5, 0x80, 0x80, 0x80],
    [0xff],
    [0xc3],
    [0xe2, 0x82]
  ]) {
    for (const padding of [0, 30]) {
      const text = [...Array(padding).fill(0x61), ...bytes]
      for (const host of Object.values(HOSTS))
        refuses(
          MalformedMessage,
          () => decode(Uint8Array.from([9, 8, text.length, ...text]), host),
          text.join()
        )
    }
  }
})

test('encoding runs nothing of the value it reads', () => {
  let ran = 0
  const trap = () => ++ran
  const isProxy = { isProxy: (value: object) => value === proxy || value === prototype }
  const proxy = new Proxy(
    {},
    {
      get: trap,
      ownKeys: () => (trap(), []),
      getOwnPropertyDescriptor: () => (trap(), undefined),
      getPrototypeOf: () => (trap(), null)
    }
  )
  const prototype = new Proxy({}, { getPrototypeOf: () => (trap(), null) })
  for (const value of [
    proxy,
    [proxy],
    { a: proxy },
    Object.create(prototype),
    {
      get a() {
        return trap()
      }
    },
    Object.defineProperty([], 0, { get: trap })
  ]) {
    refuses(UnsupportedValue, () => new Writer(isProxy).begin(0).value(value), 'a trap')
  }
  assert.equal(decode(encode({ toJSON: undefined, valueOf: 1 })), { toJSON: undefined, valueOf: 1 })
  assert.is(ran, 0)
})

test('what is decoded shares nothing with the message', () => {
  const message = encode([new Uint8Array([1, 2, 3]), 'text']).slice()
  const value = decode(message)
  message.fill(0)
  assert.equal(value, [new Uint8Array([1, 2, 3]), 'text'])
})

test('wipe() leaves nothing of a message behind', () => {
  const writer = new Writer(WIRE)
  const view = writer.begin(1).value('secret').message
  writer.wipe()
  assert.ok(view.every(byte => byte === 0))
})

test.run()
