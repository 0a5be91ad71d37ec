/**
 * How a host's thread receives frames. Who has sent one looks for the answer a little before it goes to its event loop,
 * which takes far longer to wake; never for long, and never so often that the event loop gets no turn.
 */
import { monotonicMs } from '../clock.js'
import { Hope, Inbox, type Mailbox } from './mailbox.js'

/** One look. */
const LOOK_MS = 0.05
/** All looks in one turn of the event loop, with what they find and what the host makes of it. */
const TURN_MS = 1

export class Lookout {
  readonly #inbox: Inbox
  readonly #receive: (frame: Uint8Array) => void
  readonly #fail: (cause: unknown) => void
  readonly #hope = new Hope()
  /** When this turn of the event loop has looked enough; undefined before it looks. */
  #turnEndMs: number | undefined
  /** A look comes by itself, so nobody needs to wake this thread. */
  #due = false

  /**
   * @param mailbox - Its port keeps no process alive.
   * @param fail - Called where what arrived is no frame.
   */
  constructor(mailbox: Mailbox, receive: (frame: Uint8Array) => void, fail: (cause: unknown) => void) {
    this.#inbox = new Inbox(mailbox)
    this.#receive = receive
    this.#fail = fail
    mailbox.port.on('message', message => {
      this.#inbox.keep(message)
      this.#take(this.#turnEndMs ?? monotonicMs() + TURN_MS)
    })
    mailbox.port.unref()
    this.#inbox.sleep()
  }

  /** A frame is about to be sent: if it pays, look for its answer once the caller has done what it does now. */
  expect(): void {
    if (this.#due || !this.#hope.pays) return
    this.#due = true
    this.#inbox.stay()
    // After the end of a turn, the next one looks.
    if (monotonicMs() < this.#turn()) queueMicrotask(() => this.#look())
  }

  /** Receive all that is there. */
  drain(): void {
    this.#take(Infinity)
  }

  #look(): void {
    const endMs = this.#turn()
    if (!this.#inbox.filled) this.#hope.tell(this.#inbox.look(LOOK_MS))
    this.#due = false
    this.#take(endMs)
  }

  /** Receive what is there, one frame at least; where that takes too long, the rest in the next turn. */
  #take(endMs: number): void {
    try {
      do {
        const frame = this.#inbox.take()
        if (frame === undefined) break
        this.#receive(frame)
      } while (monotonicMs() < endMs)
    } catch (cause) {
      this.#fail(cause)
    }
    if (this.#due || this.#inbox.sleep()) return
    this.#due = true
    this.#turn()
  }

  /** When this turn ends. The next comes by itself. */
  #turn(): number {
    if (this.#turnEndMs === undefined) {
      this.#turnEndMs = monotonicMs() + TURN_MS
      setImmediate(() => {
        this.#turnEndMs = undefined
        if (this.#due) this.#look()
      })
    }
    return this.#turnEndMs
  }
}
