/**
 * The near side of a guest in a thread or process of its own: what its host holds. The session itself runs beside its
 * engine, on the far side, which serves one guest, and where it is a thread, others after it.
 *
 * The far side of a SES guest shares its process with it, so its frames are as hostile as the guest itself.
 *
 * @see docs/spec.md §7.4
 */
import { CofferError } from '../../formats/errors.js'
import { type CapabilityTable, grantTable } from '../capabilities.js'
import { monotonicMs } from '../clock.js'
import {
  disposed,
  engineFailed,
  gone,
  interrupted,
  type LimitName,
  limitReached,
  unsupported
} from '../failures.js'
import {
  type Argument,
  type Engine,
  type EngineGuest,
  GuestError,
  type LaunchOptions,
  type Limits,
  type Program,
  type Usage,
  type Value
} from '../guest.js'
import {
  WIRE,
  flattenHostError,
  followSignals,
  onAbort,
  refusalOf,
  signalField,
  splitSignals
} from '../host-wire.js'
import { softMarks, withDefaults } from '../limits.js'
import { writeError } from '../protocol.js'
import { sizeOf } from '../session/meter.js'
import { STDERR, uncaughtText, writeTo } from '../session/output.js'
import { guestFrames } from '../stack.js'
import { DONE, type Outcome } from '../stream.js'
import { type Caller, START, type WaitingCall, WaitingCalls } from '../waiting.js'
import { MalformedMessage, Reader, Writer } from '../wire.js'
import { DISPOSE, FROM_FAR, LIMIT_NAMES, readFailure, TO_FAR } from './frames.js'

const GRACE_MS = 200
/** The same while it starts, since its own boot is not on the guest's account. */
const BOOT_MS = 10_000

/** The way to a far side. */
export interface NearChannel {
  post(frame: Uint8Array): void
  /** Answer the far side's `ask`, which waits. */
  answer(frame: Uint8Array): void
  /** Answer its `request`, for which it does not wait. */
  settle(frame: Uint8Array): void
  /** Bytes of such answers that this process holds, since the far side has not taken them. */
  untakenBytes(): number
  /** Keep this process alive for the far side, or do not. */
  hold(held: boolean): void
  /**
   * End the far side at once, whatever it does.
   *
   * @param told - It has ended the guest by itself, at a limit. Where it serves others, it may stay.
   */
  kill(told?: boolean): void
}

export interface NearEvents {
  /** @param frame - Valid during the call only. */
  frame(frame: Uint8Array): void
  /** The far side is no more. @param reason - If it is known. */
  closed(reason?: CofferError): void
  /** A limit is nearly used up, as was seen from outside. @param excess - Past where it is. */
  pressed(limit: LimitName, excess: number): void
}

interface PendingCall extends WaitingCall {
  readonly startedMs: number
}

/**
 * Start a guest on the far side of a channel.
 *
 * @param open - Makes the channel, whose events arrive later, never during this call.
 * @param graceMs - How much longer than its own limits the far side may take to say that they were reached.
 * @throws As `launch` does.
 */
export async function startRemote(
  engine: Engine,
  program: Program,
  options: LaunchOptions,
  open: (events: NearEvents, limits: Limits) => NearChannel,
  graceMs = GRACE_MS
): Promise<EngineGuest> {
  if (options.signal?.aborted) throw interrupted()
  const guest = new RemoteGuest(engine, options, open, graceMs)
  try {
    await guest.start(program)
  } catch (error) {
    await guest.dispose()
    throw error
  }
  return guest
}

