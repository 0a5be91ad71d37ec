import * as assert from 'uvu/assert'
import { type Guest, type LaunchOptions, type LimitUse, sync } from '../../../sandbox/index.js'
import { rejectsWith } from '../../helpers/rejects.js'
import { NEVER_MS, type Way } from './way.js'

/** Soft limits. */
export function softLimits({ test, start, how }: Way): void {
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
        softShare: 0.25,
        limits: { cpuMs: 4000 }
      }
    )
    const started = performance.now()
    let heardMs = 0
    void (async () => {
      while (told.length === 0 && performance.now() - started < NEVER_MS)
        await new Promise(resolve => setTimeout(resolve, 5))
      heardMs = performance.now() - started
    })()
    assert.is(await guest.call('rest'), 1)
    assert.equal(told, [])
    await rejectsWith('COFFER_LIMIT_CPU', () => guest.call('spin'))
    assert.equal(
      told.map(({ name, value }) => [name, value]),
      [['cpuMs', 4000]]
    )
    assert.ok(told[0]!.used > 1000 && told[0]!.used < 4000, String(told[0]!.used))
    if (guest.engine === 'ses' || how.isolation === 'thread')
      assert.ok(heardMs > 0 && heardMs < 4000, `after ${heardMs} ms`)
  })

  test('it hears so once, however often the guest has gone on from a message to the host', async () => {
    const { guest, told } = await softly('export const print = () => { for (;;) console.log() }', {
      limits: { cpuMs: 2000, outputBytes: 2 ** 30 }
    })
    await rejectsWith('COFFER_LIMIT_CPU', () => guest.call('print'))
    assert.equal(
      told.map(({ name }) => name),
      ['cpuMs']
    )
  })

  test('it hears so first, also where one step leads past both', async () => {
    const { guest, told } = await softly("export const print = () => console.log('x'.repeat(1000))", {
      limits: { outputBytes: 100 }
    })
    await rejectsWith('COFFER_LIMIT_OUTPUT', () => guest.call('print'))
    assert.equal(
      told.map(({ name, value }) => [name, value]),
      [['outputBytes', 100]]
    )
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
      { softShare: 0.2, limits: { cpuMs: 5000 } }
    )
    const stopped = [true, true, 'CofferError', 'COFFER_LIMIT_CPU', 'cpuMs', 5000]
    assert.equal(await guest.call('fresh'), [true, false, true, true])
    for (const _ of [1, 2]) {
      const outcome = (await guest.call('work')) as unknown[]
      assert.equal(outcome.slice(0, 6), stopped)
      assert.match(
        String(outcome[6]),
        /about to be ended: it computed for [1-4]\d\d\d ms, and its limit is 5000\./
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
       `,
      { softShare: 0.1, limits: { wallMs: 20_000 } }
    )
    assert.equal(await guest.call('wait'), [true, 'wallMs'])
    assert.equal(
      told.map(({ name }) => name),
      ['wallMs']
    )
    assert.match(guest.stderr, /a listener/)
    const deaf = await softly(`export const wait = () => new Promise(() => {})`, { limits: { wallMs: 4000 } })
    await rejectsWith('COFFER_LIMIT_WALL', () => deaf.guest.call('wait'))
    assert.equal(
      deaf.told.map(({ name }) => name),
      ['wallMs']
    )
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
    const whole = await softly(source, { softShare: 1, limits: { cpuMs: 4000 } })
    assert.is(await whole.guest.call('burn', 2500), false)
    assert.equal(whole.told, [])
    for (const body of ['for (;;);', 'for (;;) await null']) {
      const { guest, told } = await softly(`export const spin = async () => { ${body} }`, {
        softShare: 1,
        limits: { cpuMs: 1500 }
      })
      await rejectsWith('COFFER_LIMIT_CPU', () => guest.call('spin'))
      assert.equal(told, [])
    }
    for (const softShare of [-0.1, 1.1, NaN]) {
      const options = { softShare }
      const error = await start('export const a = 1', options).catch((thrown: unknown) => thrown)
      assert.instance(error, RangeError)
    }
  })

  test('a guest with a seed sees nothing of its soft limits, and its host does', async () => {
    const { guest, told } = await softly(
      `${SOFT}export const burn = () => { while (!softLimit().aborted); return 'seen' }`,
      { seed: 1, limits: { cpuMs: 2000 } }
    )
    await rejectsWith('COFFER_LIMIT_CPU', () => guest.call('burn'))
    assert.is(told[0]?.name, 'cpuMs')
  })

  test('a host that is told may throw, or end the guest at once', async () => {
    const source = `export const spin = () => { for (;;); }`
    const limits = { cpuMs: 2500 }
    const thrown = await start(source, {
      limits,
      softShare: 0.4,
      onSoftLimit() {
        throw new Error('of no use')
      }
    })
    await rejectsWith('COFFER_LIMIT_CPU', () => thrown.call('spin'))
    const controller = new AbortController()
    const interrupted = await start(source, {
      limits: { cpuMs: 20_000 },
      softShare: 0.05,
      signal: controller.signal,
      onSoftLimit: () => controller.abort()
    })
    await rejectsWith('COFFER_INTERRUPTED', () => interrupted.call('spin'))
    const disposed: Guest = await start(source, {
      limits: { cpuMs: 20_000 },
      softShare: 0.05,
      onSoftLimit: () => void disposed.dispose()
    })
    await rejectsWith('COFFER_GUEST_GONE', () => disposed.call('spin'))
  })
}
