/** What only shows when the ways to run a guest stand side by side. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawnSync } from 'node:child_process'
import { utf8 } from '../../formats/bytes.js'
import { type LaunchOptions, type Value, launch } from '../../sandbox/index.js'
import { rejectsWith } from '../helpers/rejects.js'

const WAYS: readonly LaunchOptions[] = [
  { engine: 'quickjs' },
  { engine: 'quickjs', isolation: 'thread' },
  { engine: 'ses' }
]

/** The same expression in a guest of each way. */
async function everywhere(expression: string, options: LaunchOptions = {}): Promise<Value[]> {
  return Promise.all(
    WAYS.map(async how => {
      const guest = await launch(utf8(`export const it = async () => (${expression})`), {
        ...how,
        ...options
      })
      try {
        return await guest.call('it')
      } finally {
        await guest.dispose()
      }
    })
  )
}

test('a seed gives the same on every engine', async () => {
  const [first, ...others] = await everywhere(
    `(async () => {
      const log = [Date.now(), Math.random(), crypto.randomUUID(), new Date().toISOString()]
      for (let i = 0; i < 5; i++) await new Promise(r => setTimeout(r, Math.random() * 1e6))
      return [...log, performance.now(), Math.random(), [...crypto.getRandomValues(new Uint16Array(4))]]
    })()`,
    { seed: 20_260_101 }
  )
  for (const other of others) assert.equal(other, first)
})

test('every engine has the same globals', async () => {
  const [quickjs, thread, ses] = (await everywhere(
    `Object.getOwnPropertyNames(globalThis).sort()`
  )) as string[][]
  assert.equal(thread, quickjs)
  // What the language has in one engine's version of it and not in the other's.
  const known = ['Float16Array', 'InternalError', 'Iterator']
  assert.equal(
    quickjs!.filter(name => !known.includes(name)),
    ses!.filter(name => !known.includes(name))
  )
})

test('globals have the names, lengths and kinds that they have in Node', async () => {
  const names = [
    'AbortController AbortSignal CustomEvent DOMException Event EventTarget TextDecoder TextEncoder URL URLSearchParams',
    'atob btoa clearInterval clearTimeout queueMicrotask setInterval setTimeout structuredClone Date Proxy'
  ].flatMap(line => line.split(' '))
  const describe = (global: Record<string, any>) =>
    names.map(name => `${name} ${typeof global[name]} ${global[name].name}`)
  const expected = describe(globalThis)
  const source = `${JSON.stringify(names)}.map(name => name + ' ' + typeof globalThis[name] + ' ' + globalThis[name].name)`
  for (const found of await everywhere(source)) assert.equal(found, expected)
})

test('an idle guest does not keep its host alive, and one that is called does', async () => {
  for (const how of WAYS) {
    const script = `
      import { launch } from ${JSON.stringify(new URL('../../sandbox/index.js', import.meta.url).href)}
      const source = "setInterval(() => {}, 10); export const wait = () => new Promise(r => setTimeout(r, 300, 'waited'))"
      const guest = await launch(new TextEncoder().encode(source), ${JSON.stringify(how)})
      console.log(await guest.call('wait'))`
    const started = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 20_000
    })
    assert.is(started.stdout, 'waited\n', JSON.stringify(how))
    assert.is(started.status, 0, JSON.stringify(how))
  }
})

test('limits that would limit nothing are refused, and absent ones are the defaults', async () => {
  for (const limits of [
    { cpuMs: NaN },
    { memoryBytes: -1 },
    { wallMs: '9' as never },
    { pendingJobs: null as never }
  ]) {
    for (const how of WAYS) {
      const outcome = await launch(utf8(''), { ...how, limits }).then(
        async guest => {
          await guest.dispose()
          return 'accepted'
        },
        (error: Error) => error.name
      )
      assert.is(outcome, limits.pendingJobs === null ? 'accepted' : 'RangeError')
    }
  }
  const guest = await launch(utf8('export const loop = () => { for (;;); }'), {
    limits: { cpuMs: undefined as never, pendingJobs: Infinity, outputBytes: Infinity, wallMs: 300 }
  })
  await rejectsWith('COFFER_LIMIT_WALL', () => guest.call('loop'))
})

test.run()
