/** What only shows when the ways to run a guest stand side by side. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawnSync } from 'node:child_process'
import { utf8 } from '../../formats/bytes.js'
import { type LaunchOptions, type Value, launch, sync } from '../../sandbox/index.js'
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

test('a seeded run replays byte for byte, its calls of the host answered as they were', async () => {
  const program = `
    import { ask, later } from 'coffer:host'
    export const go = async () => {
      const log = [String(new Date()), new Date(2020, 5, 1, 12).toLocaleString(), Date.now(), performance.now(), performance.timeOrigin]
      log.push((1234567.891).toLocaleString(), ['ä', 'z', 'a', 'Z'].sort((a, b) => a.localeCompare(b)).join(), 'I'.toLocaleLowerCase())
      log.push(Array.from({ length: 300 }, (_, i) => ({ key: Math.floor(Math.random() * 5), i })).sort((a, b) => a.key - b.key).map(x => x.i).join())
      log.push(crypto.randomUUID(), [...crypto.getRandomValues(new Uint32Array(3))].join(), Object.keys({ b: 1, 2: 1, a: 1, 1: 1 }).join())
      for (const wait of [7, 3, 3, 1e6, 0]) setTimeout(() => log.push(wait, Date.now(), Math.random()), wait)
      const tick = setInterval(() => log.push('tick', performance.now()), 250000)
      log.push(ask(Math.random()), await later([Date.now()]), ask('again'))
      await new Promise(done => setTimeout(done, 1100000))
      clearInterval(tick)
      try { null.x } catch (error) { log.push(error.name, error.stack.split('\\n').length) }
      console.log(new Map([[log.length, new Date()]]), Math.random())
      return log
    }`
  for (const how of WAYS) {
    const answers: Value[] = []
    const run = async (answer: (asked: Value) => Value) => {
      let written = ''
      const guest = await launch(utf8(program), {
        ...how,
        seed: 7,
        capabilities: { host: { ask: sync(answer), later: async (asked: Value) => answer(asked) } },
        stdout: bytes => (written += Buffer.from(bytes).toString())
      })
      try {
        return [await guest.call('go'), written]
      } finally {
        await guest.dispose()
      }
    }
    const first = await run(asked => {
      answers.push([asked, Math.random()])
      return answers.at(-1)!
    })
    const replayed = await run(() => answers.shift()!)
    assert.equal(replayed, first)
    assert.equal(answers, [])
  }
})

test('what depends on a locale or a time zone is the same on every engine and machine', async () => {
  const texts = [
    '(1234567.891).toLocaleString()',
    "(1234.5).toLocaleString('de-DE', { style: 'currency', currency: 'EUR' })",
    '12345678901234567890n.toLocaleString()',
    'new Date(0).toLocaleString()',
    "new Date(0).toLocaleString('en', { timeZone: 'Asia/Tokyo' })",
    "new Date(0).toLocaleDateString('de-DE')",
    'new Date(43200000).toLocaleTimeString()',
    'new Date(-8e13).toString() + new Date(-1e14).toLocaleString()',
    'new Date(NaN).toLocaleString() + new Date(NaN)',
    'new Date(2020, 5, 1).getTimezoneOffset() + new Date(2020, 5, 1).toTimeString()',
    'new Uint32Array([1234567]).toLocaleString() + [1.5, new Date(0)].toLocaleString()',
    "['ä', 'a', 'z', 'Z', 'e\u0301', 'é', ''].sort((a, b) => a.localeCompare(b)).join()",
    "['ab'.localeCompare('a'), 'a'.localeCompare('B'), 'a'.localeCompare(), 'e\u0301'.localeCompare('é')].join()",
    "'I'.toLocaleLowerCase('tr') + 'i'.toLocaleUpperCase('tr')",
    'typeof Intl'
  ]
  const before = { TZ: process.env['TZ'], LANG: process.env['LANG'] }
  Object.assign(process.env, { TZ: 'Asia/Tokyo', LANG: 'de_DE.UTF-8' })
  const [quickjs, thread, ses] = await everywhere(`[${texts.join()}]`)
  for (const [name, value] of Object.entries(before)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  assert.equal(thread, quickjs)
  assert.equal(ses, quickjs)
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

test('limits that would limit nothing, or let nothing run, are refused, and absent ones are the defaults', async () => {
  for (const limits of [
    { cpuMs: NaN },
    { memoryBytes: -1 },
    { wallMs: '9' as never },
    { stackBytes: 0 },
    { stackBytes: 16 * 1024 - 1 },
    { valueBytes: 7 },
    { valueItems: 0 },
    { valueDepth: 0 },
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
  for (const how of WAYS) {
    const least = { stackBytes: 16 * 1024, valueBytes: 8, valueItems: 1, valueDepth: 1 }
    const guest = await launch(utf8('export const half = x => x / 2'), { ...how, limits: least })
    assert.is(await guest.call('half', 4), 2)
    await guest.dispose()
  }
  const guest = await launch(utf8('export const loop = () => { for (;;); }'), {
    limits: { cpuMs: undefined as never, pendingJobs: Infinity, outputBytes: Infinity, wallMs: 300 }
  })
  await rejectsWith('COFFER_LIMIT_WALL', () => guest.call('loop'))
})

test.run()
