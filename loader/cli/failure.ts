/** How the program `coffer` says a failure: to a person on stderr, to a program as JSON on stdout. */
import type { CofferError } from '../../formats/errors.js'
import { asFailure, debugText, failureData, failureText } from '../../formats/failure.js'
import { jsonLine } from '../../formats/wording.js'
import { endDrawing, paint, say, STDOUT, write } from './output.js'

/** Say what went wrong. @returns The exit code. */
export function report(error: unknown, json: boolean): number {
  const failure = asFailure(error, 'coffer')
  endDrawing()
  if (json) write(STDOUT, jsonLine({ error: failureData(failure) }))
  else sayFailure(failure)
  if (process.env['COFFER_DEBUG'] === '1') say(debugText(error))
  return failure.exitCode
}

export const sayFailure = (failure: CofferError): void => say(failureText(failure, paint))

/** What nobody caught ends the program as every failure does: Node itself would print a line of the source. */
export function installCrashHandlers(): void {
  const crash = (error: unknown) => process.exit(report(error, process.argv.includes('--json')))
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)
}
