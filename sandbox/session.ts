/**
 * The host's side of one guest over whatever engine it is given: what starts it, what its messages mean, what ends it.
 * Runs in the thread of its machine, and treats every message from there as hostile. Its parts are in session/: `life`
 * and its `meter` below, the guest's `turns` and `time` over them, `calls` in and `requests` out at the top.
 *
 * @see docs/spec.md §7
 */
import { CofferError, type LimitUse } from '../formats/errors.js'
import { type CapabilityTable, grantTable } from './capabilities.js'
import { monotonicMs } from './clock.js'
import {
  disposed,
  engineFailed,
  imageUnfit,
  interrupted,
  limitReached,
  unsupported,
  valueLimit
} from './failures.js'
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
} from './guest.js'
import { valueOnly } from './hosted.js'
import { WIRE, onAbort } from './host-wire.js'
import { softMarks, withDefaults } from './limits.js'
import type { Grounds, MachineFactory } from './machine.js'
import {
  beginMessage,
  constantsOf,
  DICE_BYTES,
  functionsOf,
  linksOf,
  readError,
  TO_GUEST,
  TO_HOST
} from './protocol.js'
import { Calls, type PendingCall } from './session/calls.js'
import { Life } from './session/life.js'
import { Meter, type Watch } from './session/meter.js'
import { Output } from './session/output.js'
import { Pressure } from './session/pressure.js'
import { Requests } from './session/requests.js'
import { type Random, Time } from './session/time.js'
import { Turns } from './session/turns.js'
import type { Outcome } from './stream.js'
import { START, WaitingCalls } from './waiting.js'
import { MalformedMessage, Reader } from './wire.js'

/** Exit codes of a program; Node's number for one that nobody stopped from throwing, or from waiting for ever. */
const MAX_EXIT_CODE = 63
const EXIT_UNCAUGHT = 1

/** What a session is given where host and guest are apart. */
export interface SessionPowers {
  /** Instead of the options' capabilities. */
  readonly grants?: CapabilityTable
  readonly watch?: Watch
  /** Fills bytes with randomness fit for secrets. Default: Web Crypto, which some hosts take a while to load. */
  readonly random?: Random
  /** Told of what nobody caught, in place of stderr. */
  readonly uncaught?: (error: GuestError) => void
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
  powers: SessionPowers = {}
): Promise<EngineGuest> {
  const session = new Session(engine, options, powers)
  try {
    await session.start(makeMachine, program)
  } catch (error) {
    await session.dispose()
    throw error
  }
  return session
}

/** A guest, once it has started. */
export class Session implements EngineGuest {
  readonly engine: Engine
  exports: readonly string[] = []
  readonly ended: Promise<CofferError>

  readonly #options: LaunchOptions
  readonly #limits: Limits
  readonly #grants: CapabilityTable
  readonly #life = new Life()
  readonly #meter: Meter
  readonly #turns: Turns
  readonly #time: Time
  readonly #pressure: Pressure
  readonly #output: Output
  readonly #requests: Requests
  readonly #calls: Calls
  /** Errors so far that nobody caught. */
  #uncaught = 0

  constructor(engine: Engine, options: LaunchOptions, powers: SessionPowers) {
    this.engine = engine
    this.#options = options
    this.#limits = withDefaults(options.limits)
    const { watch, random, uncaught, grants = grantTable(options.capabilities ?? {}, this.#limits) } = powers
    this.#grants = grants
    const life = this.#life
    const limits = this.#limits
    const waiting = new WaitingCalls<PendingCall>()
    this.ended = life.told
    const soft = softMarks(limits, options.softShare)
    const near = (use: LimitUse) => this.#pressure.tell(use)
    this.#meter = new Meter(life, limits, soft, near, waiting.all, options.signal, watch)
    this.#turns = new Turns(life, this.#meter, limits, () => this.#atRest())
    this.#pressure = new Pressure(life, this.#meter, this.#turns, options)
    this.#output = new Output(this.#meter, options, uncaught)
    this.#requests = new Requests(life, this.#meter, this.#turns, grants)
    this.#time = new Time(life, this.#turns, this.#meter, waiting.all, this.#requests, options.seed, random)
    this.#calls = new Calls(life, this.#meter, this.#turns, this.#time, waiting)
  }

  async start(makeMachine: MachineFactory, { source, image }: Program): Promise<void> {
    const { signal, name = 'title.js' } = this.#options
    if (signal?.aborted) throw interrupted()
    this.#life.onEnd(onAbort(signal, () => this.#life.end(interrupted())))
    const grants = this.#grants.modules
    await new Promise<void>((resolve, reject) => {
      this.#calls.open(START, { resolve: () => resolve(), reject, kind: 'call' })
      this.#turns.enter(() => {
        const dice = this.#time.random(DICE_BYTES)
        // Zero is the one state that the generator never leaves.
        dice[0]! |= 1
        const machine = makeMachine(
          {
            receive: message => this.#receive(message),
            poll: () => this.#meter.poll(),
            now: () => this.#time.now(),
            dice,
            result: (id, value) => this.#calls.close(id)?.resolve(value),
            callHost: (index, id, args) => this.#requests.call(index, id, args)
          },
          this.#limits
        )
        this.#life.machine = machine
        const grounds: Grounds = {
          modules: () => linksOf(grants),
          constants: () => constantsOf(grants, WIRE),
          functions: functionsOf(grants),
          begin: beginMessage(this.#life.writer, this.#limits, grants)
        }
        const restored = image !== undefined && machine.restore?.(image, grounds) === true
        if (!restored && source === undefined) throw imageUnfit()
        if (machine.direct !== undefined) this.#requests.bind(machine.direct, grounds.functions)
        if (restored) return
        machine.dispatch(grounds.begin)
        machine.evaluate(source!, name, grounds.modules())
      })
    })
  }

  call(name: string, ...args: readonly Argument[]): Outcome | Promise<Outcome> {
    return this.#calls.call(name, args)
  }

  callSync(name: string, ...args: readonly Value[]): Value {
    return this.#calls.callSync(name, args)
  }

  async run(args: readonly string[] = []): Promise<number> {
    const uncaughtBefore = this.#uncaught
    let result: Value
    try {
      result = await this.#programResult(args)
      // The last thing that it did may have been to leave a rejection behind.
      await this.#turns.left()
    } catch (error) {
      if (!(error instanceof GuestError)) throw error
      this.#output.printUncaught(error)
      return EXIT_UNCAUGHT
    }
    return this.#uncaught > uncaughtBefore ? EXIT_UNCAUGHT : exitCode(result)
  }

  /** What the default export came to: what cannot cross is no exit code, and no fault of the caller's. */
  async #programResult(args: readonly string[]): Promise<Value> {
    let outcome: Outcome
    try {
      outcome = await this.#calls.call('default', [args], true)
    } catch (error) {
      if (error instanceof CofferError && error.code === 'COFFER_VALUE_UNSUPPORTED') return undefined
      throw error
    }
    // A stream has not begun yet.
    return valueOnly(outcome)
  }