class RemoteGuest implements EngineGuest {
  readonly engine: Engine
  exports: readonly string[] = []
  #tellEnd!: (reason: CofferError) => void
  readonly ended = new Promise<CofferError>(resolve => (this.#tellEnd = resolve))

  readonly #options: LaunchOptions
  readonly #limits: Limits
  readonly #soft: Limits
  readonly #grants: CapabilityTable
  readonly #channel: NearChannel
  readonly #graceMs: number
  readonly #writer = new Writer(WIRE)
  readonly #startedMs = monotonicMs()
  readonly #calls = new WaitingCalls<PendingCall>()
  #callCount = 0
  #requests = 0
  /** How often it may still say that a limit is nearly used up. */
  #presses = 0
  #outputBytes = 0
  /** Calls of the host's functions since the last of the guest's began or ended. */
  #hostCalls = 0
  /** About what the arguments of requests take that are not answered yet. */
  #heldBytes = 0
  #ended: CofferError | undefined
  /** Why the far side was asked to end. */
  #leaving: CofferError | undefined
  /** The far side is no more. */
  readonly #closed: Promise<void>
  #usage = { cpuMs: 0, memoryBytes: 0, outputBytes: 0 }
  #wallTimer: ReturnType<typeof setTimeout> | undefined
  readonly #stopListening: () => void

  constructor(
    engine: Engine,
    options: LaunchOptions,
    open: (events: NearEvents, limits: Limits) => NearChannel,
    graceMs: number
  ) {
    this.engine = engine
    this.#graceMs = graceMs
    this.#options = options
    this.#limits = withDefaults(options.limits)
    this.#soft = softMarks(this.#limits, options.softShare)
    this.#grants = grantTable(options.capabilities ?? {}, this.#limits)
    let closed: () => void
    this.#closed = new Promise(resolve => (closed = resolve))
    this.#channel = open(
      {
        frame: frame => this.#receive(frame),
        pressed: (limit, excess) => this.#pressed(limit, this.#soft[limit] + excess),
        closed: reason => {
          closed()
          // Killed while it computed, it could not say how long it had.
          if (reason?.limit?.name === 'cpuMs') this.#usage.cpuMs += reason.limit.used
          this.#end(reason ?? this.#leaving ?? engineFailed('it ended by itself'))
        }
      },
      this.#limits
    )
    this.#stopListening = onAbort(options.signal, () => this.#end(interrupted()))
  }

  async start({ source, image }: Program): Promise<void> {
    const { name = 'title.js', seed } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#open(START, { resolve: () => resolve(), reject, kind: 'call' })
      const limits = LIMIT_NAMES.map(key => this.#limits[key])
      const frame = this.#writer.begin(TO_FAR.start).value(source).value(image).value(name).value(seed)
      frame.value(limits).value(this.#options.softShare)
      this.#channel.post(frame.value(this.#grants.modules).message)
      this.#writer.wipe()
    })
  }

  call(name: string, ...args: readonly Argument[]): Promise<Outcome> {
    return this.#call(false, name, args)
  }

  callSync(): never {
    throw new TypeError('Cannot call at once: the guest is in a thread or process of its own. Use call()')
  }

  async run(args: readonly string[] = []): Promise<number> {
    return (await this.#call(true, 'default', [...args])) as number
  }

  usage(): Usage {
    return { ...this.#usage, wallMs: monotonicMs() - this.#startedMs, calls: this.#callCount }
  }

  async dispose(): Promise<void> {
    if (this.#ended === undefined && this.#calls.all.size === 0) {
      this.#leaving = disposed()
      // In good order, so that it can overwrite its memory; at once where it is busy.
      this.#channel.post(DISPOSE)
      const timer = setTimeout(() => this.#channel.kill(), this.#graceMs)
      await this.#whenClosed()
      clearTimeout(timer)
    }
    this.#end(disposed())
    await this.#whenClosed()
  }

  async #whenClosed(): Promise<void> {
    this.#channel.hold(true)
    await this.#closed
    this.#channel.hold(false)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #call(program: boolean, name: string, args: readonly Argument[]): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#refuseLate()
      const id = this.#calls.nextId()
      const { values, signals } = splitSignals(args)
      try {
        this.#writer.begin(TO_FAR.call).value(id).value(program).value(name).list(values)
        this.#writer.value(signalField(signals))
      } catch (error) {
        throw unsupported('an argument', refusalOf(error).message)
      }
      this.#callCount++
      const call = this.#open(id, { resolve, reject, kind: program ? 'program' : 'call' })
      this.#channel.post(this.#writer.message)
      if (signals.length === 0) return
      call.release = followSignals(signals, place =>
        this.#channel.post(this.#writer.begin(TO_FAR.abort).value(id).value(place).message)
      )
    })
  }

  #step(stream: number, step: Caller, ending: boolean): void {
    if (ending && this.#leaving !== undefined) return step.resolve(DONE)
    this.#refuseLate()
    const id = this.#calls.nextId()
    this.#open(id, step)
    this.#channel.post(this.#writer.begin(TO_FAR.step).value(id).value(stream).value(ending).message)
  }

  /** After it was told to go, the far side takes what is asked for the next guest's. */
  #refuseLate(): void {
    const reason = this.#ended ?? this.#leaving
    if (reason !== undefined) throw gone(reason)
  }

