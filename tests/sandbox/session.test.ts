/**
 * The session against a guest that has taken over its side of the wire: a machine of our own sends what no SDK would.
 * Whatever arrives, that guest ends with an error of ours, and nothing else happens.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import type { EngineGuest, LaunchOptions } from '../../sandbox/guest.js'
import type { MachineFactory, MachinePort } from '../../sandbox/machine.js'
import { TO_GUEST, TO_HOST } from '../../sandbox/protocol.js'
import { startSession } from '../../sandbox/session.js'
import { Reader, Writer } from '../../sandbox/wire.js'
import { rejectsWith } from '../helpers/rejects.js'

interface Attack {
  port: MachinePort
  /** Messages that the guest has received. */
  readonly received: Uint8Array[]
  destroyed: number
}

/** A session whose guest does `onCall` when it is called. */
async function hostile(onCall: (attack: Attack, id: number) => void, options: LaunchOptions = {}) {
  const attack: Attack = { port: undefined as never, received: [], destroyed: 0 }
  const factory: MachineFactory = port => {
    attack.port = port
    return {
      evaluate: () => void port.receive(new Writer().begin(TO_HOST.ready).value(['go']).message),
      dispatch(message) {
        attack.received.push(message.slice())
        const reader = new Reader(message)
        if (reader.byte() === TO_GUEST.call) onCall(attack, reader.count())
      },
      memoryBytes: () => 0,
      destroy: () => void attack.destroyed++
    }
  }
  const guest: EngineGuest = await startSession('quickjs', factory, { source: utf8('') }, options)
  return { guest, attack }
}

const message = (opcode: number, ...fields: unknown[]) => {
  const writer = new Writer().begin(opcode)
  for (const field of fields) writer.value(field)
  return writer.message.slice()
}

test('malformed messages end the guest', async () => {
  const messages: Record<string, Uint8Array> = {
    empty: new Uint8Array(),
    'unknown opcode': new Uint8Array([99]),
    'opcode 0': new Uint8Array([0]),
    'result without id': message(TO_HOST.result),
    'result with text id': message(TO_HOST.result, 'x', 1),
    'result with negative id': message(TO_HOST.result, -1, 1),
    'result cut short': message(TO_HOST.result, 1, 'long text that is cut').subarray(0, 8),
    'print with number': message(TO_HOST.print, 1, 5),
    'wake with text': message(TO_HOST.wake, 'soon'),
    'random too much': message(TO_HOST.random, 65_537),
    'stream in place of the start': message(TO_HOST.stream, 0),
    'end of what is no stream': message(TO_HOST.done, 1),
    'random negative': message(TO_HOST.random, -1),
    'ask for what was not granted': message(TO_HOST.ask, 'host', 'x', []),
    'ask for a prototype': message(TO_HOST.ask, '__proto__', 'constructor', []),
    'ask for an async function': message(TO_HOST.ask, 'host', 'later', []),
    'request for a sync function': message(TO_HOST.request, 1, 'host', 'constructor', []),
    'arguments that are no list': message(TO_HOST.request, 1, 'host', 'later', {}),
    'threw without stack': message(TO_HOST.threw, 1, 'a', 'b')
  }
  for (const [what, bytes] of Object.entries(messages)) {
    const { guest, attack } = await hostile(({ port }) => void port.receive(bytes), {
      capabilities: { host: { later: async () => 1 } }
    })
    try {
      await rejectsWith('COFFER_ENGINE_FAILED', () => guest.call('go'))
    } catch (error) {
      throw new Error(`${what}: ${(error as Error).message}`)
    }
    assert.is(attack.destroyed, 1, what)
    await rejectsWith('COFFER_GUEST_GONE', () => guest.call('go'))
  }
})

