/** Calls of the host's to the guest: at once where the engine's values are in reach, by messages otherwise. */
import { CofferError } from '../../formats/errors.js'
import { gone, unsupported } from '../failures.js'
import { type Argument, GuestError, type Limits, type Value } from '../guest.js'
import { valueOnly } from '../hosted.js'
import { followSignals, signalField, splitSignals, WIRE } from '../host-wire.js'
import { type Direct, PROMISE, UNCALLED, UNTOLD } from '../machine.js'
import { TO_GUEST } from '../protocol.js'
import { DONE, GuestStream, type Outcome } from '../stream.js'
import { isRefusal, MalformedMessage, type Reader, Writer } from '../wire.js'
import type { Life } from './life.js'
import { type Account, type Meter, SAMPLED } from './meter.js'
import { type Output, STDERR } from './output.js'
import type { Time, Waits } from './time.js'
import type { Turns } from './turns.js'

/** The call number of the program's start. */
export const START = 0

export interface PendingCall extends Account {
  /** With an Outcome; of a step, with an item or DONE. */
  resolve(outcome: any): void
  reject(error: Error): void
  /** A program, which an uncaught error ends; a step of a stream; or any other call. */
  readonly kind: 'call' | 'program' | 'step'
  /** Stop following its signals. */
  release?: (() => void) | undefined
}

export class Calls {
  /** Calls so far. */
  count = 0
  #lastId = 0
  readonly #pending: Map<number, PendingCall>
  /** How to stop following the signals of streams that are open. */
  readonly #followed = new Map<number, () => void>()
  readonly #life: Life
  readonly #meter: Meter
  readonly #turns: Turns
  readonly #time: Time

