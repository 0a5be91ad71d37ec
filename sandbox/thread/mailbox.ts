/**
 * Frames from one thread to another in the order in which they were posted, through memory that both see. A frame that
 * is too long for a slot there, or finds none free, goes by a port instead, in its turn.
 *
 * The memory is words of 32 bits, then slots:
 *
 *   0  SENT    frames posted so far, modulo 2^32      written by the sender
 *   1  TAKEN   frames taken so far                    written by the receiver
 *   2  READER  AWAKE, WAITS or ASLEEP                 written by the receiver; AWAKE by the sender that wakes it
 *   3  ROOM    1 while the sender waits for a slot    written by the sender
 *   4  slots: the number of a frame, its length in bytes, SLOT_BYTES for it
 *
 * Frame n has the slot n modulo SLOTS, or is in the port where another number stands there. A slot is the sender's until
 * its frame counts as sent, then the receiver's until it counts as taken. Atomics move the counts, which orders all
 * other bytes around them. Who sets READER or ROOM reads the counts after it, and who moves a count reads READER or ROOM
 * after it, so that one of the two always sees the other: nobody sleeps over a frame.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { monotonicMs } from '../clock.js'
import { MalformedMessage } from '../wire.js'

/** One way of frames, as one of its two threads has it. */
export interface Mailbox {
  readonly memory: SharedArrayBuffer
  /** For long frames, and to wake a receiver that sleeps. May serve the way back too. */
  readonly port: MessagePort
}

const SENT = 0
const TAKEN = 1
const READER = 2
const ROOM = 3
const FIRST_SLOT = 4

/** It looks by itself. */
const AWAKE = 0
/** In Atomics.wait. */
const WAITS = 1
/** In its event loop. */
const ASLEEP = 2

export const SLOTS = 64
/** Nearly all calls are shorter. */
export const SLOT_BYTES = 1016
/** Number and length. */
const SLOT_WORDS = 2
const SLOT_SPAN = SLOT_WORDS * 4 + SLOT_BYTES

/** From here on it takes less to hand memory over than to copy it into a message and out again. */
const HANDED_OVER_BYTES = 32 * 1024

export const mailboxMemory = (): SharedArrayBuffer =>
  new SharedArrayBuffer(FIRST_SLOT * 4 + SLOTS * SLOT_SPAN)

const slotOf = (number: number): number => FIRST_SLOT * 4 + ((number >>> 0) % SLOTS) * SLOT_SPAN

/** The sender's end. */
export class Outbox {
  readonly #words: Int32Array
  readonly #bytes: Uint8Array
  readonly #port: MessagePort
  #sent = 0
  /** Frames in the port whose bytes count, in their order. */
  readonly #counted: { readonly number: number; readonly bytes: number }[] = []
  #countedBytes = 0

  constructor({ memory, port }: Mailbox) {
    this.#words = new Int32Array(memory)
    this.#bytes = new Uint8Array(memory)
    this.#port = port
  }

