import * as assert from 'uvu/assert'
import { sync, type Value } from '../../../sandbox/index.js'
import { rejectsWith } from '../../helpers/rejects.js'
import { rejectsWithGuestError, type Way } from './way.js'

/** Values. */
export function values({ test, start }: Way): void {
  test('values cross unharmed, both ways', async () => {
    const guest = await start(
      `export const echo = x => x; export const kinds = (...args) => args.map(x => typeof x)`
    )
    const values: Value[] = [
      undefined,
      null,
      true,
      false,
      0,
      -0,
      1,
      -1,
      127,
      128,
      2 ** 31 - 1,
      -(2 ** 31),
      2 ** 31,
      2 ** 53,
      -(2 ** 53),
      1.5,
      5e-324,
      1.7e308,
      NaN,
      Infinity,
      -Infinity,
      0n,
      1n,
      -1n,
      255n,
      256n,
      -(2n ** 64n),
      2n ** 200n + 7n,
      '',
      'a',
      'é',
      '€',
      '😀',
      '\0',
      'a\0b',
      '\ud800',
      '\udc00x\ud83d',
      '\ufeff',
      'x'.repeat(1000),
      'é€😀'.repeat(500),
      '😀'.repeat(3000) + '\ud800',
      new Uint8Array(),
      new Uint8Array([0, 255]),
      Uint8Array.from({ length: 70_000 }, (_, i) => i),
      [],
      [[]],
      [1, [2, [3]]],
      {},
      { a: { b: [null, undefined] } },
      { '': 1, 'a b': 2, 0: 3, __proto__x: 4 }
    ]
    for (const value of values) {
      const result = await guest.call('echo', value)
      assert.equal(result, value)
      assert.ok(Object.is(result, value) || typeof value === 'object', String(value))
    }
    assert.equal(await guest.call('echo', values), values)
    assert.equal(await guest.call('kinds', 1, 'a', 1n, null, undefined, true), [
      'number',
      'string',
      'bigint',
      'object',
      'undefined',
      'boolean'
    ])
    assert.equal(await guest.call('echo', Buffer.from('abc')), new Uint8Array([97, 98, 99]))
  })

  test('bytes of any size stay with their owner, whichever way they went', async () => {
    // Around where a thread hands memory over, and where pages end.
    const sizes = [32_000, 32_740, 32_750, 32_760, 32_767, 32_768, 32_769, 65_536, 300_000]
    const given: Uint8Array[] = []
    const kept = (bytes: Uint8Array) => (given.push(bytes), bytes)
    const guest = await start(
      `import { kept, later } from 'coffer:host'
       export const echo = x => x
       export const twice = x => [kept(x), x]
       export const wait = async x => [await later(x), x]`,
      { capabilities: { host: { kept: sync(kept), later: async (bytes: Uint8Array) => kept(bytes) } } }
    )
    const all = sizes.map(size => Uint8Array.from({ length: size }, (_, i) => i * size))
    const expected = all.map(bytes => bytes.slice())
    // None waits for the one before, so that a frame is made while others are on their way.
    assert.equal(await Promise.all(all.map(bytes => guest.call('echo', bytes))), expected)
    for (const name of ['twice', 'wait']) {
      const twice = await Promise.all(all.map(bytes => guest.call(name, bytes)))
      assert.equal(
        twice,
        expected.map(bytes => [bytes, bytes])
      )
    }
    assert.equal(all, expected)
    assert.equal(given.length, 2 * sizes.length)
    for (const bytes of given) assert.equal(bytes, expected[sizes.indexOf(bytes.length)])
  })

  test('a key called __proto__ is a key like any other', async () => {
    const guest = await start(
      `export const echo = x => { if (Object.getPrototypeOf(x) !== Object.prototype) throw new Error('proto'); return x }`
    )
    const value = JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}')
    const result = (await guest.call('echo', value)) as object
    assert.ok(Object.hasOwn(result, '__proto__'))
    assert.is(Object.getPrototypeOf(result), Object.prototype)
    assert.is(({} as any).polluted, undefined)
  })

  test('what cannot cross is refused, whoever sends it', async () => {
    const guest = await start(`
      export const make = kind => ({
        function: () => {}, symbol: Symbol(), date: new Date(), map: new Map(), instance: new (class A {}), error: new Error('e'),
        floats: new Float32Array(1), promise: { nested: Promise.resolve(1) }, deep: (() => { let x = []; for (let i = 0; i < 70; i++) x = [x]; return x })(),
        cycle: (() => { const x = {}; x.x = x; return x })(), getter: { get a() { throw new Error('ran') } },
        proxy: new Proxy({}, { ownKeys() { throw new Error('ran') } }), 'proxy array': new Proxy([], {}),
        'revoked proxy': (() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy })(),
        'proxy prototype': Object.create(new Proxy({}, { getPrototypeOf() { throw new Error('ran') } })),
        'nested proxy': [{ a: new Proxy([], {}) }]
      })[kind]
      export const thenable = () => ({ then(resolve) { resolve('taken in') } })
      export const big = () => Array(1000001).fill(0)
      export const take = () => {}`)
    for (const kind of [
      'function',
      'symbol',
      'date',
      'map',
      'instance',
      'error',
      'floats',
      'promise',
      'getter',
      'proxy',
      'proxy array',
      'revoked proxy',
      'proxy prototype',
      'nested proxy'
    ]) {
      await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.call('make', kind))
    }
    for (const kind of ['deep', 'cycle'])
      await rejectsWith('COFFER_LIMIT_VALUE', () => guest.call('make', kind))
    await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.call('thenable'))
    await rejectsWith('COFFER_LIMIT_VALUE', () => guest.call('big'))
    const cycle: any = {}
    cycle.self = cycle
    for (const value of [
      () => {},
      Symbol('s'),
      new Date(),
      new Map(),
      cycle,
      new Float64Array(1),
      {
        get a() {
          return 1
        }
      }
    ]) {
      await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.call('take', value as never))
    }
    assert.is(await guest.call('take'), undefined)
  })

  test('a guest that rewrites every prototype neither sees nor bends what crosses', async () => {
    const guest = await start(
      `
      import { secret } from 'coffer:host'
      let seen = ''
      const trap = name => function (...args) { seen += name + ' '; throw new Error('trap ' + name) }
      export const poison = () => {
        for (const owner of [Object.prototype, Array.prototype, String.prototype, Number.prototype, BigInt.prototype, Boolean.prototype,
          Promise.prototype, Map.prototype, WeakSet.prototype, Uint8Array.prototype, Object.getPrototypeOf(Uint8Array.prototype), Function.prototype,
          RegExp.prototype, Reflect, Object, Array, String, Promise, Map, Uint8Array, Math, JSON, [][Symbol.iterator]().__proto__]) {
          for (const key of Reflect.ownKeys(owner)) {
            try { Object.defineProperty(owner, key, { get: trap(String(key)), set: trap(String(key)), configurable: true }) } catch {}
          }
        }
      }
      // Only what the poisoned realm still has: operators and syntax.
      export const get = async x => { const y = secret(x); return { x, y: await y } }
      export const list = (a, b) => [a, b, { c: 'text', d: 10n }]
      export const fail = () => { throw { name: 'Mine', message: 'thrown' } }
      export const hits = () => seen
      export const forget = () => { seen = '' }
      const freeze = Object.defineProperty
      export const setters = () => {
        for (const key of ['0', '1', 'then', 'value', 'get', 'name', 'x', 'length', 'resolve', 'stack', 'message', 'id']) {
          try { freeze(Object.prototype, key, { get() { seen += key + ' '; return undefined }, set() { seen += key + ' ' }, configurable: true }) } catch {}
          try { freeze(Array.prototype, key, { get() { seen += key + ' '; return undefined }, set() { seen += key + ' ' }, configurable: true }) } catch {}
        }
      }
      `,
      { capabilities: { host: { secret: async (x: number) => [x, { key: 'k' }] } } }
    )
    await guest.call('setters')
    await guest.call('forget')
    assert.equal(await guest.call('list', 1, { x: 2 }), [1, { x: 2 }, { c: 'text', d: 10n }])
    assert.is(await guest.call('hits'), '')
    assert.equal(await guest.call('get', 1), { x: 1, y: [1, { key: 'k' }] })
    await guest.call('poison')
    assert.equal(await guest.call('list', 'é'.repeat(100), [1.5, -3n]), [
      'é'.repeat(100),
      [1.5, -3n],
      { c: 'text', d: 10n }
    ])
    assert.is((await rejectsWithGuestError(() => guest.call('fail'))).message, 'thrown')
  })
}
