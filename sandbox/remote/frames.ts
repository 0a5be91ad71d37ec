/**
 * What crosses the boundary of a thread or process: one byte that says which frame it is, then fields in the encoding
 * of wire.ts.
 *
 * @see docs/spec.md §7.4
 */
import { CofferError, ERROR_CODES, type ErrorCode, type LimitUse } from '../../formats/errors.js'
import { engineFailed } from '../failures.js'
import { DEFAULT_LIMITS, GuestError, type Limits } from '../guest.js'
import { WIRE } from '../host-wire.js'
import { MalformedMessage, type Reader, Writer } from '../wire.js'

/** Frames to the far side. */
export const TO_FAR = {
  /** source, image: bytes | undefined, name: text, seed: number | undefined, limits: list, soft share: number | undefined, modules: list of ModuleGrant */
  start: 1,
  /** id, program: boolean, export, arguments: list, signals among them: list of place and whether aborted */
  call: 2,
  /** id, true, value | id, false, error: answers a request */
  settle: 3,
  /** End in good order */
  dispose: 4,
  /** id of a call, place: the signal there is aborted */
  abort: 5,
  /** id, id of the call that gave a stream, ending: boolean */
  step: 6
} as const

/** Frames from the far side. */
export const FROM_FAR = {
  /** exports: list of text */
  ready: 1,
  /** id, value, usage as in `usage` */
  result: 2,
  /** id, failure */
  failed: 3,
  /** stream, bytes */
  output: 4,
  /** module, function, arguments: answered on the channel's own way with true, value | false, error */
  ask: 5,
  /** module, function, arguments: not answered */
  tell: 6,
  /** id, module, function, arguments: answered by settle */
  request: 7,
  /** cpuMs, memoryBytes, outputBytes */
  usage: 8,
  /** failure: the guest is no more, nor is soon the far side where it serves no other */
  ended: 9,
  /** id: the call came to a stream, which waits for steps under this number */
  stream: 10,
  /** id of a step: there is no more */
  done: 11,
  /** failure: what the guest threw and nobody caught, for stderr */
  uncaught: 12,
  /** limit: text, used: number. It is nearly used up */
  pressed: 13
} as const

/** Limits by their place in `start`. */
export const LIMIT_NAMES = Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]

/** Asks a far side to end in good order. */
export const DISPOSE = new Uint8Array([TO_FAR.dispose])

/** The last frame about a guest that has ended by itself. */
export const endedFrame = (error: unknown): Uint8Array =>
  writeFailure(new Writer(WIRE).begin(FROM_FAR.ended), error).message

// Errors as fields: code, or '' for what the guest threw; then name, message, stack or hint, and the limit if it is one.

export function writeFailure(writer: Writer, error: unknown): Writer {
  if (error instanceof GuestError) {
    return writer.value('').value(error.name).value(error.message).value(error.guestStack).value(null)
  }
  const failure = error instanceof CofferError ? error : engineFailed('its far side threw', error)
  return writer
    .value(failure.code)
    .value('')
    .value(failure.message)
    .value(failure.hint ?? '')
    .value(failure.limit ?? null)
}

export function readFailure(reader: Reader): CofferError | GuestError {
  const code = reader.text()
  const name = reader.text()
  const message = reader.text()
  const rest = reader.text()
  const limit = readLimit(reader)
  if (code === '') return new GuestError(name, message, rest)
  if (!isFarCode(code)) throw new MalformedMessage('an error that is not a guest’s')
  return new CofferError(code, message, {
    ...(rest === '' ? {} : { hint: rest }),
    ...(limit === undefined ? {} : { limit })
  })
}

/**
 * What starting, calling and ending a guest can fail with. Hosts take others at their word, that a license was revoked for
 * one, and a far side that was broken out of has none to give.
 */
const isFarCode = (code: string): code is ErrorCode =>
  Object.hasOwn(ERROR_CODES, code) &&
  /^COFFER_(?:LIMIT_\w+|INTERRUPTED|ENGINE_\w+|GUEST_GONE|EXPORT_MISSING|VALUE_UNSUPPORTED|PROGRAM_INVALID|PACKAGE_DAMAGED)$/.test(
    code
  )

function readLimit(reader: Reader): LimitUse | undefined {
  const { name, value, used } = (reader.value() ?? {}) as Record<string, unknown>
  if (name === undefined) return undefined
  if (typeof name !== 'string' || typeof value !== 'number' || typeof used !== 'number')
    throw new MalformedMessage('a limit expected')
  return { name, value, used }
}
