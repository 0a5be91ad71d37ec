/** Calls of the host's to the guest: at once where the engine's values are in reach, by messages otherwise. */
import { CofferError } from '../../formats/errors.js'
import { exportMissing, gone, unsupported } from '../failures.js'
import { GuestError, type Limits, type Value } from '../guest.js'
import { valueOnly } from '../hosted.js'
import { followSignals, isSignal, refusalOf, signalField, splitSignals, WIRE } from '../host-wire.js'
import { type Direct, PROMISE, UNCALLED, UNTOLD } from '../machine.js'
import { TO_GUEST } from '../protocol.js'
import { DONE, type Outcome } from '../stream.js'
import { type Caller, START, type WaitingCall, type WaitingCalls } from '../waiting.js'
import { isRefusal, type Reader, Writer } from '../wire.js'
import type { Life } from './life.js'
import { type Account, type Meter, SAMPLED, SAMPLED_OF_MANY } from './meter.js'
import { type Output, STDERR } from './output.js'
import type { Time, Waits } from './time.js'
import type { Turns } from './turns.js'

/** From here on fewer are timed. */
const MANY_CALLS = 64 * SAMPLED

export interface PendingCall extends WaitingCall, Account {
  /** Of an export that a message asks for. */
  name?: string
}

export class Calls {
  /** Calls so far. */
  count = 0
  readonly #waiting: WaitingCalls<PendingCall>
  readonly #life: Life
  readonly #meter: Meter
  readonly #turns: Turns
  readonly #time: Time

  /** @param waiting - None yet. Meter and time look at them. */
  constructor(life: Life, meter: Meter, turns: Turns, time: Time, waiting: WaitingCalls<PendingCall>) {
    this.#life = life
    this.#meter = meter
    this.#turns = turns
    this.#time = time
    this.#waiting = waiting
    life.onEnd(reason => waiting.fail(reason))
  }

  // At once

  callSync(name: string, args: readonly Value[]): Value {
    const life = this.#life
    if (life.ended !== undefined) throw gone(life.ended)
    const direct = life.machine?.direct
    if (direct === undefined)
      throw new TypeError('Cannot call at once: the guest is out of reach. Use call()')
    if (life.running)
      throw new TypeError('Cannot call the guest: it is computing, and waits for what called this')
    this.count++
    const outcome = this.#callDirect(direct, name, args)
    if (typeof outcome !== 'symbol') return outcome
    if (life.ended !== undefined) throw life.ended
    if (outcome === PROMISE) {
      this.#turns.enter(() => direct.drop())
      throw promised(name)
    }
    let settled: { readonly value?: Outcome; readonly error?: Error } | undefined
    const id = this.#waiting.nextId()
    const resolve = (value: Outcome | typeof DONE) => (settled = { value: value as Outcome })
    const call = this.open(id, { resolve, reject: error => (settled = { error }), kind: 'call' })
    call.name = name
    if (outcome === UNTOLD) this.#turns.enter(() => direct.tell(id))
    else this.#turns.deliver(this.#message(id, name, args))
    if (settled === undefined) {
      this.close(id)
      throw promised(name)
    }
    if (settled.error !== undefined) throw settled.error
    return valueOnly(settled.value)
  }

  /** @param program - The export is the program itself. */
  call(name: string, args: readonly unknown[], program = false): Outcome | Promise<Outcome> {
    const life = this.#life
    try {
      if (life.ended !== undefined) throw gone(life.ended)
      this.count++
      const direct = life.machine?.direct
      if (direct === undefined || program || life.running || args.some(isSignal))
        return this.#callByMessage(name, args, program)
      const outcome = this.#callDirect(direct, name, args)
      if (life.ended !== undefined && typeof outcome === 'symbol') throw life.ended
      if (typeof outcome !== 'symbol') return outcome
      if (outcome === UNCALLED) return this.#callByMessage(name, args, program)
      return new Promise((resolve, reject) => {
        const id = this.#waiting.nextId()
        // What it did at once counts too.
        this.open(id, { resolve, reject, kind: 'call' }, this.#meter.ownAccount())
        this.#turns.enter(() => direct.tell(id))
      })
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  #callDirect(direct: Direct, name: string, args: readonly unknown[]): ReturnType<Direct['call']> {
    const life = this.#life
    life.running = true
    const { count } = this
    const of = count < MANY_CALLS ? SAMPLED : SAMPLED_OF_MANY
    /** How many calls this one is timed for; 0: it is not. */
    const standsFor = count % of === 0 ? of : 0
    this.#meter.beginDirect(standsFor !== 0)
    let outcome: ReturnType<Direct['call']> = UNCALLED
    try {
      return (outcome = direct.call(name, args))
    } catch (error) {
      if (isRefusal(error)) throw unsupported('an argument', error.message)
      this.#turns.fail(error)
      throw life.ended ?? error
    } finally {
      this.#endDirect(standsFor, typeof outcome !== 'symbol')
    }
  }

  /** @param settled - All is told; else the guest goes on at once. */
  #endDirect(standsFor: number, settled: boolean): void {
    const life = this.#life
    try {
      this.#meter.endDirect(standsFor)
    } catch (error) {
      this.#turns.fail(error)
    }
    life.running = false
    if (life.ended !== undefined) life.destroy()
    else if (settled && this.#turns.due) this.#turns.enter(() => {})
    else this.#time.rearm()
  }

  // By messages

  /** Call by a message, after what the guest computes now. */
  #callByMessage(name: string, args: readonly unknown[], program: boolean): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const id = this.#waiting.nextId()
      const { values, signals } = splitSignals(args)
      const message = this.#message(id, name, values, signals)
      const call = this.open(id, { resolve, reject, kind: program ? 'program' : 'call' })
      call.name = name
      if (signals.length > 0)
        call.release = followSignals(signals, place => this.#turns.deliver(abortMessage(id, place)))
      this.#turns.deliver(message)
    })
  }