  /**
   * Never waits.
   *
   * @param frame - Copied; the caller keeps it.
   * @param counts - It is among {@link untakenBytes} until it is taken.
   */
  post(frame: Uint8Array, counts = false): void {
    const number = (this.#sent + 1) | 0
    const fits = frame.length <= SLOT_BYTES && this.#left < SLOTS
    if (fits) {
      const slot = slotOf(number)
      this.#words[slot / 4] = number
      this.#words[slot / 4 + 1] = frame.length
      this.#bytes.set(frame, slot + SLOT_WORDS * 4)
    } else {
      const copy = new Uint8Array(frame)
      if (counts) {
        this.#counted.push({ number, bytes: copy.length })
        this.#countedBytes += copy.length
      }
      this.#port.postMessage(copy, copy.length < HANDED_OVER_BYTES ? [] : [copy.buffer])
    }
    this.#sent = number
    Atomics.store(this.#words, SENT, number)
    const reader = Atomics.load(this.#words, READER)
    if (reader === WAITS) Atomics.notify(this.#words, SENT)
    // A frame in the port wakes it by itself.
    else if (reader === ASLEEP && fits) this.#ring()
  }

  /** Of frames that count, what lies in the port. What lies in slots is bounded by them. */
  get untakenBytes(): number {
    const taken = Atomics.load(this.#words, TAKEN)
    for (let [first] = this.#counted; first !== undefined; [first] = this.#counted) {
      if (((taken - first.number) | 0) < 0) break
      this.#counted.shift()
      this.#countedBytes -= first.bytes
    }
    return this.#countedBytes
  }

  /** Wait, doing nothing else, as long as the receiver has not taken frames for all slots. */
  waitForRoom(): void {
    if (this.#left < SLOTS) return
    Atomics.store(this.#words, ROOM, 1)
    for (let left = this.#left; left >= SLOTS; left = this.#left)
      Atomics.wait(this.#words, TAKEN, (this.#sent - left) | 0)
    Atomics.store(this.#words, ROOM, 0)
  }

  /** Frames that the receiver has not taken. */
  get #left(): number {
    return (this.#sent - Atomics.load(this.#words, TAKEN)) | 0
  }

  #ring(): void {
    if (Atomics.compareExchange(this.#words, READER, ASLEEP, AWAKE) === ASLEEP) this.#port.postMessage(null)
  }
}

/** The receiver's end. Messages of the port are for {@link keep}. */
export class Inbox {
  readonly #words: Int32Array
  readonly #bytes: Uint8Array
  readonly #port: MessagePort
  /** Frames that came by the port. */
  readonly #carried: Uint8Array[] = []
  #taken = 0

  constructor({ memory, port }: Mailbox) {
    this.#words = new Int32Array(memory)
    this.#bytes = new Uint8Array(memory)
    this.#port = port
  }

  /** A frame is there. */
  get filled(): boolean {
    // One from the port is there before it counts as sent, and all before it do.
    return ((Atomics.load(this.#words, SENT) - this.#taken) | 0) > 0 || this.#carried.length > 0
  }

  /**
   * The next frame, the caller's to keep; undefined where there is none.
   *
   * @throws MalformedMessage for what no Outbox posts.
   */
  take(): Uint8Array | undefined {
    if (!this.filled) return undefined
    const number = (this.#taken + 1) | 0
    const slot = slotOf(number)
    const frame = this.#words[slot / 4] === number ? this.#fromSlot(slot) : this.#fromPort()
    this.#taken = number
    Atomics.store(this.#words, TAKEN, number)
    if (Atomics.load(this.#words, ROOM) === 1) Atomics.notify(this.#words, TAKEN)
    return frame
  }

  /** Keep what a message of the port brought: a frame, or nothing, where it was to wake this thread. */
  keep(message: Uint8Array | null): void {
    if (message !== null) this.#carried.push(message)
  }

  /** Look for a frame for so long, on the processor. @returns whether there is one. */
  look(ms: number): boolean {
    const endMs = monotonicMs() + ms
    do {
      for (let i = 0; i < GLANCES; i++) if (this.filled) return true
    } while (monotonicMs() < endMs)
    return false
  }

  /** Wait so long for a frame, off the processor and doing nothing else. @returns whether there is one. */
  wait(ms: number): boolean {
    Atomics.store(this.#words, READER, WAITS)
    if (!this.filled) Atomics.wait(this.#words, SENT, this.#taken, ms)
    this.stay()
    return this.filled
  }

  /** Want no message: this thread looks by itself. */
  stay(): void {
    Atomics.store(this.#words, READER, AWAKE)
  }

  /** Want a message with the next frame. @returns false, as after {@link stay}, where there is a frame already. */
  sleep(): boolean {
    Atomics.store(this.#words, READER, ASLEEP)
    if (!this.filled) return true
    this.stay()
    return false
  }

  #fromSlot(slot: number): Uint8Array {
    const length = this.#words[slot / 4 + 1]!
    if (length < 0 || length > SLOT_BYTES) throw new MalformedMessage('a frame longer than its slot')
    const start = slot + SLOT_WORDS * 4
    const frame = this.#bytes.slice(start, start + length)
    this.#bytes.fill(0, start, start + length)
    return frame
  }

  #fromPort(): Uint8Array {
    while (this.#carried.length === 0) {
      const received = receiveMessageOnPort(this.#port)
      if (received === undefined) throw new MalformedMessage('a frame that was never sent')
      this.keep(received.message as Uint8Array | null)
    }
    const frame: unknown = this.#carried.shift()
    if (!(frame instanceof Uint8Array)) throw new MalformedMessage('a frame expected')
    return frame
  }
}

/** Reading the clock takes ten times as long. */
const GLANCES = 20

/** Whether it pays to look or to wait for a frame: it does while that finds one, and seldom is tried again. */
export class Hope {
  #pause = 0
  #left = 0

  /** Ask once before each try. */
  get pays(): boolean {
    return this.#left-- <= 0
  }

  tell(found: boolean): boolean {
    this.#left = this.#pause = found ? 0 : Math.min(2 * this.#pause + 1, MOST_PAUSE)
    return found
  }
}

/** Tries that are left out after others found nothing. */
const MOST_PAUSE = 63