  usage(): Usage {
    return {
      cpuMs: this.#meter.cpuMs(),
      wallMs: monotonicMs() - this.#time.startedMs,
      memoryBytes: this.#life.memoryBytes(),
      outputBytes: this.#meter.outputBytes,
      calls: this.#calls.count
    }
  }

  async dispose(): Promise<void> {
    this.#life.end(this.#life.ended ?? disposed())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #atRest(): void {
    this.#time.arm()
    this.#calls.endIfStuck(this.#limits, this.#requests, this.#output, EXIT_UNCAUGHT)
  }

  // Messages from the guest

  #receive(message: Uint8Array): Uint8Array | undefined {
    if (this.#life.ended !== undefined) throw this.#life.ended
    try {
      return this.#handle(new Reader(message, WIRE))
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error
      throw engineFailed(`the guest sent what its runtime never sends, ${error.message}`)
    }
  }

  #handle(reader: Reader): Uint8Array | undefined {
    const calls = this.#calls
    switch (reader.byte()) {
      case TO_HOST.ready:
        this.exports = reader.list().filter(name => typeof name === 'string')
        calls.close(START)?.resolve(undefined)
        return
      case TO_HOST.failed: {
        const error = this.#output.error(readError(reader))
        calls.close(START)?.reject(error)
        return
      }
      case TO_HOST.result:
        return calls.answered(
          reader,
          () => reader.value(),
          (call, value) => call.resolve(value)
        )
      case TO_HOST.threw:
        return calls.refused(reader, () => this.#output.error(readError(reader)))
      case TO_HOST.unsupported:
        return calls.refused(reader, () => unsupported('the result', reader.text()))
      case TO_HOST.excess:
        return calls.refused(reader, () => valueLimit(reader.text(), this.#limits, reader.number()))
      case TO_HOST.stream:
        calls.streamed(reader.count())
        return
      case TO_HOST.done:
        calls.done(reader.count())
        return
      case TO_HOST.missing:
        return calls.missing(reader, this.exports)
      case TO_HOST.ask:
        return this.#requests.ask(reader.text(), reader.text(), reader.list())
      case TO_HOST.request:
        this.#requests.request(reader.count(), reader.text(), reader.text(), reader.list())
        return
      case TO_HOST.wake:
        this.#time.wish(reader.number())
        return
      case TO_HOST.print:
        this.#output.print(reader.count(), reader.text())
        return
      case TO_HOST.random:
        return this.#time.random(reader.count())
      case TO_HOST.clock: {
        const answer = this.#life.writer.begin(0).value(this.#time.now()).value(this.#time.elapsed())
        return answer.message.subarray(1)
      }
      case TO_HOST.pressure:
        return this.#pressure.answer()
      case TO_HOST.uncaught:
        this.#uncaught++
        this.#output.printUncaught(this.#output.error(readError(reader)))
        calls.endProgram(EXIT_UNCAUGHT)
        return
      case TO_HOST.rejected:
        this.#turns.reportRejections()
        return
      case TO_HOST.collected:
        this.#turns.deliver(new Uint8Array([TO_GUEST.finalize]))
        return
      case TO_HOST.flooded:
        throw limitReached('pendingJobs', this.#limits, this.#limits.pendingJobs + 1)
      default:
        throw new MalformedMessage('unknown message')
    }
  }
}

/** 0 to 63 as they are; larger ones, and whatever is no exit code, become 63. */
function exitCode(result: Value): number {
  if (typeof result !== 'number') return 0
  return Number.isInteger(result) && result >= 0 && result <= MAX_EXIT_CODE ? result : MAX_EXIT_CODE
}
