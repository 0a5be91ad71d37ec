/** Values across the wall without messages, with the codec of the messages as the other opinion. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import { launch, sync, type Guest, type Value } from '../../sandbox/index.js'
import { WIRE } from '../../sandbox/host-wire.js'
import type { Instance } from '../../sandbox/quickjs/instance.js'
import { CLASS, OBJECT, SHAPE, TAG } from '../../sandbox/quickjs/layout.js'
import { UNCLEAR, ValueReader } from '../../sandbox/quickjs/values.js'
import { Reader, Writer } from '../../sandbox/wire.js'
import { rejectsWith } from '../helpers/rejects.js'

const seed = Date.now() % 1e6
console.log(`seed ${seed}`)
let state = seed || 1
/** 0 up to `below`, exclusive. */
const random = (below: number): number => {
  state = (state * 48271) % 2147483647
  return state % below
}
const pick = <T>(list: readonly T[]): T => list[random(list.length)]!

const TEXTS = ['', 'a', 'é', 'ÿ', '\0', 'a\0b', '\ud800', '\udc00x', '😀', '€'.repeat(20), 'plain '.repeat(9)]
const KEYS = [
  'a',
  'b',
  '0',
  '7',
  '4294967295',
  '-1',
  '__proto__',
  'constructor',
  'toString',
  'length',
  'é',
  '\ud800'
]
const NUMBERS = [
  0,
  -0,
  1,
  -1,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  -(2 ** 31) - 1,
  0.1,
  1e308,
  5e-324,
  NaN,
  Infinity
]
const BIGINTS = [
  0n,
  1n,
  -1n,
  127n,
  128n,
  -128n,
  -129n,
  255n,
  2n ** 31n,
  -(2n ** 31n),
  2n ** 32n,
  -(2n ** 64n),
  3n ** 200n
]

function anyValue(depth: number): Value {
  switch (random(depth > 4 ? 6 : 9)) {
    case 0:
      return pick([undefined, null, true, false])
    case 1:
      return pick(NUMBERS)
    case 2:
      return pick(BIGINTS) * (random(2) === 0 ? 1n : -1n)
    case 3:
      return pick(TEXTS)
    case 4:
      return random(2 ** 30) * (random(2) === 0 ? -1.5 : 1)
    case 5:
      return Uint8Array.from({ length: random(40) }, () => random(256))
    case 6:
      return Array.from({ length: random(6) }, () => anyValue(depth + 1))
    default: {
      const object: Record<string, Value> = {}
      for (let i = random(6); i > 0; i--) {
        const value = anyValue(depth + 1)
        Object.defineProperty(object, pick(KEYS), {
          value,
          writable: true,
          enumerable: true,
          configurable: true
        })
      }
      return object
    }
  }
}

const throughWire = (value: unknown): Value => {
  const reader = new Reader(new Writer(WIRE).begin(0).value(value).message.slice(1), WIRE)
  return reader.value()
}

/** Equal down to -0, own `__proto__` and the order of keys. */
function same(actual: unknown, expected: unknown, where = 'value'): void {
  if (typeof expected !== 'object' || expected === null) {
    if (!Object.is(actual, expected)) assert.is(actual, expected, where)
    return
  }
  assert.is(typeof actual, 'object', where)
  assert.is(Object.getPrototypeOf(actual), Object.getPrototypeOf(expected), where)
  assert.equal(Object.keys(actual as object), Object.keys(expected), where)
  if (Array.isArray(expected)) assert.is((actual as unknown[]).length, expected.length, where)
  for (const key of Object.keys(expected)) {
    const own = (object: object) => Object.getOwnPropertyDescriptor(object, key)!.value as unknown
    same(own(actual as object), own(expected), `${where}.${key}`)
  }
}

const start = (source: string, host: Record<string, (...args: any[]) => unknown> = {}): Promise<Guest> =>
  launch(new TextEncoder().encode(source), { capabilities: { host } })

