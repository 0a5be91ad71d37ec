import * as assert from 'uvu/assert'
import type { Value } from '../../../sandbox/index.js'
import type { Way } from './way.js'

/** The guest's world. */
export function world({ test, start, evaluate }: Way): void {
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

  test('the global object is found in the ways of old', async () => {
    assert.equal(
      await evaluate(`[
        Function('return this')() === globalThis,
        (new Function("return this;"))().Promise === Promise,
        new Function('return this') () === self,
        (0, eval)('globalThis') === globalThis
      ]`),
      [true, true, true, true]
    )
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
}
