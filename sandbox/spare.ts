/** What takes a while to make, left for whoever needs one next. */

const KEPT_MS = 10_000

export interface SparesOptions<T> {
  /** How many wait at one time; of more, those that came first go. Default: one. */
  readonly most?: number
  readonly keptMs?: number | undefined
  /** Told of each that nobody takes any more. */
  readonly onDrop?: (made: T) => void
}

/** Room for some of them. Each waits for ten seconds, and keeps no process from its end. */
export class Spares<T> {
  readonly #most: number
  readonly #keptMs: number
  readonly #onDrop: (made: T) => void
  /** The longest first. */
  readonly #waiting = new Map<T, NodeJS.Timeout>()

  constructor({ most = 1, keptMs = KEPT_MS, onDrop = () => {} }: SparesOptions<T> = {}) {
    this.#most = most
    this.#keptMs = keptMs
    this.#onDrop = onDrop
  }

  /** Those that wait, the longest first. */
  get waiting(): readonly T[] {
    return [...this.#waiting.keys()]
  }

  /** The last that came of those that will do: its taker's own from here on. */
  take(willDo: (waiting: T) => boolean = () => true): T | undefined {
    const found = this.waiting.findLast(willDo)
    if (found !== undefined) this.#forget(found)
    return found
  }

  /** Nobody may touch it any more. */
  leave(made: T): void {
    this.#waiting.set(made, setTimeout(() => this.drop(made), this.#keptMs).unref())
    while (this.#waiting.size > this.#most) this.drop(this.waiting[0]!)
  }

  drop(made: T): void {
    this.#forget(made)
    this.#onDrop(made)
  }

  #forget(made: T): void {
    clearTimeout(this.#waiting.get(made))
    this.#waiting.delete(made)
  }
}
