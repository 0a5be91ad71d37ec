/** Guests that rest without memory of their own: they do not notice, nobody sees theirs meanwhile, and it is less. */
import { setTimeout as after } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8, utf8Decode } from '../../formats/bytes.js'
import { DEFAULT_LIMITS } from '../../sandbox/guest.js'
import { PAGE_BYTES, STACK_BYTES } from '../../sandbox/quickjs/abi.js'
import type { Reuse } from '../../sandbox/quickjs/machine.js'
import type { AnyApi, TypedGuest } from '../../sandbox/typed.js'
import { Seeded } from '../helpers/seeded.js'
import { rejectsWith } from '../helpers/rejects.js'
import { memories } from '../helpers/wasm-memories.js'

const { createPool, sync } = await import('../../sandbox/index.js')
const resting = await import('../../sandbox/quickjs/resting.js')
const { Awake } = resting
const { makeMachine, PORT } = await import('./quickjs-stand-in.js')

type Guest = TypedGuest<AnyApi>

const SOURCE = `import { plus, later } from 'coffer:host'
  let n = 0; const seen = new Map(); const list = []; let held
  export const add = x => { n += x; seen.set(n, x); list.push({ n, text: 'text ' + n }); return n }
  export const ask = x => plus(n, x)
  export const sorted = list => [...list].sort((a, b) => plus(a, -b) > 0 ? 1 : -1).map(x => plus(n, x))
  export const wait = async x => (n = await later(n + x))
  export const sleep = ms => new Promise(done => setTimeout(() => done(++n), ms))
  export const dice = () => Math.random()
  export const grow = size => { held = new Uint8Array(size).fill(n & 255); return held.length }
  export const shrink = () => { held = undefined; list.length = 0 }
  export const fail = () => { throw new RangeError('no ' + n) }
  export const go = x => { console.log('go', { n, x }); Promise.resolve().then(() => { n++ }); return new Set(seen).size }
  export const all = () => JSON.stringify([n, [...seen], list, held?.[5], new URL('https://example.org/?' + n).search])
  export async function* count(to) { for (let i = 0; i < to; i++) yield [i, n] }`

const host = { plus: sync((a: number, b: number) => a + b), later: async (x: number) => x + 1 }

const random = new Seeded('resting')
const CALLS = ['add', 'add', 'ask', 'wait', 'dice', 'grow', 'shrink', 'fail', 'go', 'all', 'stream', 'new']
/** So many calls, each of one of five guests. */
const script = (length: number) =>
  Array.from({ length }, () => {
    const call = random.pick(CALLS)
    const most = call === 'grow' ? random.pick([3e4, 3e4, 3e4, 3e6]) : 1000
    return { which: random.below(5), call, value: random.below(most) }
  })

/** What comes of calls of a pool's guests. */
async function played(awake: number, calls: ReturnType<typeof script>): Promise<unknown[]> {
  const print: string[] = []
  await using pool = await createPool(utf8(SOURCE), {
    size: 5,
    awake,
    seed: 7,
    capabilities: { host },
    stdout: bytes => void print.push(utf8Decode(bytes))
  })
  const guests: Guest[] = []
  for (let i = 0; i < 5; i++) guests.push(await pool.take())
  const streams = guests.map(guest => guest.iterate('count', 1000))
  const told: unknown[] = []
  for (const { which, call, value } of calls) {
    if (call === 'new') {
      await guests[which]!.dispose()
      guests[which] = await pool.take()
      streams[which] = guests[which]!.iterate('count', 1000)
    } else if (call === 'stream') told.push(await streams[which]!.next())
    else {
      const guest = guests[which]!
      const outcome = await guest.call(call, value).catch((error: Error) => `${error.name} ${error.message}`)
      told.push([which, call, outcome, guest.usage().memoryBytes])
    }
  }
  return [...told, print]
}

test('guests that rest in between come to what those come to that do not', async () => {
  for (let round = 0; round < 3; round++) {
    const calls = script(300)
    const expected = await played(Infinity, calls)
    for (const awake of [1, 2]) assert.equal(await played(awake, calls), expected, `${awake} awake`)
  }
})

