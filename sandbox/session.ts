/**
 * The host's side of one guest: calls and their results, timers, console, capabilities and limits, over whatever
 * engine it is given. Runs in the thread of its machine, and treats every message from there as hostile.
 *
 * @see docs/spec.md §7
 */
import { monotonicMs } from './clock.js'
import { CofferError } from '../formats/errors.js'
import { type CapabilityTable, type Grant, grantTable } from './capabilities.js'
import {
  disposed,
  engineFailed,
  gone,
  imageUnfit,
  interrupted,
  type LimitName,
  limitReached,
  unsupported,
  valueLimit
} from './failures.js'
import {
  type Argument,
  type Engine,
  type Guest,
  GuestError,
  type LaunchOptions,
  type Limits,
  type Program,
  type Usage,
  type Value
} from './guest.js'
import { withDefaults } from './limits.js'
import { WIRE, flattenHostError, followSignals, signalField, splitSignals } from './host-wire.js'
import {
  type Direct,
  HostRefusal,
  LATER,
  type Machine,
  type MachineFactory,
  PROMISE,
  UNCALLED,
  UNTOLD
} from './machine.js'
import {
  constantsOf,
  DICE_BYTES,
  functionsOf,
  type FlatError,
  MAX_RANDOM_BYTES,
  MOST_TEXT,
  TO_GUEST,
  TO_HOST,
  linksOf,
  readError,
  writeError
} from './protocol.js'
import { seededGenerator } from './random.js'
import { guestFrames } from './stack.js'
import { isRefusal, MalformedMessage, Reader, Writer } from './wire.js'

const encoder = new TextEncoder()

/** What `run` answers when the program waits for what can no longer happen; Node's number for it. */
const MAX_EXIT_CODE = 63
/** What a program that nobody stopped from throwing, or from waiting for ever, ends with. */
const EXIT_UNCAUGHT = 1

/** How many due timers run before the host's own event loop gets a turn. */
const TURN_MS = 10

/** The account of a call at its start: what it may use is counted from here. */
interface Account {
  cpuMs: number
  hostCalls: number
  startedMs: number
}

interface PendingCall extends Account {
  readonly resolve: (value: Value) => void
  readonly reject: (error: Error) => void
  /** A program, which an uncaught error ends. */
  readonly program: boolean
  /** Stop following its signals. */
  release?: () => void
}

/** What a session is given where host and guest are apart. */
export interface SessionPowers {
  /** Instead of the options' capabilities. */
  readonly grants: CapabilityTable
  /**
   * Told whenever the guest starts to compute, with the milliseconds after which its time is up and the limit that
   * ends it then, and with nothing when it stops: for an engine that cannot be asked to poll.
   */
  readonly watch?: (timeLeftMs?: number, limit?: LimitName) => void
}

/**
 * Start a guest in this thread.
 *
 * @param program - Copied; the caller wipes its own.
 * @throws CofferError COFFER_PROGRAM_INVALID, COFFER_LIMIT_*, COFFER_INTERRUPTED; GuestError for what the program
 *   throws while it starts.
 */
export async function startSession(
  engine: Engine,
  makeMachine: MachineFactory,
  program: Program,
  options: LaunchOptions,
  powers: SessionPowers = { grants: grantTable(options.capabilities ?? {}, withDefaults(options.limits)) }
): Promise<Guest> {
  const session = new Session(engine, options, powers)
  try {
    await session.start(makeMachine, program)
  } catch (error) {
    await session.dispose()
    throw error
  }
  return session
}

