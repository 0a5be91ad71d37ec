/** A command line, taken apart by the table of commands; what is wrong with it is said with the nearest right word. */
import { CofferError } from '../../formats/errors.js'
import { isFolder } from '../files.js'
import { ownMedium } from '../medium/own.js'
import { Call, optionsOf, type Command, type Option } from './command.js'

/**
 * `--name`, `--name value` and `--name=value`, in any order, until `--`. Not by Node's `parseArgs`, which a cold start waits
 * a millisecond for.
 *
 * @throws CofferError COFFER_USAGE
 */
export async function parseCall(
  command: Command,
  commands: readonly Command[],
  argv: readonly string[]
): Promise<Call> {
  const known = optionsOf(command)
  const options = new Map<string, string[]>()
  const positionals: string[] = []
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length
  for (let at = 0; at < end; at++) {
    const word = argv[at]!
    if (word === '-' || !word.startsWith('-')) {
      positionals.push(word)
      continue
    }
    const isLong = word.startsWith('--')
    const equals = isLong ? word.indexOf('=', 3) : -1
    const rawName = isLong ? word.slice(0, equals < 0 ? undefined : equals) : word.slice(0, 2)
    const option = known.find(({ name }) => `--${name}` === rawName)
    if (option === undefined) throw await unknownOption(command, rawName)
    let value = equals < 0 ? undefined : word.slice(equals + 1)
    if (equals < 0 && option.value !== undefined && at + 1 < end) value = argv[++at]
    value = checkValue(command, option, value, equals >= 0)
    options.set(option.name, [...(options.get(option.name) ?? []), value])
  }
  addOwnMedium(command, positionals)
  // Whoever asks for help need not have the rest right.
  if (!options.has('help')) checkWords(command, positionals, options, argv.slice(end))
  return new Call(command, commands, { positionals, options, rest: argv.slice(end + 1) })
}

/** Where a word is missing and none stands for a medium, it is the one that the program lies on. */
function addOwnMedium(command: Command, positionals: string[]): void {
  const at = command.arguments.findIndex(argument => argument.ownMedium === true)
  if (at < 0 || positionals.length < at || positionals.length >= command.arguments.length) return
  if (isFolder(positionals[at] ?? '')) return
  const own = ownMedium(process.argv[1])
  if (own !== undefined) positionals.splice(at, 0, own)
}

function checkValue(command: Command, option: Option, value: string | undefined, inline: boolean): string {
  const { name, choices, whole } = option
  const wrong = (expected: string, found: string) =>
    usage(command, `--${name} of "${command.name}" is not right.`, expected, found)
  if (option.value === undefined) {
    if (value === undefined) return ''
    throw wrong(`--${name} alone`, `--${name}=${value}`)
  }
  if (value === undefined || (!inline && value.startsWith('--')))
    throw wrong(`--${name} <${option.value}>`, `--${name} without a value`)
  if (choices !== undefined && !choices.includes(value)) throw wrong(choices.join(' or '), value)
  if (whole !== undefined) {
    const [min, max] = whole
    const number = Number(value)
    if (!/^[0-9]{1,16}$/.test(value) || number < min || number > max)
      throw wrong(`a whole number from ${min} to ${max}`, value)
  }
  return value
}

function checkWords(
  command: Command,
  positionals: readonly string[],
  options: ReadonlyMap<string, readonly string[]>,
  rest: readonly string[]
): void {
  const { name } = command
  const missing = command.arguments[positionals.length]
  if (missing !== undefined && missing.optional !== true)
    throw usage(command, `"${name}" needs <${missing.name}>: ${missing.help}.`)
  const extra = positionals[command.arguments.length]
  if (extra !== undefined) {
    const allowed = command.arguments.map(argument => `<${argument.name}>`).join(' ') || 'nothing'
    throw usage(
      command,
      `"${name}" takes fewer words than these.`,
      allowed,
      `also "${extra}"`,
      restHint(command)
    )
  }
  for (const option of command.options) {
    if (option.required === true && !options.has(option.name))
      throw usage(command, `"${name}" needs --${option.name} <${option.value}>: ${option.help}.`)
    if (option.repeated !== true && (options.get(option.name)?.length ?? 0) > 1)
      throw usage(command, `--${option.name} is given twice.`, `--${option.name} once`)
  }
  if (rest.length > 0 && command.rest === undefined)
    throw usage(command, `"${name}" takes nothing after "--".`, undefined, rest.slice(1).join(' '))
}

async function unknownOption(command: Command, rawName: string): Promise<CofferError> {
  const names = optionsOf(command).map(({ name }) => `--${name}`)
  return new CofferError('COFFER_USAGE', `"${command.name}" has no option ${rawName}.`, {
    expected: names.join(' '),
    found: rawName,
    hint: `${await suggestion(rawName, names)}See "coffer ${command.name} --help".`
  })
}

/** @throws CofferError COFFER_USAGE */
export async function findCommand(commands: readonly Command[], name: string): Promise<Command> {
  const found = commands.find(command => command.name === name)
  if (found !== undefined) return found
  const names = commands.map(command => command.name)
  throw new CofferError('COFFER_USAGE', `There is no command "${name}".`, {
    expected: names.join(' '),
    found: name,
    hint: `${await suggestion(name, names)}See "coffer help".`
  })
}

async function suggestion(word: string, words: readonly string[]): Promise<string> {
  const { nearest } = await import('../suggest.js')
  const near = nearest(word, words)
  return near === undefined ? '' : `Did you mean "${near}"? `
}

const restHint = ({ rest }: Command): string =>
  rest === undefined ? '' : `${rest[0]!.toUpperCase()}${rest.slice(1)} come after "--". `

const usage = (
  command: Command,
  message: string,
  expected?: string,
  found?: string,
  firstHint = ''
): CofferError =>
  new CofferError('COFFER_USAGE', message, {
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    hint: `${firstHint}See "coffer ${command.name} --help".`
  })