test('a guest that is entered again has its memory to the byte, and the instance that it left is as a fresh one', () => {
  const limits = { ...DEFAULT_LIMITS, memoryBytes: 16 * 2 ** 20 }
  const { stackTop } = makeMachine
  const withoutStack = ({ buffer }: WebAssembly.Memory) => {
    const bytes = new Uint8Array(buffer).slice()
    bytes.fill(0, stackTop - STACK_BYTES, stackTop)
    return bytes
  }
  const base = makeMachine.baseMemory()
  const isFresh = (bytes: Uint8Array) =>
    Buffer.compare(bytes.subarray(0, base.length), base) === 0 &&
    bytes.subarray(base.length).every(byte => byte === 0)
  for (const source of [
    '',
    'globalThis.text = "secret ".repeat(1000)',
    'globalThis.zeros = new Uint8Array(500_000)',
    'globalThis.list = Array.from({ length: 200 }, (_, i) => ({ i }))',
    'const all = []; for (let i = 0; i < 20; i++) all.push(new Uint8Array(2000).fill(i)); globalThis.all = all.slice(5)',
    'const deep = n => (n === 0 ? 0 : deep(n - 1) + 1); deep(500)'
  ]) {
    const reuse: Reuse = { idle: [], awake: new Awake(1) }
    const said: string[] = []
    const port = { ...PORT, receive: (message: Uint8Array) => void said.push(utf8Decode(message)) }
    const machine = makeMachine(port, limits, { reuse })
    const memory = memories.at(-1)!
    machine.evaluate(utf8(`let n = 0; export const f = () => ++n; ${source}`), 'title.js', new Map())
    machine.dispatch(utf8('f'))
    const [before, occupied] = [withoutStack(memory), machine.memoryBytes()]
    assert.is(isFresh(before), false)
    assert.is(occupied > 0, source.includes('zeros'))
    assert.is(machine.rest(), true, source)
    assert.is(machine.rest(), false, 'it rests already')
    assert.is(machine.memoryBytes(), occupied)
    assert.is(reuse.idle.length, 1)
    assert.ok(isFresh(reuse.idle[0]!.bytes), source)
    assert.is(reuse.idle[0]!.engine.fuel.value, 0)

    // Another guest has it meanwhile.
    const other = makeMachine(PORT, limits, { reuse })
    assert.is(memories.at(-1), memory)
    other.evaluate(utf8('globalThis.other = "x".repeat(5000)'), 'title.js', new Map())
    other.destroy()

    // Entered, before it does anything.
    let entered: Uint8Array | undefined
    const { Resting } = resting
    const { wake } = Resting.prototype
    Resting.prototype.wake = function (instance) {
      wake.call(this, instance)
      entered = withoutStack(memory)
    }
    machine.dispatch(utf8('f'))
    Resting.prototype.wake = wake
    assert.is(Buffer.compare(entered!, before), 0, source)
    assert.is(said.at(-1), 'result 2', source)
    assert.is(machine.rest(), true)
    machine.dispatch(utf8('f'))
    assert.is(said.at(-1), 'result 3', source)
    machine.destroy()
    assert.is(machine.rest(), false)
    assert.is(machine.memoryBytes(), 0)
  }
})

test('so many at most have memory of their own, and whose changes are large goes on having it', async () => {
  await using pool = await createPool(utf8(SOURCE), { size: 40, awake: 3, capabilities: { host } })
  await (await pool.take()).dispose()
  const before = memories.length - 2 // its own, and one that was made ahead
  const guests: Guest[] = []
  for (let i = 0; i < 40; i++) guests.push(await pool.take())
  for (const [i, guest] of guests.entries()) assert.is(guest.callSync('add', i), i)
  // One is made ahead.
  assert.ok(memories.length - before <= 5, `${memories.length - before} memories for 40 guests`)
  const pages = () =>
    memories.slice(before).reduce((sum, { buffer }) => sum + buffer.byteLength / PAGE_BYTES, 0)
  assert.is(guests[5]!.callSync('grow', 2_000_000), 2_000_000)
  const grown = pages()
  for (let round = 0; round < 3; round++)
    for (const [i, guest] of guests.entries()) assert.is(guest.callSync('add', 0), i)
  assert.is(pages(), grown, 'what one holds was made again')
  assert.ok(guests[5]!.usage().memoryBytes >= 2_000_000)
  assert.is(guests[1]!.usage().memoryBytes, 0)
})

test('whether one has changed too much to rest is looked at once after each time that it was entered', () => {
  const reuse: Reuse = { idle: [], awake: new Awake(1) }
  const machine = makeMachine(PORT, DEFAULT_LIMITS, { reuse })
  const source = 'globalThis.held = new Uint8Array(1e6).fill(7); export const drop = () => { held = 0 }'
  machine.evaluate(utf8(source), 'title.js', new Map())
  const { of } = resting.Resting
  let looks = 0
  resting.Resting.of = (...given) => {
    looks++
    return of(...given)
  }
  try {
    assert.is(machine.wasEntered(), true)
    for (let i = 0; i < 3; i++) assert.equal([machine.rest(), machine.wasEntered()], [false, false])
    assert.is(looks, 1)
    machine.dispatch(utf8('drop'))
    assert.equal([machine.wasEntered(), machine.rest(), looks], [true, false, 2]) // what was freed still lies there
  } finally {
    resting.Resting.of = of
    machine.destroy()
  }
})

