/**
 * What a host holds for its guest, beside the guest's own memory: answers that it has not taken, arguments that nobody
 * has answered, the beginning of a frame. A guest of 64 MiB had its host hold gigabytes of assets that it asked for in
 * one breath. Then what a far side that was broken out of says.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, u32be, utf8 } from '../../formats/bytes.js'
import { launch, type LaunchOptions, sync } from '../../sandbox/index.js'
import { FROM_FAR } from '../../sandbox/remote/frames.js'
import { type NearChannel, type NearEvents, startRemote } from '../../sandbox/remote/near.js'
import { FrameSplitter } from '../../sandbox/ses/pipes.js'
import { MalformedMessage, Writer } from '../../sandbox/wire.js'
import { rejectsWith } from '../helpers/rejects.js'

const MIB = 2 ** 20
const WAYS: Readonly<Record<string, LaunchOptions>> = {
  inline: { engine: 'quickjs', isolation: 'inline' },
  thread: { engine: 'quickjs', isolation: 'thread' },
  ses: { engine: 'ses' }
}
const LIMITS = { memoryBytes: 32 * MIB, cpuMs: 500, wallMs: 20_000 }
/** Large enough to count, small enough to be many. */
const LARGE_BYTES = 4 * MIB
/** All of them would be four times what the guest may have. */
const MANY = 32

for (const [way, options] of Object.entries(WAYS)) {
  test(`${way}: assets and saves are read when the guest has taken those before`, async () => {
    let reads = 0
    const read = () => {
      reads++
      return new Uint8Array(LARGE_BYTES).fill(7)
    }
    const guest = await launch(
      utf8(`
        import { read } from 'coffer:assets'
        import { read as load } from 'coffer:save'
        const none = () => {}
        export const flood = () => { for (let i = 0; i < ${MANY}; i++) { read('a').catch(none); load('a').catch(none) } for (;;); }`),
      {
        ...options,
        limits: LIMITS,
        capabilities: {
          assets: { list: () => [{ path: 'a', sizeBytes: LARGE_BYTES }], read },
          save: { list: () => [], read, commit: () => {}, revision: () => 1 }
        }
      }
    )
    await rejectsWith('COFFER_LIMIT_CPU', () => guest.call('flood'))
    await new Promise(resolve => setImmediate(resolve))
    assert.ok(reads <= 2, `${reads} were read`)
  })

  test(`${way}: what was asked for in one breath is answered in order`, async () => {
    const guest = await launch(
      utf8(`
        import { read } from 'coffer:assets'
        export const all = async () => {
          const order = []
          await Promise.all(Array.from({ length: ${MANY} }, async (_, i) => {
            const bytes = await read(i % 3 === 0 ? 'none' : 'a', { offsetBytes: i, lengthBytes: 1 }).catch(() => 'none')
            order.push(bytes === 'none' ? bytes : bytes[0])
          }))
          return order
        }`),
      {
        ...options,
        capabilities: {
          assets: {
            list: () => [{ path: 'a', sizeBytes: 256 }],
            read: async (path, range) => {
              if (path === 'none') throw new RangeError('no such asset')
              return new Uint8Array([range!.offsetBytes])
            }
          }
        }
      }
    )
    const expected = Array.from({ length: MANY }, (_, i) => (i % 3 === 0 ? 'none' : i))
    assert.equal(await guest.call('all'), expected)
    await guest.dispose()
  })
}

for (const [what, ask] of [
  ['assets', "import { read } from 'coffer:assets'; const ask = () => read('a')"],
  ['saves', "import { read } from 'coffer:save'; const ask = () => read('a')"]
] as const) {
  test(`a host whose guest reads ${what} for ever is not kept from all else`, async () => {
    const stop = new AbortController()
    const read = () => {
      const endMs = performance.now() + 10
      while (performance.now() < endMs);
      return new Uint8Array(100)
    }
    const guest = await launch(utf8(`${ask}; export const flood = async () => { for (;;) await ask() }`), {
      signal: stop.signal,
      limits: { ...LIMITS, hostCalls: 1000 },
      capabilities: {
        assets: { list: () => [{ path: 'a', sizeBytes: 100 }], read },
        save: { list: () => [], read, commit: () => {}, revision: () => 1 }
      }
    })
    setTimeout(() => stop.abort(), 100)
    const startedMs = performance.now()
    await rejectsWith('COFFER_INTERRUPTED', () => guest.call('flood'))
    // What it asks for takes ten seconds.
    assert.ok(performance.now() - startedMs < 5000)
  })
}

for (const way of ['thread', 'ses'] as const) {
  test(`${way}: answers of the app that a guest does not take count as its memory`, async () => {
    let answers = 0
    const guest = await launch(
      utf8(`
        import { large } from 'coffer:host'
        export const flood = () => { for (let i = 0; i < 200; i++) large().catch(() => {}); for (;;); }`),
      {
        ...WAYS[way]!,
        limits: { ...LIMITS, cpuMs: 5000 },
        capabilities: {
          host: {
            large: async () => {
              await new Promise(resolve => setTimeout(resolve, 5 * answers++))
              return new Uint8Array(LARGE_BYTES)
            }
          }
        }
      }
    )
    await rejectsWith('COFFER_LIMIT_MEMORY', () => guest.call('flood'))
  })
}

