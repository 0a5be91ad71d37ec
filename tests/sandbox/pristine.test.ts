/** What is left of a guest in the instance that it was in: nothing, to the byte, however it ended. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CofferError } from '../../formats/errors.js'
import { DEFAULT_LIMITS } from '../../sandbox/guest.js'
import type { Reuse } from '../../sandbox/quickjs/machine.js'
import { makeMachine, PORT } from './quickjs-stand-in.js'

const LIMITS = { ...DEFAULT_LIMITS, memoryBytes: 16 * 2 ** 20 }
const MODULES = new Map([['coffer:host', ['say']]])

/** Run a program in an instance that is kept. @returns the code that it ended with. */
function use(reuse: Reuse, source: string, message?: string, limits = LIMITS): string {
  let polls = 0
  const machine = makeMachine(
    {
      ...PORT,
      dice: crypto.getRandomValues(new Uint8Array(8)),
      poll() {
        if (++polls > 40) throw new CofferError('COFFER_LIMIT_CPU', 'time is up')
      }
    },
    limits,
    { reuse }
  )
  try {
    machine.evaluate(Buffer.from(source), 'title.js', MODULES)
    if (message !== undefined) machine.dispatch(Buffer.from(message))
    return 'ended well'
  } catch (error) {
    return (error as CofferError).code
  } finally {
    machine.destroy()
  }
}

const isZero = (bytes: Uint8Array) => Buffer.compare(bytes, new Uint8Array(bytes.length)) === 0

/** The instance that waits must be as a fresh one. */
function assertPristine({ idle }: Reuse, what: string): void {
  assert.is(idle.length, 1, what)
  const { bytes, engine } = idle[0]!
  const base = makeMachine.baseMemory()
  if (Buffer.compare(bytes.subarray(0, base.length), base) !== 0)
    assert.unreachable(`${what}: first byte ${bytes.findIndex((byte, i) => byte !== (base[i] ?? 0))}`)
  assert.ok(isZero(bytes.subarray(base.length)), `${what}: something beyond`)
  assert.equal([engine.stack.value, engine.fuel.value], [FRESH_STACK, 0], what)
}

const first: Reuse = { idle: [] }
use(first, '')
const FRESH_STACK = first.idle[0]!.engine.stack.value

const ENDS: readonly (readonly [source: string, code: string, message?: string])[] = [
  ['', 'ended well'],
  [
    'globalThis.secret = "x".repeat(100000); Object.prototype.a = 1; Array.prototype.push = null',
    'ended well'
  ],
  ['export const f = () => { globalThis.late = new Uint8Array(1e6).fill(255) }', 'ended well', 'f'],
  ['const go = n => go(n + 1) + 1; try { go(0) } catch {}', 'ended well'],
  ["try { JSON.parse('['.repeat(1e5)) } catch {}", 'ended well'],
  ['throw new Error("x")', 'ended well'],
  ['let x = ;', 'COFFER_PROGRAM_INVALID'],
  ["import 'coffer:none'", 'COFFER_PROGRAM_INVALID'],
  ['for (;;);', 'COFFER_LIMIT_CPU'],
  ['[].indexOf.call({ length: 2 ** 53 - 1 }, 1)', 'COFFER_LIMIT_CPU'],
  ["/(a+)+b/.exec('a'.repeat(50))", 'COFFER_LIMIT_CPU'],
  ['7n ** 10000000n', 'COFFER_LIMIT_CPU'],
  ['const go = () => [1].map(go); go()', 'ended well'],
  ['for (;;) Promise.resolve().then(() => {})', 'COFFER_LIMIT_CPU'],
  ['const all = []; for (;;) all.push(new ArrayBuffer(100_000))', 'COFFER_LIMIT_MEMORY']
]

// The same numbers each time.
let state = 20_261_125
const random = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32

test('an instance is put back to the byte, however its guest ended', () => {
  const reuse: Reuse = { idle: [] }
  // Each end after each other would be too many: twice in turn, then by chance.
  const order = [
    ...ENDS,
    ...ENDS,
    ...Array.from({ length: 15 }, () => ENDS[Math.floor(random() * ENDS.length)]!)
  ]
  for (const [source, code, message] of order) {
    assert.is(use(reuse, source, message), code, source)
    assertPristine(reuse, source)
  }
})

test('an instance that has grown by more than is kept is overwritten and dropped', () => {
  const reuse: Reuse = { idle: [] }
  const limits = { ...DEFAULT_LIMITS, memoryBytes: 64 * 2 ** 20 }
  const grow = (megabytes: number) =>
    use(reuse, `globalThis.held = new ArrayBuffer(${megabytes}e6)`, '', limits)
  grow(30)
  assertPristine(reuse, 'it is kept')
  const [instance] = reuse.idle
  grow(40)
  assert.is(reuse.idle.length, 0)
  assert.ok(isZero(instance!.bytes), 'something is left')
  // Together they keep no more than one of them may.
  const first = makeMachine(PORT, limits, { reuse })
  grow(20)
  first.evaluate(Buffer.from('globalThis.held = new ArrayBuffer(20e6)'), 'title.js', MODULES)
  assert.is(reuse.idle.length, 1)
  first.destroy()
  assertPristine(reuse, 'beside another')
})

test('an instance that is made ahead is as one that was put back, and the only one that waits', () => {
  const reuse: Reuse = { idle: [] }
  use(reuse, 'globalThis.secret = 1')
  makeMachine.spare(LIMITS, reuse)
  assert.is(reuse.idle.length, 1)
  reuse.idle.pop()
  makeMachine.spare(LIMITS, reuse)
  assertPristine(reuse, 'made ahead')
  assert.is(use(reuse, 'globalThis.secret = 1'), 'ended well')
  assertPristine(reuse, 'after its guest')
})

test('a trap inside the engine heals', () => {
  const reuse: Reuse = { idle: [] }
  use(reuse, '')
  const [instance] = reuse.idle
  for (let round = 0; round < 20; round++) {
    // Garbage where the engine keeps everything.
    const machine = makeMachine(PORT, DEFAULT_LIMITS, { reuse })
    const bytes = instance!.bytes
    for (let i = 0; i < 500; i++) bytes[6e6 - Math.floor(random() * 6e5)] = random() * 256
    try {
      machine.evaluate(Buffer.from('export const f = () => [1, 2, 3].map(String)'), 'title.js', MODULES)
      machine.dispatch(Buffer.from('f'))
    } catch {
      machine.destroy()
      assert.ok(reuse.idle.length <= 1)
      if (reuse.idle.length === 1) assertPristine(reuse, `round ${round}`)
    }
    machine.destroy()
    if (reuse.idle.length === 0) use(reuse, '')
  }
})

test.run()
