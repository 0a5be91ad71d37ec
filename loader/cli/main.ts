/** The `coffer` command: how it is typed, and how it ends. */
import { CofferError, ERROR_CODES } from '../../formats/errors.js'
import { jsonLine } from '../../formats/wording.js'
import { findCommand, parseCall } from './parse.js'
import type { Command, Outcome } from './command.js'
import { installCrashHandlers, report } from './failure.js'
import { endDrawing, isClosed, lostBecause, say, STDOUT, write } from './output.js'

/**
 * Do what the command line of this process says, and end it. All has been written by then: nothing is waited for, since to
 * take Node apart in order costs a short run some milliseconds.
 */
export function runMain(commands: readonly Command[]): void {
  installCrashHandlers()
  void main(process.argv.slice(2), commands).then(exitCode => process.exit(exitCode))
}

/**
 * @param argv - Without node and script.
 * @param commands - What there is to choose from.
 * @returns The exit code (docs/spec.md §10.3). Never throws.
 */
export async function main(argv: readonly string[], commands: readonly Command[]): Promise<number> {
  const options = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : argv.length)
  const json = options.includes('--json')
  try {
    const { data, text, exitCode = 0 } = await perform(argv, commands)
    endDrawing()
    if (json) write(STDOUT, jsonLine(data))
    else if (text !== '') write(STDOUT, `${text}\n`)
    const lost = lostBecause(STDOUT)
    if (lost !== undefined) throw outputLost(lost)
    return exitCode
  } catch (error) {
    // Whoever read our output has what he wanted; nobody is left to complain to.
    if (isClosed(STDOUT)) return 0
    return report(error, json)
  }
}

/** Options may stand before the command's name; `--help` and `--version` may stand for one. */
async function perform(argv: readonly string[], commands: readonly Command[]): Promise<Outcome> {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length
  const at = argv.slice(0, end).findIndex(word => !word.startsWith('-'))
  const words = argv.map((word, index) => (index < end ? spelledOut(word, at < 0) : word))
  const name = at < 0 ? words.find(word => word === '--help' || word === '--version')?.slice(2) : words[at]
  if (words.length === 0) return helpWanted(commands)
  if (name === undefined) throw noCommand(commands, words)
  const command = await findCommand(commands, name)
  const others = words.filter((word, index) => (at < 0 ? word !== `--${name}` : index !== at))
  const call = await parseCall(command, commands, others)
  const { execute } = await (call.flag('help') ? import('./commands/help.js') : command.load())
  return execute(call)
}

/** `-h`; and `-v` and `-V`, where they are not an option of a command. */
const spelledOut = (word: string, isAlone: boolean): string =>
  word === '-h' ? '--help' : isAlone && /^-v$/i.test(word) ? '--version' : word

/** Nothing was said: what there is to say goes where complaints go. */
async function helpWanted(commands: readonly Command[]): Promise<Outcome> {
  const { overview } = await import('./commands/help.js')
  const { data, text } = overview(commands)
  say(text)
  return { data, text: '', exitCode: USAGE_EXIT_CODE }
}

const USAGE_EXIT_CODE = ERROR_CODES.COFFER_USAGE

const noCommand = (commands: readonly Command[], words: readonly string[]) =>
  new CofferError('COFFER_USAGE', 'Which command?', {
    expected: commands.map(({ name }) => name).join(' '),
    found: words.find(word => word !== '--json') ?? 'nothing',
    hint: 'See "coffer help".'
  })

const outputLost = (found: string) =>
  new CofferError('COFFER_IO', 'The output could not be written.', {
    expected: 'a file, pipe or terminal that takes it',
    found,
    hint: 'Check that there is space where the output goes, and repeat the command.'
  })