class Session implements Guest {
  readonly engine: Engine
  exports: readonly string[] = []
  #tellEnd!: (reason: CofferError) => void
  readonly ended = new Promise<CofferError>(resolve => (this.#tellEnd = resolve))

  readonly #options: LaunchOptions
  readonly #limits: Limits
  readonly #grants: CapabilityTable
  /** Granted functions as a machine with direct calls knows them: by number. */
  #functions: readonly (BoundFunction | undefined)[] = []
  readonly #watch: SessionPowers['watch']
  readonly #writer = new Writer(WIRE)
  readonly #startedMs = monotonicMs()
  #machine: Machine | undefined

  /** Why the guest has ended; undefined while it lives. */
  #ended: CofferError | undefined
  readonly #calls = new Map<number, PendingCall>()
  #lastCall = 0
  #callCount = 0
  /** Requests of the guest's that the host has not answered yet. */
  #requests = 0
  /** What the host holds of their arguments. */
  #heldBytes = 0
  /** What calls of the host carried since the clock was last looked at for it. */
  #carriedBytes = 0
  /** Those among them that wait for a key. */
  #keys = 0
  /** Calls of the host's functions so far. */
  #hostCalls = 0

  /** The guest computes now; what else it is to do waits here. */
  #running = false
  readonly #inbox: (() => void)[] = []
  #rejectionsToReport = false

  #cpuMs = 0
  /** When the present stretch of computing began; undefined while the guest rests or the host works for it. */
  #sliceMs: number | undefined
  /** Of what no call waits for, such as a timer that outlives its call: it counts together until the next one. */
  #background: Account = { cpuMs: 0, hostCalls: 0, startedMs: 0 }
  /** A call without a message is under way; its account, which has a beginning once its clock runs. */
  #direct = false
  #clocked = false
  readonly #own: Account = { cpuMs: 0, hostCalls: 0, startedMs: 0 }
  /** Computing that was not measured, by what some of it took. */
  #sampledMs = 0
  /** A function of the host's that ran in this slice, and that nobody timed. */
  #untimed: BoundFunction | undefined
  #outputBytes = 0
  #memoryBytes = 0

  /** When the guest wants to be woken, on the clock of monotonicMs(); undefined when no timer waits. */
  #wakeMs: number | undefined
  /** The same, as the timer was set. */
  #armedMs: number | undefined
  #wakeTimer: Timer | undefined
  #wallTimer: Timer | undefined
  #seededBytes: (() => number) | undefined
  /** A seeded guest's clock: it starts at 0, and moves when a timer is due. */
  #virtualMs = 0
  #virtualWakeMs = 0
  readonly #onAbort = () => this.#end(interrupted())

  constructor(engine: Engine, options: LaunchOptions, powers: SessionPowers) {
    this.engine = engine
    this.#options = options
    this.#limits = withDefaults(options.limits)
    this.#grants = powers.grants
    this.#watch = powers.watch
    if (options.seed !== undefined) this.#seededBytes = seededGenerator(options.seed)
  }

  async start(makeMachine: MachineFactory, { source, image }: Program): Promise<void> {
    const { signal, name = 'title.js' } = this.#options
    if (signal?.aborted) throw interrupted()
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    const grants = this.#grants.modules
    const links = linksOf(grants)
    await new Promise<Value>((resolve, reject) => {
      this.#open(START, resolve, reject, false)
      this.#enter(() => {
        const dice = this.#random(DICE_BYTES)
        // Zero is the one state that the generator never leaves.
        dice[0]! |= 1
        this.#machine = makeMachine(
          {
            receive: message => this.#receive(message),
            poll: () => this.#poll(),
            now: () => this.#now(),
            dice,
            result: (id, value) => this.#close(id)?.resolve(value),
            callHost: (index, id, args) => this.#callHost(index, id, args)
          },
          this.#limits
        )
        const machine = this.#machine
        const restored =
          image !== undefined && machine.restore?.(image, links, constantsOf(grants, WIRE)) === true
        if (!restored && source === undefined) throw imageUnfit()
        this.#bind(machine.direct)
        machine.dispatch(
          this.#writer
            .begin(TO_GUEST.begin)
            .value(this.#limits.pendingJobs)
            .value(this.#limits.valueBytes)
            .value(this.#limits.valueItems)
            .value(this.#limits.valueDepth)
            .value(grants)
            .value(dice).message
        )
        if (!restored) machine.evaluate(source!, name, links)
      })
    })
  }

  /** Give the guest what was granted as functions that need no messages, and note which number stands for which. */
  #bind(direct: Direct | undefined): void {
    if (direct === undefined) return
    this.#functions = direct.bind(functionsOf(this.#grants.modules)).map(key => {
      const [, module, name] = /^(.*)\.(.*)$/.exec(key) ?? []
      const grant = this.#grants.find(module!, name!)
      if (grant === undefined || grant.kind === 'constant') return undefined
      return { module: module!, grant, calls: 0, slow: false }
    })
  }

  call(name: string, ...args: readonly Argument[]): Promise<Value> {
    return this.#call(name, args, false)
  }

  async run(args: readonly string[] = []): Promise<number> {
    let result: Value
    try {
      result = await this.#call('default', [args], true)
    } catch (error) {
      if (!(error instanceof GuestError)) throw error
      this.#printUncaught({ name: error.name, message: error.message, stack: error.guestStack })
      return EXIT_UNCAUGHT
    }
    return exitCode(result)
  }

