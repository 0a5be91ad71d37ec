/**
 * A guest's async iterator as its host sees it: what an export gave that is no value. It is asked for one item at a
 * time, and the guest computes only for an item that was asked for.
 *
 * @see docs/spec.md §7.3
 */
import type { Value } from './value.js'

/** What an export came to. */
export type Outcome = Value | GuestStream

/** A step of a stream: the next item, or its end where the host wants no more. DONE when there is none. */
export type Step = (ending: boolean) => Promise<Value | typeof DONE>

/** What a step answers at the end of a stream. */
export const DONE = Symbol('done')

/**
 * Items arrive by copy, each within the limits of one value; each step is a call of its own for limits on time. An item
 * that cannot cross rejects its `next()` and ends the stream. Leaving a `for await` early calls `return()`, and so runs
 * what the guest has in `finally`.
 *
 * `next()` rejects as a call does: COFFER_VALUE_UNSUPPORTED, COFFER_LIMIT_*, COFFER_INTERRUPTED, COFFER_GUEST_GONE, and
 * with a GuestError for what the guest throws.
 */
export class GuestStream<T = Value> implements AsyncIterableIterator<T, undefined>, AsyncDisposable {
  readonly #step: Step
  #over = false

  constructor(step: Step) {
    this.#step = step
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    if (this.#over) return END
    try {
      const item = await this.#step(false)
      if (item !== DONE) return { done: false, value: item as T }
    } catch (error) {
      // A consumer that is told of an error does not end what it came from; a guest that threw has ended by itself.
      if (!this.#over) this.#end().catch(() => {})
      throw error
    }
    this.#over = true
    return END
  }

  /** Ask for no more. Resolves when the guest has ended it; rejects with what it throws meanwhile. */
  async return(): Promise<IteratorResult<T, undefined>> {
    if (!this.#over) await this.#end()
    return END
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #end(): Promise<void> {
    this.#over = true
    await this.#step(true)
  }
}

const END = { done: true, value: undefined } as const

/**
 * A stream that is on its way: its first step waits for the call that it comes from.
 *
 * @param started - What the call comes to. @param otherwise - What it is where that is no stream.
 */
export function streamOf(started: Promise<Outcome>, otherwise: () => Error): GuestStream {
  const stream = started.then(outcome => {
    if (outcome instanceof GuestStream) return outcome
    throw otherwise()
  })
  // Told by the first step, if anyone takes it.
  stream.catch(() => {})
  return new GuestStream(async ending => {
    if (ending) {
      await (await stream.catch(() => undefined))?.return()
      return DONE
    }
    const { done, value } = await (await stream).next()
    return done === true ? DONE : value
  })
}
