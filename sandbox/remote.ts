/**
 * A guest on the other side of a thread or process boundary. The whole session runs over there, beside its engine;
 * what crosses are frames: one byte that says which, then fields in the encoding of wire.ts. The far side serves
 * exactly one guest.
 *
 * The far side of a SES guest shares its process with it, so its frames are as hostile as the guest itself.
 *
 * @see docs/spec.md §7.4
 */
import { monotonicMs } from './clock.js'
import { CofferError, ERROR_CODES, type ErrorCode, type LimitUse } from '../formats/errors.js'
import { type CapabilityTable, type Grant, grantTable } from './capabilities.js'
import { disposed, engineFailed, gone, interrupted, limitReached, unsupported } from './failures.js'
import {
  type Argument,
  DEFAULT_LIMITS,
  type Engine,
  type EngineGuest,
  GuestError,
  type LaunchOptions,
  type Limits,
  type Program,
  type Usage,
  type Value
} from './guest.js'
import type { MachineFactory } from './machine.js'
import { type ModuleGrant, readError, writeError } from './protocol.js'
import { WIRE, flattenHostError, followSignals, signalField, splitSignals } from './host-wire.js'
import { withDefaults } from './limits.js'
import { type SessionPowers, startSession } from './session.js'
import { STDERR, uncaughtText } from './session/output.js'
import { guestFrames } from './stack.js'
import { DONE, GuestStream, type Outcome } from './stream.js'
import { isRefusal, MalformedMessage, Reader, Writer } from './wire.js'

/** Frames to the far side. */
const TO_FAR = {
  /** source, image: bytes | undefined, name: text, seed: number | undefined, limits: list, modules: list of ModuleGrant */
  start: 1,
  /** id, program: boolean, export, arguments: list, signals among them: list of place and whether aborted */
  call: 2,
  /** id, true, value | id, false, error: answers a request */
  settle: 3,
  /** End in good order */
  dispose: 4,
  /** id of a call, place: the signal there is aborted */
  abort: 5,
  /** id, id of the call that gave a stream, ending: boolean */
  step: 6
} as const

/** Frames from the far side. */
const FROM_FAR = {
  /** exports: list of text */
  ready: 1,
  /** id, value, usage as in `usage` */
  result: 2,
  /** id, failure */
  failed: 3,
  /** stream, bytes */
  output: 4,
  /** module, function, arguments: answered on the channel's own way with true, value | false, error */
  ask: 5,
  /** module, function, arguments: not answered */
  tell: 6,
  /** id, module, function, arguments: answered by settle */
  request: 7,
  /** cpuMs, memoryBytes, outputBytes */
  usage: 8,
  /** failure: the guest is no more, nor is the far side soon */
  ended: 9,
  /** id: the call came to a stream, which waits for steps under this number */
  stream: 10,
  /** id of a step: there is no more */
  done: 11,
  /** failure: what the guest threw and nobody caught, for stderr */
  uncaught: 12
} as const

const encoder = new TextEncoder()

/** The number of the start among the calls. */
const START = 0
/** How much longer than its own limits the far side may take to say that they were reached. */
const GRACE_MS = 200
/** The same while it starts, since its own boot is not on the guest's account. */
const BOOT_MS = 10_000

/** Asks a far side to end in good order. */
export const DISPOSE = new Uint8Array([TO_FAR.dispose])

// The near side

/** The way to a far side. */
export interface NearChannel {
  post(frame: Uint8Array): void
  /** Answer the far side's `ask`, which waits. */
  answer(frame: Uint8Array): void
  /** Keep this process alive for the far side, or do not. */
  hold(held: boolean): void
  /** End the far side at once, whatever it does. */
  kill(): void
}

export interface NearEvents {
  /** @param frame - Valid during the call only. */
  frame(frame: Uint8Array): void
  /** The far side is no more. @param reason - If it is known. */
  closed(reason?: CofferError): void
}

interface PendingCall {
  /** With an Outcome; of a step, with an item or DONE. */
  resolve(outcome: any): void
  reject(error: Error): void
  readonly startedMs: number
  readonly kind: 'call' | 'program' | 'step'
  /** Stop following its signals. */
  release?: (() => void) | undefined
}

/**
 * Start a guest on the far side of a channel.
 *
 * @param open - Makes the channel, whose events arrive later, never during this call.
 * @throws As `launch` does.
 */