  usage(): Usage {
    if (this.#machine !== undefined && this.#ended === undefined)
      this.#memoryBytes = this.#machine.memoryBytes()
    return {
      cpuMs: this.#cpuNow() + this.#sampledMs,
      wallMs: monotonicMs() - this.#startedMs,
      memoryBytes: this.#memoryBytes,
      outputBytes: this.#outputBytes,
      calls: this.#callCount
    }
  }

  async dispose(): Promise<void> {
    this.#end(disposed())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  // Calls

  callSync(name: string, ...args: readonly Value[]): Value {
    if (this.#ended !== undefined) throw gone(this.#ended)
    const direct = this.#machine?.direct
    if (direct === undefined)
      throw new TypeError('Cannot call at once: the guest is out of reach. Use call()')
    if (this.#running)
      throw new TypeError('Cannot call the guest: it is computing, and waits for what called this')
    this.#callCount++
    const outcome = this.#callDirect(direct, name, args)
    if (typeof outcome !== 'symbol') return outcome
    if (this.#ended !== undefined) throw this.#ended
    if (outcome === PROMISE) {
      this.#enter(() => direct.drop())
      throw promised(name)
    }
    let settled: { readonly value?: Value; readonly error?: Error } | undefined
    const resolve = (value: Value) => (settled = { value })
    const id = this.#nextId()
    this.#open(id, resolve, error => (settled = { error }), false)
    if (outcome === UNTOLD) this.#enter(() => direct.tell(id))
    else this.#deliver(this.#callMessage(id, name, args))
    if (settled === undefined) {
      this.#close(id)
      throw promised(name)
    }
    if (settled.error !== undefined) throw settled.error
    return settled.value
  }

  #call(name: string, args: readonly unknown[], program: boolean): Promise<Value> {
    try {
      if (this.#ended !== undefined) throw gone(this.#ended)
      this.#callCount++
      const direct = this.#machine?.direct
      if (direct === undefined || program || this.#running || args.some(isSignal))
        return this.#callByMessage(name, args, program)
      const outcome = this.#callDirect(direct, name, args)
      if (this.#ended !== undefined && typeof outcome === 'symbol') throw this.#ended
      if (typeof outcome !== 'symbol') return Promise.resolve(outcome)
      if (outcome === UNCALLED) return this.#callByMessage(name, args, program)
      return new Promise((resolve, reject) => {
        const id = this.#nextId()
        // What it did at once counts too.
        this.#open(id, resolve, reject, false, { ...this.#own, startedMs: monotonicMs() })
        this.#enter(() => direct.tell(id))
      })
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /**
   * Call without a message. To read the clock costs as much as a short call does, so it starts only when the engine
   * first asks (a few milliseconds at most after the call), and for one call in some, for {@link usage}.
   */
  #callDirect(direct: Direct, name: string, args: readonly unknown[]): ReturnType<Direct['call']> {
    this.#running = true
    this.#direct = true
    this.#own.cpuMs = this.#cpuMs
    this.#own.hostCalls = this.#hostCalls
    const sampled = this.#callCount % SAMPLED === 0
    if (sampled) this.#sliceMs = monotonicMs()
    let outcome: ReturnType<Direct['call']> = UNCALLED
    try {
      return (outcome = direct.call(name, args))
    } catch (error) {
      if (isRefusal(error)) throw unsupported('an argument', error.message)
      this.#fail(error)
      throw this.#ended ?? error
    } finally {
      this.#endDirect(sampled, typeof outcome !== 'symbol')
    }
  }

  /** @param settled - All is told; else the guest goes on at once. */
  #endDirect(sampled: boolean, settled: boolean): void {
    if (this.#sliceMs !== undefined) {
      const spentMs = monotonicMs() - this.#sliceMs
      if (sampled && !this.#clocked) this.#sampledMs += SAMPLED * Math.min(spentMs, UNTIMED_MS)
      else this.#tick()
      this.#sliceMs = undefined
    }
    if (this.#clocked) {
      // What the engine could not ask for, such as a last native call, counts all the same.
      try {
        if (this.#ended === undefined) this.#poll()
      } catch (error) {
        this.#fail(error)
      }
      this.#clocked = false
    }
    this.#running = false
    this.#direct = false
    if (this.#calls.size === 0) {
      this.#background.cpuMs = this.#cpuMs
      this.#background.hostCalls = this.#hostCalls
    }
    if (this.#ended !== undefined) this.#destroy()
    else if (settled && (this.#inbox.length > 0 || this.#rejectionsToReport)) this.#enter(() => {})
    else if (this.#wakeMs !== this.#armedMs) this.#arm()
  }

  /** Call by a message, after what the guest computes now. */
  #callByMessage(name: string, args: readonly unknown[], program: boolean): Promise<Value> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId()
      const { values, signals } = splitSignals(args)
      const message = this.#callMessage(id, name, values, signals)
      this.#open(id, resolve, reject, program)
      if (signals.length > 0) {
        this.#calls.get(id)!.release = followSignals(signals, place => this.#deliver(abortMessage(id, place)))
      }
      this.#deliver(message)
    })
  }

  #nextId(): number {
    return (this.#lastCall = (this.#lastCall % 0x7fffffff) + 1)
  }

  #callMessage(
    id: number,
    name: string,
    args: readonly unknown[],
    signals: ReturnType<typeof splitSignals>['signals'] = []
  ): Uint8Array {
    try {
      const message = this.#writer.begin(TO_GUEST.call).value(id).value(name).value(args)
      return message.value(signalField(signals)).message
    } catch (error) {
      throw translateUnsupported(error, 'an argument')
    }
  }

  #open(
    id: number,
    resolve: PendingCall['resolve'],
    reject: PendingCall['reject'],
    program: boolean,
    account = this.#account()
  ): void {
    this.#calls.set(id, { resolve, reject, program, ...account })
    if (this.#calls.size === 1) this.#arm()
  }

  /** Settle a call of ours under the number that the guest named; undefined for one it made up. */
  #close(id: number): PendingCall | undefined {
    const call = this.#calls.get(id)
    call?.release?.()
    this.#calls.delete(id)
    if (this.#calls.size === 0) this.#background = this.#account()
    this.#arm()
    return call
  }

  #account(): Account {
    return { cpuMs: this.#cpuNow(), hostCalls: this.#hostCalls, startedMs: monotonicMs() }
  }

  // Running the guest

  /** Hand the guest a message, at once or after what it computes now. The message may be a view on the writer. */
  #deliver(message: Uint8Array): void {
    const kept = this.#running ? message.slice() : message
    this.#do(() => this.#machine!.dispatch(kept))
  }

  /** Let the guest do this, at once or after what it computes now. */
  #do(work: () => void): void {
    if (!this.#running) return this.#enter(work)
    // A guest may make the host call it again, through a function of the host's, as often as it likes.
    if (this.#inbox.length >= this.#limits.pendingJobs)
      return this.#end(limitReached('pendingJobs', this.#limits, this.#inbox.length + 1))
    this.#inbox.push(work)
  }

  /** Let the guest compute, then do what became due meanwhile. */
  #enter(compute: () => void): void {
    if (this.#ended !== undefined) return
    this.#running = true
    // Its waits count for nobody.
    this.#background = { ...this.#background, startedMs: monotonicMs() }
    this.#turn(compute)
  }

  /** Compute on the guest's account, its jobs included; then the next that is due, until nothing is. */
  #turn(compute: () => void): void {
    try {
      for (let next: (() => void) | undefined = compute; next !== undefined; next = this.#afterTurn()) {
        this.#resume()
        next()
        if (this.#machine?.whenIdle === undefined) continue
        return this.#machine.whenIdle(() => {
          try {
            const after = this.#afterTurn()
            if (after !== undefined) return this.#turn(after)
          } catch (error) {
            this.#fail(error)
          }
          this.#leave()
        })
      }
    } catch (error) {
      this.#fail(error)
    }
    this.#leave()
  }

  #afterTurn(): (() => void) | undefined {
    this.#pause()
    // What the engine could not ask for, such as a last native call, counts all the same.
    this.#poll()
    const waiting = this.#inbox.shift()
    if (waiting !== undefined) return waiting
    if (!this.#rejectionsToReport) return undefined
    this.#rejectionsToReport = false
    return () => this.#machine!.dispatch(new Uint8Array([TO_GUEST.settled]))
  }

  #fail(error: unknown): void {
    this.#pause()
    this.#end(error instanceof CofferError ? error : engineFailed('it threw', error))
  }

  #leave(): void {
    this.#running = false
    if (this.#ended !== undefined) return this.#destroy()
    this.#arm()
    this.#checkStuck()
  }

  #resume(): void {
    this.#sliceMs = monotonicMs()
    if (this.#watch === undefined) return
    const account = this.#present()
    const cpuLeftMs = this.#limits.cpuMs - (this.#cpuMs - account.cpuMs)
    const wallLeftMs = this.#limits.wallMs - (this.#sliceMs - account.startedMs)
    if (cpuLeftMs <= wallLeftMs) this.#watch(cpuLeftMs, 'cpuMs')
    else this.#watch(wallLeftMs, 'wallMs')
  }

  #pause(): void {
    if (this.#sliceMs !== undefined) this.#tick()
    this.#sliceMs = undefined
    this.#watch?.()
  }

  /** Put the slice so far on the account, and begin the next. */
  #tick(): void {
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

  /** Run the host's own code inside a message of the guest's, on the host's account. */
  #asHost<T>(work: () => T): T {
    this.#pause()
    try {
      return work()
    } finally {
      this.#resume()
    }
  }

  #cpuNow(): number {
    return this.#cpuMs + (this.#sliceMs === undefined ? 0 : monotonicMs() - this.#sliceMs)
  }

  #poll(): void {
    if (this.#ended !== undefined) throw this.#ended
    if (this.#options.signal?.aborted) throw interrupted()
    if (this.#direct && !this.#clocked) {
      this.#clocked = true
      this.#own.startedMs = monotonicMs()
      this.#sliceMs ??= this.#own.startedMs
    }
    if (this.#sliceMs !== undefined) this.#tick()
    const account = this.#present()
    this.#check('cpuMs', this.#cpuMs - account.cpuMs)
    this.#check('wallMs', (this.#sliceMs ?? monotonicMs()) - account.startedMs)
  }

  /** On whose account the guest computes. Calls stand in the order of their start: the first is the first to run out. */
  #present(): Account {
    return this.#direct ? this.#own : (this.#firstCall() ?? this.#background)
  }

  #check(limit: LimitName, used: number): void {
    if (used > this.#limits[limit]) throw limitReached(limit, this.#limits, used)
  }

  #firstCall(): PendingCall | undefined {
    for (const call of this.#calls.values()) return call
    return undefined
  }

  /** End the guest: everything pending fails with this error. Memory goes once nothing runs in it any more. */
  #end(reason: CofferError): void {
    if (this.#ended === undefined) {
      this.#ended = reason
      this.#tellEnd(reason)
      this.#options.signal?.removeEventListener('abort', this.#onAbort)
      for (const call of this.#calls.values()) {
        call.release?.()
        call.reject(reason)
      }
      this.#calls.clear()
      this.#grants.end()
      this.#inbox.length = 0
      clearTimeout(this.#wakeTimer)
      clearTimeout(this.#wallTimer)
    }
    if (!this.#running) this.#destroy()
  }

  #destroy(): void {
    if (this.#machine === undefined) return
    this.#memoryBytes = this.#machine.memoryBytes()
    this.#machine.destroy()
    this.#machine = undefined
    this.#writer.wipe()
  }

  // Time

  /** Set the host's two timers by what is pending. They keep the process alive only while somebody waits. */
  #arm(): void {
    clearTimeout(this.#wakeTimer)
    clearTimeout(this.#wallTimer)
    this.#armedMs = undefined
    if (this.#ended !== undefined || this.#running) return
    const first = this.#firstCall()
    if (first !== undefined && this.#limits.wallMs !== Infinity) {
      const { wallMs } = this.#limits
      const expire = () => {
        const used = monotonicMs() - first.startedMs
        // Timers may fire a little early.
        if (used > wallMs) this.#end(limitReached('wallMs', this.#limits, used))
        else this.#arm()
      }
      this.#wallTimer = setTimeout(expire, boundedDelay(first.startedMs + wallMs - monotonicMs()))
    }
    if (this.#wakeMs !== undefined && !this.#standsStill()) {
      this.#armedMs = this.#wakeMs
      // A seeded guest's time passes without waiting, unless it waits for a key.
      const delay = this.#seededBytes !== undefined && this.#requests === 0 ? 0 : this.#wakeMs - monotonicMs()
      this.#wakeTimer = setTimeout(() => this.#wake(), boundedDelay(delay))
      if (first === undefined) this.#wakeTimer.unref?.()
    }
  }

  /** Milliseconds since 1970, as the guest sees them. */
  #now(): number {
    return this.#seededBytes === undefined ? Date.now() : this.#virtualMs
  }

  #wake(): void {
    const turnEndsMs = monotonicMs() + TURN_MS
    do {
      this.#wakeMs = undefined
      this.#virtualMs = this.#virtualWakeMs
      this.#enter(() => this.#machine!.dispatch(new Uint8Array([TO_GUEST.wake])))
    } while (this.#isDue() && monotonicMs() < turnEndsMs)
  }

  /** A seeded guest's time stands still while the host works for it, however long that takes: who is first is no chance. */
  #standsStill(): boolean {
    return this.#seededBytes !== undefined && this.#requests > this.#keys
  }

  #isDue(): boolean {
    if (this.#ended !== undefined || this.#running || this.#wakeMs === undefined || this.#standsStill())
      return false
    return this.#wakeMs <= monotonicMs() || (this.#seededBytes !== undefined && this.#requests === 0)
  }

  /** A program that waits while no timer and no request is left waits for ever. */
  #checkStuck(): void {
    // Where waiting is bounded, it is the bound that ends it.
    if (this.#limits.wallMs !== Infinity) return
    if (this.#wakeMs !== undefined || this.#requests > 0) return
    const [id, call] = this.#calls.entries().next().value ?? []
    if (this.#calls.size !== 1 || (id !== START && !call!.program)) return
    const message = 'The program waits for a promise that nothing can settle any more.'
    if (id === START) return this.#close(START)!.reject(new GuestError('Error', message, ''))
    this.#print(STDERR, `${message}\n`)
    this.#close(id!)!.resolve(EXIT_UNCAUGHT)
  }

  // Messages from the guest

  #receive(message: Uint8Array): Uint8Array | undefined {
    if (this.#ended !== undefined) throw this.#ended
    try {
      return this.#handle(new Reader(message, WIRE))
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error
      throw engineFailed(`the guest sent what its runtime never sends, ${error.message}`)
    }
  }

  #handle(reader: Reader): Uint8Array | undefined {
    switch (reader.byte()) {
      case TO_HOST.ready:
        this.exports = reader.list().filter(name => typeof name === 'string')
        this.#close(START)?.resolve(undefined)
        return
      case TO_HOST.failed:
        return this.#failed(this.#guestError(readError(reader)))
      case TO_HOST.result:
        return this.#answered(
          reader,
          () => reader.value(),
          (call, value) => call.resolve(value)
        )
      case TO_HOST.threw:
        return this.#refused(reader, () => this.#guestError(readError(reader)))
      case TO_HOST.unsupported:
        return this.#refused(reader, () => unsupported('the result', reader.text()))
      case TO_HOST.excess:
        return this.#refused(reader, () => valueLimit(reader.text(), this.#limits, reader.number()))
      case TO_HOST.missing:
        return this.#refused(reader, () => this.#missing())
      case TO_HOST.ask:
        return this.#ask(reader.text(), reader.text(), reader.list())
      case TO_HOST.request:
        this.#request(reader.count(), reader.text(), reader.text(), reader.list())
        return
      case TO_HOST.wake: {
        const delay = reader.number()
        this.#wakeMs = delay < 0 ? undefined : monotonicMs() + delay
        this.#virtualWakeMs = this.#virtualMs + delay
        return
      }
      case TO_HOST.print:
        this.#print(reader.count(), reader.text())
        return
      case TO_HOST.random:
        return this.#random(reader.count())
      case TO_HOST.clock: {
        // A tenth of a millisecond: enough for programs, little for timing attacks.
        const round = (ms: number) => Math.round(ms * 10) / 10
        const elapsedMs =
          this.#seededBytes === undefined ? round(monotonicMs() - this.#startedMs) : this.#now()
        return this.#writer.begin(0).value(this.#now()).value(elapsedMs).message.subarray(1)
      }
      case TO_HOST.uncaught:
        this.#uncaught(readError(reader))
        return
      case TO_HOST.rejected:
        this.#rejectionsToReport = true
        return
      case TO_HOST.flooded:
        throw limitReached('pendingJobs', this.#limits, this.#limits.pendingJobs + 1)
      default:
        throw new MalformedMessage('unknown message')
    }
  }

  /** Settle the call that the message names, once all of the message has been read: half of one settles nothing. */
  #answered<T>(reader: Reader, read: () => T, settle: (call: PendingCall, outcome: T) => void): undefined {
    const id = reader.count()
    const outcome = read()
    reader.end()
    const call = this.#close(id)
    if (call !== undefined) settle(call, outcome)
  }

  #refused(reader: Reader, read: () => Error): undefined {
    this.#answered(reader, read, (call, error) => call.reject(error))
  }

  #failed(error: GuestError): undefined {
    this.#close(START)?.reject(error)
  }

  #missing(): CofferError {
    return new CofferError(
      'COFFER_EXPORT_MISSING',
      'Cannot call the title: it has no export of this name that is a function.',
      { hint: `It exports: ${this.exports.join(', ') || 'nothing'}.` }
    )
  }

  /** A synchronous function of the host's. @returns true and its value, or false and what it threw. */
  #ask(module: string, name: string, args: Value[]): Uint8Array {
    const grant = this.#grants.find(module, name)
    if (grant?.kind !== 'ask' && grant?.kind !== 'tell')
      throw new MalformedMessage('a function that was not granted')
    if (grant.kind === 'tell') this.#count(encoder.encode(String(args[0])).length)
    else this.#countCall(args)
    return this.#asHost(() => {
      try {
        // First, since the function may call the guest, which writes a message of its own.
        const value = grant.run(args)
        return this.#writer.begin(0).value(true).value(value).message.subarray(1)
      } catch (error) {
        if (this.#ended !== undefined) throw this.#ended
        return writeError(this.#writer.begin(0).value(false), flattenHostError(error)).message.subarray(1)
      }
    })
  }

  #request(id: number, module: string, name: string, args: Value[]): void {
    const grant = this.#grants.find(module, name)
    if (grant?.kind !== 'request') throw new MalformedMessage('a function that was not granted')
    const settle = (write: (writer: Writer) => Writer) => {
      this.#deliver(write(this.#writer.begin(TO_GUEST.settle).value(id)).message)
      this.#writer.wipe()
    }
    this.#serve(module, grant, args, {
      resolve: (value, done) => {
        settle(writer => writer.value(true).value(value))
        done()
      },
      reject: error => settle(writer => writeError(writer.value(false), error))
    })
  }

