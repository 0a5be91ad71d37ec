/** Instances that wait for the next inline guest: which wait, for whom, how long, and that nothing of a guest is in them. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { setTimeout as after } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import type { Guest, LaunchOptions } from '../../sandbox/index.js'
import type { Limits } from '../../sandbox/guest.js'
import { rejectsWith } from '../helpers/rejects.js'
import { memories, newestMemory } from '../helpers/wasm-memories.js'

/** How many memories were made meanwhile: 0 where all came from guests before. */
async function made(work: () => unknown): Promise<number> {
  const before = memories.length
  await work()
  return memories.length - before
}

const { DEFAULT_LIMITS } = await import('../../sandbox/guest.js')
const { createPool, launch } = await import('../../sandbox/index.js')
const { launchProgram } = await import('../../sandbox/launch.js')
const { makeTitleImage } = await import('../../sandbox/imaging.js')
const { quickjs } = await import('../../sandbox/quickjs/node.js')
const { loadQuickjs } = await import('../../sandbox/quickjs/factory.js')
const { makeMachine, PORT, standInImage, wasm } = await import('./quickjs-stand-in.js')

const isZero = (bytes: Uint8Array) => Buffer.compare(bytes, new Uint8Array(bytes.length)) === 0

/** The memory is as a fresh one, however long it has grown. */
function assertPristine(base: Uint8Array, what: string): void {
  const memory = newestMemory()
  assert.is(Buffer.compare(memory.subarray(0, base.length), base), 0, what)
  assert.ok(isZero(memory.subarray(base.length)), `${what}: something beyond`)
}

// ---------------------------------------------------------------- machines

const MODULES = new Map([['coffer:host', ['say']]])
let lastBound = 16 * 2 ** 20
/** Limits that no other test has, so that no instance of theirs fits. */
const ownLimits = (): Limits => ({ ...DEFAULT_LIMITS, memoryBytes: (lastBound += 65_536) })

/** Run a program and end it as a host does that has no more need of it. @returns the code that it ended with before. */
function use(source: string, limits: Limits, message?: string, port: Partial<typeof PORT> = {}): string {
  let polls = 0
  const machine = makeMachine(
    {
      ...PORT,
      poll() {
        if (++polls > 40) throw new CofferError('COFFER_LIMIT_CPU', 'time is up')
      },
      ...port
    },
    limits
  )
  try {
    machine.evaluate(Buffer.from(source), 'title.js', MODULES)
    if (message !== undefined) machine.dispatch(Buffer.from(message))
    return 'ended well'
  } catch (error) {
    return error instanceof CofferError ? error.code : 'another error'
  } finally {
    machine.destroy(true)
  }
}

const SECRET = 'the-marker-that-must-not-stay'

test('an instance is put back to the byte before its guest has gone, whatever that did, and serves the next', async () => {
  const limits = ownLimits()
  const base = makeMachine.baseMemory()
  const programs: readonly (readonly [source: string, message?: string])[] = [
    [''],
    [`globalThis.secret = '${SECRET}'.repeat(4000); Object.prototype.a = 1; Array.prototype.push = null`],
    [`export const f = () => { globalThis.late = new Uint8Array(12e6).fill(255) }`, 'f'],
    [`const go = n => '${SECRET}' + go(n + 1); try { go(0) } catch {}`],
    ["try { JSON.parse('['.repeat(1e5)) } catch {}"],
    ['throw new Error("x")'],
    ['const go = () => [1].map(go); go()'],
    [`const all = []; for (let i = 0; i < 100; i++) all.push('${SECRET}' + i); all.length = 0`]
  ]
  assert.is(await made(() => use('', limits)), 1)
  const count = await made(() => {
    for (const [source, message] of [...programs, ...programs]) {
      assert.is(use(source, limits, message), 'ended well', source)
      assertPristine(base, source)
    }
  })
  assert.is(count, 0)
})

test('what the memory says of itself is not believed', () => {
  const limits = ownLimits()
  const machine = makeMachine(PORT, limits)
  machine.evaluate(Buffer.from('globalThis.held = new Uint8Array(5e6)'), 'title.js', MODULES)
  const memory = newestMemory()
  const base = makeMachine.baseMemory()
  const end = machine.memoryBytes() + base.length
  // Everywhere, and the word that says where the heap ends among it.
  memory.fill(1, base.length, memory.length)
  const view = new DataView(memory.buffer)
  for (let at = 0; at < 200_000; at += 4)
    if (Math.abs(view.getUint32(at, true) - end) < 65_536) view.setUint32(at, base.length - 65_536, true)
  machine.destroy(true)
  assertPristine(base, 'after it')
})