  #open(id: number, caller: Caller): PendingCall {
    const pending = { ...caller, startedMs: monotonicMs() }
    this.#presses += MOST_PRESSES
    this.#hostCalls = 0
    this.#calls.add(id, pending)
    this.#arm()
    return pending
  }

  #close(id: number): PendingCall | undefined {
    const call = this.#calls.take(id)
    // A number that the far side made up is no end of a call, from which its own calls would count anew.
    if (call === undefined) return undefined
    this.#hostCalls = 0
    this.#arm()
    return call
  }

  /** The second line behind the far side's own clock, for a far side that does not answer any more. */
  #arm(): void {
    clearTimeout(this.#wallTimer)
    if (this.#ended !== undefined) return
    this.#channel.hold(this.#calls.all.size > 0)
    const { wallMs } = this.#limits
    const [first] = this.#calls.all.values()
    if (first === undefined || wallMs === Infinity) return
    const grace = this.#calls.all.has(START) ? BOOT_MS : this.#graceMs
    const delay = first.startedMs + wallMs + grace - monotonicMs()
    this.#wallTimer = setTimeout(
      () => this.#end(limitReached('wallMs', this.#limits, monotonicMs() - first.startedMs)),
      Math.min(Math.max(delay, 0), 0x7fffffff)
    )
  }

  #end(reason: CofferError, told?: boolean): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#tellEnd(reason)
    clearTimeout(this.#wallTimer)
    this.#stopListening()
    this.#channel.kill(told)
    this.#channel.hold(false)
    this.#calls.fail(reason)
    this.#grants.end()
    this.#writer.wipe()
  }

  #receive(frame: Uint8Array): void {
    if (this.#ended !== undefined) return
    try {
      this.#handle(new Reader(frame, WIRE))
    } catch (error) {
      if (error instanceof MalformedMessage)
        this.#end(engineFailed(`it sent what it never sends, ${error.message}`))
      else
        this.#end(
          error instanceof CofferError ? error : engineFailed('its message could not be served', error)
        )
    }
  }

  #handle(reader: Reader): void {
    switch (reader.byte()) {
      case FROM_FAR.ready:
        this.exports = reader.list().filter(name => typeof name === 'string')
        this.#close(START)?.resolve(undefined)
        return
      case FROM_FAR.result: {
        const id = reader.count()
        const value = reader.value()
        this.#readUsage(reader)
        this.#close(id)?.resolve(value)
        return
      }
      case FROM_FAR.uncaught: {
        const error = this.#readFailure(reader)
        if (!(error instanceof GuestError)) throw new MalformedMessage("an error of the guest's expected")
        return this.#output(STDERR, encoder.encode(uncaughtText(error)))
      }
      case FROM_FAR.stream: {
        const id = reader.count()
        const stream = this.#calls.streamed(id, (step, ending) => this.#step(id, step, ending))
        this.#close(id)?.resolve(stream)
        return
      }
      case FROM_FAR.done: {
        const id = reader.count()
        this.#calls.checkStep(id)
        this.#close(id)?.resolve(DONE)
        return
      }
      case FROM_FAR.failed:
        return this.#failed(reader.count(), this.#readFailure(reader))
      case FROM_FAR.output:
        this.#output(reader.count(), reader.value())
        return
      case FROM_FAR.ask:
        return this.#channel.answer(this.#answer(reader.text(), reader.text(), reader.list()))
      case FROM_FAR.tell:
        this.#answer(reader.text(), reader.text(), reader.list())
        return
      case FROM_FAR.request:
        this.#countCall()
        this.#request(reader.count(), reader.text(), reader.text(), reader.list())
        return
      case FROM_FAR.pressed:
        return this.#pressed(reader.text(), reader.number())
      case FROM_FAR.usage:
        return this.#readUsage(reader)
      case FROM_FAR.ended: {
        const failure = this.#readFailure(reader)
        // An error that nobody caught ended its program, which is an exit code rather than a failure.
        if (failure instanceof CofferError && failure.code === 'COFFER_GUEST_GONE') {
          for (const [id, { kind }] of this.#calls.all) if (kind === 'program') this.#close(id)!.resolve(1)
        }
        if (!(failure instanceof CofferError)) return this.#end(engineFailed('it ended by itself'))
        return this.#end(failure, failure.limit !== undefined)
      }
      default:
        throw new MalformedMessage('unknown frame')
    }
  }

  /** The far side knows frames of the program alone; this one, where they come from. */
  #readFailure(reader: Reader): CofferError | GuestError {
    const failure = readFailure(reader)
    if (!(failure instanceof GuestError)) return failure
    const { name = 'title.js', locate } = this.#options
    return new GuestError(failure.name, failure.message, guestFrames(failure.guestStack, name, locate))
  }

  #readUsage(reader: Reader): void {
    this.#usage = { cpuMs: reader.number(), memoryBytes: reader.number(), outputBytes: reader.number() }
  }

  #failed(id: number, failure: CofferError | GuestError): void {
    this.#close(id)?.reject(failure)
    // The far side has nothing left to serve.
    if (failure instanceof CofferError && ENDS_GUEST.test(failure.code))
      this.#end(failure, failure.limit !== undefined)
  }

  #output(stream: number, bytes: Value): void {
    if (!(bytes instanceof Uint8Array)) throw new MalformedMessage('bytes expected')
    this.#countOutput(bytes.length)
    writeTo(this.#options, stream, bytes)
  }

  // The far side counts all of this too; here it holds against one that has broken out of its count.

  #countOutput(bytes: number): void {
    this.#outputBytes += bytes
    if (this.#outputBytes > this.#limits.outputBytes)
      throw limitReached('outputBytes', this.#limits, this.#outputBytes)
  }

  #countCall(): void {
    if (++this.#hostCalls > this.#limits.hostCalls)
      throw limitReached('hostCalls', this.#limits, this.#hostCalls)
  }

  /** What this side holds for the guest counts as its memory. */
  #checkHeld(): void {
    const bytes = this.#heldBytes + this.#channel.untakenBytes()
    if (bytes > this.#limits.memoryBytes) throw limitReached('memoryBytes', this.#limits, bytes)
  }

  #pressed(name: string, used: number): void {
    const value = this.#limits[name as keyof Limits]
    if (!(value > this.#soft[name as keyof Limits]) || this.#presses-- <= 0)
      return this.#end(engineFailed('it told of a limit out of turn'))
    try {
      this.#options.onSoftLimit?.({ name, value, used })
    } catch {
      // Nobody is there to hear it.
    }
  }

  #answer(module: string, name: string, args: Value[]): Uint8Array {
    const grant = this.#grants.find(module, name)
    if (grant?.kind !== 'ask' && grant?.kind !== 'tell')
      throw new MalformedMessage('a function that was not granted')
    if (grant.kind === 'ask') this.#countCall()
    else this.#countOutput(encoder.encode(String(args[0])).length)
    this.#checkHeld()
    try {
      const value = grant.run(args)
      return this.#writer.begin(0).value(true).value(value).message.subarray(1)
    } catch (error) {
      return writeError(this.#writer.begin(0).value(false), flattenHostError(error)).message.subarray(1)
    }
  }

  #request(id: number, module: string, name: string, args: Value[]): void {
    const grant = this.#grants.find(module, name)
    // The far side counts too, and reports it kindly; this holds against one that does not.
    if (grant?.kind !== 'request' || this.#requests >= this.#limits.pendingJobs)
      throw engineFailed('it asked for what it may not')
    const bytes = sizeOf(args)
    this.#requests++
    this.#heldBytes += bytes
    this.#checkHeld()
    void this.#answerLater(id, module, async () => grant.run(args)).finally(() => {
      this.#requests--
      this.#heldBytes -= bytes
    })
  }

  async #answerLater(id: number, module: string, run: () => Promise<unknown>): Promise<void> {
    let frame: Uint8Array
    try {
      const value = await run()
      frame = this.#writer.begin(TO_FAR.settle).value(id).value(true).value(value).message
      if (module === 'assets' && value instanceof Uint8Array) value.fill(0)
    } catch (error) {
      frame = writeError(
        this.#writer.begin(TO_FAR.settle).value(id).value(false),
        flattenHostError(error)
      ).message
    }
    if (this.#ended !== undefined) return this.#writer.wipe()
    try {
      // One that comes too late for it is not held beside those that it has not taken.
      this.#checkHeld()
      this.#channel.settle(frame)
    } catch (error) {
      this.#end(error as CofferError)
    }
    this.#writer.wipe()
  }
}

/** What is told of one call, and of what runs after it: each of its limits, and those of the guest's life. */
const MOST_PRESSES = 8

/** Codes of what no guest survives. */
const ENDS_GUEST = /^COFFER_(?:LIMIT_(?!VALUE)|INTERRUPTED|ENGINE_FAILED|GUEST_GONE)/

const encoder = new TextEncoder()
