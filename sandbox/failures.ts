/** The ways in which a guest ends or a call of it fails, as errors. */
import { CofferError } from '../formats/errors.js'
import type { Limits } from './guest.js'

export type LimitCode =
  | 'COFFER_LIMIT_CPU'
  | 'COFFER_LIMIT_WALL'
  | 'COFFER_LIMIT_OUTPUT'
  | 'COFFER_LIMIT_JOBS'
  | 'COFFER_LIMIT_MEMORY'

export function limitReached(code: LimitCode, limits: Limits): CofferError {
  const { cpuMs, wallMs, outputBytes, pendingJobs, memoryBytes } = limits
  const used = {
    COFFER_LIMIT_CPU: `computed for more than ${cpuMs} ms`,
    COFFER_LIMIT_WALL: `took more than ${wallMs} ms`,
    COFFER_LIMIT_OUTPUT: `wrote more than ${outputBytes} bytes`,
    COFFER_LIMIT_JOBS: `had more than ${pendingJobs} timers or requests waiting`,
    COFFER_LIMIT_MEMORY: `used more than ${memoryBytes} bytes of memory`
  }
  return new CofferError(code, `The title was ended: it ${used[code]}.`, {
    hint: 'Give it a higher limit if it is to be trusted with that.'
  })
}

export const interrupted = (): CofferError =>
  new CofferError('COFFER_INTERRUPTED', 'The title was ended: it was interrupted.')

export const disposed = (): CofferError =>
  new CofferError('COFFER_GUEST_GONE', 'Cannot go on with this call: the guest was disposed.')

export const gone = (cause: CofferError): CofferError =>
  new CofferError('COFFER_GUEST_GONE', `Cannot call the guest: it has ended (${cause.code}).`, {
    hint: 'Launch the title again.',
    cause
  })

export const engineFailed = (what: string, cause?: unknown): CofferError =>
  new CofferError('COFFER_ENGINE_FAILED', `The engine failed and was dropped: ${what}.`, {
    hint: 'Launch the title again.',
    cause
  })

export const unsupported = (what: string, reason: string): CofferError =>
  new CofferError('COFFER_VALUE_UNSUPPORTED', `Cannot pass ${what}: it holds ${reason}.`, {
    hint: 'What crosses is JSON, undefined, bigint, and Uint8Array.'
  })