  /** Answer a request when the host's function does. */
  #serve(module: string, grant: Grant & { kind: 'request' }, args: Value[], answer: Answer): void {
    const bytes = this.#countCall(args)
    this.#check('pendingJobs', ++this.#requests)
    // The host holds them until it answers: memory that the guest's own limit would not see.
    this.#check('memoryBytes', (this.#heldBytes += bytes))
    const key = module === 'terminal' ? 1 : 0
    this.#keys += key
    const settle = (tell: () => void) => {
      this.#requests--
      this.#heldBytes -= bytes
      this.#keys -= key
      if (this.#ended === undefined) tell()
    }
    const fail = (error: unknown) => answer.reject(flattenHostError(error))
    const succeed = (value: unknown) => {
      try {
        answer.resolve(value, () => {
          // Assets arrive as fresh bytes: what was decrypted goes as soon as the guest has its copy.
          if (module === 'assets' && value instanceof Uint8Array) value.fill(0)
        })
      } catch (error) {
        fail(error)
      }
    }
    void this.#asHost(async () => grant.run(args)).then(
      value => settle(() => succeed(value)),
      error => settle(() => fail(error))
    )
  }

  /** A granted function, called without a message. */
  #callHost(index: number, id: number, args: Value[]): unknown {
    const bound = this.#functions[index]
    // An image may hold a function that this host does not grant.
    if (bound === undefined) throw new HostRefusal(NOT_GRANTED)
    const { module, grant } = bound
    if (this.#ended !== undefined) throw this.#ended
    if (grant.kind === 'request') {
      const { direct } = this.#machine!
      // Never at once: the host's function has not been asked before this returns.
      this.#serve(module, grant, args, {
        resolve: (value, done) =>
          this.#do(() => {
            try {
              direct!.resolve(id, value)
            } catch (error) {
              if (!isRefusal(error)) throw error
              direct!.reject(id, flattenHostError(error))
            }
            done()
          }),
        reject: error => this.#do(() => direct!.reject(id, error))
      })
      return LATER
    }
    if (grant.kind === 'tell') this.#count(encoder.encode(String(args[0])).length)
    else this.#countCall(args)
    try {
      return this.#runTimed(bound, args)
    } catch (error) {
      if (this.#ended !== undefined) throw this.#ended
      throw new HostRefusal(flattenHostError(error))
    }
  }

  /**
   * Run a function of the host's on the host's account. Two looks at the clock take longer than many a function, so
   * one that was quick so far is timed only now and then; #tick() bounds what the guest is charged for the others.
   */
  #runTimed(bound: BoundFunction, args: Value[]): unknown {
    const { grant } = bound
    if (this.#sliceMs === undefined) return grant.run(args)
    if (!bound.slow && bound.calls++ % SAMPLED !== 0) {
      this.#untimed = bound
      return grant.run(args)
    }
    this.#pause()
    const startedMs = monotonicMs()
    try {
      return grant.run(args)
    } finally {
      bound.slow = monotonicMs() - startedMs > SLOW_MS
      this.#resume()
      // The next poll of the engine's may be ten thousand such calls away.
      if (bound.slow) this.#carriedBytes = CARRIED_BYTES
    }
  }

  #uncaught(error: FlatError): void {
    this.#printUncaught(error)
    for (const [id, call] of this.#calls) {
      if (!call.program) continue
      this.#close(id)
      call.resolve(1)
      throw new CofferError('COFFER_GUEST_GONE', 'The program ended with an error that nobody caught.')
    }
  }

  #printUncaught(error: FlatError): void {
    const { name, message, guestStack } = this.#guestError(error)
    this.#print(STDERR, `Uncaught ${name}${message === '' ? '' : `: ${message}`}\n${guestStack}`)
  }

  #guestError({ name, message, stack }: FlatError): GuestError {
    const frames = guestFrames(stack, this.#options.name ?? 'title.js')
    return new GuestError(name.slice(0, MOST_TEXT.name), message.slice(0, MOST_TEXT.message), frames)
  }

  #print(stream: number, text: string): void {
    const bytes = encoder.encode(text)
    this.#count(bytes.length)
    const write = stream === STDERR ? this.#options.stderr : this.#options.stdout
    if (write === undefined) return
    if (this.#sliceMs === undefined) write(bytes)
    else this.#asHost(() => write(bytes))
  }

  #count(bytes: number): void {
    this.#outputBytes += bytes
    this.#check('outputBytes', this.#outputBytes)
  }

  /** @returns about what the arguments take of the host's memory. */
  #countCall(args: readonly Value[]): number {
    this.#check('hostCalls', ++this.#hostCalls - this.#present().hostCalls)
    // A call is one step for the engine, which asks for the time by its steps, however much it carries.
    const bytes = sizeOf(args)
    if ((this.#carriedBytes += bytes) > CARRIED_BYTES) {
      this.#carriedBytes = 0
      this.#poll()
    }
    return bytes
  }

  #random(count: number): Uint8Array {
    if (count > MAX_RANDOM_BYTES) throw new MalformedMessage('too many random bytes')
    const bytes = new Uint8Array(count)
    if (this.#seededBytes === undefined) return crypto.getRandomValues(bytes)
    for (let i = 0; i < count; i++) bytes[i] = this.#seededBytes() >>> 24
    return bytes
  }
}

