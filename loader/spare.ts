/** Something that takes a while to make, left for whoever needs one next. */

const KEPT_MS = 10_000

/** Room for one of them. It waits for ten seconds, and keeps no process from its end. */
export class Spare<T> {
  #waiting: T | undefined
  #timer: NodeJS.Timeout | undefined

  /** The one that waits, if it will do: its taker's own from here on. */
  take(willDo: (waiting: T) => boolean = () => true): T | undefined {
    const waiting = this.#waiting
    if (waiting === undefined || !willDo(waiting)) return undefined
    this.#drop()
    return waiting
  }

  /** Nobody may touch it any more. The one that waits already goes, unless it is to be preferred. */
  leave(made: T, isPreferred: (waiting: T) => boolean = () => false): void {
    if (this.#waiting !== undefined && isPreferred(this.#waiting)) return
    this.#drop()
    this.#waiting = made
    this.#timer = setTimeout(() => this.#drop(), KEPT_MS).unref()
  }

  #drop(): void {
    clearTimeout(this.#timer)
    this.#waiting = undefined
  }
}
