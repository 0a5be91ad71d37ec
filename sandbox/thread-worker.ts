/** The far side of a guest in a thread: a worker's entry. */
import { workerData } from 'node:worker_threads'
import type { MachineFactory } from './machine.js'
import type { Reuse } from './quickjs/machine.js'
import { quickjs } from './quickjs/node.js'
import { serveRemote } from './remote/far.js'
import { Hope, Inbox, Outbox } from './thread/mailbox.js'
import type { ThreadData } from './thread/thread.js'

const { toHost, toWorker, answers, program, foreign } = workerData as ThreadData
const outbox = new Outbox(toHost)
const inbox = new Inbox(toWorker)
const answerInbox = new Inbox(answers)
/** A guest may leave so much behind for the next one to come. */
const MOST_LEFT_BYTES = 32 * 1024 * 1024
/** Says that this thread can serve another guest. */
const FREE = new Uint8Array(0)
const reuse: Reuse | undefined = program && { idle: [], foreign }

function prepare(): MachineFactory {
  const factory = quickjs()
  return (port, limits) => factory(port, limits, reuse && { reuse })
}

function serve(): (frame: Uint8Array) => void {
  // What a guest of before says late is nobody's.
  let open = true
  return serveRemote(
    { engine: 'quickjs', prepare, program },
    {
      post(frame) {
        if (open) post(frame)
      },
      ask(frame) {
        post(frame)
        if (answerLooks.pays) answerLooks.tell(answerInbox.look(LOOK_MS))
        while (!answerInbox.filled) answerInbox.wait(Infinity)
        return answerInbox.take()!
      },
      close(memoryBytes) {
        // V8 gives the memory of a guest back when it likes: a thread that waits would hold it.
        if (program === undefined && memoryBytes > MOST_LEFT_BYTES) process.exit()
        open = false
        receive = serve()
        post(FREE)
      }
    }
  )
}

/** A host that is busy is not flooded: this thread waits for it. */
function post(frame: Uint8Array): void {
  outbox.waitForRoom()
  outbox.post(frame)
}

/** How long to look for a frame. A host that calls again and again does so sooner. */
const LOOK_MS = 0.02
/**
 * How long to wait for one outside the event loop, which takes twice as long to wake. Every wait follows a turn of the
 * event loop, so timers are no later than this.
 */
const WAIT_MS = 1
const looks = new Hope()
const waits = new Hope()
const answerLooks = new Hope()
let turning = false

/** Serve the next frame, each in its own turn of the event loop: what it leaves to be done is done before the next. */
function turn(): void {
  turning = false
  const found =
    inbox.filled ||
    (looks.pays && looks.tell(inbox.look(LOOK_MS))) ||
    (waits.pays && waits.tell(inbox.wait(WAIT_MS))) ||
    !inbox.sleep()
  if (!found) return
  turnSoon()
  receive(inbox.take()!)
}

function turnSoon(): void {
  if (!turning) setImmediate(turn)
  turning = true
}

let receive = serve()
toWorker.port.on('message', message => {
  inbox.keep(message)
  if (!turning) turn()
})
turnSoon()
