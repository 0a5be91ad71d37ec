/**
 * What a guest uses, on whose account, and whether that is within its limits. Time counts while the guest has the
 * thread; what the host does for it meanwhile is the host's.
 *
 * @see docs/spec.md §7.2
 */
import { monotonicMs } from '../clock.js'
import type { LimitUse } from '../../formats/errors.js'
import { interrupted, type LimitName, limitReached } from '../failures.js'
import type { Limits, StopSignal, Value } from '../guest.js'
import type { Life } from './life.js'

/** The account of a call at its start: what it may use is counted from here. */
export interface Account {
  cpuMs: number
  hostCalls: number
  startedMs: number
  /** Limits that are nearly used up, as was told. */
  pressed: readonly LimitUse[]
}

/** For an engine that cannot be asked to poll. */
export interface Watch {
  /** The guest starts to compute. @param soft - When its time is nearly up, as far as that was not told. */
  computes(soft: readonly Deadline[], hard: Deadline): void
  /** It has stopped. */
  rests(): void
  /** Whether nobody was told yet that this limit is nearly used up. From now on somebody was. */
  claim(limit: LimitName): boolean
}

export interface Deadline {
  readonly limit: LimitName
  readonly leftMs: number
}

/** A function of the host's, with what is known of how long it takes. */
export interface Timed {
  readonly grant: { run(args: readonly Value[]): unknown }
  calls: number
  slow: boolean
}

export class Meter {
  /** Calls of the host's functions so far. */
  #hostCalls = 0
  /** What calls of the host carried since the clock was last looked at for it. */
  #carriedBytes = 0
  outputBytes = 0

  #cpuMs = 0
  /** When the present stretch of computing began; undefined while the guest rests or the host works for it. */
  #sliceMs: number | undefined
  /** Of what no call waits for, such as a timer that outlives its call: it counts together until the next one. */
  #background: Account = { cpuMs: 0, hostCalls: 0, startedMs: 0, pressed: NONE }
  /** A call without a message is under way; its account, which has a beginning once its clock runs. */
  #direct = false
  #clocked = false
  readonly #own: Account = { cpuMs: 0, hostCalls: 0, startedMs: 0, pressed: NONE }
  /** Each of these two accounts begins when something is next counted: most calls end before anything is. */
  #ownBegins = false
  #backgroundBegins = false
  /** What counts for the guest's whole life and is nearly used up. */
  #pressed: readonly LimitUse[] = NONE
  /** When its memory was last looked at: on SES that takes as long as a short call. */
  #memoryMs = 0
  /** Computing that was not measured, by what some of it took. */
  #sampledMs = 0
  /** A function of the host's that ran in this slice, and that nobody timed. */
  #untimed: Timed | undefined

  readonly #life: Life
  readonly #limits: Limits
  readonly #soft: Limits
  readonly #near: (use: LimitUse) => void
  readonly #calls: ReadonlyMap<number, Account>
  readonly #signal: StopSignal | undefined
  readonly #watch: Watch | undefined

  /**
   * @param soft - Where each limit is nearly used up: `near` is told. Not past the limit itself.
   * @param calls - Those that wait, in the order of their start.
   */
  constructor(
    life: Life,
    limits: Limits,
    soft: Limits,
    near: (use: LimitUse) => void,
    calls: ReadonlyMap<number, Account>,
    signal: StopSignal | undefined,
    watch: Watch | undefined
  ) {
    this.#life = life
    this.#limits = limits
    this.#soft = soft
    this.#near = near
    this.#calls = calls
    this.#signal = signal
    this.#watch = watch
  }