test('values go in, out, and through a host function as they would in messages', async () => {
  await using guest = await start(
    `import { pass, later } from 'coffer:host'
     export const echo = x => x
     export const list = (...all) => all
     export const viaHost = x => pass(x)
     export const viaRequest = async x => await later(x)
     export const text = x => JSON.stringify(x, (k, v) => typeof v === 'bigint' ? v + 'n' : Object.is(v, -0) ? '-0' : v)`,
    { pass: sync((value: Value) => value), later: async (value: Value) => value }
  )
  for (let i = 0; i < 1500; i++) {
    const value = anyValue(0)
    const expected = throughWire(value)
    same(guest.callSync('echo', value), expected)
    same(guest.callSync('viaHost', value), expected)
    if (i % 10 > 0) continue
    same(await guest.call('echo', value), expected)
    same(await guest.call('viaRequest', value), expected)
    const args = Array.from({ length: random(20) }, () => anyValue(2))
    same(guest.callSync('list', ...args), throughWire(args))
  }
  const shown = { a: [1, 2n, -0, { '7': 'é' }], b: 'x'.repeat(20) }
  assert.is(
    guest.callSync('text', shown),
    JSON.stringify(shown, (_, v: unknown) => (typeof v === 'bigint' ? `${v}n` : Object.is(v, -0) ? '-0' : v))
  )
  for (const length of [16_000, 16_384, 16_385, 300_000]) {
    const bytes = Uint8Array.from({ length }, (_, i) => i)
    same(guest.callSync('echo', bytes), bytes)
    same(guest.callSync('echo', { bytes }), { bytes })
    same(guest.callSync('echo', 'é'.repeat(length)), 'é'.repeat(length))
  }
})

test('text enters as it is, at every length at which another way is taken', async () => {
  const source = `import { host } from 'coffer:host'
    export const same = (text, list) => [text === list[0], text.length, host() === text]`
  let answer = ''
  const guest = await launch(new TextEncoder().encode(source), {
    capabilities: { host: { host: sync(() => answer) } }
  })
  for (const length of [0, 1, 15, 16, 17, 63, 64, 127, 128, 5455, 5456, 5457, 16_383, 16_384, 70_000]) {
    for (const unit of ['a', '\0', '\x7f', 'ÿ', '€', '\ud800', '\udfff']) {
      for (const text of [unit.repeat(length), 'a'.repeat(Math.max(length - 1, 0)) + unit]) {
        answer = text
        const told = guest.callSync('same', text, [text])
        assert.equal(told, [true, text.length, true], JSON.stringify([length, unit]))
      }
    }
  }
  await guest.dispose()
})