/** A granted function with what is known of its speed. */
interface BoundFunction {
  readonly module: string
  readonly grant: Grant & { kind: 'ask' | 'tell' | 'request' }
  calls: number
  slow: boolean
}

/** How a request is answered. */
interface Answer {
  /** @throws UnsupportedValue @param done - Called when the guest has its copy. */
  resolve(value: unknown, done: () => void): void
  reject(error: FlatError): void
}

const NOT_GRANTED: FlatError = { name: 'TypeError', message: 'The host does not grant this.', stack: '' }

/** Not by the session's writer, which may hold a message that is still to be delivered. */
const abortMessage = (id: number, place: number): Uint8Array =>
  new Writer(WIRE).begin(TO_GUEST.abort).value(id).value(place).message

const isSignal = (value: unknown): boolean => value instanceof AbortSignal

const promised = (name: string): TypeError =>
  new TypeError(`Cannot answer at once: ${name} gave a promise. Use call()`)

/** One call in so many is timed where timing all would cost more than the calls. */
const SAMPLED = 32
/** More than a guest computes between two polls. */
const UNTIMED_MS = 25
/** A function of the host's is always timed while it takes longer. */
const SLOW_MS = 0.01

/** The call number of the program's start. */
const START = 0
const STDERR = 2

/** How much calls of the host may carry between two looks at the clock: half a millisecond's work. */
const CARRIED_BYTES = 1 << 20

/** About what a value takes in memory: for bounds, not for exactness. */
function sizeOf(value: Value): number {
  if (typeof value === 'string') return 16 + value.length
  if (typeof value !== 'object' || value === null) return 16
  if (value instanceof Uint8Array) return 100 + value.length
  let size = 32
  if (Array.isArray(value)) for (const item of value as readonly Value[]) size += sizeOf(item)
  else for (const [key, item] of Object.entries(value)) size += key.length + sizeOf(item as Value)
  return size
}

interface Timer {
  unref?(): unknown
}
declare function setTimeout(run: () => void, ms: number): Timer
declare function clearTimeout(timer: Timer | undefined): void

/** setTimeout takes 31 bits; a later time is found on waking. */
const boundedDelay = (ms: number): number => Math.min(Math.max(Math.ceil(ms), 0), 0x7fffffff)

/** 0 to 63 as they are; larger ones, and whatever is no exit code, become 63. */
function exitCode(result: Value): number {
  if (typeof result !== 'number') return 0
  return Number.isInteger(result) && result >= 0 && result <= MAX_EXIT_CODE ? result : MAX_EXIT_CODE
}

function translateUnsupported(error: unknown, what: string): unknown {
  return isRefusal(error) ? unsupported(what, error.message) : error
}
