/**
 * One suite for every way to run a guest: what a title or a host may rely on holds on all of them, and what must not
 * get out gets out of none. Each way has a test file of its own, so that they run side by side.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import {
  CofferError,
  type Guest,
  GuestError,
  type Key,
  type LaunchOptions,
  type LimitUse,
  type TypedGuest,
  type Value,
  launch as launchSource,
  sync
} from '../../sandbox/index.js'
import { rejectsWith } from '../helpers/rejects.js'

/** A limit may be passed by this much before the guest is gone. */
const GRACE_MS = 500

interface Outputs {
  stdout: string
  stderr: string
}

export type Launch = (source: Uint8Array, options: LaunchOptions) => Promise<TypedGuest>

/** Run the whole suite on guests that are launched like this. */
export function conform(way: string, how: LaunchOptions, launch: Launch = launchSource): void {
  const test = suite(way)
  const open: Guest[] = []

  const start = async (source: string, options: LaunchOptions = {}): Promise<Guest & Outputs> => {
    const outputs: Outputs = { stdout: '', stderr: '' }
    const guest = await launch(utf8(source), {
      stdout: bytes => (outputs.stdout += Buffer.from(bytes).toString('utf8')),
      stderr: bytes => (outputs.stderr += Buffer.from(bytes).toString('utf8')),
      ...how,
      ...options
    })
    open.push(guest)
    return Object.defineProperties(guest as unknown as Guest & Outputs, {
      stdout: { get: () => outputs.stdout },
      stderr: { get: () => outputs.stderr }
    })
  }
  /** The result of one expression in a guest. */
  const evaluate = async (expression: string, options?: LaunchOptions): Promise<Value> =>
    (await start(`export const it = async () => (${expression})`, options)).call('it')
  const rejectsWithGuestError = async (fn: () => Promise<unknown>): Promise<GuestError> => {
    try {
      await fn()
    } catch (error) {
      if (error instanceof GuestError) return error
      throw error
    }
    throw new Error('expected a GuestError')
  }
  /** The call must end with this limit, `limitMs` after it began or soon after. */
  const endsWith = async (code: 'COFFER_LIMIT_CPU', limitMs: number, fn: () => Promise<unknown>) => {
    const started = performance.now()
    await rejectsWith(code, fn)
    const took = performance.now() - started
    assert.ok(took < limitMs + GRACE_MS, `took ${Math.round(took)} ms, limit ${limitMs} ms`)
  }

  test.after.each(async () => {
    await Promise.all(open.splice(0).map(guest => guest.dispose()))
  })

  // Programs and calls

  test('a program gets its arguments and gives its exit code', async () => {
    const guest = await start(
      `export default async args => { console.log(args.join('+')); return args.length }`
    )
    assert.is(await guest.run(['a', 'b']), 2)
    assert.is(guest.stdout, 'a+b\n')
  })

  test('exit codes are 0 to 63, and 63 stands for all others', async () => {
    const guest = await start(`export default ([code]) => code === 'void' ? undefined : Number(code)`)
    for (const [given, expected] of [
      ['void', 0],
      ['0', 0],
      ['63', 63],
      ['64', 63],
      ['256', 63],
      ['-1', 63],
      ['1.5', 63],
      ['x', 63]
    ] as const) {
      assert.is(await guest.run([given]), expected, given)
    }
  })

  test('exports are named, called and awaited', async () => {
    const guest = await start(`
      export const add = (a, b) => a + b
      export async function later(x) { await null; return [x, x] }
      export class Thing {}
      export let count = 0
      export const increment = () => ++count
      const hidden = 1
      export { hidden as shown, add as 'a name' }
      export default 7`)
    assert.equal(guest.exports, ['Thing', 'a name', 'add', 'count', 'default', 'increment', 'later', 'shown'])
    assert.is(await guest.call('add', 2, 3), 5)
    assert.is(await guest.call('a name', 'x', 'y'), 'xy')
    assert.equal(await guest.call('later', 1), [1, 1])
    assert.equal(await Promise.all([guest.call('increment'), guest.call('increment')]), [1, 2])
    for (const name of ['missing', 'default', 'shown', 'count', 'toString', '__proto__', 'constructor']) {
      await rejectsWith('COFFER_EXPORT_MISSING', () => guest.call(name))
    }
  })

  test('a program without a default export cannot be run', async () => {
    const guest = await start(`export const a = 1`)
    await rejectsWith('COFFER_EXPORT_MISSING', () => guest.run([]))
  })

  test('top-level await is awaited, and its failure is the launch failing', async () => {
    assert.is(
      await (
        await start(`const x = await new Promise(r => setTimeout(() => r(9), 5)); export const get = () => x`)
      ).call('get'),
      9
    )
    const error = await rejectsWithGuestError(() => start(`await null\nthrow new RangeError('early')`))
    assert.is(error.name, 'RangeError')
    assert.is(error.message, 'early')
    assert.match(error.guestStack, /title\.js:2/)
    await rejectsWithGuestError(() => start(`throw new TypeError('at once')`))
    await rejectsWithGuestError(() => start(`await new Promise(() => {})`))
  })

  test('what does not compile or link is refused with its place', async () => {
    const error = await rejectsWith('COFFER_PROGRAM_INVALID', () =>
      start(`let a = 1\nlet b = = 2`, { name: 'my.js' })
    )
    assert.match(error.message, /2\D+9/)
    for (const source of [
      `import 'fs'`,
      `import x from 'coffer:host'`,
      `import './a.js'`,
      `import {nope} from 'coffer:save'`
    ]) {
      await rejectsWith('COFFER_PROGRAM_INVALID', () => start(source))
    }
  })

  test('what a guest throws arrives with its name, message and own frames', async () => {
    const guest = await start(
      `class Own extends Error { name = 'Own' }
       export const a = () => { throw new Own('mine') }
       export const b = async () => { null.x }
       export const c = () => { throw 'text' }
       export const d = () => { throw { message: 'plain' } }
       export const e = () => { throw Object.assign(new Error('m'), { get name() { return 'x' }, stack: 'secret source line\\n  at x (other.js:1:1)' }) }
       export const f = () => { throw undefined }
       export const g = () => { const o = Object.create(new Proxy(Error.prototype, {})); throw o }`,
      { name: 'own.js' }
    )
    const a = await rejectsWithGuestError(() => guest.call('a'))
    assert.is(a.name, 'Own')
    assert.is(a.message, 'mine')
    assert.match(a.guestStack, /own\.js:2:\d+/)
    assert.not.match(a.guestStack, /mine|node:|file:|sdk/)
    assert.is((await rejectsWithGuestError(() => guest.call('b'))).name, 'TypeError')
    assert.is((await rejectsWithGuestError(() => guest.call('c'))).message, 'text')
    assert.is((await rejectsWithGuestError(() => guest.call('d'))).message, 'plain')
    const e = await rejectsWithGuestError(() => guest.call('e'))
    assert.is(e.guestStack, '')
    assert.is((await rejectsWithGuestError(() => guest.call('f'))).message, 'undefined')
    await rejectsWithGuestError(() => guest.call('g'))
  })

  // Values

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

  // Streams

  const STREAMS = `
    let closed = []
    export const log = () => closed
    export async function* count(n) { try { for (let i = 0; i < n; i++) { yield i } } finally { closed.push('count') } }
    export async function* asked(n) { for (let i = 0; i < n; i++) { closed.push(i); yield i } }
    export const later = async n => count(n)
    export const plain = n => ({ i: 0, async next() { return this.i < n ? { done: false, value: [this.i++] } : { done: true } }, [Symbol.asyncIterator]() { return this } })
    export const bare = () => ({ async *[Symbol.asyncIterator]() { yield 'bare' } })
    export async function* throwing() { yield 1; throw new RangeError('no more') }
    export async function* odd(what) { try { yield 1; yield ({ fn: () => {}, big: new Uint8Array(5000) })[what] } finally { closed.push('odd') } }
    export async function* stubborn() { try { yield 1 } finally { throw new Error('not yet') } }
    export async function* endless() { yield 1; for (;;); }
    export async function* waiting(signal) { try { yield signal.aborted; while (!signal.aborted) await new Promise(done => setTimeout(done, 1)); yield signal.reason.name } finally { closed.push('waiting') } }
    export async function* never() { yield 1; await new Promise(() => {}) }
    export const value = () => 5
    export const list = () => [1, 2]
    export const boom = () => { throw new Error('boom') }`

  const taken = async (items: AsyncIterable<unknown>): Promise<unknown[]> => {
    const list: unknown[] = []
    for await (const item of items) list.push(item)
    return list
  }

  test('iterate() goes through an async iterator of whatever making', async () => {
    const guest = await start(STREAMS)
    assert.equal(await taken(guest.iterate('count', 3)), [0, 1, 2])
    assert.equal(await taken(guest.iterate('later', 2)), [0, 1])
    assert.equal(await taken(guest.iterate('plain', 2)), [[0], [1]])
    assert.equal(await taken(guest.iterate('bare')), ['bare'])
    assert.equal(await taken(guest.iterate('count', 0)), [])
    assert.equal(await guest.call('log'), ['count', 'count', 'count'])
    const [a, b] = [guest.iterate('count', 2), guest.iterate('count', 2)]
    assert.equal([(await a.next()).value, (await b.next()).value, (await a.next()).value], [0, 0, 1])
    const both = guest.iterate('count', 2)
    assert.equal(await Promise.all([both.next(), both.next(), both.next()]), [
      { done: false, value: 0 },
      { done: false, value: 1 },
      { done: true, value: undefined }
    ])
    assert.equal(await both.next(), { done: true, value: undefined })
  })

  test('a stream computes for what it is asked for and no more', async () => {
    const guest = await start(STREAMS)
    const stream = guest.iterate('asked', 1000)
    await stream.next()
    await stream.next()
    await new Promise(resolve => setTimeout(resolve, 20))
    assert.equal(await guest.call('log'), [0, 1])
  })

  test('leaving a stream early runs what the guest has in finally', async () => {
    const guest = await start(STREAMS)
    for await (const item of guest.iterate('count', 1000)) if (item === 2) break
    assert.equal(await guest.call('log'), ['count'])
    {
      await using stream = guest.iterate('count', 1000)
      await stream.next()
    }
    assert.equal(await guest.call('log'), ['count', 'count'])
    const stubborn = guest.iterate('stubborn')
    await stubborn.next()
    assert.is((await rejectsWithGuestError(() => stubborn.return())).message, 'not yet')
    assert.equal(await stubborn.return(), { done: true, value: undefined })
  })

  test('what a stream throws arrives, and it is at its end', async () => {
    const guest = await start(STREAMS)
    const stream = guest.iterate('throwing')
    await stream.next()
    const error = await rejectsWithGuestError(() => stream.next())
    assert.is(error.name, 'RangeError')
    assert.match(error.guestStack, /title\.js:\d+/)
    assert.equal(await stream.next(), { done: true, value: undefined })
    assert.is((await rejectsWithGuestError(() => taken(guest.iterate('boom')))).message, 'boom')
    await rejectsWith('COFFER_EXPORT_MISSING', () => taken(guest.iterate('missing')))
  })

  test('an item that cannot cross ends its stream, and the guest lives on', async () => {
    const guest = await start(STREAMS, { limits: { valueBytes: 1000 } })
    for (const [what, code] of [
      ['fn', 'COFFER_VALUE_UNSUPPORTED'],
      ['big', 'COFFER_LIMIT_VALUE']
    ] as const) {
      const stream = guest.iterate('odd', what)
      assert.equal(await stream.next(), { done: false, value: 1 })
      await rejectsWith(code, () => stream.next())
      assert.equal(await stream.next(), { done: true, value: undefined })
    }
    assert.equal(await guest.call('log'), ['odd', 'odd'])
  })

  test('call() refuses a stream and ends it, iterate() refuses a value', async () => {
    const guest = await start(STREAMS)
    const error = await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.call('count', 3))
    assert.match(error.hint ?? '', /iterate/)
    for (const name of ['value', 'list'])
      await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => taken(guest.iterate(name)))
    assert.is(await guest.call('value'), 5)
  })

  test('each step of a stream has the limits of a call, past which the guest ends', async () => {
    const guest = await start(STREAMS, { limits: { cpuMs: 800 } })
    const [endless, other] = [guest.iterate('endless'), guest.iterate('count', 5)]
    await other.next()
    await endless.next()
    await endsWith('COFFER_LIMIT_CPU', 800, () => endless.next())
    await rejectsWith('COFFER_GUEST_GONE', () => other.next())
    assert.equal(await other.return(), { done: true, value: undefined })
    await rejectsWith('COFFER_GUEST_GONE', () => guest.iterate('count', 1).next())
  })

  test('a guest that ends fails the step that waits, and those after it', async () => {
    const guest = await start(STREAMS)
    const stream = guest.iterate('never')
    await stream.next()
    const step = stream.next()
    await Promise.all([rejectsWith('COFFER_GUEST_GONE', () => step), guest.dispose()])
    await rejectsWith('COFFER_GUEST_GONE', () => guest.iterate('count', 1).next())
  })

  test('a signal among the arguments is followed for as long as the stream lasts', async () => {
    const guest = await start(STREAMS)
    const controller = new AbortController()
    const stream = guest.iterate('waiting', controller.signal)
    assert.equal(await stream.next(), { done: false, value: false })
    const step = stream.next()
    controller.abort()
    assert.equal(await step, { done: false, value: 'AbortError' })
    assert.is((await stream.next()).done, true)
    const again = guest.iterate('waiting', new AbortController().signal)
    await again.next()
    await again.return()
  })

  test('no prototype that the guest has rewritten is asked on the way of a stream', async () => {
    const guest = await start(
      `let ran = ''
       const trap = name => function () { ran += name + ' '; throw new Error('trap') }
       export const poison = () => {
         for (const owner of [Map.prototype, Promise.prototype, Array.prototype, Object.prototype, Function.prototype])
           for (const key of ['then', 'get', 'set', 'delete', 'call', 'apply', 'value', 'done', 'constructor'])
             try { Object.defineProperty(owner, key, { get: trap(key), set: trap(key), configurable: true }) } catch {}
       }
       export const items = () => {
         let left = 2
         return { next: () => left-- > 0 ? { done: false, value: left } : { done: true, value: 0 }, [Symbol.asyncIterator]() { return this } }
       }
       export const what = () => ran
       export const forget = () => { ran = '' }`
    )
    await guest.call('poison')
    await guest.call('forget')
    assert.equal(await taken(guest.iterate('items')), [1, 0])
    assert.is(await guest.call('what'), '')
  })

  test('api gives a promise for a value, and a stream for an async iterator', async () => {
    interface Api {
      value(): number
      count(n: number): AsyncGenerator<number>
      later(n: number): Promise<AsyncIterable<number>>
    }
    const guest = (await start(STREAMS)) as unknown as TypedGuest<Api>
    const value: number = await guest.api.value()
    assert.is(value, 5)
    const items: number[] = []
    for await (const item of guest.api.count(3)) items.push(item)
    for await (const item of await guest.api.later(2)) items.push(item)
    assert.equal(items, [0, 1, 2, 0, 1])
    await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => taken(guest.api.value() as never))
  })

  // The guest's world

  test('the globals are those of the minimum common API, and nothing of the host', async () => {
    const names =
      'AbortController AbortSignal CustomEvent DOMException Event EventTarget TextDecoder TextEncoder URL URLSearchParams atob btoa clearInterval clearTimeout console crypto globalThis navigator performance queueMicrotask reportError self setInterval setTimeout structuredClone Float32Array Float64Array WeakRef FinalizationRegistry'
    const absent =
      'process require module Buffer global fetch WebAssembly SharedArrayBuffer Atomics Intl Deno Bun window document Worker harden lockdown Compartment assert setImmediate __coffer std os'
    assert.equal(
      await evaluate(
        `${JSON.stringify(names)}.split(' ').filter(name => typeof globalThis[name] === 'undefined')`
      ),
      []
    )
    assert.equal(
      await evaluate(`${JSON.stringify(absent)}.split(' ').filter(name => name in globalThis)`),
      []
    )
    assert.equal(await evaluate(`Object.keys(globalThis)`), [])
    assert.is(await evaluate(`navigator.userAgent`), 'coffer')
    assert.is(await evaluate(`self === globalThis`), true)
  })

  test('globals can be added and read again', async () => {
    assert.equal(
      await evaluate(
        `(globalThis.mine = 5, globalThis.Other = class {}, [mine, typeof Other, Object.keys(globalThis)])`
      ),
      [5, 'function', ['mine', 'Other']]
    )
  })

  test('console writes what Node writes', async () => {
    const guest = await start(`export default () => {
      console.log('a', 1, { b: [1, 2, { c: { d: 1 } }] }, [undefined, null])
      console.info('%s is %d', 'x', 4.5, 'more'); console.debug(new Map([['k', 1]]))
      console.warn('w'); console.error(new Error('e').message); console.assert(false, 'no'); console.assert(true, 'yes')
      console.group('g'); console.log('in\\nside'); console.groupEnd(); console.log(); console.count(); console.count('x'); console.log('\\ud800')
    }`)
    await guest.run([])
    assert.is(
      guest.stdout,
      "a 1 { b: [ 1, 2, { c: [Object] } ] } [ undefined, null ]\nx is 4.5 more\nMap(1) { 'k' => 1 }\ng\n  in\n  side\n\ndefault: 1\nx: 1\n\ufffd\n"
    )
    assert.is(guest.stderr, 'w\ne\nAssertion failed: no\n')
  })

  test('timers fire in order, repeat and can be cleared', async () => {
    assert.equal(
      await evaluate(`new Promise(done => {
        const log = []
        setTimeout(x => log.push(x), 100, 'c'); setTimeout(() => log.push('a'), 0); setTimeout(() => log.push('b'), 5)
        clearTimeout(setTimeout(() => log.push('never'), 1)); clearTimeout(undefined); clearTimeout(999)
        let n = 0; const id = setInterval(() => { log.push('i' + ++n); if (n === 2) clearInterval(id) }, 8)
        queueMicrotask(() => log.push('micro')); Promise.resolve().then(() => log.push('job')); log.push('sync')
        setTimeout(() => done(log), 200)
      })`),
      ['sync', 'micro', 'job', 'a', 'b', 'i1', 'i2', 'c']
    )
  })

  test('each timer sees the jobs of the one before it done', async () => {
    assert.equal(
      await evaluate(`new Promise(done => {
        const log = []
        setTimeout(() => { log.push(1); Promise.resolve().then(() => log.push('job')) }, 1)
        setTimeout(() => { log.push(2); done(log) }, 1)
      })`),
      [1, 'job', 2]
    )
  })

  test('clocks tell the time, in UTC', async () => {
    const [epoch, date, zone, now] = (await evaluate(
      `[Date.now(), new Date().getTime(), new Date(0).getHours() + '|' + new Date().getTimezoneOffset(), performance.now()]`
    )) as [number, number, string, number]
    assert.ok(Math.abs(epoch - Date.now()) < 5000)
    assert.ok(Math.abs(date - Date.now()) < 5000)
    assert.is(zone, '0|0')
    assert.ok(now >= 0 && now < 60_000)
    assert.equal(
      await evaluate(
        `[typeof Date(), new Date(2020, 0, 1).toISOString(), new Date('2020-01-01') instanceof Date, Date.length, Date.name]`
      ),
      ['string', '2020-01-01T00:00:00.000Z', true, 7, 'Date']
    )
  })

  test('constants of Math are constant', async () => {
    const constants = `['PI', 'E', 'LN2', 'LN10', 'LOG2E', 'LOG10E', 'SQRT2', 'SQRT1_2', Symbol.toStringTag]
      .map(name => Object.getOwnPropertyDescriptor(Math, name))
      .filter(({ value, writable, enumerable, configurable }) =>
        writable || enumerable || configurable !== (typeof value === 'string')).length`
    assert.is(await evaluate(constants), 0)
  })

  test('randomness differs from guest to guest', async () => {
    const draw = `[Math.random(), Math.random(), [...crypto.getRandomValues(new Uint8Array(8))].join(), crypto.randomUUID()]`
    const [one, two] = (await Promise.all([evaluate(draw), evaluate(draw)])) as unknown[][]
    for (let i = 0; i < 4; i++) assert.is.not(one![i], two![i])
    assert.is.not(one![0], one![1])
    assert.match(String(one![3]), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.equal(
      await evaluate(
        `(() => { try { crypto.getRandomValues(new Uint8Array(65537)) } catch (e) { return e.name } })()`
      ),
      'QuotaExceededError'
    )
  })

  test('a seed fixes clock and randomness', async () => {
    const program = `(async () => {
      const log = [Date.now(), performance.now(), new Date().toISOString(), Math.random(), crypto.randomUUID()]
      const waits = [30, 10, 1000000].map(ms => new Promise(r => setTimeout(() => { log.push(ms, Date.now(), Math.random()); r() }, ms)))
      await Promise.all(waits)
      return log
    })()`
    const started = performance.now()
    const [a, b, c] = await Promise.all([
      evaluate(program, { seed: 1 }),
      evaluate(program, { seed: 1 }),
      evaluate(program, { seed: 2 })
    ])
    assert.ok(performance.now() - started < 20_000, 'a seeded guest does not wait')
    assert.equal(a, b)
    assert.not.equal(a, c)
    assert.equal((a as Value[]).slice(0, 3), [0, 0, '1970-01-01T00:00:00.000Z'])
    assert.equal(
      [5, 6, 8, 9, 11, 12].map(i => (a as Value[])[i]),
      [10, 10, 30, 30, 1000000, 1000000]
    )
  })

  // Errors that nobody catches

  for (const [what, statement, message] of [
    ['a timer', `setTimeout(() => { throw new RangeError('late') }, 1)`, 'RangeError: late'],
    ['a microtask', `queueMicrotask(() => { throw new Error('micro') })`, 'Error: micro'],
    ['reportError', `reportError(new TypeError('told'))`, 'TypeError: told'],
    ['a rejected promise', `Promise.reject(new Error('lost'))`, 'Error: lost']
  ] as const) {
    test(`an uncaught error of ${what} ends a program with 1`, async () => {
      const guest = await start(
        `export default async () => { ${statement}; await new Promise(r => setTimeout(r, 3000)); return 9 }`
      )
      assert.is(await guest.run([]), 1)
      assert.is(guest.stderr.split('\n')[0], `Uncaught ${message}`)
      await rejectsWith('COFFER_GUEST_GONE', () => guest.call('x'))
    })
  }

  test('a program that throws ends with 1 and says what and where', async () => {
    const guest = await start(
      `function inner() {\n  throw new RangeError('sorry')\n}\nexport default () => inner()`,
      { name: 'prog.js' }
    )
    assert.is(await guest.run([]), 1)
    assert.match(guest.stderr, /^Uncaught RangeError: sorry\n    at inner \(prog\.js:2:\d+\)\n/)
    assert.not.match(guest.stderr, /throw new/)
  })

  test('an uncaught error outside of a program is told and survived', async () => {
    const guest = await start(
      `export const go = () => new Promise(r => { setTimeout(() => { throw new Error('oops') }, 1); setTimeout(r, 30, 'on') })`
    )
    assert.is(await guest.call('go'), 'on')
    assert.match(guest.stderr, /^Uncaught Error: oops\n/)
  })

  test('a rejection that is handled in time is not reported', async () => {
    const guest = await start(
      `export default async () => { const p = Promise.reject(new Error('x')); await null; await p.catch(() => {}); try { await Promise.reject(1) } catch {} }`
    )
    assert.is(await guest.run([]), 0)
    assert.is(guest.stderr, '')
  })

  test('a program that waits for nothing is told so', async () => {
    const guest = await start(`export default () => new Promise(() => {})`)
    assert.is(await guest.run([]), 1)
    assert.match(guest.stderr, /waits/)
  })

  // Limits

  test('computing is limited: an endless loop', async () => {
    const guest = await start(`export const loop = () => { for (;;); }; export const fine = () => 1`, {
      limits: { cpuMs: 300 }
    })
    assert.is(await guest.call('fine'), 1)
    await endsWith('COFFER_LIMIT_CPU', 300, () => guest.call('loop'))
    await rejectsWith('COFFER_GUEST_GONE', () => guest.call('fine'))
  })

  for (const [what, statement] of Object.entries({
    'a native loop': `Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)`,
    'a loop of jobs': `await (async () => { for (;;) await null })()`,
    'a loop that swallows errors': `for (;;) { try { for (;;); } catch {} finally { continue } }`,
    'a regular expression': `/(x+x+)+y/.test('x'.repeat(40))`,
    'a comparator': `[3, 2, 1].sort(() => { for (;;); })`,
    'a toString': `String({ toString() { for (;;); } })`,
    'a loop while it starts': `0`
  })) {
    test(`computing is limited: ${what}`, async () => {
      const limits = { cpuMs: 250 }
      if (statement === '0') {
        const started = performance.now()
        await start('')
        const startMs = performance.now() - started
        return endsWith('COFFER_LIMIT_CPU', 250 + 2 * startMs, () => start(`for (;;);`, { limits }))
      }
      const guest = await start(`export const go = async () => { ${statement} }`, { limits })
      await endsWith('COFFER_LIMIT_CPU', 250, () => guest.call('go'))
    })
  }

  test('computing is counted per call, across its waits', async () => {
    const burn = `const burn = ms => { const end = Date.now() + ms; while (Date.now() < end); }`
    const guest = await start(
      `${burn}; export const once = () => burn(150); export const often = async () => { for (;;) { burn(60); await new Promise(r => setTimeout(r, 5)) } }`,
      { limits: { cpuMs: 400 } }
    )
    for (let i = 0; i < 4; i++) await guest.call('once')
    await endsWith('COFFER_LIMIT_CPU', 700, () => guest.call('often'))
    assert.ok(guest.usage().cpuMs >= 900, String(guest.usage().cpuMs))
  })

  test('what runs after its call has settled is limited too', async () => {
    const guest = await start(`export const go = () => { setTimeout(() => { for (;;); }, 1) }`, {
      limits: { cpuMs: 200 }
    })
    await guest.call('go')
    // An idle guest does not keep its host alive; a test does.
    await new Promise(resolve => setTimeout(resolve, 900))
    await rejectsWith('COFFER_GUEST_GONE', () => guest.call('go'))
  })

  test('time on the wall is limited, waiting included', async () => {
    const guest = await start(
      `export const wait = () => new Promise(r => setTimeout(r, 20000)); export const hang = () => new Promise(() => {}); export const host = () => 0`,
      {
        limits: { wallMs: 400 }
      }
    )
    const started = performance.now()
    await rejectsWith('COFFER_LIMIT_WALL', () => guest.call('wait'))
    assert.ok(performance.now() - started < 400 + GRACE_MS)
  })

  for (const [what, body] of Object.entries({
    arrays: `const all = []; for (;;) all.push(new Array(1000).fill(all.length))`,
    'array buffers': `const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1))`,
    text: `let text = 'xy'; for (;;) text = (text + text).split('').reverse().join('')`,
    objects: `let list = null; for (;;) list = { list, a: 1.5, b: {} }`
  })) {
    test(`memory is limited: ${what}`, async () => {
      const guest = await start(
        `export const fill = () => { ${body} }; export const swallow = () => { for (;;) { try { ${body} } catch {} } }`,
        {
          limits: { memoryBytes: 32 * 2 ** 20, cpuMs: 8000 }
        }
      )
      await rejectsWith('COFFER_LIMIT_MEMORY', () => guest.call('fill'))
    })
  }

  test('a guest within its memory is left alone', async () => {
    const guest = await start(
      `export const churn = () => { let sum = 0; for (let i = 0; i < 3000; i++) sum += new Array(1000).fill(i).length; return sum }
       export const hold = () => { globalThis.held = Array.from({ length: 8 }, () => new Uint8Array(1 << 20).fill(7)); return held.length }`,
      { limits: { memoryBytes: 32 * 2 ** 20 } }
    )
    assert.is(await guest.call('churn'), 3_000_000)
    assert.is(await guest.call('hold'), 8)
    assert.is(await guest.call('churn'), 3_000_000)
    assert.ok(guest.usage().memoryBytes > 4 * 2 ** 20, String(guest.usage().memoryBytes))
  })

  test('deep recursion is an error that the guest sees', async () => {
    const guest = await start(
      `const f = () => f() + 1; export const deep = () => { try { f() } catch (error) { return error.name } }; export const fine = () => 1`
    )
    assert.match(String(await guest.call('deep')), /^(RangeError|InternalError)$/)
    assert.is(await guest.call('fine'), 1)
  })

  test('output is limited', async () => {
    const guest = await start(`export const flood = () => { for (;;) console.log('x'.repeat(1000)) }`, {
      limits: { outputBytes: 100_000 }
    })
    await rejectsWith('COFFER_LIMIT_OUTPUT', () => guest.call('flood'))
    assert.ok(guest.stdout.length <= 100_000 && guest.stdout.length > 90_000, String(guest.stdout.length))
  })

  test('waiting timers and requests are limited', async () => {
    const limits = { pendingJobs: 1000 }
    const guest = await start(
      `export const few = () => { for (let i = 0; i < 5000; i++) clearTimeout(setTimeout(() => {}, 1e6)) }; export const flood = () => { for (;;) setTimeout(() => {}, 1e6) }`,
      { limits }
    )
    await guest.call('few')
    await rejectsWith('COFFER_LIMIT_JOBS', () => guest.call('flood'))
    const asking = await start(
      `import { never } from 'coffer:host'; export const flood = () => { for (;;) never() }`,
      {
        limits,
        capabilities: { host: { never: () => new Promise(() => {}) } }
      }
    )
    await rejectsWith('COFFER_LIMIT_JOBS', () => asking.call('flood'))
  })

  test('an AbortSignal among the arguments arrives as one of the guest, which follows it', async () => {
    const guest = await start(
      `import { started } from 'coffer:host'
       export const wait = (name, signal) => new Promise((resolve, reject) => {
         signal.addEventListener('abort', () => resolve([name, signal.aborted, signal.reason.name]))
         started()
       })
       export const kind = (signal, again) => [signal instanceof AbortSignal, signal.aborted, again === undefined]
       export const give = signal => signal
       export const fetchLike = async signal => { signal.throwIfAborted() }`,
      { capabilities: { host: { started: sync(() => controller.abort()) } } }
    )
    const controller = new AbortController()
    assert.equal(await guest.call('kind', new AbortController().signal), [true, false, true])
    assert.equal(await guest.call('kind', AbortSignal.abort()), [true, true, true])
    assert.equal(await guest.call('wait', 'a', controller.signal), ['a', true, 'AbortError'])
    const error = await guest.call('fetchLike', controller.signal).catch((thrown: unknown) => thrown)
    assert.is((error as Error).name, 'AbortError')
    await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.call('give', new AbortController().signal))
    await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.call('kind', [controller.signal] as never))
  })

  test('ended tells why: a limit with its name, or that the guest was disposed of', async () => {
    const spinning = await start('export const spin = () => { for (;;); }', { limits: { cpuMs: 150 } })
    await rejectsWith('COFFER_LIMIT_CPU', () => spinning.call('spin'))
    const reason = await spinning.ended
    assert.equal([reason.code, reason.limit?.name], ['COFFER_LIMIT_CPU', 'cpuMs'])
    const disposed = await start('export const a = 1')
    await disposed.dispose()
    assert.is((await disposed.ended).code, 'COFFER_GUEST_GONE')
  })

  test('calls of the host are limited, per call', async () => {
    const guest = await start(
      `import { now, later } from 'coffer:host'
       export const ask = n => { for (let i = 0; i < n; i++) now() }
       export const request = async n => { for (let i = 0; i < n; i++) await later() }`,
      { limits: { hostCalls: 50 }, capabilities: { host: { now: sync(() => 1), later: () => 2 } } }
    )
    for (const name of ['ask', 'request', 'ask']) await guest.call(name, 50)
    const error = await rejectsWith('COFFER_LIMIT_CALLS', () => guest.call('request', 51))
    assert.equal(error.limit, { name: 'hostCalls', value: 50, used: 51 })
    await rejectsWith('COFFER_GUEST_GONE', () => guest.call('ask', 1))
  })

  test('a value on its way out is limited, and the guest lives on', async () => {
    const guest = await start(
      `import { take } from 'coffer:host'
       const nested = n => { let x = 1; for (let i = 0; i < n; i++) x = [x]; return x }
       const make = { bytes: n => 'x'.repeat(n), items: n => Array(n - 1).fill(0), depth: nested }
       export const give = (kind, n) => make[kind](n)
       export const ask = (kind, n) => { try { return take(make[kind](n)) } catch (e) { return e.name } }`,
      {
        limits: { valueBytes: 1000, valueItems: 100, valueDepth: 5 },
        capabilities: { host: { take: sync(() => 'taken') } }
      }
    )
    for (const [kind, name, fits, past] of [
      ['bytes', 'valueBytes', 990, 1000],
      ['items', 'valueItems', 100, 101],
      ['depth', 'valueDepth', 5, 6]
    ] as const) {
      await guest.call('give', kind, fits)
      const error = await rejectsWith('COFFER_LIMIT_VALUE', () => guest.call('give', kind, past))
      const { limit } = error
      assert.is(limit?.name, name)
      assert.ok(limit !== undefined && limit.used > limit.value, JSON.stringify(limit))
      assert.is(await guest.call('ask', kind, past), 'TypeError')
    }
    assert.is(await guest.call('ask', 'depth', 4), 'taken')
  })

  test('what runs while no call waits is counted together', async () => {
    const guest = await start(
      `export const go = () => void setInterval(() => { const end = Date.now() + 50; while (Date.now() < end); }, 1)`,
      { limits: { cpuMs: 300 } }
    )
    await guest.call('go')
    await new Promise(resolve => setTimeout(resolve, 1500))
    await rejectsWith('COFFER_GUEST_GONE', () => guest.call('go'))
  })

  test('an error of a limit says which, its value and the use', async () => {
    const spend: Record<string, [string, number]> = {
      cpuMs: ['for (;;);', 1000],
      wallMs: ['await new Promise(() => {})', 1500],
      memoryBytes: ['const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1))', 16 * 2 ** 20],
      outputBytes: ["for (;;) console.log('some text')", 10_000],
      pendingJobs: ['for (;;) setTimeout(() => {}, 1e6)', 100]
    }
    await Promise.all(
      Object.entries(spend).map(async ([name, [body, value]]) => {
        const guest = await start(`export const go = async () => { ${body} }`, { limits: { [name]: value } })
        const { limit } = await guest.call('go').then(
          (): { limit?: CofferError['limit'] } => ({}),
          (thrown: CofferError) => thrown
        )
        assert.ok(limit !== undefined && limit.used > value, `${name}: ${limit?.used}`)
        assert.equal([limit.name, limit.value], [name, value])
      })
    )
  })

  // Being ended

  test('dispose() ends pending calls and all later ones', async () => {
    const guest = await start(
      `export const wait = () => new Promise(r => setTimeout(r, 20000)); export const loop = () => { for (;;); }`
    )
    const waiting = rejectsWith('COFFER_GUEST_GONE', () => guest.call('wait'))
    await guest.dispose()
    await waiting
    await guest.dispose()
    await rejectsWith('COFFER_GUEST_GONE', () => guest.call('wait'))
    await rejectsWith('COFFER_GUEST_GONE', () => guest.run([]))
  })

  test('a host function may dispose of the guest that calls it', async () => {
    let guest: Guest
    const capabilities = { host: { end: sync(() => void guest.dispose()) } }
    guest = await start(`import { end } from 'coffer:host'; export const go = () => { end(); for (;;); }`, {
      capabilities,
      limits: { cpuMs: 3000 }
    })
    await rejectsWith('COFFER_GUEST_GONE', () => guest.call('go'))
  })

  test('an abort signal ends the guest', async () => {
    const controller = new AbortController()
    const guest = await start(`export const wait = () => new Promise(r => setTimeout(r, 20000))`, {
      signal: controller.signal
    })
    setTimeout(() => controller.abort(), 20)
    await rejectsWith('COFFER_INTERRUPTED', () => guest.call('wait'))
    await rejectsWith('COFFER_GUEST_GONE', () => guest.call('wait'))
    await rejectsWith('COFFER_INTERRUPTED', () =>
      start(`export const a = 1`, { signal: AbortSignal.abort() })
    )
  })

  test('a guest with a timer left does not outlive its disposal, nor does its end disturb another', async () => {
    const [one, two] = await Promise.all([
      start(`export const loop = () => { for (;;); }`, { limits: { cpuMs: 500 } }),
      start(`let n = 0; setInterval(() => n++, 5); export const get = () => n`)
    ])
    await rejectsWith('COFFER_LIMIT_CPU', () => one.call('loop'))
    await new Promise(resolve => setTimeout(resolve, 60))
    assert.ok(((await two.call('get')) as number) > 2)
  })

  // Soft limits

  const SOFT = `import { softLimit } from 'coffer:limits'\n`
  /** A guest whose soft limits are kept as they are told. */
  const softly = async (source: string, options: LaunchOptions) => {
    const told: LimitUse[] = []
    const guest = await start(source, { softShare: 0.5, onSoftLimit: use => void told.push(use), ...options })
    return { guest, told }
  }

  test('the host hears that computing is nearly used up before it is, once, of a loop without turns too', async () => {
    const { guest, told } = await softly(
      `export const spin = () => { for (;;); }; export const rest = () => 1`,
      {
        limits: { cpuMs: 600 }
      }
    )
    const started = performance.now()
    let heardMs = 0
    void (async () => {
      while (told.length === 0 && performance.now() - started < 5000)
        await new Promise(resolve => setTimeout(resolve, 5))
      heardMs = performance.now() - started
    })()
    assert.is(await guest.call('rest'), 1)
    assert.equal(told, [])
    await rejectsWith('COFFER_LIMIT_CPU', () => guest.call('spin'))
    assert.equal(
      told.map(({ name, value }) => [name, value]),
      [['cpuMs', 600]]
    )
    assert.ok(told[0]!.used > 300 && told[0]!.used < 600, String(told[0]!.used))
    if (guest.engine === 'ses' || how.isolation === 'thread') assert.ok(heardMs < 590, `after ${heardMs} ms`)
  })

  test('a loop without turns can ask, end in time, and be called again', async () => {
    const { guest, told } = await softly(
      `${SOFT}
       export const work = () => {
         let steps = 0
         while (!softLimit().aborted) steps++
         const { reason } = softLimit()
         return [steps > 10, reason instanceof Error, reason.name, reason.code, reason.limit.name, reason.limit.value, reason.message]
       }
       let before
       export const fresh = () => {
         const signal = softLimit()
         const again = signal !== before
         before = signal
         return [signal instanceof AbortSignal, signal.aborted, again, signal === softLimit()]
       }`,
      { limits: { cpuMs: 600 } }
    )
    const stopped = [true, true, 'CofferError', 'COFFER_LIMIT_CPU', 'cpuMs', 600]
    assert.equal(await guest.call('fresh'), [true, false, true, true])
    for (const _ of [1, 2]) {
      const outcome = (await guest.call('work')) as unknown[]
      assert.equal(outcome.slice(0, 6), stopped)
      assert.match(
        String(outcome[6]),
        /about to be ended: it computed for [3-5]\d\d ms, and its limit is 600\./
      )
      assert.equal(await guest.call('fresh'), [true, false, true, true])
    }
    assert.equal(
      told.map(({ name }) => name),
      ['cpuMs', 'cpuMs']
    )
  })

  test('who waits is told by the signal, and every listener of it', async () => {
    const { guest, told } = await softly(
      `${SOFT}
       export const wait = () => new Promise(done => {
         const signal = softLimit()
         signal.addEventListener('abort', () => { throw new Error('a listener') })
         AbortSignal.any([signal]).onabort = event => done([event.target.aborted, signal.reason.limit.name])
       })
       export const deaf = () => new Promise(() => {})`,
      { limits: { wallMs: 600 } }
    )
    assert.equal(await guest.call('wait'), [true, 'wallMs'])
    assert.equal(
      told.map(({ name }) => name),
      ['wallMs']
    )
    assert.match(guest.stderr, /a listener/)
    await rejectsWith('COFFER_LIMIT_WALL', () => guest.call('deaf'))
    assert.is(told.length, 2)
  })

  test('calls of the host, output and memory are told of too: per call, and once in a life', async () => {
    const { guest, told } = await softly(
      `${SOFT}import { now } from 'coffer:host'
       export const calls = count => { for (let i = 0; i < count; i++) now(); return softLimit().reason?.code ?? 'none' }
       export const print = count => { console.log('x'.repeat(count)); return softLimit().reason?.code ?? 'none' }
       const kept = []
       export const fill = async () => {
         while (!softLimit().aborted) { kept.push(new Uint8Array(1 << 20).fill(1)); await new Promise(r => setTimeout(r, 15)) }
         return softLimit().reason.code
       }`,
      {
        limits: { hostCalls: 100, outputBytes: 1000, memoryBytes: 64 * 2 ** 20 },
        capabilities: { host: { now: sync(() => 1) } }
      }
    )
    assert.is(await guest.call('calls', 50), 'none')
    assert.is(await guest.call('calls', 51), 'COFFER_LIMIT_CALLS')
    assert.is(await guest.call('calls', 99), 'COFFER_LIMIT_CALLS')
    assert.is(await guest.call('calls', 1), 'none')
    assert.is(await guest.call('fill'), 'COFFER_LIMIT_MEMORY')
    assert.is(await guest.call('print', 500), 'COFFER_LIMIT_MEMORY')
    assert.is(await guest.call('print', 100), 'COFFER_LIMIT_MEMORY')
    assert.equal(
      told.map(({ name }) => name),
      ['hostCalls', 'hostCalls', 'memoryBytes', 'outputBytes']
    )
    assert.equal(told[0], { name: 'hostCalls', value: 100, used: 51 })
    assert.equal(told[3], { name: 'outputBytes', value: 1000, used: 501 })
  })

  test('a soft limit asks nothing of who does not ask: no share, no signal, no word', async () => {
    const source = `${SOFT}export const burn = ms => { const end = Date.now() + ms; while (Date.now() < end); return softLimit().aborted }`
    const whole = await softly(source, { softShare: 1, limits: { cpuMs: 1000 } })
    assert.is(await whole.guest.call('burn', 700), false)
    assert.equal(whole.told, [])
    for (const softShare of [-0.1, 1.1, NaN]) {
      const options = { softShare }
      const error = await start('export const a = 1', options).catch((thrown: unknown) => thrown)
      assert.instance(error, RangeError)
    }
  })

  test('a guest with a seed sees nothing of its soft limits, and its host does', async () => {
    const { guest, told } = await softly(
      `${SOFT}export const burn = () => { let n = 0; for (let i = 0; i < 3e8 && n < 400; i++) if (i % 1000 === 0 && softLimit().aborted) n++; return n }`,
      { seed: 1, limits: { cpuMs: 1000 } }
    )
    const outcome = await guest.call('burn').catch((error: CofferError) => error.code)
    assert.ok(outcome === 0 || outcome === 'COFFER_LIMIT_CPU', String(outcome))
    assert.is(told[0]?.name, 'cpuMs')
  })

  test('a host that is told may throw, or end the guest at once', async () => {
    const source = `export const spin = () => { for (;;); }`
    const limits = { cpuMs: 600 }
    const thrown = await start(source, {
      limits,
      softShare: 0.2,
      onSoftLimit() {
        throw new Error('of no use')
      }
    })
    await rejectsWith('COFFER_LIMIT_CPU', () => thrown.call('spin'))
    const controller = new AbortController()
    const interrupted = await start(source, {
      limits: { cpuMs: 5000 },
      softShare: 0.05,
      signal: controller.signal,
      onSoftLimit: () => controller.abort()
    })
    await rejectsWith('COFFER_INTERRUPTED', () => interrupted.call('spin'))
    const disposed: Guest = await start(source, {
      limits: { cpuMs: 5000 },
      softShare: 0.05,
      onSoftLimit: () => void disposed.dispose()
    })
    await rejectsWith('COFFER_GUEST_GONE', () => disposed.call('spin'))
  })

  // Capabilities

  test('a module that was not granted does not exist', async () => {
    for (const module of ['terminal', 'assets', 'save', 'host', 'net', 'begin', 'sdk']) {
      await rejectsWith('COFFER_PROGRAM_INVALID', () => start(`import * as x from 'coffer:${module}'`))
    }
  })

  test('host functions are called by promise, or at once where the host said so', async () => {
    const calls: unknown[] = []
    const guest = await start(
      `import { later, now, boom, refuse, odd, none } from 'coffer:host'
       export const go = async () => {
         const out = [now(1, [2]), await later({ a: 1n }), none() instanceof Promise]
         for (const fn of [boom, refuse, odd]) { try { out.push(await fn()) } catch (e) { out.push(e.constructor.name, e.name, e.message, e instanceof Error) } }
         try { now(() => {}) } catch (e) { out.push(e.name) }
         return out
       }
       export const throwing = () => boom()`,
      {
        capabilities: {
          host: {
            now: sync((...args: unknown[]) => (calls.push(args), { got: args.length })),
            later: async (value: unknown) => (calls.push(value), value),
            boom: sync(() => {
              throw new RangeError('no')
            }),
            refuse: () =>
              Promise.reject(
                Object.assign(new Error('refused'), {
                  name: 'Refusal',
                  secret: Buffer.from('x'),
                  stack: 'host path'
                })
              ),
            odd: () => () => {},
            none: () => {}
          }
        }
      }
    )
    assert.equal(await guest.call('go'), [
      { got: 2 },
      { a: 1n },
      true,
      'RangeError',
      'RangeError',
      'no',
      true,
      'Error',
      'Refusal',
      'refused',
      true,
      'TypeError',
      'TypeError',
      'The host answered with a function, which cannot cross.',
      true,
      'TypeError'
    ])
    assert.equal(calls, [[1, [2]], { a: 1n }])
    assert.is((await rejectsWithGuestError(() => guest.call('throwing'))).message, 'no')
  })

  test('a host function may call the guest again', async () => {
    const guest: Guest = await start(
      `import { twice } from 'coffer:host'; export const go = async () => (await twice(20)) + 2; export const double = x => 2 * x`,
      {
        capabilities: { host: { twice: async (x: number) => guest.call('double', x) } }
      }
    )
    assert.is(await guest.call('go'), 42)
  })

  test('coffer:terminal writes in order, measures and reads', async () => {
    const written: string[] = []
    const key = (name: string, text = ''): Key => ({ name, text, ctrl: false, alt: false, shift: false })
    const keys = [
      key('h', 'h'),
      key('x', 'x'),
      key('backspace'),
      key('i', 'i'),
      key('left'),
      key('enter', '\r'),
      key('q', 'q')
    ]
    const guest = await start(
      `import { interactive, size, write, readKey, readLine } from 'coffer:terminal'
       export default async () => {
         write('\\x1b[2J'); write(1); console.log(interactive, size().columns)
         console.log(await readLine('name? ')); console.log((await readKey()).name); console.log(await readKey(), await readLine())
       }`,
      {
        capabilities: {
          terminal: {
            interactive: false,
            size: () => ({ columns: 80, rows: 24 }),
            write: text => void written.push(text),
            readKey: async () => keys.shift() ?? null
          }
        }
      }
    )
    assert.is(await guest.run([]), 0)
    assert.equal(written, ['\x1b[2J', '1', 'name? '])
    assert.is(guest.stdout, 'false 80\nhi\nq\nnull null\n')
  })

  test('coffer:assets lists and reads', async () => {
    const given = utf8('héllo')
    const guest = await start(
      `import { list, read, readText } from 'coffer:assets'
       export const go = async () => {
         list()[0].path = 'changed'
         const out = [list(), await readText('a.txt')]
         for (const path of ['missing', 5]) { try { await read(path) } catch (e) { out.push(e.name) } }
         return out
       }
       export const bytes = () => read('a.txt')`,
      {
        capabilities: {
          assets: {
            list: () => [{ path: 'a.txt', sizeBytes: 6 }],
            read(path) {
              if (path !== 'a.txt') throw new CofferError('COFFER_FILE_MISSING', 'no such asset')
              return given.slice()
            }
          }
        }
      }
    )
    assert.equal(await guest.call('go'), [
      [{ path: 'a.txt', sizeBytes: 6 }],
      'héllo',
      'CofferError',
      'TypeError'
    ])
    assert.equal(await guest.call('bytes'), given)
  })

  test('coffer:save keeps what it is given, under decent names only', async () => {
    const saved = new Map<string, Uint8Array>()
    const guest = await start(
      `import { list, read, readText, write, remove } from 'coffer:save'
       export const go = async () => {
         await write('one', 'téxt'); await write('two', new Uint8Array([1, 2]))
         const out = [await list(), await readText('one'), await read('two'), await read('three'), await readText('three')]
         await remove('one'); out.push(await list())
         for (const slot of ['', '../x', 'a/b', 'a'.repeat(65), 'é', 5, '\\0']) { try { await write(slot, 'x'); out.push(slot) } catch (e) { out.push(e.name) } }
         return out
       }`,
      {
        capabilities: {
          save: {
            list: () => [...saved.keys()],
            read: slot => saved.get(slot),
            commit: async changes => {
              for (const { slot, bytes } of changes) {
                if (bytes === undefined) saved.delete(slot)
                else saved.set(slot, bytes)
              }
            },
            revision: () => 0
          }
        }
      }
    )
    assert.equal(await guest.call('go'), [
      ['one', 'two'],
      'téxt',
      new Uint8Array([1, 2]),
      null,
      null,
      ['two'],
      ...Array(7).fill('TypeError')
    ])
    assert.equal([...saved], [['two', new Uint8Array([1, 2])]])
  })

  test('a program that waits for ever ends with its wall limit, where it has one', async () => {
    const guest = await start('export default () => new Promise(() => {})', { limits: { wallMs: 300 } })
    await rejectsWith('COFFER_LIMIT_WALL', () => guest.run())
  })

  test('run() passes the arguments of the launch unless it is given others', async () => {
    const guest = await start('export default args => args.length * 10 + args[0].length', {
      args: ['abc', 'd']
    })
    assert.is(await guest.run(), 23)
    assert.is(await guest.run(['x']), 11)
  })

  test('sync() leaves the function it is given as it was', async () => {
    const now = () => 7
    const guest = await start(
      `import { later, now } from 'coffer:host'
       export const kinds = () => [typeof now(), later() instanceof Promise]`,
      { capabilities: { host: { later: now, now: sync(now) } } }
    )
    assert.equal(await guest.call('kinds'), ['number', true])
  })

  test('api calls exports by name', async () => {
    const guest = await launch(utf8('export const twice = x => x * 2'), { ...how })
    assert.is(await guest.api['twice']!(21), 42)
    await guest.dispose()
  })

  test.run()
}