test('nothing waits after a guest that ended in any other way', async () => {
  const bad: readonly (readonly [source: string, code: string])[] = [
    ['for (;;);', 'COFFER_LIMIT_CPU'],
    ['[].indexOf.call({ length: 2 ** 53 - 1 }, 1)', 'COFFER_LIMIT_CPU'],
    ["/(a+)+b/.exec('a'.repeat(50))", 'COFFER_LIMIT_CPU'],
    ['for (;;) Promise.resolve().then(() => {})', 'COFFER_LIMIT_CPU'],
    ['const all = []; for (;;) all.push(new ArrayBuffer(100_000))', 'COFFER_LIMIT_MEMORY'],
    ['new ArrayBuffer(2 ** 31 - 1)', 'COFFER_LIMIT_MEMORY'],
    ['let x = ;', 'COFFER_PROGRAM_INVALID'],
    ["import 'coffer:none'", 'COFFER_PROGRAM_INVALID'],
    ["import { say } from 'coffer:host'; say(1)", 'another error']
  ]
  for (const [source, code] of bad) {
    const limits = ownLimits()
    const receive = (message: Uint8Array) => {
      if (message[1] === 'a'.charCodeAt(0)) throw new Error('a failed assertion of the host')
      return undefined
    }
    assert.is(use(`const kept = '${SECRET}'; ${source}`, limits, undefined, { receive }), code, source)
    assert.ok(isZero(newestMemory()), `${source}: something is left`)
    assert.is(await made(() => use('', limits)), 1, source)
  }
  const limits = ownLimits()
  makeMachine(PORT, limits).destroy()
  assert.ok(isZero(newestMemory()))
  assert.is(await made(() => use('', limits)), 1, 'nobody said that it was in good order')
})

test('a trap inside the engine leaves nothing', async () => {
  for (let round = 1; round <= 10; round++) {
    const limits = ownLimits()
    const machine = makeMachine(PORT, limits)
    // Garbage where the engine keeps everything.
    newestMemory().fill(round, makeMachine.stackTop, makeMachine.stackTop + 300_000)
    assert.throws(() => machine.evaluate(Buffer.from('[1].map(String)'), 'title.js', MODULES))
    machine.destroy(true)
    assert.ok(isZero(newestMemory()))
    assert.is(await made(() => use('', limits)), 1)
  }
})

test('a machine that is ended from inside leaves nothing', async () => {
  const limits = ownLimits()
  let destroy = () => {}
  const machine = makeMachine({ ...PORT, poll: () => destroy() }, limits)
  destroy = () => machine.destroy(true)
  assert.throws(() => machine.evaluate(Buffer.from('for (;;);'), 'title.js', MODULES))
  assert.ok(isZero(newestMemory()))
  assert.is(await made(() => use('', limits)), 1)
})

test("a guest's limit of memory is its own, in an instance that has grown too", async () => {
  const limits = { ...ownLimits(), memoryBytes: 12 * 2 ** 20 }
  const hoard = (limits: Limits): string[] => {
    const said: string[] = []
    const receive = (message: Uint8Array) => void said.push(Buffer.from(message).toString('latin1'))
    const source = `import { say } from 'coffer:host'
      const all = []; for (let i = 0; ; i++) { all.push(new Uint8Array(50_000).fill(1)); say(i) }`
    const end = use(source, limits, undefined, { receive: receive as () => undefined, poll() {} })
    assert.is(end, 'COFFER_LIMIT_MEMORY')
    return said
  }
  const fresh = hoard(limits)
  use('globalThis.held = new Uint8Array(11e6)', limits)
  assert.ok(newestMemory().length > 11e6)
  let memoryBytes: number | undefined
  assert.is(
    await made(() => {
      const machine = makeMachine(PORT, limits)
      memoryBytes = machine.memoryBytes()
      machine.destroy(true)
    }),
    0
  )
  assert.is(memoryBytes, 0)
  assert.is(await made(() => assert.equal(hoard(limits), fresh)), 0)

  // One with another limit gets a memory whose own bound is that.
  const less = { ...limits, memoryBytes: 4 * 2 ** 20 }
  use('globalThis.held = new Uint8Array(11e6)', limits)
  assert.is(await made(() => assert.ok(hoard(less).length < fresh.length / 2)), 1)
})