test('what a guest builds is read as it stands, and no code of its own runs', async () => {
  await using guest = await start(`
    globalThis.ran = 0
    const run = () => { ran++; return 1 }
    Object.prototype.toJSON = run
    const rope = n => { let t = ''; for (let i = 0; i < n; i++) t = i % 2 ? t + i : i + t; return t }
    const shared = ['x'.repeat(50)]
    const cyclic = {}; cyclic.self = { cyclic }
    class Plain { a = 1 }
    const thenable = { then: run }
    const all = {
      rope: () => rope(3000) + 'é' + rope(300) + '€',
      shared: () => [shared, shared, { shared }],
      deleted: () => { const o = { a: 1, b: 2, c: 3 }; delete o.b; o.d = 4; return o },
      many: () => Object.fromEntries(Array.from({ length: 300 }, (_, i) => ['key' + i, i])),
      hidden: () => Object.defineProperty({ a: 1 }, 'b', { value: 2, enumerable: false }),
      hiddenGetter: () => Object.defineProperty({ a: 1 }, 'b', { get: run, enumerable: false }),
      bare: () => Object.assign(Object.create(null), { a: 1 }),
      frozen: () => Object.freeze([Object.freeze({ a: 1 })]),
      holes: () => [1, , 3],
      longer: () => { const a = [1]; a.length = 3; return a },
      named: () => Object.assign([1, 2], { extra: 3 }),
      subclass: () => new (class extends Array {})(1, 2, 3),
      sliced: () => new Uint8Array([0, 1, 2, 3, 4]).subarray(1, 4),
      bigint: () => [2n ** 100n, -(2n ** 31n), 5n],
      arguments: () => (function () { return arguments })(1, 2),
      index: () => ({ b: 1, 10: 2, 9: 3 }),
      symbol: () => ({ a: 1, [Symbol('s')]: 2 }),
      getter: () => ({ get a() { return run() } }),
      arrayGetter: () => Object.defineProperty([1, 2], 0, { get: run }),
      proxy: () => new Proxy({}, { get: run, ownKeys: run, getPrototypeOf: run, getOwnPropertyDescriptor: run }),
      inherited: () => Object.create(new Proxy({}, { getPrototypeOf: run })),
      cyclic: () => cyclic,
      instance: () => new Plain(),
      fn: () => run, inner: () => [{ run }],
      sym: () => Symbol('s'),
      map: () => new Map([[1, 2]]), date: () => new Date(0), error: () => new Error('no'),
      floats: () => new Float64Array(2), buffer: () => new ArrayBuffer(2),
      deep: () => { let x = 1; for (let i = 0; i < 65; i++) x = [x]; return x },
      thenable: () => thenable,
      detached: () => { const b = new Uint8Array(9); b.buffer.transfer(); return b }
    }
    export const make = name => all[name]()
    export const later = async name => all[name]()
    export const count = () => ran
  `)
  const rope = (n: number) => {
    let text = ''
    for (let i = 0; i < n; i++) text = i % 2 ? text + i : i + text
    return text
  }
  const x = 'x'.repeat(50)
  const readable: Record<string, unknown> = {
    rope: `${rope(3000)}é${rope(300)}€`,
    shared: [[x], [x], { shared: [x] }],
    deleted: { a: 1, c: 3, d: 4 },
    many: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`key${i}`, i])),
    hidden: { a: 1 },
    hiddenGetter: { a: 1 },
    bare: { a: 1 },
    frozen: [{ a: 1 }],
    holes: [1, undefined, 3],
    longer: [1, undefined, undefined],
    named: [1, 2],
    subclass: [1, 2, 3],
    sliced: new Uint8Array([1, 2, 3]),
    bigint: [2n ** 100n, -(2n ** 31n), 5n],
    arguments: { 0: 1, 1: 2 },
    index: { 9: 3, 10: 2, b: 1 },
    symbol: { a: 1 },
    detached: new Uint8Array(0)
  }
  for (const [name, expected] of Object.entries(readable)) {
    same(guest.callSync('make', name), expected, name)
    same(await guest.call('make', name), expected, name)
    same(await guest.call('later', name), expected, name)
  }
  const refused = [
    ...['getter', 'arrayGetter', 'proxy', 'inherited', 'instance', 'fn', 'inner', 'sym', 'map', 'date'],
    ...['error', 'floats', 'buffer', 'thenable']
  ]
  for (const name of refused) {
    await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.callSync('make', name))
    await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.call('make', name))
    // The language itself looks for a `then` in what a promise is to become.
    if (name !== 'thenable' && name !== 'proxy')
      await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.call('later', name))
    assert.is(guest.callSync('count'), 0, name)
  }
  for (const name of ['cyclic', 'deep'])
    await rejectsWith('COFFER_LIMIT_VALUE', () => guest.callSync('make', name))
})

test('arguments that cannot cross are refused before the guest hears of the call', async () => {
  await using guest = await start('let n = 0; export const call = () => ++n')
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic
  const getter = Object.defineProperty({}, 'a', { get: () => 1, enumerable: true })
  for (const value of [
    () => 1,
    Symbol('s'),
    new Map(),
    new Date(0),
    cyclic,
    getter,
    [1, [() => 1]],
    new Float32Array(1)
  ]) {
    await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.callSync('call', 'fine', [1], value as never))
    await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.call('call', value as never))
  }
  assert.is(guest.callSync('call'), 1)
})

