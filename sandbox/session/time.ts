/**
 * A guest's time and chance: when it is woken for its timers, when its wait is over, what its clock shows, and, where
 * it has a seed, both out of that.
 */
import type { CofferError } from '../../formats/errors.js'
import { monotonicMs } from '../clock.js'
import { MAX_RANDOM_BYTES, TO_GUEST } from '../protocol.js'
import { seededGenerator } from '../random.js'
import { MalformedMessage } from '../wire.js'
import type { Life } from './life.js'
import type { Account, Meter } from './meter.js'
import type { Turns } from './turns.js'

/** What the guest waits for that is not time. */
export interface Waits {
  /** Requests that the host has not answered yet. */
  readonly requests: number
  /** Those among them that wait for a key. */
  readonly keys: number
}

/** Fills bytes with chance, and returns them. */
export type Random = (bytes: Uint8Array) => Uint8Array

export class Time {
  readonly startedMs = monotonicMs()
  /** When the guest wants to be woken, on the clock of monotonicMs(); undefined when no timer waits. */
  #wakeMs: number | undefined
  /** The same, as the timer was set. */
  #armedMs: number | undefined
  #wakeTimer: Timer | undefined
  #wallTimer: Timer | undefined
  /** A seeded guest's clock: it starts at 0, and moves when a timer is due. */
  #virtualMs = 0
  #virtualWakeMs = 0
  readonly #seededBytes: (() => number) | undefined
  readonly #random: Random

  readonly #life: Life
  readonly #turns: Turns
  readonly #meter: Meter
  readonly #calls: ReadonlyMap<number, Account>
  readonly #waits: Waits

  /** @param calls - Those that wait, in the order of their start. */
  constructor(
    life: Life,
    turns: Turns,
    meter: Meter,
    calls: ReadonlyMap<number, Account>,
    waits: Waits,
    seed: number | undefined,
    random: Random = bytes => crypto.getRandomValues(bytes)
  ) {
    this.#random = random
    this.#life = life
    this.#turns = turns
    this.#meter = meter
    this.#calls = calls
    this.#waits = waits
    this.#seededBytes = seed === undefined ? undefined : seededGenerator(seed)
    life.onEnd(() => {
      clearTimeout(this.#wakeTimer)
      clearTimeout(this.#wallTimer)
    })
  }

  /** Milliseconds since 1970, as the guest sees them. */
  now(): number {
    return this.#seededBytes === undefined ? Date.now() : this.#virtualMs
  }

  /** Milliseconds since the start, as the guest sees them: of a seeded one, the same as {@link now}. */
  elapsed(): number {
    // A tenth of a millisecond: enough for programs, little for timing attacks.
    return this.#seededBytes === undefined
      ? Math.round((monotonicMs() - this.startedMs) * 10) / 10
      : this.#virtualMs
  }

  random(count: number): Uint8Array {
    if (count > MAX_RANDOM_BYTES) throw new MalformedMessage('too many random bytes')
    const bytes = new Uint8Array(count)
    if (this.#seededBytes === undefined) return this.#random(bytes)
    for (let i = 0; i < count; i++) bytes[i] = this.#seededBytes() >>> 24
    return bytes
  }

  /** The guest wants to be woken in so many milliseconds; negative when no timer waits. Replaces the wish before. */
  wish(delayMs: number): void {
    this.#wakeMs = delayMs < 0 ? undefined : monotonicMs() + delayMs
    this.#virtualWakeMs = this.#virtualMs + delayMs
  }

  /** A timer of the guest's waits. */
  get waits(): boolean {
    return this.#wakeMs !== undefined
  }

  /** Set the host's timer where the guest has changed its wish since. */
  rearm(): void {
    if (this.#wakeMs !== this.#armedMs) this.arm()
  }

  /** Set the host's two timers by what is pending. They keep the process alive only while somebody waits. */
  arm(): void {
    clearTimeout(this.#wakeTimer)
    clearTimeout(this.#wallTimer)
    this.#armedMs = undefined
    if (this.#life.ended !== undefined || this.#life.running) return
    const first = this.#firstCall()
    const wallLeftMs = first === undefined ? Infinity : this.#meter.wallLeftMs(first)
    if (wallLeftMs !== Infinity) {
      this.#wallTimer = setTimeout(() => this.#expire(first!), boundedDelay(wallLeftMs))
    }
    if (this.#wakeMs !== undefined && !this.#standsStill()) {
      this.#armedMs = this.#wakeMs
      // A seeded guest's time passes without waiting, unless it waits for a key.
      const passes = this.#seededBytes !== undefined && this.#waits.requests === 0
      const delay = passes ? 0 : this.#wakeMs - monotonicMs()
      this.#wakeTimer = setTimeout(() => this.#wake(), boundedDelay(delay))
      if (first === undefined) this.#wakeTimer.unref?.()
    }
  }

  #expire({ startedMs }: Account): void {
    try {
      this.#meter.check('wallMs', monotonicMs() - startedMs)
    } catch (reason) {
      return this.#life.end(reason as CofferError)
    }
    // Timers may fire a little early, and this may have been the soft limit.
    this.arm()
  }

  #firstCall(): Account | undefined {
    for (const call of this.#calls.values()) return call
    return undefined
  }

  #wake(): void {
    const turnEndsMs = monotonicMs() + TURN_MS
    do {
      this.#wakeMs = undefined
      this.#virtualMs = this.#virtualWakeMs
      this.#turns.enter(() => this.#life.machine!.dispatch(new Uint8Array([TO_GUEST.wake])))
    } while (this.#isDue() && monotonicMs() < turnEndsMs)
  }

  /** A seeded guest's time stands still while the host works for it, however long that takes: who is first is no chance. */
  #standsStill(): boolean {
    return this.#seededBytes !== undefined && this.#waits.requests > this.#waits.keys
  }

  #isDue(): boolean {
    const { ended, running } = this.#life
    if (ended !== undefined || running || this.#wakeMs === undefined || this.#standsStill()) return false
    return this.#wakeMs <= monotonicMs() || (this.#seededBytes !== undefined && this.#waits.requests === 0)
  }
}

/** How many due timers run before the host's own event loop gets a turn. */
const TURN_MS = 10

interface Timer {
  unref?(): unknown
}
declare function setTimeout(run: () => void, ms: number): Timer
declare function clearTimeout(timer: Timer | undefined): void

/** setTimeout takes 31 bits; a later time is found on waking. */
const boundedDelay = (ms: number): number => Math.min(Math.max(Math.ceil(ms), 0), 0x7fffffff)
