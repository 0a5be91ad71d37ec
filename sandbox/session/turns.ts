/** One after the other: what a guest is to do, each with the jobs that it leaves, on the guest's account. */
import { CofferError } from '../../formats/errors.js'
import { engineFailed, limitReached } from '../failures.js'
import type { Limits } from '../guest.js'
import { TO_GUEST } from '../protocol.js'
import type { Life } from './life.js'
import type { Meter } from './meter.js'

export class Turns {
  readonly #inbox: (() => void)[] = []
  #rejectionsToReport = false
  /** Who waits for the guest to let go. */
  #waiting: (() => void)[] = []
  readonly #life: Life
  readonly #meter: Meter
  readonly #limits: Limits
  readonly #atRest: () => void

  /** @param atRest - Called whenever a guest that lives on has nothing to do for now. */
  constructor(life: Life, meter: Meter, limits: Limits, atRest: () => void) {
    this.#life = life
    this.#meter = meter
    this.#limits = limits
    this.#atRest = atRest
    life.onEnd(() => (this.#inbox.length = 0))
  }

  /** Hand the guest a message, at once or after what it computes now. The message may be a view on the writer. */
  deliver(message: Uint8Array): void {
    const kept = this.#life.running ? message.slice() : message
    this.do(() => this.#life.machine!.dispatch(kept))
  }

  /** Let the guest do this, at once or after what it computes now. */
  do(work: () => void): void {
    if (!this.#life.running) return this.enter(work)
    // A guest may make the host call it again, through a function of the host's, as often as it likes.
    if (this.#inbox.length >= this.#limits.pendingJobs)
      return this.#life.end(limitReached('pendingJobs', this.#limits, this.#inbox.length + 1))
    this.#inbox.push(work)
  }

  /** Let the guest compute, then do what became due meanwhile. */
  enter(compute: () => void): void {
    if (this.#life.ended !== undefined) return
    this.#life.running = true
    this.#meter.skipWaits()
    this.#turn(compute)
  }

  /** Something waits, or has to be told, after a call that needed no message. */
  get due(): boolean {
    return this.#inbox.length > 0 || this.#rejectionsToReport
  }

  /** Resolves once the guest has let go: its jobs have run, and rejections that nobody handled are told. */
  async left(): Promise<void> {
    if (this.#life.running) await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  /** Once all jobs have run, ask the guest which rejections nobody handled. */
  reportRejections(): void {
    this.#rejectionsToReport = true
  }

  fail(error: unknown): void {
    this.#meter.pause()
    this.#life.end(error instanceof CofferError ? error : engineFailed('it threw', error))
  }

  /** Compute on the guest's account, its jobs included; then the next that is due, until nothing is. */
  #turn(compute: () => void): void {
    try {
      for (let next: (() => void) | undefined = compute; next !== undefined; next = this.#afterTurn()) {
        this.#meter.resume()
        next()
        const { machine } = this.#life
        if (machine?.whenIdle === undefined) continue
        return machine.whenIdle(() => {
          try {
            const after = this.#afterTurn()
            if (after !== undefined) return this.#turn(after)
          } catch (error) {
            this.fail(error)
          }
          this.#leave()
        })
      }
    } catch (error) {
      this.fail(error)
    }
    this.#leave()
  }

  #afterTurn(): (() => void) | undefined {
    this.#meter.pause()
    // What the engine could not ask for, such as a last native call, counts all the same.
    this.#meter.poll()
    const waiting = this.#inbox.shift()
    if (waiting !== undefined) return waiting
    if (!this.#rejectionsToReport) return undefined
    this.#rejectionsToReport = false
    return () => this.#life.machine!.dispatch(new Uint8Array([TO_GUEST.settled]))
  }

  #leave(): void {
    this.#life.running = false
    for (const resume of this.#waiting.splice(0)) resume()
    if (this.#life.ended !== undefined) return this.#life.destroy()
    this.#atRest()
  }
}
