/** Calls of the host's to the guest: at once where the engine's values are in reach, by messages otherwise. */
import { CofferError } from '../../formats/errors.js'
import { gone, unsupported } from '../failures.js'
import { type Argument, GuestError, type Limits, type Value } from '../guest.js'
import { followSignals, signalField, splitSignals, WIRE } from '../host-wire.js'
import { type Direct, PROMISE, UNCALLED, UNTOLD } from '../machine.js'
import { TO_GUEST } from '../protocol.js'
import { isRefusal, type Reader, Writer } from '../wire.js'
import type { Life } from './life.js'
import { type Account, type Meter, SAMPLED } from './meter.js'
import { type Output, STDERR } from './output.js'
import type { Time, Waits } from './time.js'
import type { Turns } from './turns.js'

/** The call number of the program's start. */
export const START = 0

export interface PendingCall extends Account {
  readonly resolve: (value: Value) => void
  readonly reject: (error: Error) => void
  /** A program, which an uncaught error ends. */
  readonly program: boolean
  /** Stop following its signals. */
  release?: () => void
}

export class Calls {
  /** Calls so far. */
  count = 0
  #lastId = 0
  readonly #pending: Map<number, PendingCall>
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
    let settled: { readonly value?: Value; readonly error?: Error } | undefined
    const id = this.#nextId()
    const resolve = (value: Value) => (settled = { value })
    this.open(id, { resolve, reject: error => (settled = { error }), program: false })
    if (outcome === UNTOLD) this.#turns.enter(() => direct.tell(id))
    else this.#turns.deliver(this.#message(id, name, args))
    if (settled === undefined) {
      this.close(id)
      throw promised(name)
    }
    if (settled.error !== undefined) throw settled.error
    return settled.value
  }

  /** @param program - The export is the program itself. */
  call(name: string, args: readonly unknown[], program = false): Promise<Value> {
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
        this.open(id, { resolve, reject, program: false }, this.#meter.ownAccount())
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
  #callByMessage(name: string, args: readonly unknown[], program: boolean): Promise<Value> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId()
      const { values, signals } = splitSignals(args)
      const message = this.#message(id, name, values, signals)
      const call = this.open(id, { resolve, reject, program })
      if (signals.length > 0)
        call.release = followSignals(signals, place => this.#turns.deliver(abortMessage(id, place)))
      this.#turns.deliver(message)
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
    call: Pick<PendingCall, 'resolve' | 'reject' | 'program'>,
    account = this.#meter.account()
  ): PendingCall {
    const { resolve, reject, program } = call
    const { cpuMs, hostCalls, startedMs } = account
    // One by one: to spread both takes longer than all the rest of a call.
    const pending: PendingCall = { resolve, reject, program, cpuMs, hostCalls, startedMs }
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
      if (!call.program) continue
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
    if (this.#pending.size !== 1 || (id !== START && !call!.program)) return
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