// A far side that was broken out of

const message = (opcode: number, ...fields: readonly unknown[]): Uint8Array => {
  const writer = new Writer().begin(opcode)
  for (const field of fields) writer.value(field)
  return writer.message.slice()
}

/** A guest that has started, and its far side. */
async function brokenOut(options: LaunchOptions) {
  const far = { untaken: 0, events: undefined as NearEvents | undefined, killed: false }
  const guest = await startRemote('ses', { source: utf8('') }, options, events => {
    far.events = events
    queueMicrotask(() => events.frame(message(FROM_FAR.ready, ['go'])))
    return {
      post: () => {},
      answer: frame => void (far.untaken += frame.length),
      settle: frame => void (far.untaken += frame.length),
      untakenBytes: () => far.untaken,
      hold: () => {},
      kill() {
        far.killed = true
        queueMicrotask(() => events.closed())
      }
    } satisfies NearChannel
  })
  return { guest, far, send: (...frame: Parameters<typeof message>) => far.events!.frame(message(...frame)) }
}

test('a call that nobody made ends without the count of calls beginning anew', async () => {
  let calls = 0
  const { guest, send } = await brokenOut({
    limits: { hostCalls: 100 },
    capabilities: { host: { later: async () => void calls++ } }
  })
  for (let i = 1; i <= 200; i++) {
    send(FROM_FAR.request, i, 'host', 'later', [])
    send(FROM_FAR.result, 12_345, null, 0, 0, 0)
    send(FROM_FAR.done, 12_345)
    send(FROM_FAR.stream, 12_345)
    send(FROM_FAR.failed, 12_345, '', 'Error', '', '', null)
  }
  assert.is((await guest.ended).code, 'COFFER_LIMIT_CALLS')
  assert.is(calls, 100)
})

test('arguments of requests that are not answered count as its memory', async () => {
  const { guest, send } = await brokenOut({
    limits: { memoryBytes: 32 * MIB },
    capabilities: { host: { never: () => new Promise(() => {}) } }
  })
  for (let i = 1; i <= 16; i++) send(FROM_FAR.request, i, 'host', 'never', [new Uint8Array(LARGE_BYTES)])
  assert.is((await guest.ended).code, 'COFFER_LIMIT_MEMORY')
})

test('arguments count no more once they were answered', async () => {
  const { guest, far, send } = await brokenOut({
    limits: { memoryBytes: 32 * MIB },
    capabilities: { host: { length: async (bytes: Uint8Array) => bytes.length } }
  })
  for (let i = 1; i <= 16; i++) {
    send(FROM_FAR.request, i, 'host', 'length', [new Uint8Array(LARGE_BYTES)])
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.not(far.killed)
  const last = guest.dispose()
  far.events!.closed()
  await last
})

test('answers that nobody reads count as its memory', async () => {
  let answers = 0
  const { guest, send } = await brokenOut({
    limits: { memoryBytes: 32 * MIB },
    capabilities: { host: { large: sync(() => new Uint8Array((answers++, LARGE_BYTES))) } }
  })
  for (let i = 1; i <= 16; i++) send(FROM_FAR.ask, 'host', 'large', [])
  assert.is((await guest.ended).code, 'COFFER_LIMIT_MEMORY')
  assert.ok(answers <= 9)
})

test('it fails as guests do: no word of a license is a far side’s to give', async () => {
  const { guest, send } = await brokenOut({})
  const call = guest.call('go')
  send(FROM_FAR.failed, 1, 'COFFER_REVOKED', '', 'The license was revoked.', 'Pay again.', null)
  await rejectsWith('COFFER_ENGINE_FAILED', () => call)
  assert.is((await guest.ended).code, 'COFFER_ENGINE_FAILED')
})

test('a frame in many small pieces is one piece of memory, and none is longer than it may be', () => {
  const frames: number[] = []
  const splitter = new FrameSplitter(frame => frames.push(frame.length), 3 * MIB)
  const lengths = [0, 1, 5, 70_000, 3 * MIB, 2]
  const all = concat(...lengths.map(length => concat(u32be(length), new Uint8Array(length))))
  for (const step of [1009, 1, 65_536, all.length]) {
    frames.length = 0
    // One byte at a time takes long for the large one: the pieces grow once it is under way.
    for (let at = 0, size = step; at < all.length; at += size) {
      if (at > 100_000) size = Math.max(step, 997)
      splitter.push(all.slice(at, at + size))
    }
    assert.equal(frames, lengths)
  }
  assert.throws(
    () => splitter.push(u32be(3 * MIB + 1)),
    (error: unknown) => error instanceof MalformedMessage
  )
})

test.run()
