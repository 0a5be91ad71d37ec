/** Frames between threads: both ends in one thread where that will do, in two where one waits. */
import { once } from 'node:events'
import { setTimeout as after } from 'node:timers/promises'
import { MessageChannel, Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Lookout } from '../../sandbox/thread/lookout.js'
import { Hope, Inbox, mailboxMemory, Outbox, SLOT_BYTES, SLOTS } from '../../sandbox/thread/mailbox.js'
import { MalformedMessage } from '../../sandbox/wire.js'

/** Both ends, in this thread, without anybody who listens to the port. */
function both() {
  const memory = mailboxMemory()
  const { port1, port2 } = new MessageChannel()
  return {
    memory,
    outbox: new Outbox({ memory, port: port1 }),
    inbox: new Inbox({ memory, port: port2 }),
    rings: () => new Promise<unknown>(resolve => port2.once('message', resolve)),
    port: port1,
    close: () => port1.close()
  }
}

/** A frame that is told from others: its number, repeated. */
const frameOf = (number: number, length: number): Uint8Array => new Uint8Array(length).fill(number)

test('frames arrive as they were, in their order, whichever way they go', () => {
  const { outbox, inbox, close } = both()
  const lengths = [0, 1, SLOT_BYTES - 1, SLOT_BYTES, SLOT_BYTES + 1, 40_000, 3, 1 << 20, 2]
  for (let round = 0; round < 3 * SLOTS; round++) {
    const sent = lengths.map((length, i) => frameOf(round + i, length))
    for (const frame of sent) outbox.post(frame)
    for (const frame of sent) assert.equal(inbox.take(), frame)
    assert.is(inbox.take(), undefined)
  }
  close()
})

test('an outbox never waits to post: what finds no slot goes by the port, in its turn', () => {
  const { outbox, inbox, close } = both()
  const count = 3 * SLOTS + 1
  for (let i = 0; i < count; i++) outbox.post(frameOf(i, 5))
  for (let i = 0; i < SLOTS / 2; i++) assert.equal(inbox.take(), frameOf(i, 5))
  // Slots are free again, yet these come after what is in the port.
  for (let i = count; i < 2 * count; i++) outbox.post(frameOf(i, 5))
  for (let i = SLOTS / 2; i < 2 * count; i++) assert.equal(inbox.take(), frameOf(i, 5))
  assert.not(inbox.filled)
  close()
})

test('a frame is a copy on both sides, and leaves nothing in the memory', () => {
  const { outbox, inbox, memory, close } = both()
  const frame = frameOf(0xa5, 100)
  outbox.post(frame)
  frame.fill(0)
  const taken = inbox.take()!
  assert.equal(taken, frameOf(0xa5, 100))
  assert.is(taken.buffer.byteLength, 100)
  assert.not(new Uint8Array(memory).includes(0xa5))
  close()
})

test('sleep() refuses where a frame is there, and otherwise one message comes for all that follow', async () => {
  const { outbox, inbox, rings, close } = both()
  outbox.post(frameOf(1, 1))
  assert.not(inbox.sleep())
  assert.equal(inbox.take(), frameOf(1, 1))
  assert.ok(inbox.sleep())
  const rung = rings()
  for (let i = 2; i < 10; i++) outbox.post(frameOf(i, 1))
  assert.is(await rung, null)
  for (let i = 2; i < 10; i++) assert.equal(inbox.take(), frameOf(i, 1))
  assert.is(inbox.take(), undefined)
  // A long frame is its own message.
  assert.ok(inbox.sleep())
  const carried = rings()
  outbox.post(frameOf(10, 2_000))
  outbox.post(frameOf(11, 1))
  inbox.keep((await carried) as Uint8Array)
  assert.equal(inbox.take(), frameOf(10, 2_000))
  assert.equal(inbox.take(), frameOf(11, 1))
  assert.is(inbox.take(), undefined)
  close()
})

test('a receiver believes no length, no count and no message that its memory or port holds', () => {
  const wrong: readonly ((of: ReturnType<typeof both>) => void)[] = [
    // A frame longer than its slot, and one of negative length.
    ({ memory }) => (new Int32Array(memory)[4 + 256 + 1] = SLOT_BYTES + 1),
    ({ memory }) => (new Int32Array(memory)[4 + 256 + 1] = -1),
    // One whose slot holds another, and that is not in the port.
    ({ memory }) => (new Int32Array(memory)[4 + 256] = 7),
    ({ memory, port }) => {
      new Int32Array(memory)[4 + 256] = 7
      port.postMessage('frame')
    },
    ({ memory, port }) => {
      new Int32Array(memory)[4 + 256] = 7
      port.postMessage([1, 2])
    }
  ]
  for (const spoil of wrong) {
    const ends = both()
    ends.outbox.post(frameOf(1, 4))
    spoil(ends)
    let thrown: unknown
    try {
      ends.inbox.take()
    } catch (error) {
      thrown = error
    }
    assert.instance(thrown, MalformedMessage, String(spoil))
    ends.close()
  }
})