test('one that has grown far is overwritten and dropped, and those that wait hold no more together', async () => {
  const limits = { ...ownLimits(), memoryBytes: 64 * 2 ** 20 }
  const grow = (bytes: number) => {
    const machine = makeMachine(PORT, limits)
    machine.evaluate(Buffer.from(`globalThis.held = new Uint8Array(${bytes})`), 'title.js', MODULES)
    return machine
  }
  grow(18e6).destroy(true)
  assert.ok(isZero(newestMemory()))
  assert.is(await made(() => grow(15e6).destroy(true)), 1)
  const both = [grow(9e6), grow(9e6)]
  for (const machine of both) machine.destroy(true)
  assert.is(
    await made(() => {
      for (const machine of [makeMachine(PORT, limits), makeMachine(PORT, limits)]) machine.destroy()
    }),
    1
  )
})

test('four wait at most, the last ones', async () => {
  const all = Array.from({ length: 6 }, () => ownLimits())
  for (const limits of all) use('', limits)
  const wait: number[] = []
  for (const limits of all) {
    wait.push(await made(() => makeMachine(PORT, limits).destroy()))
  }
  assert.equal(wait, [1, 1, 0, 0, 0, 0])
})

test('an instance waits for its time and no longer', async () => {
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
  const soon = loadQuickjs({ wasm, image: standInImage, sha256, keptMs: 200 })
  const limits = ownLimits()
  soon(PORT, limits).destroy(true)
  assert.is(await made(() => soon(PORT, limits).destroy(true)), 0)
  await after(400)
  assert.is(await made(() => soon(PORT, limits).destroy(true)), 1)
})

// ---------------------------------------------------------------- guests

const start = (source: string, limits: Limits, options: LaunchOptions = {}): Promise<Guest> =>
  launch(utf8(source), { limits, ...options })

/** Whether the guest's instance serves the next one with the same limits. */
async function leavesOne(limits: Limits): Promise<boolean> {
  return (await made(async () => (await start('', limits)).dispose())) === 0
}

test('a guest that was disposed of leaves its instance, with nothing of it, once that has resolved', async () => {
  const limits = ownLimits()
  const base = quickjs().baseMemory()
  for (let use = 0; use < 3; use++) {
    const guest = await start(`export const keep = text => { globalThis.kept = text + text }`, limits)
    await guest.call('keep', SECRET)
    assert.ok(Buffer.from(memories.at(-1)!.buffer).includes(SECRET))
    await guest.dispose()
    assertPristine(base, `use ${use}`)
    assert.ok(await leavesOne(limits))
  }
})

test('a guest that ended by a limit, by its host, or while it computed leaves none', async () => {
  const source = `export const spin = () => { for (;;); }
    export const wait = () => new Promise(done => setTimeout(done, 10_000))
    export const print = () => { for (;;) console.log('x'.repeat(10_000)) }
    export const flood = () => { for (;;) setTimeout(() => {}, 1000) }`
  const stop = new AbortController()
  const ends: readonly (readonly [string, CofferError['code'], Partial<Limits>, LaunchOptions?])[] = [
    ['spin', 'COFFER_LIMIT_CPU', { cpuMs: 100 }],
    ['wait', 'COFFER_LIMIT_WALL', { wallMs: 100 }],
    ['print', 'COFFER_LIMIT_OUTPUT', { outputBytes: 100_000 }, { stdout() {} }],
    ['flood', 'COFFER_LIMIT_JOBS', { pendingJobs: 1000 }],
    ['wait', 'COFFER_INTERRUPTED', {}, { signal: stop.signal }]
  ]
  for (const [name, code, bounds, options] of ends) {
    const limits = { ...ownLimits(), ...bounds }
    const guest = await start(source, limits, options)
    const called = guest.call(name)
    if (code === 'COFFER_INTERRUPTED') stop.abort()
    await rejectsWith(code, () => called)
    await guest.dispose()
    assert.ok(isZero(newestMemory()), code)
    assert.not.ok(await leavesOne(limits), code)
  }
  const limits = ownLimits()
  const guest: Guest = await start(
    `import { end } from 'coffer:host'; export const go = () => { end(); for (;;); }`,
    limits,
    { capabilities: { host: { end: () => void guest.dispose() } } }
  )
  await rejectsWith('COFFER_GUEST_GONE', () => guest.call('go'))
  await guest.dispose()
  assert.not.ok(await leavesOne(limits), 'it was disposed of while it computed')
})

