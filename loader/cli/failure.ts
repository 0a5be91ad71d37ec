/** How failures are said: to a person on stderr, to a program as JSON on stdout. */
import { CofferError } from '../../formats/errors.js'
import { jsonLine } from '../../formats/wording.js'
import { endDrawing, paint, printable, say, STDOUT, write } from './output.js'

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

/** Say what went wrong. @returns The exit code. */
export function report(error: unknown, json: boolean): number {
  const failure = error instanceof CofferError ? error : unexpected(error)
  endDrawing()
  if (json) write(STDOUT, jsonLine({ error: failureData(failure) }))
  else sayFailure(failure)
  if (process.env['COFFER_DEBUG'] === '1') say(stackOf(error))
  return failure.exitCode
}

/**
 *     error: The certificate was made for another medium: ...
 *       expected  CS  6f0e...
 *       found     CS' 91c2...
 *       Run it from the medium it was copied to, or ...
 *       [COFFER_CERTIFICATE_MISMATCH]
 */
export function sayFailure({ code, message, hint, expected, found }: CofferError): void {
  say(`${paint(['bold', 'red'], 'error:')} ${printable(message)}`)
  if (expected !== undefined) say(`  ${paint('dim', 'expected')}  ${printable(expected)}`)
  if (found !== undefined) say(`  ${paint('dim', 'found')}     ${printable(found)}`)
  if (hint !== undefined) say(`  ${printable(hint)}`)
  say(`  ${paint('dim', `[${code}]`)}`)
}

/** A bug of ours. Its message may quote what nobody should see, so only its kind is told. */
function unexpected(error: unknown): CofferError {
  const kind = error instanceof Error ? error.name : typeof error
  return new CofferError(
    'COFFER_INTERNAL',
    `coffer failed in a way that it should not (${printable(kind)}).`,
    {
      hint: 'Run it again with COFFER_DEBUG=1 and report what it prints; nothing of the medium was lost.',
      cause: error
    }
  )
}

const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)

/** What nobody caught ends the program as every failure does: Node itself would print a line of the source. */
export function installCrashHandlers(): void {
  const crash = (error: unknown) => process.exit(report(error, process.argv.includes('--json')))
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)
}