test('callSync() says what it cannot do', async () => {
  let inside: unknown
  let guest: Guest
  await using made = await start(
    `import { again } from 'coffer:host'
     export const promised = async () => 1
     export const failing = async () => { throw new Error('late') }
     export const throwing = () => { throw new RangeError('no') }
     export const nested = () => again()
     export const one = () => 1
     export const number = 7`,
    {
      again: sync(() => {
        try {
          return guest.callSync('one')
        } catch (error) {
          inside = error
          return 0
        }
      })
    }
  )
  guest = made
  assert.throws(() => guest.callSync('promised'), /promise/)
  assert.throws(() => guest.callSync('failing'), /promise/)
  assert.throws(() => guest.callSync('throwing'), /no/)
  const missing = await rejectsWith('COFFER_EXPORT_MISSING', () => guest.callSync('nothing'))
  assert.match(missing.message, 'no export "nothing"')
  await rejectsWith('COFFER_EXPORT_MISSING', () => guest.callSync('number'))
  assert.is(guest.callSync('nested'), 0)
  assert.match(String(inside), /computing/)
  assert.is(guest.callSync('one'), 1)
  await guest.dispose()
  await rejectsWith('COFFER_GUEST_GONE', () => guest.callSync('one'))
  await using remote = await launch(new TextEncoder().encode('export const one = () => 1'), {
    isolation: 'thread'
  })
  assert.throws(() => remote.callSync('one'), /thread or process/)
})

test('a call follows an export that changes, and jobs run with it', async () => {
  await using guest = await start(`
    export let f = () => 1
    export let log = () => done
    let done = 'not yet'
    export const swap = () => { f = () => 2; Promise.resolve().then(() => { done = 'done' }) }
    export const drop = () => { f = 5 }`)
  assert.is(guest.callSync('f'), 1)
  guest.callSync('swap')
  assert.is(guest.callSync('log'), 'done')
  assert.is(guest.callSync('f'), 2)
  guest.callSync('drop')
  await rejectsWith('COFFER_EXPORT_MISSING', () => guest.callSync('f'))
})

test('limits hold in calls without messages', async () => {
  const source = `import { host } from 'coffer:host'
    export const spin = () => { for (;;); }
    export const native = () => [].indexOf.call({ length: 2 ** 53 - 1 }, 1)
    export const fill = () => { const all = []; for (;;) all.push(new Uint8Array(1e6)) }
    export const flood = () => { for (;;) host(1) }
    export const jobs = () => { const go = () => Promise.resolve().then(go); go() }
    export const deep = () => { const go = () => go() + 1; return go() }`
  const limits = { cpuMs: 5000, wallMs: 10_000, memoryBytes: 20e6, hostCalls: 1000 }
  for (const [name, code, more] of [
    ['spin', 'COFFER_LIMIT_CPU', { cpuMs: 1000 }],
    ['native', 'COFFER_LIMIT_CPU', { cpuMs: 1000 }],
    ['fill', 'COFFER_LIMIT_MEMORY', {}],
    ['flood', 'COFFER_LIMIT_CALLS', {}],
    // Memory for what a fast machine allocates in that time.
    ['jobs', 'COFFER_LIMIT_CPU', { cpuMs: 600, memoryBytes: 600e6 }]
  ] as const) {
    await using guest = await launch(new TextEncoder().encode(source), {
      limits: { ...limits, ...more },
      capabilities: { host: { host: sync((n: number) => n) } }
    })
    await rejectsWith(code, () => guest.callSync(name))
    await rejectsWith('COFFER_GUEST_GONE', () => guest.callSync(name))
  }
  await using guest = await launch(new TextEncoder().encode(source), {
    limits,
    capabilities: { host: { host: sync((n: number) => n) } }
  })
  assert.throws(() => guest.callSync('deep'), /stack|recursion/)
})

