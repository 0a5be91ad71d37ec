/** The `coffer-center` command: how it begins, and how it ends. */
import { CommanderError } from 'commander'
import { CofferError, ERROR_CODES } from '../../formats/errors.js'
import { jsonLine } from '../../formats/wording.js'
import { actionFirst, EXAMPLES, program } from './program.js'
import { paint } from './screen.js'

/** @returns The exit code. @param argv - Without node and script. */
export async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json')
  if (argv.length === 0) {
    process.stderr.write(`${program(json).helpInformation()}${EXAMPLES}\n`)
    return ERROR_CODES.COFFER_USAGE
  }
  try {
    await program(json).parseAsync(actionFirst(argv), { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return 0 // --help; what was typed wrong has become a CofferError
    return fail(asCofferError(error), json)
  }
}

function asCofferError(error: unknown): CofferError {
  if (error instanceof CofferError) return error
  return new CofferError('COFFER_INTERNAL', `coffer-center failed: ${(error as Error)?.message ?? error}`, {
    hint: 'Run it again with COFFER_DEBUG=1 and report what it prints.',
    cause: error
  })
}

/** As `coffer` says it. */
function fail(error: CofferError, json: boolean): number {
  const { code, message, hint, expected, found, exitCode } = error
  if (json) process.stdout.write(jsonLine({ error: { code, message, hint, expected, found } }))
  else {
    process.stderr.write(`${paint('red', 'error:', process.stderr)} ${message}\n`)
    if (expected !== undefined) process.stderr.write(`  expected  ${expected}\n`)
    if (found !== undefined) process.stderr.write(`  found     ${found}\n`)
    if (hint !== undefined) process.stderr.write(`  ${hint}\n`)
    process.stderr.write(`  [${code}]\n`)
  }
  if (process.env['COFFER_DEBUG'] === '1') console.error(error)
  return exitCode
}
