/** Failures of our own code are a TypeError or a RangeError: {@link rejectsWith} is for all others. */
import * as assert from 'uvu/assert'

export function misuse(type: typeof TypeError | typeof RangeError, fn: () => unknown): void {
  let outcome: unknown
  try {
    outcome = fn()
  } catch (error) {
    if (!(error instanceof type)) throw error
    return
  }
  assert.unreachable(`expected a ${type.name}, but it returned ${typeof outcome}`)
}