test('a guest cannot tell an instance that waited from a new one', async () => {
  const source = `const start = [Math.random(), Date.now(), performance.now(), crypto.randomUUID()]
    export const look = () => [...start, Math.random(), Object.keys(globalThis).length, Error('x').stack]
    export const grow = n => { globalThis.held = new Uint8Array(n).fill(1) }`
  const limits = ownLimits()
  const seen: unknown[] = []
  const count = await made(async () => {
    for (let use = 0; use < 3; use++) {
      const guest = await start(source, limits, { seed: 7 })
      const atFirst = guest.usage().memoryBytes
      const looked = await guest.call('look')
      await guest.call('grow', 3_000_000)
      seen.push([looked, atFirst, guest.usage().memoryBytes])
      await guest.dispose()
    }
  })
  assert.is(count, 1)
  assert.equal(seen[1], seen[0])
  assert.equal(seen[2], seen[0])
})

test('guests out of images leave their instances too, and in those no word for another one, however deep', async () => {
  const limits = ownLimits()
  const image = makeTitleImage(
    quickjs(),
    utf8(`const text = '${SECRET}'.split(''); export const f = () => text`),
    { name: 'title.js', grants: [[]], limits, mark: 'mark' }
  )
  if (!(image instanceof Uint8Array)) throw new Error(image.reason)
  const base = quickjs().baseMemory()
  // As deep as no guest goes, unless its image was made by hand.
  const deep = quickjs().stackTop - 4 * 2 ** 20
  const word = () => newestMemory().subarray(deep, deep + 4096)
  await (await launchProgram({ image }, { limits })).dispose()
  const count = await made(async () => {
    for (let use = 0; use < 2; use++) {
      const guest = await launchProgram({ image }, { limits })
      assert.is(((await guest.call('f')) as string[]).join(''), SECRET)
      assert.ok(isZero(word()))
      word().fill(1)
      await guest.dispose()
      word().fill(0)
      assertPristine(base, 'apart from the word')
      word().fill(1)
    }
    const guest = await start('', limits)
    assert.ok(isZero(word()))
    await guest.dispose()
    assertPristine(base, 'after one from source')
  })
  assert.is(count, 0)
})

test("a pool's guest begins as the first one did, to the byte, and nothing is taken over of what that used its stack for", async () => {
  const go = `const go = n => '${SECRET}' + go(n + 1); try { go(0) } catch {}`
  const pool = await createPool(
    utf8(`${go}; export const f = () => { ${go} }; export const room = new Uint8Array(1e6).fill(7)`),
    {
      size: 2
    }
  )
  const first = await pool.take()
  const memory = newestMemory()
  const asFirst = memory.slice()
  const other = await pool.take()
  const anew = newestMemory()
  assert.is.not(anew.buffer, memory.buffer)
  await first.call('f')
  await first.dispose()
  await other.dispose()
  const { stackTop } = quickjs()
  const bottom = stackTop - 5 * 2 ** 20
  for (const put of [memory, anew]) {
    assert.ok(isZero(put.subarray(bottom, stackTop)))
    assert.is(Buffer.compare(put.subarray(0, bottom), asFirst.subarray(0, bottom)), 0)
    // Each has dice of its own.
    const differ = put.subarray(stackTop).filter((byte, i) => byte !== asFirst[stackTop + i])
    assert.ok(differ.length <= 8, `${differ.length} bytes differ`)
  }
  await pool.dispose()
})

test('an instance that waits holds no process', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { launch } from ${JSON.stringify(new URL('../../sandbox/index.js', import.meta.url).href)}
       const guest = await launch(new TextEncoder().encode('export const one = () => 1'), {})
       await guest.dispose()
       const doneMs = performance.now()
       process.on('exit', () => process.stdout.write(performance.now() - doneMs < 5000 ? 'at once' : 'late'))`
    ],
    { encoding: 'utf8', timeout: 30_000 }
  )
  assert.is(stderr, '')
  assert.is(status, 0)
  assert.is(stdout, 'at once')
})

test.run()