export async function startRemote(
  engine: Engine,
  program: Program,
  options: LaunchOptions,
  open: (events: NearEvents, limits: Limits) => NearChannel
): Promise<EngineGuest> {
  if (options.signal?.aborted) throw interrupted()
  const guest = new RemoteGuest(engine, options, open)
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
  readonly #grants: CapabilityTable
  readonly #channel: NearChannel
  readonly #writer = new Writer(WIRE)
  readonly #startedMs = monotonicMs()
  readonly #calls = new Map<number, PendingCall>()
  /** How to stop following the signals of streams that are open. */
  readonly #followed = new Map<number, () => void>()
  #lastCall = START
  #callCount = 0
  #requests = 0
  #outputBytes = 0
  #ended: CofferError | undefined
  /** Why the far side was asked to end. */
  #leaving: CofferError | undefined
  /** The far side is no more. */
  readonly #closed: Promise<void>
  #usage = { cpuMs: 0, memoryBytes: 0, outputBytes: 0 }
  #wallTimer: ReturnType<typeof setTimeout> | undefined
  readonly #onAbort = () => this.#end(interrupted())

  constructor(
    engine: Engine,
    options: LaunchOptions,
    open: (events: NearEvents, limits: Limits) => NearChannel
  ) {
    this.engine = engine
    this.#options = options
    this.#limits = withDefaults(options.limits)
    this.#grants = grantTable(options.capabilities ?? {}, this.#limits)
    let closed: () => void
    this.#closed = new Promise(resolve => (closed = resolve))
    this.#channel = open(
      {
        frame: frame => this.#receive(frame),
        closed: reason => {
          closed()
          // Killed while it computed, it could not say how long it had.
          if (reason?.limit?.name === 'cpuMs') this.#usage.cpuMs += reason.limit.used
          this.#end(reason ?? this.#leaving ?? engineFailed('it ended by itself'))
        }
      },
      this.#limits
    )
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  async start({ source, image }: Program): Promise<void> {
    const { name = 'title.js', seed } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#open(START, { resolve: () => resolve(), reject, kind: 'call' })
      const limits = LIMIT_NAMES.map(key => this.#limits[key])
      const frame = this.#writer.begin(TO_FAR.start).value(source).value(image).value(name).value(seed)
      this.#channel.post(frame.value(limits).value(this.#grants.modules).message)
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
    if (this.#ended === undefined && this.#calls.size === 0) {
      this.#leaving = disposed()
      // In good order, so that it can overwrite its memory; at once where it is busy.
      this.#channel.post(DISPOSE)
      this.#channel.hold(true)
      const timer = setTimeout(() => this.#channel.kill(), GRACE_MS)
      await this.#closed
      clearTimeout(timer)
    }
    this.#end(disposed())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #call(program: boolean, name: string, args: readonly Argument[]): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) throw gone(this.#ended)
      const id = this.#nextId()
      const { values, signals } = splitSignals(args)
      try {
        this.#writer.begin(TO_FAR.call).value(id).value(program).value(name).value(values)
        this.#writer.value(signalField(signals))
      } catch (error) {
        throw isRefusal(error) ? unsupported('an argument', error.message) : error
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

  /** The call under this number came to a stream, whose signals are followed to its end. */
  #streamed(id: number): void {
    const call = this.#calls.get(id)
    if (id === START || call?.kind === 'step') throw new MalformedMessage('a stream in place of an item')
    const { release } = call ?? {}
    if (release !== undefined) {
      call!.release = undefined
      this.#followed.set(id, release)
    }
    const stream = new GuestStream(async ending => {
      const item = await this.#step(id, ending)
      if (item === DONE) this.#unfollow(id)
      return item
    })
    this.#close(id)?.resolve(stream)
  }

  #step(stream: number, ending: boolean): Promise<Value | typeof DONE> {
    return new Promise((resolve, reject) => {
      // Nothing is left there to be ended.
      if (this.#ended !== undefined && ending) return resolve(DONE)
      if (this.#ended !== undefined) throw gone(this.#ended)
      const id = this.#nextId()
      this.#open(id, { resolve, reject, kind: 'step' })
      this.#channel.post(this.#writer.begin(TO_FAR.step).value(id).value(stream).value(ending).message)
    })
  }

  #done(id: number): void {
    if (this.#calls.has(id) && this.#calls.get(id)!.kind !== 'step')
      throw new MalformedMessage('the end of what is no stream')
    this.#close(id)?.resolve(DONE)
  }

  #unfollow(stream: number): void {
    this.#followed.get(stream)?.()
    this.#followed.delete(stream)
  }

  #nextId(): number {
    return (this.#lastCall = (this.#lastCall % 0x7fffffff) + 1)
  }

  #open(id: number, call: Pick<PendingCall, 'resolve' | 'reject' | 'kind'>): PendingCall {
    const pending = { ...call, startedMs: monotonicMs() }
    this.#calls.set(id, pending)
    this.#arm()
    return pending
  }

  #close(id: number): PendingCall | undefined {
    const call = this.#calls.get(id)
    call?.release?.()
    this.#calls.delete(id)
    this.#arm()
    return call
  }

  /** The second line behind the far side's own clock, for a far side that does not answer any more. */
  #arm(): void {
    clearTimeout(this.#wallTimer)
    if (this.#ended !== undefined) return
    this.#channel.hold(this.#calls.size > 0)
    const { wallMs } = this.#limits
    const [first] = this.#calls.values()
    if (first === undefined || wallMs === Infinity) return
    const grace = this.#calls.has(START) ? BOOT_MS : GRACE_MS
    const delay = first.startedMs + wallMs + grace - monotonicMs()
    this.#wallTimer = setTimeout(
      () => this.#end(limitReached('wallMs', this.#limits, monotonicMs() - first.startedMs)),
      Math.min(Math.max(delay, 0), 0x7fffffff)
    )
  }

  #end(reason: CofferError): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#tellEnd(reason)
    clearTimeout(this.#wallTimer)
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#channel.kill()
    this.#channel.hold(false)
    for (const call of this.#calls.values()) {
      call.release?.()
      call.reject(reason)
    }
    this.#calls.clear()
    for (const stream of this.#followed.keys()) this.#unfollow(stream)
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
      case FROM_FAR.stream:
        return this.#streamed(reader.count())
      case FROM_FAR.done:
        return this.#done(reader.count())
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
        void this.#request(reader.count(), reader.text(), reader.text(), reader.list())
        return
      case FROM_FAR.usage:
        return this.#readUsage(reader)
      case FROM_FAR.ended: {
        const failure = this.#readFailure(reader)
        // An error that nobody caught ended its program, which is an exit code rather than a failure.
        if (failure instanceof CofferError && failure.code === 'COFFER_GUEST_GONE') {
          for (const [id, { kind }] of this.#calls) if (kind === 'program') this.#close(id)!.resolve(1)
        }
        return this.#end(failure instanceof CofferError ? failure : engineFailed('it ended by itself'))
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
    if (failure instanceof CofferError && ENDS_GUEST.test(failure.code)) this.#end(failure)
  }

  #output(stream: number, bytes: Value): void {
    if (!(bytes instanceof Uint8Array)) throw new MalformedMessage('bytes expected')
    // The far side counts too; this holds against one that has broken out of its count.
    this.#outputBytes += bytes.length
    if (this.#outputBytes > this.#limits.outputBytes)
      throw limitReached('outputBytes', this.#limits, this.#outputBytes)
    const write = stream === 1 ? this.#options.stdout : this.#options.stderr
    write?.(bytes)
  }

  #answer(module: string, name: string, args: Value[]): Uint8Array {
    const grant = this.#grants.find(module, name)
    if (grant?.kind !== 'ask' && grant?.kind !== 'tell')
      throw new MalformedMessage('a function that was not granted')
    try {
      const value = grant.run(args)
      return this.#writer.begin(0).value(true).value(value).message.subarray(1)
    } catch (error) {
      return writeError(this.#writer.begin(0).value(false), flattenHostError(error)).message.subarray(1)
    }
  }

  async #request(id: number, module: string, name: string, args: Value[]): Promise<void> {
    const grant = this.#grants.find(module, name)
    // The far side counts too, and reports it kindly; this holds against one that does not.
    if (grant?.kind !== 'request' || this.#requests >= this.#limits.pendingJobs) {
      return this.#end(engineFailed('it asked for what it may not'))
    }
    this.#requests++
    let frame: Uint8Array
    try {
      const value = await grant.run(args)
      frame = this.#writer.begin(TO_FAR.settle).value(id).value(true).value(value).message
      if (module === 'assets' && value instanceof Uint8Array) value.fill(0)
    } catch (error) {
      frame = writeError(
        this.#writer.begin(TO_FAR.settle).value(id).value(false),
        flattenHostError(error)
      ).message
    }
    this.#requests--
    if (this.#ended === undefined) this.#channel.post(frame)
    this.#writer.wipe()
  }
}

/** Codes of what no guest survives. */
const ENDS_GUEST = /^COFFER_(?:LIMIT_(?!VALUE)|INTERRUPTED|ENGINE_FAILED|GUEST_GONE)/

const LIMIT_NAMES = Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]

// The far side

export interface FarChannel {
  post(frame: Uint8Array): void
  /** Post a frame and wait for its answer, doing nothing else. */
  ask(frame: Uint8Array): Uint8Array
  /** End this side. */
  close(): void
}

/** What the far side's owner sets up for its one guest. */
export interface FarEngine {
  readonly engine: Engine
  /** Of a far side that serves guest after guest: their program, whose bytes stay as they are. */
  readonly program?: Program | undefined
  /** The factory, when the limits are known; may take its time. */
  prepare(limits: Limits): Promise<MachineFactory> | MachineFactory
  readonly watch?: SessionPowers['watch']
}

/**
 * Serve one guest.
 *
 * @returns The receiver for the frames that arrive.
 */
export function serveRemote(far: FarEngine, channel: FarChannel): (frame: Uint8Array) => void {
  const writer = new Writer(WIRE)
  const waiting = new Map<number, { resolve(value: unknown): void; reject(reason: Error): void }>()
  /** Of signals that a call was given, by the call and the place among its arguments. */
  const controllers = new Map<string, AbortController>()
  let lastRequest = 0
  /** Streams that calls came to, by the number of the call. */
  const streams = new Map<number, GuestStream>()
  let guest: EngineGuest | undefined
  let failed = false

  const writeUsage = (frame: Writer, { cpuMs, memoryBytes, outputBytes }: Usage) =>
    frame.value(cpuMs).value(memoryBytes).value(outputBytes)
  const reportUsage = () => {
    if (guest !== undefined) channel.post(writeUsage(writer.begin(FROM_FAR.usage), guest.usage()).message)
  }
  const answer = (id: number, value: Value) => {
    const frame = writer.begin(FROM_FAR.result).value(id).value(value)
    channel.post(writeUsage(frame, guest!.usage()).message)
  }
  const fail = (id: number, error: unknown) => {
    reportUsage()
    channel.post(writeFailure(writer.begin(FROM_FAR.failed).value(id), error).message)
  }

  /** A granted function, served by the near side. */
  const proxy = (module: string, name: string, kind: Grant['kind']): Grant | undefined => {
    const call = (opcode: number, args: readonly Value[]) =>
      writer.begin(opcode).value(module).value(name).value(args)
    switch (kind) {
      case 'ask':
        return {
          kind,
          run(args) {
            const reader = new Reader(channel.ask(call(FROM_FAR.ask, args).message), WIRE)
            if (reader.boolean()) return reader.value()
            throw reviveHostError(reader)
          }
        }
      case 'tell':
        return { kind, run: args => channel.post(call(FROM_FAR.tell, args).message) }
      case 'request':
        return {
          kind,
          run: args =>
            new Promise((resolve, reject) => {
              const id = (lastRequest = (lastRequest + 1) & 0x7fffffff)
              waiting.set(id, { resolve, reject })
              const frame = writer.begin(FROM_FAR.request).value(id).value(module).value(name).value(args)
              channel.post(frame.message)
            })
        }
      default:
        return undefined
    }
  }

  const start = async (reader: Reader) => {
    const source = reader.value() as Uint8Array | undefined
    const image = reader.value() as Uint8Array | undefined
    const name = reader.text()
    const seed = reader.value() as number | undefined
    const values = reader.list() as number[]
    const limits = Object.fromEntries(LIMIT_NAMES.map((key, i) => [key, values[i]])) as unknown as Limits
    const modules = reader.list() as unknown as ModuleGrant[]
    const kinds = new Map(
      modules.flatMap(([module, exports]) =>
        exports.map(([name, kind]) => [`${module}.${name}`, kind] as const)
      )
    )
    const output = (stream: number) => (bytes: Uint8Array) => {
      channel.post(writer.begin(FROM_FAR.output).value(stream).value(bytes).message)
    }
    try {
      const factory = await far.prepare(limits)
      guest = await startSession(
        far.engine,
        factory,
        far.program ?? { source, image },
        { name, limits, stdout: output(1), stderr: output(2), ...(seed === undefined ? {} : { seed }) },
        {
          grants: {
            modules,
            find: (module, name) => proxy(module, name, kinds.get(`${module}.${name}`) ?? 'constant'),
            // The near side's to close.
            end() {}
          },
          uncaught: error => channel.post(writeFailure(writer.begin(FROM_FAR.uncaught), error).message),
          ...(far.watch === undefined ? {} : { watch: far.watch })
        }
      )
    } catch (error) {
      failed = true
      return fail(START, error)
    } finally {
      source?.fill(0)
      image?.fill(0)
    }
    reportUsage()
    channel.post(writer.begin(FROM_FAR.ready).value(guest.exports).message)
  }

  const call = async (reader: Reader) => {
    const id = reader.count()
    const program = reader.boolean()
    const name = reader.text()
    const args: Argument[] = reader.list()
    const places = reader.list() as [place: number, aborted: boolean][]
    for (const [place, aborted] of places) {
      const controller = new AbortController()
      if (aborted) controller.abort()
      args[place] = controller.signal
      controllers.set(`${id}.${place}`, controller)
    }
    try {
      const outcome = program ? await guest!.run(args as string[]) : await guest!.call(name, ...args)
      if (!(outcome instanceof GuestStream)) return answer(id, outcome)
      streams.set(id, outcome)
      channel.post(writer.begin(FROM_FAR.stream).value(id).message)
    } catch (error) {
      fail(id, error)
    } finally {
      if (!streams.has(id)) for (const [place] of places) controllers.delete(`${id}.${place}`)
    }
  }

  const step = async (reader: Reader) => {
    const id = reader.count()
    const from = reader.count()
    const ending = reader.boolean()
    const stream = streams.get(from)
    try {
      const { done, value } = (await (ending ? stream?.return() : stream?.next())) ?? { done: true }
      if (done !== true) return answer(id, value)
      close(from)
      channel.post(writer.begin(FROM_FAR.done).value(id).message)
    } catch (error) {
      close(from)
      fail(id, error)
    }
  }

  const close = (stream: number) => {
    streams.delete(stream)
    for (const key of controllers.keys()) if (key.startsWith(`${stream}.`)) controllers.delete(key)
  }

  return frame => {
    const reader = new Reader(frame, WIRE)
    switch (reader.byte()) {
      case TO_FAR.start:
        return void start(reader)
      case TO_FAR.call:
        return void call(reader)
      case TO_FAR.step:
        return void step(reader)
      case TO_FAR.settle: {
        const id = reader.count()
        const request = waiting.get(id)
        waiting.delete(id)
        if (reader.boolean()) request?.resolve(reader.value())
        else request?.reject(reviveHostError(reader))
        return
      }
      case TO_FAR.abort:
        return controllers.get(`${reader.count()}.${reader.count()}`)?.abort()
      case TO_FAR.dispose:
        return failed ? channel.close() : void guest?.dispose().then(() => channel.close())
    }
  }
}

/** The last frame of a far side that ends itself. */
export const endedFrame = (error: unknown): Uint8Array =>
  writeFailure(new Writer(WIRE).begin(FROM_FAR.ended), error).message

// Errors as fields: code, or '' for what the guest threw; then name, message, stack or hint, and the limit if it is one.

function writeFailure(writer: Writer, error: unknown): Writer {
  if (error instanceof GuestError) {
    return writer.value('').value(error.name).value(error.message).value(error.guestStack).value(null)
  }
  const failure = error instanceof CofferError ? error : engineFailed('its far side threw', error)
  return writer
    .value(failure.code)
    .value('')
    .value(failure.message)
    .value(failure.hint ?? '')
    .value(failure.limit ?? null)
}

function readFailure(reader: Reader): CofferError | GuestError {
  const code = reader.text()
  const name = reader.text()
  const message = reader.text()
  const rest = reader.text()
  const limit = reader.value() as LimitUse | null
  if (code === '') return new GuestError(name, message, rest)
  if (!Object.hasOwn(ERROR_CODES, code)) throw new MalformedMessage('unknown error code')
  return new CofferError(code as ErrorCode, message, {
    ...(rest === '' ? {} : { hint: rest }),
    ...(limit === null ? {} : { limit })
  })
}

function reviveHostError(reader: Reader): Error {
  const { name, message } = readError(reader)
  const error = new Error(message)
  error.name = name
  return error
}
