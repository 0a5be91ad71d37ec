/** Ctrl-C: what was begun is tidied up first. */
import type { StopSignal } from '../../sandbox/guest.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Do something that a first signal interrupts; a second one ends the program at once, as the system does. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const interrupt = () => {
    letGo()
    controller.abort()
  }
  const letGo = () => SIGNALS.forEach(signal => process.off(signal, interrupt))
  SIGNALS.forEach(signal => process.on(signal, interrupt))
  try {
    return await work(controller.signal)
  } finally {
    letGo()
  }
}

const INTERRUPTED_EXIT_CODE = 130

/**
 * While a guest runs: the first Ctrl-C asks it to end, the second ends the process. No AbortController, whose parts of Node a
 * cold start waits a millisecond for.
 */
export class Interrupts implements StopSignal, Disposable {
  aborted = false
  readonly #listeners = new Set<() => void>()
  #idle: NodeJS.Immediate | undefined
  #listening = false

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.add(listener)
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener)
  }

  abort(): void {
    if (this.aborted) return
    this.aborted = true
    for (const listener of this.#listeners) listener()
  }

  readonly interrupt = (): void => {
    if (this.aborted) process.exit(INTERRUPTED_EXIT_CODE)
    this.abort()
  }

  listen(): void {
    this[Symbol.dispose]()
    this.#listening = true
    process.on('SIGINT', this.interrupt).on('SIGTERM', this.interrupt).on('SIGHUP', this.interrupt)
  }

  /**
   * A guest that computes in this thread keeps the process from hearing signals: as long as it has not let go of the
   * thread once, the system's own answer, which ends the process, is the better one. SIGTERM stays the system's.
   */
  listenOnceIdle(): void {
    if (process.listenerCount('SIGINT') > 0) return
    this.#idle = setImmediate(() => {
      this.#listening = true
      process.on('SIGINT', this.interrupt)
    })
  }

  [Symbol.dispose](): void {
    clearImmediate(this.#idle)
    if (!this.#listening) return
    this.#listening = false
    process.off('SIGINT', this.interrupt).off('SIGTERM', this.interrupt).off('SIGHUP', this.interrupt)
  }
}
