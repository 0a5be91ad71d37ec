import { setTimeout as passed } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import type { CofferError, Guest, Limits, TerminalHost } from '../../../sandbox/index.js'
import { rejectsWith } from '../../helpers/rejects.js'
import { endOf, rejectsWithGuestError, type Way } from './way.js'

/** What a host hands over that it did not mean to: no slip of its own costs it the guest, or itself. */
export function hosts({ test, start }: Way): void {
  const detached = () => {
    const bytes = new Uint8Array(8)
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    return bytes
  }
  const fail = () => {
    throw new Error('of the host')
  }
  const throwing = (trap: string) => new Proxy({ a: 1 }, { [trap]: fail })
  const revoked = () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  }
  const UNREADABLE: Readonly<Record<string, () => unknown>> = {
    'detached bytes': detached,
    'a revoked proxy': revoked,
    'a proxy whose keys throw': () => throwing('ownKeys'),
    'a proxy whose prototype throws': () => throwing('getPrototypeOf'),
    'a proxy whose properties throw': () => throwing('getOwnPropertyDescriptor'),
    'numbers without a constructor': () => Object.assign(new Int16Array(2), { constructor: undefined })
  }

  test('a value that cannot even be read is refused by itself', async () => {
    const guest = await start('export const same = (...values) => values')
    for (const [what, make] of Object.entries(UNREADABLE)) {
      await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.call('same', make() as never))
      await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.call('same', [make()] as never))
      await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.call('same', { at: make() } as never))
      assert.equal(await guest.call('same', 1), [1], what)
    }
  })

  test('nor does such an answer of the host cost more than an error', async () => {
    const host = Object.fromEntries(Object.values(UNREADABLE).map((make, at) => [`answer${at}`, make]))
    const names = Object.keys(host)
    const guest = await start(
      `import { ${names.join(', ')} } from 'coffer:host'
       export const ask = async () => {
         const told = []
         for (const ask of [${names.join(', ')}]) told.push(await ask().catch(error => error instanceof Error))
         return told
       }`,
      { capabilities: { host } }
    )
    assert.equal(
      await guest.call('ask'),
      names.map(() => true)
    )
  })

  test('a name that is no text names no export', async () => {
    const guest = await start('export const one = () => 1')
    for (const name of [5, undefined, null, {}, Symbol('one'), ['one']]) {
      await rejectsWith('COFFER_EXPORT_MISSING', () => guest.call(name as never))
      await rejectsWith('COFFER_EXPORT_MISSING', () => guest.iterate(name as never).next())
      await rejectsWith('COFFER_EXPORT_MISSING', async () => guest.callSync(name as never))
    }
    assert.is(await guest.call('one'), 1)
  })

  test('whoever logs, joins or awaits a guest calls nothing of it', async () => {
    const guest = await start(
      `let called = 0
       export const toJSON = () => { called++ }, toString = toJSON, valueOf = toJSON, then = toJSON
       export const one = () => 1
       export const count = () => called`
    )
    const { api } = guest as unknown as Guest & {
      readonly api: Record<string, (...args: unknown[]) => unknown>
    }
    JSON.stringify({ guest, api })
    assert.throws(() => `${api as never}`, /primitive/)
    assert.is(await (api as unknown), api)
    await passed(20)
    assert.equal(Object.keys(api).sort(), ['count', 'one'])
    assert.equal(['one' in api, 'two' in api, api['two']], [true, false, undefined])
    assert.is(await api['one']!(), 1)
    assert.is(await guest.call('count'), 0)
  })

  test('an argument may nest as deep among many as it may alone', async () => {
    const guest = await start(
      `export const depth = (...values) => { let [deep, n] = [values.at(-1), 0]; while (Array.isArray(deep)) { deep = deep[0]; n++ }; return n }`
    )
    const nested = (levels: number) => {
      let value: unknown = 1
      for (let i = 0; i < levels; i++) value = [value]
      return value as never
    }
    for (const others of [0, 20]) {
      const before = Array.from({ length: others }, () => 0)
      assert.is(await guest.call('depth', ...before, nested(64)), 64)
      await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => guest.call('depth', ...before, nested(65)))
    }
  })

  test('limits that are as good as none, and a stack of more than there is', async () => {
    const endless = ['memoryBytes', 'cpuMs', 'wallMs', 'stackBytes', 'outputBytes', 'valueBytes'] as const
    const limits: Partial<Limits> = Object.fromEntries(endless.map(name => [name, Infinity]))
    const source =
      'export const one = () => 1; export const deep = () => { const go = () => go() + 1; return go() }'
    const guest = await start(source, { limits })
    assert.is(await guest.call('one'), 1)
    for (const stackBytes of [Infinity, 2 ** 33, 2 ** 21, 640 * 1024]) {
      const large = await start(source, { limits: { stackBytes } })
      const { name } = await rejectsWithGuestError(() => large.call('deep'))
      assert.match(name, /^(?:RangeError|InternalError)$/)
      assert.is(await large.call('one'), 1)
    }
  })

  test("what terminal.write gives is nobody's", async () => {
    for (const write of [() => () => {}, async () => {}, () => new Map()]) {
      const terminal = {
        interactive: false,
        size: () => ({ columns: 80, rows: 24 }),
        write,
        readKey: async () => null
      }
      const guest = await start(
        `import * as terminal from 'coffer:terminal'; export const write = () => typeof terminal.write('text')`,
        { capabilities: { terminal: terminal as TerminalHost } }
      )
      assert.is(await guest.call('write'), 'undefined')
    }
  })

  test('output that its host does not take ends the guest, and says whose fault it was', async () => {
    for (const name of ['stdout', 'stderr'] as const) {
      const guest = await start(
        'export const print = async () => { console.log(1); console.error(2); await new Promise(() => {}) }',
        { [name]: fail }
      )
      const error = await rejectsWith('COFFER_ENGINE_FAILED', () => guest.call('print'))
      assert.match(error.message, name)
      assert.is((error.cause as Error).message, 'of the host')
      assert.is((await endOf(guest)).code, 'COFFER_ENGINE_FAILED')
    }
  })

  test('one signal ends as many guests, calls and waits as there are, and nobody is warned', async () => {
    const warnings: string[] = []
    const onWarning = (warning: Error) => warnings.push(warning.name)
    process.on('warning', onWarning)
    const controller = new AbortController()
    const { signal } = controller
    const guest = await start('export const wait = () => new Promise(() => {})', { signal })
    const waiting = Array.from({ length: 12 }, () =>
      guest.call('wait', signal).catch((error: CofferError) => error.code)
    )
    await passed(10)
    controller.abort()
    assert.equal(new Set(await Promise.all(waiting)), new Set(['COFFER_INTERRUPTED']))
    await passed(0)
    process.off('warning', onWarning)
    assert.equal(warnings, [])
  })
}