test('one that is in the midst of a call keeps its memory, whoever is called meanwhile', async () => {
  for (const awake of [1, 2, 3]) {
    let others: Guest[] = []
    let calls = 0
    const plus = sync((a: number, b: number) => {
      // From inside of the first: all others, one after the other.
      calls++
      for (const [i, guest] of others.entries()) assert.is(guest.callSync('add', 1), i * 1000 + calls)
      return a + b
    })
    await using pool = await createPool(utf8(SOURCE), {
      size: 6,
      awake,
      capabilities: { host: { ...host, plus } }
    })
    const first = await pool.take()
    assert.is(first.callSync('add', 10), 10)
    const guests: Guest[] = []
    for (let i = 0; i < 5; i++) guests.push(await pool.take())
    for (const [i, guest] of guests.entries()) guest.callSync('add', i * 1000)
    others = guests
    const list = [5, 3, 9, 1, 7]
    assert.equal(first.callSync('sorted', list), [11, 13, 15, 17, 19])
    assert.ok(calls > list.length)
  }
})

test('timers and answers find a guest that rests, and it ends there as elsewhere', async () => {
  const host = { plus: sync(() => 0), later: (x: number) => after(30, x + 1) }
  await using pool = await createPool(utf8(SOURCE), { size: 4, awake: 1, capabilities: { host } })
  const [a, b, c, d] = [await pool.take(), await pool.take(), await pool.take(), await pool.take()]
  const waiting = [a.call('sleep', 30), b.call('wait', 5), c.call('sleep', 10)]
  assert.is(d.callSync('add', 1), 1)
  assert.equal(await Promise.all(waiting), [1, 6, 1])
  const never = a.call('sleep', 60_000)
  assert.is(d.callSync('add', 1), 2)
  await a.dispose()
  await rejectsWith('COFFER_GUEST_GONE', () => never)
  await rejectsWith('COFFER_GUEST_GONE', () => a.call('add', 1))
  const fresh = await pool.take()
  assert.is(fresh.callSync('add', 1), 1)
  assert.is(b.callSync('add', 1), 7)
})

test('those rest first that were not entered for longest, and none that has ended', () => {
  const awake = new Awake(3)
  const told: string[] = []
  const guest = (name: string) => ({
    entered: false,
    stays: false,
    wasEntered() {
      const was = this.entered
      this.entered = false
      return was
    },
    rest() {
      told.push(name)
      return !this.stays
    }
  })
  const [a, b, c, d, e, f] = ['a', 'b', 'c', 'd', 'e', 'f'].map(guest) as [ReturnType<typeof guest>, ...any[]]
  for (const each of [a, b, c]) awake.add(each)
  assert.equal(told, [])
  a.entered = true
  awake.add(d) // a, c, d stay
  assert.equal(told, ['b'])
  c.stays = true
  awake.add(e) // c will not; a was entered before
  assert.equal(told.splice(1), ['c', 'a'])
  awake.delete(d)
  awake.add(f)
  assert.equal(told.splice(1), [])
  for (const each of [c, e, f]) each.stays = true
  awake.add(b)
  assert.equal([...new Set(told.splice(1))].sort(), ['c', 'e', 'f'])

  // However many there are that cannot rest, each that comes asks a few, one behind the other.
  const stubborn = Array.from({ length: 100 }, (_, i) => Object.assign(guest(String(i)), { stays: true }))
  const few = new Awake(2)
  for (const each of stubborn) few.add(each)
  told.length = 0
  for (let i = 0; i < 25; i++) few.add(Object.assign(guest('new'), { stays: true }))
  assert.ok(told.length <= 100, `${told.length} were asked`)
  assert.is(new Set(told.filter(name => name !== 'new')).size, told.filter(name => name !== 'new').length)

  const reuse: Reuse = { idle: [], awake: new Awake(1) }
  const ended = makeMachine(PORT, DEFAULT_LIMITS, { reuse })
  ended.destroy()
  ended.rest = () => assert.unreachable('one that has ended is asked to rest') as never
  makeMachine(PORT, DEFAULT_LIMITS, { reuse }).destroy()
})

test('how many may have memory is a whole number from 1, or all', async () => {
  for (const awake of [0, -1, 1.5, NaN, '3' as never])
    await createPool(utf8('export {}'), { size: 1, awake }).then(
      () => assert.unreachable(String(awake)),
      (error: unknown) => assert.instance(error, RangeError)
    )
})

test.run()
