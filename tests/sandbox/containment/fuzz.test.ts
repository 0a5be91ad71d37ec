/** Random messages and programs: whatever arrives, an error of ours comes of it, and both engines agree on programs. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../../formats/bytes.js'
import {
  CofferError,
  type Guest,
  GuestError,
  type LaunchOptions,
  launch,
  sync
} from '../../../sandbox/index.js'
import type { MachineFactory, MachinePort } from '../../../sandbox/machine.js'
import { TO_HOST } from '../../../sandbox/protocol.js'
import { type NearEvents, startRemote } from '../../../sandbox/remote/near.js'
import { WIRE } from '../../../sandbox/host-wire.js'
import { startSession } from '../../../sandbox/session.js'
import { MalformedMessage, Reader, Writer } from '../../../sandbox/wire.js'
import { Seeded } from '../../helpers/seeded.js'
import { type Grammar, program } from './grammar.js'

const ROUNDS = Number(process.env['COFFER_FUZZ'] ?? 1)
const seeded = new Seeded('fuzz')

/** A value of any kind that crosses. */
function anyValue(depth = 0): unknown {
  const kind = seeded.below(depth > 4 ? 9 : 11)
  switch (kind) {
    case 0:
      return undefined
    case 1:
      return null
    case 2:
      return seeded.below(2) === 1
    case 3:
      return seeded.below(2 ** 32) - 2 ** 31
    case 4:
      return [NaN, -0, Infinity, 1e300, 5e-324, 0.1, 2 ** 53][seeded.below(7)]
    case 5:
      return BigInt(seeded.below(2 ** 32)) ** BigInt(seeded.below(9)) * (seeded.below(2) === 1 ? -1n : 1n)
    case 6:
      return seeded.bytes(seeded.below(40))
    case 7:
      return 'aé€😀\0'.repeat(seeded.below(9))
    case 8:
      return '\ud800x'.repeat(seeded.below(5))
    case 9:
      return Array.from({ length: seeded.below(5) }, () => anyValue(depth + 1))
    default:
      return Object.fromEntries(
        Array.from({ length: seeded.below(5) }, () => [
          seeded.pick(['a', '', '__proto__', 'constructor', 'then', '0', 'length']),
          anyValue(depth + 1)
        ])
      )
  }
}

const message = (opcode: number, ...fields: unknown[]): Uint8Array => {
  const writer = new Writer(WIRE).begin(opcode)
  for (const field of fields) writer.value(field)
  return writer.message.slice()
}

/** A message as it might be, or with some of its bytes changed, cut or added. */
function hostileMessage(opcodes: number): Uint8Array {
  const fields = Array.from({ length: seeded.below(6) }, () =>
    seeded.below(2) === 1 ? seeded.below(4) : anyValue()
  )
  const bytes = message(1 + seeded.below(opcodes), ...fields)
  switch (seeded.below(4)) {
    case 0:
      return bytes.subarray(0, seeded.below(bytes.length + 1))
    case 1:
      for (let i = 0; i < 3; i++) bytes[seeded.below(bytes.length)] = seeded.below(256)
      return bytes
    case 2:
      return new Uint8Array([...bytes, ...seeded.bytes(seeded.below(9))])
    default:
      return bytes
  }
}

test('a reader gives a value or says that there is none, and reads again what it read', () => {
  for (let i = 0; i < 3000 * ROUNDS; i++) {
    const bytes = hostileMessage(1).subarray(1)
    let value: unknown
    try {
      const reader = new Reader(bytes, WIRE)
      value = reader.value()
    } catch (error) {
      assert.instance(error, MalformedMessage)
      continue
    }
    // Compared as bytes: NaN and a key called __proto__ mislead what compares values.
    const encode = (what: unknown) => new Writer(WIRE).begin(0).value(what).message.slice()
    const encoded = encode(value)
    assert.equal(encode(new Reader(encoded.subarray(1), WIRE).value()), encoded)
  }
})

/** What a call came to: a value, or an error of ours. */
const typed = (call: Promise<unknown>): Promise<void> =>
  call.then(
    () => {},
    error => assert.ok(error instanceof CofferError || error instanceof GuestError, String(error?.stack))
  )