test('wait() ends with the frame of another thread, or after its time', async () => {
  const { inbox, close } = both()
  assert.not(inbox.wait(5))
  close()
  const far = startFar(`
    const inbox = new Inbox({ memory: workerData.memory, port: workerData.port })
    let sum = 0
    for (let i = 0; i < 1000; i++) { while (!inbox.wait(1000)); sum += inbox.take()[0] }
    parentPort.postMessage(sum)`)
  const outbox = new Outbox(far.mailbox)
  for (let i = 0; i < 1000; i++) {
    outbox.post(frameOf(1, i % 50 === 0 ? 5_000 : 1 + (i % 7)))
    if (i % 100 === 0) await after(1)
  }
  assert.is(await far.answer, 1000)
  await far.end()
})

test('a sender that waits for room is never further ahead than there are slots, and goes on at once', async () => {
  const count = 20 * SLOTS
  const far = startFar(`
    const outbox = new Outbox({ memory: workerData.memory, port: workerData.port })
    for (let i = 0; i < ${count}; i++) {
      outbox.waitForRoom()
      outbox.post(new Uint8Array(i % 5 === 0 ? 3000 : 4).fill(i))
    }
    parentPort.postMessage('done')`)
  const inbox = new Inbox(far.mailbox)
  const sent = new Int32Array(far.mailbox.memory)
  while (Atomics.load(sent, 0) < SLOTS) await after(1)
  await after(50)
  assert.is(Atomics.load(sent, 0), SLOTS)
  for (let i = 0; i < count; i++) {
    while (!inbox.look(1)) await after(0)
    assert.equal(inbox.take(), frameOf(i, i % 5 === 0 ? 3000 : 4))
    assert.ok(((Atomics.load(sent, 0) - i) | 0) <= SLOTS + 1)
  }
  assert.is(await far.answer, 'done')
  await far.end()
})

test('a thread that waits in either way is ended all the same', async () => {
  for (const waits of [
    `new Inbox(workerData).wait(Infinity)`,
    `const outbox = new Outbox(workerData); for (;;) { outbox.waitForRoom(); outbox.post(new Uint8Array(1)) }`
  ]) {
    const far = startFar(`parentPort.postMessage('waits'); ${waits}`)
    await far.answer
    await after(20)
    await far.end()
  }
})

test('a host that always finds the next frame at once has its event loop all the same', async () => {
  for (const soon of [(send: () => void) => send(), queueMicrotask]) {
    const memory = mailboxMemory()
    const { port1, port2 } = new MessageChannel()
    const outbox = new Outbox({ memory, port: port1 })
    const send = () => {
      lookout.expect()
      outbox.post(frameOf(1, 1))
    }
    let received = 0
    let over = false
    const receive = () => {
      received++
      if (!over) soon(send)
    }
    const lookout = new Lookout({ memory, port: port2 }, receive, cause => assert.unreachable(String(cause)))
    let ticks = 0
    const timer = setInterval(() => ticks++, 1)
    send()
    while (ticks < 20) await after(1)
    assert.ok(received > 20, String(received))
    over = true
    clearInterval(timer)
    port1.close()
  }
})

test('Hope is lost by and by, tried now and then, and comes back at once', () => {
  const hope = new Hope()
  let tries = 0
  for (let i = 0; i < 1000; i++) {
    if (!hope.pays) continue
    tries++
    hope.tell(false)
  }
  assert.ok(tries > 10 && tries < 30, `${tries} tries`)
  while (!hope.pays);
  hope.tell(true)
  assert.ok(hope.pays)
})

/** A worker that runs this code with the other end of a mailbox. */
function startFar(code: string) {
  const memory = mailboxMemory()
  const { port1, port2 } = new MessageChannel()
  const url = new URL('../../sandbox/thread/mailbox.js', import.meta.url).href
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
    import(${JSON.stringify(url)}).then(({ Inbox, Outbox }) => { ${code} })`,
    { eval: true, workerData: { memory, port: port2 }, transferList: [port2] }
  )
  return {
    mailbox: { memory, port: port1 },
    answer: once(worker, 'message').then(([answer]) => answer as unknown),
    async end() {
      port1.close()
      await worker.terminate()
    }
  }
}

test.run()
