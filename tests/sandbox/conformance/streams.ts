import * as assert from 'uvu/assert'
import type { TypedGuest } from '../../../sandbox/index.js'
import { rejectsWith } from '../../helpers/rejects.js'
import { rejectsWithGuestError, endsWith, type Way } from './way.js'

/** Streams. */
export function streams({ test, start }: Way): void {
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
    await endsWith('COFFER_LIMIT_CPU', () => endless.next())
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
}
