/** How failures are said: to a person, to a program, and to whoever mends one of ours. */
import { CofferError } from './errors.js'
import { printable, type Paint } from './screen.js'

export interface FailureData {
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly expected?: string
  readonly found?: string
}

export const failureData = ({ code, message, hint, expected, found }: CofferError): FailureData => ({
  code,
  message,
  ...(hint === undefined ? {} : { hint }),
  ...(expected === undefined ? {} : { expected }),
  ...(found === undefined ? {} : { found })
})

/**
 *     error: The certificate was made for another medium: ...
 *       expected  CS  6f0e...
 *       found     CS' 91c2...
 *       Run it from the medium it was copied to, or ...
 *       [COFFER_CERTIFICATE_MISMATCH]
 */
export function failureText({ code, message, hint, expected, found }: CofferError, paint: Paint): string {
  const lines = [`${paint('bold', paint('red', 'error:'))} ${printable(message)}`]
  if (expected !== undefined) lines.push(`  ${paint('dim', 'expected')}  ${printable(expected)}`)
  if (found !== undefined) lines.push(`  ${paint('dim', 'found')}     ${printable(found)}`)
  if (hint !== undefined) lines.push(`  ${printable(hint)}`)
  lines.push(`  ${paint('dim', `[${code}]`)}`)
  return lines.join('\n')
}

/** A bug of ours, if it is none that was foreseen. Its message may quote what nobody should see, so only its kind is told. */
export function asFailure(error: unknown, program: string): CofferError {
  if (error instanceof CofferError) return error
  const kind = error instanceof Error ? error.name : typeof error
  return new CofferError(
    'COFFER_INTERNAL',
    `${program} failed in a way that it should not (${printable(kind)}).`,
    {
      hint: 'Run it again with COFFER_DEBUG=1 and report what it prints.',
      cause: error
    }
  )
}

/** What COFFER_DEBUG=1 prints. Not what caused it, which may quote what nobody should see. */
export const debugText = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)
