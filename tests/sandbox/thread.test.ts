/** A guest in a thread: what its host is promised of frames, of its own event loop and of the end. */
import { spawnSync } from 'node:child_process'
import { setTimeout as after } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import type { EngineGuest } from '../../sandbox/guest.js'
import { type Guest, GuestError, launch, type LaunchOptions, sync } from '../../sandbox/index.js'
import { launchThread } from '../../sandbox/thread/launch.js'
import { rejectsWith } from '../helpers/rejects.js'
import { NEVER_MS } from './conformance/way.js'

const start = (source: string, options: Partial<LaunchOptions> = {}): Promise<Guest> =>
  launch(utf8(source), { isolation: 'thread', ...options })

const busy = (ms: number) => {
  for (const endMs = performance.now() + ms; performance.now() < endMs;);
}

/** How often a timer of this thread's came while `action` went on. */
async function ticksDuring(action: () => Promise<unknown>): Promise<number> {
  let ticks = 0
  const timer = setInterval(() => ticks++, 1)
  await action()
  clearInterval(timer)
  return ticks
}

test('calls and output keep their order, short frames among long ones, and more at once than there is room for', async () => {
  const printed: number[] = []
  await using guest = await start(
    `export const back = (n, size) => { console.log('x'.repeat(n % 7 === 0 ? 70_000 : n)); return new Uint8Array(size).fill(n) }`,
    { stdout: bytes => void printed.push(bytes.length - 1) }
  )
  const sizes = [10, 1_016, 1_200, 40_000, 0]
  const settled: number[] = []
  const calls = Array.from({ length: 300 }, async (_, n) => {
    const size = sizes[n % sizes.length]!
    assert.equal(await guest.call('back', n, size), new Uint8Array(size).fill(n))
    settled.push(n)
  })
  await Promise.all(calls)
  const all = Array.from({ length: 300 }, (_, n) => n)
  assert.equal(settled, all)
  assert.equal(
    printed,
    all.map(n => (n % 7 === 0 ? 70_000 : n))
  )
})

test('a host that calls, or is called, again and again has its event loop all the same', async () => {
  await using guest = await start(
    `import { host } from 'coffer:host'
     export const add = (a, b) => a + b
     export const ask = n => { let sum = 0; for (let i = 0; i < n; i++) sum += host(i); return sum }`,
    { capabilities: { host: { host: sync((n: number) => n) } } }
  )
  const calling = await ticksDuring(async () => {
    for (const endMs = performance.now() + 500; performance.now() < endMs;) {
      for (let i = 0; i < 50; i++) assert.is(await guest.call('add', i, 1), i + 1)
    }
  })
  const called = await ticksDuring(() => guest.call('ask', 50_000))
  // A few hundred where nothing else runs; none, where calls and answers followed one another without end.
  assert.ok(calling > 10 && called > 10, `${calling} and ${called} ticks`)
})

test("a guest's timers go on while its host calls, and while it does not", async () => {
  await using guest = await start(`export const add = (a, b) => a + b
    export const later = ms => new Promise(done => setTimeout(done, ms, 'late'))`)
  const startedMs = performance.now()
  let late: unknown
  void guest.call('later', 20).then(value => (late = value))
  while (late === undefined) {
    assert.is(await guest.call('add', 1, 2), 3)
    assert.ok(performance.now() - startedMs < 5_000)
  }
  assert.is(await guest.call('later', 30), 'late')
})

test('a host that is busy is waited for: by what the guest asks, and by what it prints', async () => {
  let printed = 0
  await using guest = await start(
    `import { host } from 'coffer:host'
     export const ask = () => host(1)
     export const flood = n => { for (let i = 0; i < n; i++) console.log(i); return n }`,
    { capabilities: { host: { host: sync((n: number) => n + 1) } }, stdout: () => void printed++ }
  )
  const asked = guest.call('ask')
  busy(1_000)
  assert.is(await asked, 2)
  const flooded = guest.call('flood', 5_000)
  busy(1_000)
  assert.is(printed, 0)
  assert.is(await flooded, 5_000)
  assert.is(printed, 5_000)
  assert.is(await guest.call('ask'), 2)
})

test('a guest that is ended while one of both waits is ended at once', async () => {
  const source = `export const spin = () => { for (;;); }
    export const flood = () => { for (;;) console.log('x'.repeat(100)) }`
  const stop = new AbortController()
  let guest = await start(source, { signal: stop.signal })
  const spinning = rejectsWith('COFFER_INTERRUPTED', () => guest.call('spin'))
  await after(50)
  stop.abort()
  await spinning

  guest = await start(source, { limits: { outputBytes: 1_000_000 } })
  const flooding = rejectsWith('COFFER_LIMIT_OUTPUT', () => guest.call('flood'))
  busy(300)
  await flooding

  // The sender waits for room, and its host does not look any more.
  guest = await start(source)
  const left = rejectsWith('COFFER_GUEST_GONE', () => guest.call('flood'))
  busy(200)
  await guest.dispose()
  await left

  // Disposed of by the function that it waits for.
  let disposed: Promise<void> | undefined
  guest = await start(`import { host } from 'coffer:host'; export const ask = () => host()`, {
    capabilities: { host: { host: sync(() => void (disposed = guest.dispose())) } }
  })
  await rejectsWith('COFFER_GUEST_GONE', () => guest.call('ask'))
  await disposed
})

