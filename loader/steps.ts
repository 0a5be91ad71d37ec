/**
 * Long work in steps of a few hundred kilobytes, so that it can be done at once, or with turns in between for whoever
 * else has something to do in this thread.
 *
 * @see docs/decisions/0049-copies-in-turns.md
 */
import { CofferError } from '../formats/errors.js'

export type Steps<T = void> = Generator<void, T, void>

export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** How long nobody else has a turn. */
const TURN_MS = 20

/**
 * @param signal - Ends the work before its next step; what it has begun is tidied up then.
 * @param between - Called after each step: what the next one has to wait for, if anything.
 * @throws CofferError COFFER_INTERRUPTED, and what the steps throw.
 */
export async function inTurns<T>(
  steps: Steps<T>,
  signal: AbortSignal | undefined,
  between: () => Promise<void> | undefined = () => undefined
): Promise<T> {
  let sinceMs = performance.now()
  try {
    for (;;) {
      refuseInterrupted(signal)
      const { done, value } = steps.next()
      if (done === true) return value
      const needed = between()
      if (needed !== undefined) await needed
      if (performance.now() - sinceMs < TURN_MS) continue
      await new Promise(resolve => setImmediate(resolve))
      sinceMs = performance.now()
    }
  } finally {
    steps.return(undefined as T)
  }
}

/** @throws CofferError COFFER_INTERRUPTED */
export function refuseInterrupted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return
  throw new CofferError('COFFER_INTERRUPTED', 'It was interrupted before it was done.', {
    hint: 'Repeat the command: it starts again, and what was charged is not charged again.'
  })
}