  /** The call under this number came to a stream. */
  streamed(id: number): void {
    const stream = this.#waiting.streamed(id, (step, ending) => this.#step(id, step, ending))
    this.close(id)?.resolve(stream)
  }

  /** The stream that this step belongs to is at its end. */
  done(id: number): void {
    this.#waiting.checkStep(id)
    this.close(id)?.resolve(DONE)
  }

  #step(stream: number, step: Caller, ending: boolean): void {
    const id = this.#waiting.nextId()
    this.open(id, step)
    const message = this.#life.writer.begin(TO_GUEST.step).value(id).value(stream).value(ending)
    this.#turns.deliver(message.message)
  }

  #message(
    id: number,
    name: string,
    args: readonly unknown[],
    signals: ReturnType<typeof splitSignals>['signals'] = []
  ): Uint8Array {
    try {
      const message = this.#life.writer.begin(TO_GUEST.call).value(id).value(name).list(args)
      return message.value(signalField(signals)).message
    } catch (error) {
      throw unsupported('an argument', refusalOf(error).message)
    }
  }

  // What they come to

  open(id: number, caller: Caller, account = this.#meter.account()): PendingCall {
    const { resolve, reject, kind } = caller
    const { cpuMs, hostCalls, startedMs, pressed } = account
    // One by one: to spread both takes longer than all the rest of a call.
    const pending: PendingCall = { resolve, reject, kind, cpuMs, hostCalls, startedMs, pressed }
    this.#waiting.add(id, pending)
    if (this.#waiting.all.size === 1) this.#time.arm()
    return pending
  }

  /** Settle a call of ours under the number that the guest named; undefined for one it made up. */
  close(id: number): PendingCall | undefined {
    const call = this.#waiting.take(id)
    if (this.#waiting.all.size === 0) this.#meter.toBackground()
    this.#time.arm()
    return call
  }

  /** Settle the call that the message names, once all of the message has been read: half of one settles nothing. */
  answered<T>(reader: Reader, read: () => T, settle: (call: PendingCall, outcome: T) => void): undefined {
    const id = reader.count()
    const outcome = read()
    reader.end()
    const call = this.close(id)
    if (call !== undefined) settle(call, outcome)
  }

  refused(reader: Reader, read: () => Error): undefined {
    this.answered(reader, read, (call, error) => call.reject(error))
  }

  /** @param exports - What there is. */
  missing(reader: Reader, exports: readonly string[]): undefined {
    this.answered(
      reader,
      () => {},
      call => call.reject(exportMissing(exports, call.name))
    )
  }

  /** An error that nobody caught ends the program, where one is called. @throws CofferError COFFER_GUEST_GONE then. */
  endProgram(exitCode: number): void {
    for (const [id, call] of this.#waiting.all) {
      if (call.kind !== 'program') continue
      this.close(id)
      call.resolve(exitCode)
      throw new CofferError('COFFER_GUEST_GONE', 'The program ended with an error that nobody caught.', {
        hint: 'What it printed on stderr says which; launch the title again.'
      })
    }
  }

  /** A program that waits while no timer and no request is left waits for ever. */
  endIfStuck({ wallMs }: Limits, { requests }: Waits, output: Output, exitCode: number): void {
    // Where waiting is bounded, it is the bound that ends it.
    if (wallMs !== Infinity) return
    if (this.#time.waits || requests > 0) return
    const [id, call] = this.#waiting.all.entries().next().value ?? []
    if (this.#waiting.all.size !== 1 || (id !== START && call!.kind !== 'program')) return
    const message = 'The program waits for a promise that nothing can settle any more.'
    if (id === START) return this.close(START)!.reject(new GuestError('Error', message, ''))
    output.print(STDERR, `${message}\n`)
    this.close(id!)!.resolve(exitCode)
  }
}

/** Not by the session's writer, which may hold a message that is still to be delivered. */
const abortMessage = (id: number, place: number): Uint8Array =>
  new Writer(WIRE).begin(TO_GUEST.abort).value(id).value(place).message

const promised = (name: string): TypeError =>
  new TypeError(`Cannot answer at once: ${name} gave a promise. Use call()`)
