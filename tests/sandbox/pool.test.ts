/** Pools: each guest is as fresh as a launched one, places are handed on in order, and nothing is left over. */
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import {
  type CofferError,
  createPool,
  type Guest,
  type HostFunction,
  launch,
  type PoolOptions,
  type Value
} from '../../sandbox/index.js'
import { collectGarbage } from '../helpers/garbage.js'
import { rejectsWith } from '../helpers/rejects.js'

const WAYS = [
  {},
  { isolation: 'thread' },
  { engine: 'ses' }
] as const satisfies readonly Partial<PoolOptions>[]

const COUNTER = `let n = 0; globalThis.list = []
  export const next = () => { list.push(n); return ++n }
  export const spin = () => { for (;;); }
  export const deep = () => { const go = n => go(n + 1) + 1; return go(0) }
  export const grow = size => { globalThis.held = new Uint8Array(size).fill(7); return held.length }
  export const seen = () => [n, list.length, typeof held, Math.random(), Date.now()]
  export const later = ms => new Promise(done => setTimeout(done, ms, 'late'))`

test('each guest is as fresh as the first, whatever became of those before', async () => {
  for (const way of WAYS) {
    const reasons: CofferError[] = []
    const onEnd = (reason: CofferError) => {
      reasons.push(reason)
      throw new Error('a listener of no account')
    }
    await using pool = await createPool(utf8(COUNTER), { size: 2, limits: { cpuMs: 2000 }, onEnd, ...way })
    const dice = new Set<Value>()
    for (const use of ['next', 'grow', 'spin', 'deep', 'leave', 'next']) {
      const guest = await pool.take()
      const [n, length, held, random, now] = (await guest.call('seen')) as Value[]
      assert.equal([n, length, held], [0, 0, 'undefined'], JSON.stringify([way, use]))
      dice.add(random)
      assert.ok(Math.abs((now as number) - Date.now()) < 60_000)
      assert.is(await guest.call('next'), 1)
      if (use === 'grow') assert.is(await guest.call('grow', 3_000_000), 3_000_000)
      if (use === 'spin') await rejectsWith('COFFER_LIMIT_CPU', () => guest.call('spin'))
      if (use === 'deep') await guest.call('deep').catch(() => {})
      // Disposed of while it waits: what comes late is nobody's.
      const pending =
        use === 'leave' ? guest.call('later', 20).catch((error: Error) => error.name) : undefined
      await guest.dispose()
      assert.is(await pending, use === 'leave' ? 'CofferError' : undefined)
      await rejectsWith('COFFER_GUEST_GONE', () => guest.call('next'))
    }
    assert.is(dice.size, 6)
    const { ended, ...usage } = pool.usage()
    assert.equal(usage, { size: 2, taken: 0, waiting: 0, takes: 6 })
    // One for certain; the end of the stack may be the end of an engine.
    assert.is(ended, reasons.length)
    const limits = reasons.flatMap(({ limit }) => (limit === undefined ? [] : [limit]))
    assert.equal(
      limits.map(({ name, value }) => [name, value]),
      [['cpuMs', 2000]]
    )
    assert.ok(limits[0]!.used > 2000)
  }
})

test('there are no more guests at one time than places, and who waits gets them in order', async () => {
  await using pool = await createPool(utf8(COUNTER), { size: 2 })
  const [a, b] = [await pool.take(), await pool.take()]
  const order: number[] = []
  const waiting = [1, 2, 3].map(async i => {
    const guest = await pool.take()
    order.push(i)
    return guest
  })
  await new Promise(done => setTimeout(done, 20))
  assert.equal([order, pool.usage().waiting, pool.usage().taken], [[], 3, 2])
  await a.dispose()
  const first = await waiting[0]!
  assert.equal([order, pool.usage().waiting], [[1], 2])
  await b.dispose()
  await first.dispose()
  await first.dispose()
  const rest = await Promise.all(waiting.slice(1))
  assert.equal([order, pool.usage().taken], [[1, 2, 3], 2])
  for (const guest of rest) await guest.dispose()
})

test('waiting ends by a signal, and the place goes to the next', async () => {
  await using pool = await createPool(utf8(COUNTER), { size: 1 })
  const held = await pool.take()
  const controller = new AbortController()
  const [left, stays] = [pool.take({ signal: controller.signal }), pool.take()]
  controller.abort()
  assert.match((await rejectsWith('COFFER_INTERRUPTED', () => left)).message, /^No guest was taken:/)
  await rejectsWith('COFFER_INTERRUPTED', () => pool.take({ signal: controller.signal }))
  await held.dispose()
  await (await stays).dispose()
  assert.equal([pool.usage().taken, pool.usage().waiting], [0, 0])
})

test('the end of a pool ends its guests and whoever waits, once and for all', async () => {
  for (const way of WAYS) {
    const pool = await createPool(utf8(COUNTER), { size: 1, ...way })
    const guest = await pool.take()
    const call = guest.call('later', 60_000)
    const waiter = pool.take()
    const ended = pool.dispose()
    await rejectsWith('COFFER_GUEST_GONE', () => call)
    await rejectsWith('COFFER_GUEST_GONE', () => waiter)
    await ended
    await pool.dispose()
    await rejectsWith('COFFER_GUEST_GONE', () => pool.take())
  }
})