/** None of these threads is ended because it, or this one, had no turn for a while. */
const startSlowly = (source: string, options: LaunchOptions): Promise<EngineGuest> =>
  launchThread({ source: utf8(source) }, options, NEVER_MS)

test('a thread serves the next guest once it has let go of one, and none otherwise', async () => {
  let threads = 0
  const count = () => void threads++
  process.on('worker', count)
  const source = `let calls = 0
    export const count = () => (globalThis.marked ??= ++calls, Object.prototype.left = ++calls)
    export const spin = () => { for (;;); }
    setInterval(() => console.log('late'), 1)`
  let printed = 0
  // A stack of its own, so that threads of other tests do not fit.
  const options: LaunchOptions = {
    limits: { stackBytes: 3 * 2 ** 20, cpuMs: 2000 },
    stdout: () => void printed++
  }
  for (let use = 0; use < 5; use++) {
    await using guest = await startSlowly(source, options)
    assert.is(await guest.call('count'), 2)
    const before = printed
    while (printed === before) await after(1)
  }
  assert.is(threads, 1)

  await rejectsWith('COFFER_PROGRAM_INVALID', () => startSlowly('export const = 1', options))
  await rejectsWith('COFFER_LIMIT_CPU', () => startSlowly('for (;;);', options))
  const spinning = await startSlowly(source, options)
  await rejectsWith('COFFER_LIMIT_CPU', () => spinning.call('spin'))
  assert.ok(spinning.usage().cpuMs >= 2000)
  await spinning.dispose()
  assert.is(threads, 1, 'one that told of a limit is used again')
  const side = await Promise.all([startSlowly(source, options), startSlowly(source, options)])
  assert.is(threads, 2)
  await Promise.all(side.map(guest => guest.dispose()))
  const seen = printed
  await after(20)
  assert.is(printed, seen, 'what is gone prints nothing')

  const stop = new AbortController()
  const guest = await startSlowly(source, { ...options, signal: stop.signal })
  const stopped = rejectsWith('COFFER_INTERRUPTED', () => guest.call('spin'))
  await after(5)
  stop.abort()
  await stopped
  await using other = await startSlowly(source, options)
  await using larger = await startSlowly(source, { limits: { stackBytes: 5 * 2 ** 20 } })
  assert.is(threads, 3, 'one that was ended is not used again, and stacks are as large as was asked for')
  for (const next of [other, larger]) assert.is(await next.call('count'), 2)

  const large = await startSlowly('export const take = n => { globalThis.all = new Uint8Array(n).fill(1) }', {
    limits: { ...options.limits, cpuMs: 20_000 }
  })
  await large.call('take', 40e6)
  await large.dispose()
  await using last = await startSlowly(source, options)
  assert.is(await last.call('count'), 2)
  assert.is(threads, 5, 'nor is one whose guest had much memory')
  const take = 'globalThis.all = new Uint8Array(40e6).fill(1);'
  const takes = { ...options, limits: { ...options.limits, cpuMs: 5_000 } }
  assert.instance(await startSlowly(`${take} throw new Error('x')`, takes).catch(error => error), GuestError)
  await using another = await startSlowly(source, options)
  assert.is(await another.call('count'), 2)
  assert.is(threads, 7, 'though it never started')
  await rejectsWith('COFFER_LIMIT_MEMORY', () => startSlowly('globalThis.all = new Uint8Array(1e9)', takes))
  await using again = await startSlowly(`${take} export const count = () => 2`, takes)
  assert.is(await again.call('count'), 2)
  assert.is(threads, 8, 'one that was refused it has none')
  process.off('worker', count)
})

test('a process ends with a guest that nobody calls, and stays for one that is called', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { launch } from ${JSON.stringify(new URL('../../sandbox/index.js', import.meta.url).href)}
       const source = "export const later = ms => new Promise(done => setTimeout(done, ms, 'late')); export const one = () => 1"
       const guest = await launch(new TextEncoder().encode(source), { isolation: 'thread' })
       for (let i = 0; i < 1000; i++) await guest.call('one')
       void guest.call('later', 200).then(value => process.stdout.write(value)).then(() => guest.dispose())`
    ],
    { encoding: 'utf8', timeout: 30_000 }
  )
  assert.is(stderr, '')
  assert.is(stdout, 'late')
  assert.is(status, 0)
})

test.run()
