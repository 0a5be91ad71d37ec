/** The one way a test asks for a failure: by code. uvu's own `throws` passes whatever is thrown. */
import * as assert from 'uvu/assert'
import { CofferError, type ErrorCode } from '../../formats/errors.js'

/** Run `fn`, which must throw or reject with a CofferError of this code; returns it for a closer look. */
export async function rejectsWith(code: ErrorCode, fn: () => unknown): Promise<CofferError> {
  let outcome: unknown
  try {
    outcome = await fn()
  } catch (error) {
    if (!(error instanceof CofferError)) throw error
    assert.is(error.code, code, `expected ${code}, got ${error.code}: ${error.message}`)
    return error
  }
  assert.unreachable(`expected ${code}, but it returned ${typeof outcome}`)
  throw new Error('internal: unreachable')
}