test('a program that asks for something while it starts is started anew in each guest', async () => {
  for (const way of [{}, { isolation: 'thread' }] as const) {
    let said = ''
    await using pool = await createPool(utf8('console.log("hello"); export const die = Math.random()'), {
      size: 1,
      stdout: bytes => (said += Buffer.from(bytes)),
      ...way
    })
    for (let i = 0; i < 3; i++) await (await pool.take()).dispose()
    assert.is(said, 'hello\n'.repeat(3))
  }
})

test('a program that cannot start fails each who takes, and keeps no place', async () => {
  for (const way of WAYS) {
    await using pool = await createPool(utf8('throw new RangeError("no")'), { size: 1, ...way })
    for (let i = 0; i < 3; i++) {
      const error = await pool.take().catch((error: Error) => error)
      assert.equal([(error as Error).name, (error as Error).message], ['RangeError', 'no'])
    }
    assert.is(pool.usage().taken, 0)
  }
  await using broken = await createPool(utf8('let x = ;'), { size: 1 })
  await rejectsWith('COFFER_PROGRAM_INVALID', () => broken.take())
})

test('functions of the host, output, limits and arguments are those of the pool', async () => {
  const source = `import { f } from 'coffer:host'
    export const ask = () => f()
    export const flood = () => { for (;;) console.log('x'.repeat(1000)) }
    export default args => { console.log(args.join()); return 3 }`
  let answers = 0
  let written = 0
  await using pool = await createPool(utf8(source), {
    size: 1,
    capabilities: { host: { f: () => ++answers } },
    args: ['a', 'b'],
    limits: { outputBytes: 10_000 },
    stdout: bytes => (written += bytes.length)
  })
  for (let i = 1; i <= 3; i++) {
    await using guest = await pool.take()
    assert.is(await guest.call('ask'), i)
    assert.is(await guest.run(), 3)
    assert.ok(guest.usage().outputBytes < 10)
    // Counted anew in each guest.
    await rejectsWith('COFFER_LIMIT_OUTPUT', () => guest.call('flood'))
  }
  assert.ok(written > 20_000)
})

test('what is granted may change: each guest has what is there when it is taken', async () => {
  const source = `import { interactive } from 'coffer:terminal'; import * as host from 'coffer:host'
    export const granted = async () => [interactive, Object.keys(host), await host.f()]`
  for (const way of [{}, { isolation: 'thread' }] as const) {
    let interactive = true
    const host: Record<string, HostFunction> = { f: () => 1 }
    await using pool = await createPool(utf8(source), {
      size: 2,
      capabilities: {
        terminal: {
          get interactive() {
            return interactive
          },
          size: () => ({ columns: 80, rows: 24 }),
          write() {},
          readKey: async () => null
        },
        host
      },
      ...way
    })
    const granted = async () => {
      await using guest = await pool.take()
      return await guest.call('granted')
    }
    const before = [true, ['f'], 1]
    assert.equal([await granted(), await granted()], [before, before])
    interactive = false
    const other = [false, ['f'], 1]
    assert.equal([await granted(), await granted()], [other, other])
    host['g'] = () => 2
    host['f'] = () => 3
    assert.equal(await granted(), [false, ['f', 'g'], 3])
    interactive = true
    delete host['g']
    host['f'] = () => 1
    assert.equal([await granted(), await granted()], [before, before])
  }
})

test('a seed gives every guest of a pool the same', async () => {
  await using pool = await createPool(
    utf8('export const roll = () => [Math.random(), crypto.randomUUID(), Date.now()]'),
    {
      size: 1,
      seed: 4
    }
  )
  const rolls = []
  for (let i = 0; i < 2; i++) {
    await using guest = await pool.take()
    rolls.push(await guest.call('roll'))
  }
  assert.equal(rolls[0], rolls[1])
})

test('what is no pool is refused', async () => {
  for (const size of [0, -1, 1.5, NaN, '2', undefined]) {
    await createPool(utf8(''), { size: size as number }).then(
      () => assert.unreachable(String(size)),
      (error: Error) => assert.instance(error, RangeError)
    )
  }
  await createPool('' as never, { size: 1 }).then(
    () => assert.unreachable(),
    (error: Error) => assert.instance(error, TypeError)
  )
})

