/** The `coffer-center` command: how it begins, and how it ends. */
import { CommanderError } from 'commander'
import { CofferError, ERROR_CODES } from '../../formats/errors.js'
import { asTyped, jsonLine, tame } from '../../formats/wording.js'
import { write } from './output.js'
import { actionFirst, EXAMPLES, placeIn, program } from './program.js'
import { paint } from './screen.js'

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
  const { code, message, hint: said, expected, found, exitCode } = asCofferError(cause)
  const hint = place === undefined ? said : said?.replaceAll('<folder>', asTyped(place))
  if (json) {
    const error = { code, message, hint, expected, found }
    await write(process.stdout, jsonLine({ error })).catch(() => {}) // its code is left to say it
  } else {
    const say = (line: string) => process.stderr.write(`${line}\n`)
    say(`${paint('red', 'error:', process.stderr)} ${printable(message)}`)
    if (expected !== undefined) say(`  expected  ${printable(expected)}`)
    if (found !== undefined) say(`  found     ${printable(found)}`)
    if (hint !== undefined) say(`  ${printable(hint)}`)
    say(`  [${code}]`)
  }
  if (process.env['COFFER_DEBUG'] === '1') console.error(cause)
  return exitCode
}

/** Names that others chose cannot steer the terminal. */
const printable = (text: string): string => tame(text, '\ufffd')

/** A bug of ours. Its message may quote what nobody should see, so only its kind is told. */
function asCofferError(error: unknown): CofferError {
  if (error instanceof CofferError) return error
  const kind = error instanceof Error ? error.name : typeof error
  return new CofferError('COFFER_INTERNAL', `coffer-center failed in a way that it should not (${kind}).`, {
    hint: 'Run it again with COFFER_DEBUG=1 and report what it prints.',
    cause: error
  })
}
