import * as assert from 'uvu/assert'
import { type CofferError, sync } from '../../../sandbox/index.js'
import { rejectsWith } from '../../helpers/rejects.js'
import { endOf, endsWith, type Way } from './way.js'

/** Limits. */
export function limits({ test, start }: Way): void {
  test('computing is limited: an endless loop', async () => {
    const guest = await start(`export const loop = () => { for (;;); }; export const fine = () => 1`, {
      limits: { cpuMs: 1500 }
    })
    assert.is(await guest.call('fine'), 1)
    await endsWith('COFFER_LIMIT_CPU', () => guest.call('loop'))
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
      // Its start counts too, on a machine that does other things.
      const limits = { cpuMs: 1000 }
      if (statement === '0') return endsWith('COFFER_LIMIT_CPU', () => start(`for (;;);`, { limits }))
      const guest = await start(`export const go = async () => { ${statement} }`, { limits })
      await endsWith('COFFER_LIMIT_CPU', () => guest.call('go'))
    })
  }

  test('computing is counted per call, across its waits', async () => {
    const burn = `const burn = ms => { const end = Date.now() + ms; while (Date.now() < end); }`
    const guest = await start(
      `${burn}; export const once = () => burn(300); export const often = async () => { for (;;) { burn(60); await new Promise(r => setTimeout(r, 5)) } }`,
      { limits: { cpuMs: 2000 } }
    )
    for (let i = 0; i < 8; i++) await guest.call('once')
    await endsWith('COFFER_LIMIT_CPU', () => guest.call('often'))
    assert.ok(guest.usage().cpuMs >= 4300, String(guest.usage().cpuMs))
  })

  test('what runs after its call has settled is limited too', async () => {
    const guest = await start(`export const go = () => { setTimeout(() => { for (;;); }, 1) }`, {
      limits: { cpuMs: 1500 }
    })
    await guest.call('go')
    assert.is((await endOf(guest)).code, 'COFFER_LIMIT_CPU')
    await rejectsWith('COFFER_GUEST_GONE', () => guest.call('go'))
  })

  test('time on the wall is limited, waiting included', async () => {
    const guest = await start(
      `export const wait = () => new Promise(r => setTimeout(r, 2 * 60_000)); export const hang = () => new Promise(() => {}); export const host = () => 0`,
      {
        limits: { wallMs: 2000 }
      }
    )
    await endsWith('COFFER_LIMIT_WALL', () => guest.call('wait'))
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
    const spinning = await start('export const spin = () => { for (;;); }', { limits: { cpuMs: 1500 } })
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
       export const request = async n => { for (let i = 0; i < n; i++) await later() }
       export const late = async n => { await null; ask(n) }
       export const both = async n => { ask(30); await null; ask(n - 30) }`,
      { limits: { hostCalls: 50 }, capabilities: { host: { now: sync(() => 1), later: () => 2 } } }
    )
    for (const name of ['ask', 'late', 'request', 'both', 'ask']) await guest.call(name, 50)
    const error = await rejectsWith('COFFER_LIMIT_CALLS', () => guest.call('both', 51))
    assert.equal(error.limit, { name: 'hostCalls', value: 50, used: 51 })
    await rejectsWith('COFFER_GUEST_GONE', () => guest.call('ask', 1))
  })

  test('a number is a value like others', async () => {
    const guest = await start('export const f = () => 0.5', { limits: { valueBytes: 8 } })
    await rejectsWith('COFFER_LIMIT_VALUE', () => guest.call('f'))
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
      { limits: { cpuMs: 1500 } }
    )
    await guest.call('go')
    assert.is((await endOf(guest)).code, 'COFFER_LIMIT_CPU')
    await rejectsWith('COFFER_GUEST_GONE', () => guest.call('go'))
  })

  test('a guest that ends while no call waits tells why, however it is found out', async () => {
    // As its turn ends, by its session; or within it, by who watches.
    const burn = `export const go = () => void setInterval(() => { const end = Date.now() + 20; while (Date.now() < end); }, 1)`
    for (let cpuMs = 1000; cpuMs < 1012; cpuMs += 4) {
      const guest = await start(burn, { limits: { cpuMs } })
      await guest.call('go')
      const { code, limit } = await endOf(guest)
      assert.equal([code, limit?.name], ['COFFER_LIMIT_CPU', 'cpuMs'])
    }
  })

  test('an error of a limit says which, its value and the use', async () => {
    const spend: Record<string, [string, number]> = {
      cpuMs: ['for (;;);', 1500],
      wallMs: ['await new Promise(() => {})', 3000],
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
}