test('ten thousand guests leave nothing behind', async () => {
  await using pool = await createPool(utf8(COUNTER), {
    size: 3,
    limits: { cpuMs: 5000, memoryBytes: 8 * 2 ** 20 }
  })
  const use = async (i: number) => {
    await using guest = await pool.take()
    assert.is(await guest.call('next'), 1)
    if (i % 100 === 0) await guest.call('deep').catch(() => {})
    else if (i % 101 === 0) await guest.call('grow', 2e7).catch(() => {})
    else if (i % 103 === 0) await guest.call('grow', 2e6)
  }
  const held = () => {
    collectGarbage()
    const { heapUsed, external, arrayBuffers } = process.memoryUsage()
    return heapUsed + external + arrayBuffers
  }
  /** What is held once all is collected that can be: what another test's guests leave may take several rounds. */
  const settled = async () => {
    let least = held()
    for (let quiet = 0; quiet < 3;) {
      await new Promise(done => setTimeout(done, 20))
      const now = held()
      quiet = now < least - 2 ** 16 ? 0 : quiet + 1
      least = Math.min(least, now)
    }
    return least
  }
  const useThree = (i: number) => Promise.all([use(3 * i), use(3 * i + 1), use(3 * i + 2)])
  // Three at a time here too: each place has memory of its own once it was in use.
  for (let i = 0; i < 200; i++) await useThree(i)
  const before = await settled()
  for (let i = 0; i < 3200; i++) await useThree(i)
  const after = await settled()
  assert.ok(after - before < 4 * 2 ** 20, `${(after - before) / 2 ** 20} MiB more`)
  assert.is(pool.usage().takes, 10_200)
})

test('the heap of a guest is as long in every pool, and after every launch', async () => {
  const program = utf8('export const take = size => new Uint8Array(size).length')
  /** The most that fits into the heap as it is. */
  const roomOf = async (start: () => Promise<Guest>) => {
    let [fits, passes] = [0, 2 ** 18]
    while (passes - fits > 1) {
      const size = (fits + passes) >> 1
      await using guest = await start()
      const before = guest.usage().memoryBytes
      await guest.call('take', size)
      if (guest.usage().memoryBytes === before) fits = size
      else passes = size
    }
    return fits
  }
  for (const pooled of [true, false]) {
    const rooms = new Set<number>()
    for (let i = 0; i < 12; i++) {
      await using pool = pooled ? await createPool(program, { size: 1 }) : undefined
      rooms.add(await roomOf(() => pool?.take() ?? launch(program)))
    }
    assert.is(rooms.size, 1, `${pooled ? 'pooled' : 'launched'}: ${[...rooms].join(', ')}`)
  }
})

test('a program that computes for long while it starts does not keep its host twice: for its image, and for its guest', async () => {
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  try {
    const limits = { cpuMs: 100 }
    await using pool = await createPool(utf8('for (;;);'), { size: 1, limits })
    const before = turns
    await rejectsWith('COFFER_LIMIT_CPU', () => pool.take())
    assert.ok(before > 0, 'no turn between its image and its guest')
  } finally {
    clearInterval(timer)
  }
})

test('while its image is made, a program takes no more than its limit allows', async () => {
  const MIB = 2 ** 20
  for (const [memoryBytes, source, mostBytes = memoryBytes + 150e6] of [
    // Whatever its limit is.
    [1024 * MIB, 'let n = 1', 48e6],
    // Each block is free again at once, and fits none that comes after.
    [16 * MIB, 'for (let i = 0; i < 600; i++) new Uint8Array(1e6 + i * 16).fill(1)'],
    [16 * MIB, 'for (let i = 0; i < 300; i++) "x".repeat(1e6 + i * 16)'],
    // More blocks than bytes.
    [16 * MIB, 'const all = []; try { for (;;) all.push([]) } catch {}'],
    [48 * MIB, 'let last; try { for (;;) last = { last } } catch {}'],
    // Of which several stood side by side.
    [
      256 * MIB,
      'globalThis.held = []; for (let i = 0; i < 200; i++) held.push(new Uint8Array(2 ** 20).fill(1))'
    ],
    [
      32 * MIB,
      'globalThis.held = []; for (let i = 0; i < 30; i++) held.push(new Uint8Array(2 ** 20).fill(1))'
    ]
  ] as readonly (readonly [number, string, number?])[]) {
    const host = `
      import { createPool } from '${new URL('../../sandbox/index.js', import.meta.url).href}'
      import { memoryOf } from '${new URL('../helpers/memory.js', import.meta.url).href}'
      const open = async (source, memoryBytes) => {
        const limits = { memoryBytes, cpuMs: 60_000, wallMs: 60_000 }
        const pool = await createPool(new TextEncoder().encode(source), { size: 1, limits })
        const guest = await pool.take()
        return guest.call('two').finally(() => pool.dispose())
      }
      await open('export const two = () => 2', 2 ** 20)
      const before = memoryOf('self', 'VmHWM')
      const told = await open(process.argv[1], ${memoryBytes}).catch(error => error.code)
      console.log(told, memoryOf('self', 'VmHWM') - before)`
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '--eval', host, `${source}; export const two = () => 2`],
      { encoding: 'utf8' }
    )
    const [told, tookBytes] = stdout.trim().split(' ')
    assert.match(told!, /^(2|COFFER_LIMIT_MEMORY)$/, stderr)
    assert.ok(Number(tookBytes) < mostBytes, `${source}: ${tookBytes} bytes`)
  }
})

test.run()
