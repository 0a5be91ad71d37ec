/** Write a large file by steps: flushed along the way, beside what computes, so that progress is the medium's. */
import type { PendingFile } from '../pending.js'
import { inTurns, type Steps } from '../steps.js'

/**
 * @param steps - Write into the file.
 * @throws CofferError COFFER_INTERRUPTED, COFFER_DISK_FULL, COFFER_IO, and what the steps throw. Nothing is being flushed then any
 *   more, and the file can be closed.
 */
export async function fill<T>(
  file: PendingFile,
  steps: Steps<T>,
  signal: AbortSignal | undefined
): Promise<T> {
  try {
    const outcome = await inTurns(steps, signal, () => file.flushAlong())
    await file.flushAside()
    return outcome
  } finally {
    await file.quiet()
  }
}