  /** @throws CofferError for what is past its limit. */
  check(limit: LimitName, used: number): void {
    if (used > this.#soft[limit]) this.#passed(limit, used)
  }

  #passed(limit: LimitName, used: number): void {
    const value = this.#limits[limit]
    // First, also where one step led past both.
    this.#press(limit, used)
    if (used > value) throw limitReached(limit, this.#limits, used)
    // Whoever was told may have ended it.
    if (this.#life.ended !== undefined) throw this.#life.ended
  }

  /** Whether anybody is told before it is passed. */
  #hasSoft(limit: LimitName): boolean {
    return this.#soft[limit] < this.#limits[limit]
  }

  /** Told once, whether from here or by whoever watches from outside. */
  #press(limit: LimitName, used: number): void {
    if (!this.#hasSoft(limit)) return
    const account = limit === 'memoryBytes' || limit === 'outputBytes' ? undefined : this.#present()
    const pressed = account?.pressed ?? this.#pressed
    if (pressed.some(({ name }) => name === limit)) return
    const use = { name: limit, value: this.#limits[limit], used }
    if (account === undefined) this.#pressed = [...pressed, use]
    else account.pressed = [...pressed, use]
    if (this.#watch?.claim(limit) !== false) this.#near(use)
  }

  /** A limit that is nearly used up now. */
  get pressure(): LimitUse | undefined {
    return this.#present().pressed[0] ?? this.#pressed[0]
  }

  /** Asked again and again while the guest computes. @throws CofferError when its time is up. */
  poll(): void {
    if (this.#life.ended !== undefined) throw this.#life.ended
    if (this.#signal?.aborted) throw interrupted()
    if (this.#direct && !this.#clocked) {
      this.#clocked = true
      this.#own.startedMs = monotonicMs()
      this.#sliceMs ??= this.#own.startedMs
    }
    if (this.#sliceMs !== undefined) this.#tick()
    const account = this.#present()
    this.check('cpuMs', this.#cpuMs - account.cpuMs)
    const nowMs = this.#sliceMs ?? monotonicMs()
    this.check('wallMs', nowMs - account.startedMs)
    if (nowMs - this.#memoryMs < MEMORY_LOOK_MS) return
    this.#memoryMs = nowMs
    this.check('memoryBytes', Math.min(this.#life.memoryBytes(), this.#limits.memoryBytes))
  }

  /** Milliseconds to where this account's time on the wall is nearly up, or up once that was told. */
  wallLeftMs({ startedMs, pressed }: Account): number {
    const { wallMs } = pressed.some(({ name }) => name === 'wallMs') ? this.#limits : this.#soft
    return startedMs + wallMs - monotonicMs()
  }

  // Accounts

  /** An account that begins now. */
  account(): Account {
    return { cpuMs: this.#cpuNow(), hostCalls: this.#hostCalls, startedMs: monotonicMs(), pressed: NONE }
  }

  /** The account of the call without a message that has just been made, its wait beginning now. */
  ownAccount(): Account {
    return { ...this.#ownBegun(), startedMs: monotonicMs() }
  }

  /** No call waits any more: what goes on counts from here. */
  toBackground(): void {
    this.#background = this.account()
    this.#backgroundBegins = false
  }

  /** What no call waited for did not compute until now: its waits count for nobody. */
  skipWaits(): void {
    this.#background = { ...this.#backgroundBegun(), startedMs: monotonicMs() }
  }

  /** On whose account the guest computes. Calls stand in the order of their start: the first is the first to run out. */
  #present(): Account {
    if (this.#direct) return this.#ownBegun()
    for (const call of this.#calls.values()) return call
    return this.#backgroundBegun()
  }

  #ownBegun(): Account {
    if (this.#ownBegins) this.#begin(this.#own)
    this.#ownBegins = false
    return this.#own
  }

  #backgroundBegun(): Account {
    if (this.#backgroundBegins) this.#begin(this.#background)
    this.#backgroundBegins = false
    return this.#background
  }

  #begin(account: Account): void {
    account.cpuMs = this.#cpuMs
    account.hostCalls = this.#hostCalls
    account.pressed = NONE
  }

  // Time

  /** The guest computes from here on. */
  resume(): void {
    this.#sliceMs = monotonicMs()
    if (this.#watch === undefined) return
    const account = this.#present()
    const nowMs = this.#sliceMs
    const used = { cpuMs: this.#cpuMs - account.cpuMs, wallMs: nowMs - account.startedMs }
    // The watchdog may have told while the guest had the thread: it is to be given no such deadline again.
    for (const limit of TIMES) if (used[limit] > this.#soft[limit]) this.#press(limit, used[limit])
    const left = (limit: 'cpuMs' | 'wallMs', bounds: Limits): Deadline => ({
      limit,
      leftMs: bounds[limit] - used[limit]
    })
    const untold = TIMES.filter(
      limit => this.#hasSoft(limit) && !account.pressed.some(({ name }) => name === limit)
    )
    const [cpu, wall] = TIMES.map(limit => left(limit, this.#limits)) as [Deadline, Deadline]
    this.#watch.computes(
      untold.map(limit => left(limit, this.#soft)),
      cpu.leftMs <= wall.leftMs ? cpu : wall
    )
  }

  /** It computes no more for now. */
  pause(): void {
    if (this.#sliceMs !== undefined) this.#tick()
    this.#sliceMs = undefined
    this.#watch?.rests()
  }

  /** Milliseconds of computing so far. */
  cpuMs(): number {
    return this.#cpuNow() + this.#sampledMs
  }

  #cpuNow(): number {
    return this.#cpuMs + (this.#sliceMs === undefined ? 0 : monotonicMs() - this.#sliceMs)
  }

  /** Put the slice so far on the account, and begin the next. */
  #tick(): void {
    this.#present()
    const nowMs = monotonicMs()
    const spentMs = nowMs - this.#sliceMs!
    // Between two polls the guest itself computes for no longer, so the rest was the host's function.
    if (this.#untimed !== undefined && spentMs > UNTIMED_MS) {
      this.#untimed.slow = true
      this.#cpuMs += UNTIMED_MS
    } else this.#cpuMs += spentMs
    this.#untimed = undefined
    this.#sliceMs = nowMs
  }

  /**
   * A call without a message begins. To read the clock costs as much as a short call does, so it starts only when the
   * engine first asks (a few milliseconds at most after the call), and for one call in some, for {@link cpuMs}.
   */
  beginDirect(sampled: boolean): void {
    this.#direct = true
    this.#ownBegins = true
    if (sampled) this.#sliceMs = monotonicMs()
  }

  /**
   * @param standsFor - How many calls it was sampled for; 0: it was not.
   * @throws CofferError when it took too long.
   */
  endDirect(standsFor: number): void {
    if (this.#sliceMs !== undefined) {
      const spentMs = monotonicMs() - this.#sliceMs
      if (standsFor !== 0 && !this.#clocked) this.#sampledMs += standsFor * Math.min(spentMs, UNTIMED_MS)
      else this.#tick()
      this.#sliceMs = undefined
    }
    try {
      // What the engine could not ask for, such as a last native call, counts all the same.
      if (this.#clocked && this.#life.ended === undefined) this.poll()
    } finally {
      this.#clocked = false
      this.#direct = false
      this.#backgroundBegins = true
    }
  }

  // The host's own work

  /** Run the host's own code inside a message of the guest's, on the host's account. */
  asHost<T>(work: () => T): T {
    if (this.#sliceMs === undefined) return work()
    this.pause()
    try {
      return work()
    } finally {
      this.resume()
    }
  }

  /**
   * Run a function of the host's on the host's account. Two looks at the clock take longer than many a function, so
   * one that was quick so far is timed only now and then; a tick bounds what the guest is charged for the others.
   */
  runTimed(timed: Timed, args: readonly Value[]): unknown {
    const { grant } = timed
    if (this.#sliceMs === undefined) return grant.run(args)
    if (!timed.slow && timed.calls++ % SAMPLED !== 0) {
      this.#untimed = timed
      return grant.run(args)
    }
    this.pause()
    const startedMs = monotonicMs()
    try {
      return grant.run(args)
    } finally {
      timed.slow = monotonicMs() - startedMs > SLOW_MS
      this.resume()
      // The next poll of the engine's may be ten thousand such calls away.
      if (timed.slow) this.#carriedBytes = CARRIED_BYTES
    }
  }

  // Counts

  countOutput(bytes: number): void {
    this.outputBytes += bytes
    this.check('outputBytes', this.outputBytes)
  }

  /** @returns about what the arguments take of the host's memory. */
  countCall(args: readonly Value[]): number {
    const { hostCalls } = this.#present()
    const calls = ++this.#hostCalls - hostCalls
    if (calls > this.#soft.hostCalls) this.#passed('hostCalls', calls)
    // A call is one step for the engine, which asks for the time by its steps, however much it carries.
    let bytes = 32
    for (let i = 0; i < args.length; i++) {
      const value = args[i]
      bytes += typeof value === 'number' ? 16 : sizeOf(value)
    }
    if ((this.#carriedBytes += bytes) > CARRIED_BYTES) {
      this.#carriedBytes = 0
      this.poll()
    }
    return bytes
  }
}

const TIMES = ['cpuMs', 'wallMs'] as const

const NONE: readonly LimitUse[] = []

/** Memory is looked at no more often: only to tell that it is nearly used up, the limit itself is the engine's. */
const MEMORY_LOOK_MS = 10

/** One call in so many is timed where timing all would cost more than the calls. */
export const SAMPLED = 32
/** The same of many calls: to time one in 32 is a twentieth of a short call. */
export const SAMPLED_OF_MANY = 128
/** More than a guest computes between two polls. */
const UNTIMED_MS = 25
/** A function of the host's is always timed while it takes longer. */
const SLOW_MS = 0.01
/** How much calls of the host may carry between two looks at the clock: half a millisecond's work. */
const CARRIED_BYTES = 1 << 20

/** About what a value takes in memory: for bounds, not for exactness. */
export function sizeOf(value: Value): number {
  if (typeof value === 'string') return 16 + value.length
  if (typeof value !== 'object' || value === null) return 16
  if (value instanceof Uint8Array) return 100 + value.length
  let size = 32
  if (Array.isArray(value)) for (const item of value as readonly Value[]) size += sizeOf(item)
  else for (const [key, item] of Object.entries(value)) size += key.length + sizeOf(item as Value)
  return size
}