test('a session that is sent anything ends its guest at most', async () => {
  for (let i = 0; i < 400 * ROUNDS; i++) {
    let port: MachinePort
    let begun = false
    const factory: MachineFactory = given => {
      port = given
      return {
        evaluate: () => void port.receive(message(TO_HOST.ready, ['go'])),
        dispatch() {
          if (!begun) return void (begun = true)
          for (let k = 0; k < 5; k++) port.receive(hostileMessage(20))
          port.receive(message(TO_HOST.result, 1, 'answered'))
        },
        memoryBytes: () => 0,
        destroy: () => {}
      } as ReturnType<MachineFactory>
    }
    const options: LaunchOptions = { capabilities: { host: { a: async () => 1, b: sync(() => 2) } } }
    const guest = await startSession('quickjs', factory, { source: utf8('') }, options)
    await Promise.race([
      typed(Promise.resolve(guest.call('go'))),
      new Promise(resolve => setImmediate(() => setImmediate(resolve)))
    ])
    await guest.dispose()
  }
})

test('a near side that is sent any frame ends its guest at most', async () => {
  for (let i = 0; i < 400 * ROUNDS; i++) {
    let events: NearEvents
    const guest = startRemote(
      'ses',
      { source: utf8('') },
      { capabilities: { host: { b: sync(() => 2) } } },
      given => {
        events = given
        queueMicrotask(() => events.frame(message(1, ['go'])))
        return {
          post: () => queueMicrotask(() => events.frame(hostileMessage(14))),
          answer: () => {},
          settle: () => {},
          untakenBytes: () => 0,
          hold: () => {},
          kill: () => queueMicrotask(() => events.closed())
        }
      }
    )
    const started = await Promise.race([
      guest.catch(error => {
        assert.instance(error, CofferError)
      }),
      new Promise<undefined>(resolve => setTimeout(() => resolve(undefined), 1))
    ])
    if (started === undefined) continue
    await Promise.race([
      typed(Promise.resolve(started.call('go'))),
      new Promise(resolve => setImmediate(resolve))
    ])
    events!.closed()
    await started.dispose()
  }
})

/** Evaluates programs, one after another. */
const EVALUATOR = `
import * as host from 'coffer:host'
globalThis.host = host
export const run = source => (0, eval)('(async () => {' + source + '\\n})()')`

const CAPABILITIES = {
  host: {
    echo: sync((value: unknown) => value),
    later: async (value: unknown) => value,
    fail: sync(() => {
      throw new RangeError('no')
    })
  }
}

/** Programs in one guest, and a new one when it is gone. */
class Runner {
  readonly #how: LaunchOptions
  #guest: Guest | undefined

  constructor(how: LaunchOptions) {
    this.#how = how
  }

  async run(source: string): Promise<string> {
    this.#guest ??= await launch(utf8(EVALUATOR), {
      ...this.#how,
      capabilities: CAPABILITIES,
      // What waits for a thenable that never answers would wait for ever.
      limits: { cpuMs: 3000, wallMs: 4000, memoryBytes: 48 * 2 ** 20 }
    })
    try {
      return classOf(await this.#guest.call('run', source))
    } catch (error) {
      if (error instanceof GuestError)
        return /overflow|call stack/.test(error.message) ? 'stack' : `throws ${error.name}`
      assert.instance(error, CofferError, String((error as Error)?.stack))
      const { code } = error as CofferError
      assert.is.not(code, 'COFFER_ENGINE_FAILED', source)
      if (code.startsWith('COFFER_LIMIT_') && code !== 'COFFER_LIMIT_VALUE') await this.end()
      return code
    }
  }

  async end(): Promise<void> {
    await this.#guest?.dispose()
    this.#guest = undefined
  }
}

/** What a value is, with what it holds where that is plain. */
const classOf = (value: unknown): string =>
  JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint'
      ? `${item}n`
      : typeof item === 'number' && !Number.isFinite(item)
        ? String(item)
        : item
  ) ?? 'nothing'

test('both engines agree on what becomes of programs of nasty operations', async () => {
  const grammar: Grammar = { below: bound => seeded.below(bound), pick: items => seeded.pick(items) }
  const quickjs = new Runner({ engine: 'quickjs' })
  const ses = new Runner({ engine: 'ses' })
  const differ: string[] = []
  for (let i = 0; i < 150 * ROUNDS; i++) {
    const source = program(grammar)
    const [a, b] = [await quickjs.run(source), await ses.run(source)]
    if (a !== b) differ.push(`${source}\n    quickjs ${a.slice(0, 200)}\n    ses     ${b.slice(0, 200)}`)
  }
  await quickjs.end()
  await ses.end()
  assert.equal(differ, [])
})

test.run()
