/** The `coffer-center` command: how it begins, and how it ends. */
import { CommanderError } from 'commander'
import { CofferError, ERROR_CODES } from '../../formats/errors.js'
import { asFailure, debugText, failureData, failureText } from '../../formats/failure.js'
import { painter } from '../../formats/screen.js'
import { asTyped, jsonLine } from '../../formats/wording.js'
import { write } from './output.js'
import { actionFirst, EXAMPLES, placeIn, program } from './program.js'

/** @returns The exit code. @param argv - Without node and script. */
export async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json')
  const words = argv.filter(word => word !== '--json')
  if (words.length === 0 && !json) {
    process.stderr.write(`${program(json).helpInformation()}${EXAMPLES}\n`)
    return ERROR_CODES.COFFER_USAGE
  }
  let place: string | undefined
  try {
    const root = program(json)
    const ordered = actionFirst(root, words)
    place = placeIn(root, ordered)
    await root.parseAsync(ordered, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return 0 // --help; what was typed wrong has become a CofferError
    return fail(error, json, place)
  }
}

/** As `coffer` says it. @param place - The center that was meant, for what a hint tells to type. */
async function fail(cause: unknown, json: boolean, place: string | undefined): Promise<number> {
  const failure = naming(place, asFailure(cause, 'coffer-center'))
  if (json) {
    // Where it cannot be written, its exit code is left to say it.
    await write(process.stdout, jsonLine({ error: failureData(failure) })).catch(() => {})
  } else {
    const paint = painter(process.env, () => process.stderr.isTTY)
    process.stderr.write(`${failureText(failure, paint)}\n`)
  }
  if (process.env['COFFER_DEBUG'] === '1') process.stderr.write(`${debugText(cause)}\n`)
  return failure.exitCode
}

/** What nobody caught ends the program as every failure does: Node itself would print a line of the source. */
export function installCrashHandlers(): void {
  const crash = (error: unknown) =>
    void fail(error, process.argv.includes('--json'), undefined).then(code => process.exit(code))
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)
}

function naming(place: string | undefined, error: CofferError): CofferError {
  if (place === undefined || error.hint === undefined) return error
  const hint = error.hint.replaceAll('<folder>', asTyped(place))
  return new CofferError(error.code, error.message, { ...error.toJSON(), hint })
}