test('answers under numbers that nobody asked under change nothing', async () => {
  const { guest } = await hostile(({ port }, id) => {
    for (const made of [0, id + 1, 2 ** 31 - 1]) {
      port.receive(message(TO_HOST.result, made, 'forged'))
      port.receive(message(TO_HOST.threw, made, 'Forged', 'forged', ''))
      port.receive(message(TO_HOST.missing, made))
    }
    port.receive(message(TO_HOST.ready, ['other']))
    port.receive(message(TO_HOST.result, id, 'first'))
    port.receive(message(TO_HOST.result, id, 'second'))
  })
  assert.is(await guest.call('go'), 'first')
  await guest.dispose()
})

test('wishes to be woken at odd times are bounded', async () => {
  for (const delay of [0, -5, NaN, Infinity, 1e300, 5e-324]) {
    let wakes = 0
    const { guest, attack } = await hostile(({ port }, id) => {
      port.receive(message(TO_HOST.wake, delay))
      setTimeout(() => port.receive(message(TO_HOST.result, id, 1)), 30)
    }, {})
    await guest.call('go')
    wakes = attack.received.filter(([opcode]) => opcode === TO_GUEST.wake).length
    assert.ok(wakes <= 1, `${delay}: ${wakes} wakes`)
    await guest.dispose()
  }
})

test('what a guest says of its errors is cut to size, and its frames are its own', async () => {
  const stack = [
    '    at good (title.js:1:2)',
    '    at bad (/etc/passwd:1:1)',
    '    const secret = 1 // title.js:1:1',
    '    at also (title.js)',
    '    at async later (title.js:3:4)',
    '    at title.js:5:6',
    `    at ${'x'.repeat(5000)} (title.js:7:8)`
  ].join('\n')
  const { guest } = await hostile(
    ({ port }, id) =>
      void port.receive(message(TO_HOST.threw, id, 'N'.repeat(5000), 'M'.repeat(50_000), stack))
  )
  try {
    await guest.call('go')
    assert.unreachable()
  } catch (error) {
    const { name, message, guestStack } = error as { name: string; message: string; guestStack: string }
    assert.is(name.length, 100)
    assert.is(message.length, 10_000)
    assert.is(
      guestStack,
      '    at good (title.js:1:2)\n    at async later (title.js:3:4)\n    at title.js:5:6\n'
    )
  }
  await guest.dispose()
})

test('an answer that comes after the guest has ended goes nowhere', async () => {
  let settle: (value: unknown) => void
  const { guest, attack } = await hostile(
    ({ port }) => void port.receive(message(TO_HOST.request, 1, 'host', 'later', [])),
    {
      capabilities: { host: { later: () => new Promise(resolve => (settle = resolve)) } }
    }
  )
  const pending = rejectsWith('COFFER_GUEST_GONE', () => guest.call('go'))
  await new Promise(resolve => setTimeout(resolve, 5))
  await guest.dispose()
  await pending
  const before = attack.received.length
  settle!('late')
  await new Promise(resolve => setTimeout(resolve, 5))
  assert.is(attack.received.length, before)
  assert.is(attack.destroyed, 1)
})

test('a machine that throws anything but our errors is a failed engine', async () => {
  const { guest } = await hostile(() => {
    throw new RangeError('Maximum call stack size exceeded')
  })
  await rejectsWith('COFFER_ENGINE_FAILED', () => guest.call('go'))
})

test('an abort signal is let go of when the guest ends', async () => {
  const controller = new AbortController()
  let listeners = 0
  const { addEventListener, removeEventListener } = controller.signal
  controller.signal.addEventListener = function (...args: unknown[]) {
    listeners++
    return Reflect.apply(addEventListener, this, args)
  }
  controller.signal.removeEventListener = function (...args: unknown[]) {
    listeners--
    return Reflect.apply(removeEventListener, this, args)
  }
  const { guest } = await hostile(() => {}, { signal: controller.signal })
  assert.is(listeners, 1)
  await guest.dispose()
  assert.is(listeners, 0)
})

test.run()
