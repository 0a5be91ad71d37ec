/**
 * Calls that wait for a guest, and the streams that they come to: the same on both sides of a boundary, whoever sends
 * what they ask.
 */
import type { CofferError } from '../formats/errors.js'
import { gone } from './failures.js'
import { DONE, GuestStream } from './stream.js'
import { MalformedMessage } from './wire.js'

/** The number of the program's start among the calls. */
export const START = 0

/** Who is told what a call came to. */
export interface Caller {
  /** With an Outcome; of a step, with an item or DONE. */
  resolve(outcome: any): void
  reject(error: Error): void
  /** A program, which an uncaught error ends; a step of a stream; or any other call. */
  readonly kind: 'call' | 'program' | 'step'
}

export interface WaitingCall extends Caller {
  /** Stop following its signals. */
  release?: (() => void) | undefined
}

export class WaitingCalls<Call extends WaitingCall> {
  readonly #calls = new Map<number, Call>()
  /** How to stop following the signals of streams that are open. */
  readonly #followed = new Map<number, () => void>()
  #lastId = START
  #ended: CofferError | undefined

  /** Those that wait by their number, in the order of their start. */
  get all(): ReadonlyMap<number, Call> {
    return this.#calls
  }

  nextId(): number {
    return (this.#lastId = (this.#lastId % 0x7fffffff) + 1)
  }

  add(id: number, call: Call): void {
    this.#calls.set(id, call)
  }

  /** Take it out, to be settled. @returns undefined for a number that the guest made up. */
  take(id: number): Call | undefined {
    const call = this.#calls.get(id)
    call?.release?.()
    this.#calls.delete(id)
    return call
  }

  /**
   * The call under this number, which is still to be taken, came to a stream. Its signals are followed to the end of that.
   *
   * @param ask - Asks the guest for a step, as a call of its own.
   * @throws MalformedMessage where that can be no stream.
   */
  streamed(id: number, ask: (step: Caller, ending: boolean) => void): GuestStream {
    const call = this.#calls.get(id)
    if (id === START || call?.kind === 'step') throw new MalformedMessage('a stream in place of an item')
    const { release } = call ?? {}
    if (release !== undefined) {
      call!.release = undefined
      this.#followed.set(id, release)
    }
    return new GuestStream(async ending => {
      const item = await new Promise<any>((resolve, reject) => {
        // Nothing is left there to be ended.
        if (this.#ended !== undefined && ending) return resolve(DONE)
        if (this.#ended !== undefined) throw gone(this.#ended)
        ask({ resolve, reject, kind: 'step' }, ending)
      })
      if (item === DONE) this.#unfollow(id)
      return item
    })
  }

  /** @throws MalformedMessage where the call under this number is no step, whose answer can be that there is no more. */
  checkStep(id: number): void {
    const { kind = 'step' } = this.#calls.get(id) ?? {}
    if (kind !== 'step') throw new MalformedMessage('the end of what is no stream')
  }

  /** The guest has ended: whoever waits is told why. */
  fail(reason: CofferError): void {
    this.#ended = reason
    for (const call of this.#calls.values()) {
      call.release?.()
      call.reject(reason)
    }
    this.#calls.clear()
    for (const stream of this.#followed.keys()) this.#unfollow(stream)
  }

  #unfollow(stream: number): void {
    this.#followed.get(stream)?.()
    this.#followed.delete(stream)
  }
}