  /** @param pending - Empty. Meter and time read it. */
  constructor(life: Life, meter: Meter, turns: Turns, time: Time, pending: Map<number, PendingCall>) {
    this.#life = life
    this.#meter = meter
    this.#turns = turns
    this.#time = time
    this.#pending = pending
    life.onEnd(reason => {
      for (const call of pending.values()) {
        call.release?.()
        call.reject(reason)
      }
      pending.clear()
      for (const stream of this.#followed.keys()) this.#unfollow(stream)
    })
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
    const id = this.#nextId()
    const resolve = (value: Outcome | typeof DONE) => (settled = { value: value as Outcome })
    this.open(id, { resolve, reject: error => (settled = { error }), kind: 'call' })
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
  call(name: string, args: readonly unknown[], program = false): Promise<Outcome> {
    const life = this.#life
    try {
      if (life.ended !== undefined) throw gone(life.ended)
      this.count++
      const direct = life.machine?.direct
      if (direct === undefined || program || life.running || args.some(isSignal))
        return this.#callByMessage(name, args, program)
      const outcome = this.#callDirect(direct, name, args)
      if (life.ended !== undefined && typeof outcome === 'symbol') throw life.ended
      if (typeof outcome !== 'symbol') return Promise.resolve(outcome)
      if (outcome === UNCALLED) return this.#callByMessage(name, args, program)
      return new Promise((resolve, reject) => {
        const id = this.#nextId()
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
    const sampled = this.count % SAMPLED === 0
    this.#meter.beginDirect(sampled)
    let outcome: ReturnType<Direct['call']> = UNCALLED
    try {
      return (outcome = direct.call(name, args))
    } catch (error) {
      if (isRefusal(error)) throw unsupported('an argument', error.message)
      this.#turns.fail(error)
      throw life.ended ?? error
    } finally {
      this.#endDirect(sampled, typeof outcome !== 'symbol')
    }
  }

  /** @param settled - All is told; else the guest goes on at once. */
  #endDirect(sampled: boolean, settled: boolean): void {
    const life = this.#life
    try {
      this.#meter.endDirect(sampled)
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
      const id = this.#nextId()
      const { values, signals } = splitSignals(args)
      const message = this.#message(id, name, values, signals)
      const call = this.open(id, { resolve, reject, kind: program ? 'program' : 'call' })
      if (signals.length > 0)
        call.release = followSignals(signals, place => this.#turns.deliver(abortMessage(id, place)))
      this.#turns.deliver(message)
    })
  }

  /** The call under this number came to a stream, whose signals are followed to its end. */
  streamed(id: number): void {
    const call = this.#pending.get(id)
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
    this.close(id)?.resolve(stream)
  }

  /** The stream that this step belongs to is at its end. */
  done(id: number): void {
    if (this.#pending.has(id) && this.#pending.get(id)!.kind !== 'step')
      throw new MalformedMessage('the end of what is no stream')
    this.close(id)?.resolve(DONE)
  }

  #unfollow(stream: number): void {
    this.#followed.get(stream)?.()
    this.#followed.delete(stream)
  }

  #step(stream: number, ending: boolean): Promise<Value | typeof DONE> {
    return new Promise((resolve, reject) => {
      const { ended } = this.#life
      // Nothing is left there to be ended.
      if (ended !== undefined && ending) return resolve(DONE)
      if (ended !== undefined) throw gone(ended)
      const id = this.#nextId()
      this.open(id, { resolve, reject, kind: 'step' })
      const message = this.#life.writer.begin(TO_GUEST.step).value(id).value(stream).value(ending)
      this.#turns.deliver(message.message)
    })
  }

  #nextId(): number {
    return (this.#lastId = (this.#lastId % 0x7fffffff) + 1)
  }

  #message(
    id: number,
    name: string,
    args: readonly unknown[],
    signals: ReturnType<typeof splitSignals>['signals'] = []
  ): Uint8Array {
    try {
      const message = this.#life.writer.begin(TO_GUEST.call).value(id).value(name).value(args)
      return message.value(signalField(signals)).message
    } catch (error) {
      throw isRefusal(error) ? unsupported('an argument', error.message) : error
    }
  }

  // What they come to

  open(
    id: number,
    call: Pick<PendingCall, 'resolve' | 'reject' | 'kind'>,
    account = this.#meter.account()
  ): PendingCall {
    const { resolve, reject, kind } = call
    const { cpuMs, hostCalls, startedMs } = account
    // One by one: to spread both takes longer than all the rest of a call.
    const pending: PendingCall = { resolve, reject, kind, cpuMs, hostCalls, startedMs }
    this.#pending.set(id, pending)
    if (this.#pending.size === 1) this.#time.arm()
    return pending
  }

  /** Settle a call of ours under the number that the guest named; undefined for one it made up. */
  close(id: number): PendingCall | undefined {
    const call = this.#pending.get(id)
    call?.release?.()
    this.#pending.delete(id)
    if (this.#pending.size === 0) this.#meter.toBackground()
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

  /** An error that nobody caught ends the program, where one is called. @throws CofferError COFFER_GUEST_GONE then. */
  endProgram(exitCode: number): void {
    for (const [id, call] of this.#pending) {
      if (call.kind !== 'program') continue
      this.close(id)
      call.resolve(exitCode)
      throw new CofferError('COFFER_GUEST_GONE', 'The program ended with an error that nobody caught.')
    }
  }

  /** A program that waits while no timer and no request is left waits for ever. */
  endIfStuck({ wallMs }: Limits, { requests }: Waits, output: Output, exitCode: number): void {
    // Where waiting is bounded, it is the bound that ends it.
    if (wallMs !== Infinity) return
    if (this.#time.waits || requests > 0) return
    const [id, call] = this.#pending.entries().next().value ?? []
    if (this.#pending.size !== 1 || (id !== START && call!.kind !== 'program')) return
    const message = 'The program waits for a promise that nothing can settle any more.'
    if (id === START) return this.close(START)!.reject(new GuestError('Error', message, ''))
    output.print(STDERR, `${message}\n`)
    this.close(id!)!.resolve(exitCode)
  }
}

/** Not by the session's writer, which may hold a message that is still to be delivered. */
const abortMessage = (id: number, place: number): Uint8Array =>
  new Writer(WIRE).begin(TO_GUEST.abort).value(id).value(place).message

const isSignal = (value: unknown): value is Argument => value instanceof AbortSignal

const promised = (name: string): TypeError =>
  new TypeError(`Cannot answer at once: ${name} gave a promise. Use call()`)