test('what a call leaves rejected is dealt with after it, not between its start and its promise', async () => {
  await using guest = await launch(
    new TextEncoder().encode(
      `export const go = async () => { for (;;) { const p = Promise.reject(1); await 0; p.catch(() => {}) } }`
    ),
    { limits: { cpuMs: 1000 } }
  )
  await rejectsWith('COFFER_LIMIT_CPU', () => guest.call('go'))
})

test('a native export keeps its arguments while a request of its own is numbered', async () => {
  // It looks at its first argument once the second is text, and for that the guest's own code runs.
  const source = `import { later } from 'coffer:host'
    Object.prototype.toString = () => { later(); return 'told' }
    export const all = AggregateError`
  const guest = await launch(utf8(source), { capabilities: { host: { later: async () => 1 } } })
  await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.call('all', [1, 2], {}))
  await guest.dispose()
})

test('a host function that takes long is not on the guest’s account', async () => {
  let calls = 0
  await using guest = await launch(
    new TextEncoder().encode(`import { host } from 'coffer:host'
      export const go = n => { for (let i = 0; i < n; i++) { for (let k = 0; k < 5000; k++); host() } }`),
    {
      limits: { cpuMs: 5000 },
      capabilities: {
        host: {
          host: sync(() => {
            // Quick at first, then not: some of its calls are timed by nobody.
            const until = performance.now() + (++calls > 20 ? 500 : 0)
            while (performance.now() < until);
          })
        }
      }
    }
  )
  guest.callSync('go', 33)
  assert.is(calls, 33)
})

test('a memory full of nonsense is read within its bounds, or not at all', () => {
  const MEMORY_BYTES = 64 * 1024
  const words = new Uint32Array(MEMORY_BYTES / 4)
  const bytes = Buffer.from(words.buffer)
  const instance = {
    words,
    latin1: (start: number, length: number) => bytes.latin1Slice(start, start + length),
    utf16: (start: number, length: number) => bytes.ucs2Slice(start, start + 2 * length),
    copyOut: (start: number, length: number) => new Uint8Array(bytes.subarray(start, start + length))
  } as unknown as Instance
  const bounds = { valueBytes: 1e6, valueItems: 10_000, valueDepth: 64 }
  const reader = new ValueReader(instance, 8, bounds)
  const pointer = () => 8 * random(MEMORY_BYTES / 8)
  const tags = [TAG.object, TAG.object, TAG.object, TAG.text, TAG.rope, TAG.integer, 8, TAG.shortBigint]
  let read = 0
  for (let round = 0; round < 300; round++) {
    for (let i = 0; i < words.length; i += 2) {
      words[i] = random(8) === 0 ? random(2 ** 31) * 2 : pointer()
      words[i + 1] = random(4) === 0 ? random(64) : pick(tags)
    }
    // Objects that look right as far as their headers go, and point anywhere.
    for (let i = 0; i < 200; i++) {
      const at = pointer()
      words[(at + 4) >> 2] =
        (pick([CLASS.object, CLASS.array, CLASS.uint8Array]) << 16) | (pick([0, 1 << 3]) << 8)
      words[(at + OBJECT.shape) >> 2] = pointer()
      words[(at + OBJECT.properties) >> 2] = pointer()
      words[(at + OBJECT.count) >> 2] = random(20)
      const shape = pointer()
      words[(shape + SHAPE.propertyCount) >> 2] = random(20)
      words[(shape + SHAPE.prototype) >> 2] = 0
    }
    for (let i = 0; i < 200; i++) {
      try {
        reader.read(pointer())
        read++
      } catch (reason) {
        if (reason !== UNCLEAR) throw reason
      }
      try {
        reader.variables(pointer())
      } catch (reason) {
        if (reason !== UNCLEAR) throw reason
      }
    }
  }
  assert.ok(read > 0)
})

test.run()
