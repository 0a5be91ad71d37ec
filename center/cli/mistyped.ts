/** What commander finds wrong with a command line, in the words of `coffer`. */
import type { Command, CommanderError } from 'commander'
import { CofferError } from '../../formats/errors.js'

/** What it says of each kind, taken apart: its own words are all that it tells. */
const PATTERNS: Readonly<Record<string, RegExp>> = {
  'commander.missingMandatoryOptionValue': /'(.+)' not specified/,
  'commander.missingArgument': /argument '(.+)'/,
  'commander.unknownOption': /option '(.+?)'/,
  'commander.unknownCommand': /command '(.+?)'/,
  'commander.excessArguments': /too many/,
  'commander.optionMissingArgument': /option '(.+)' argument/,
  'commander.invalidArgument':
    /option '(--[^ ]+)[^']*' argument '([^]*)' is invalid\. (?:Expected |Allowed choices are )?([^]+)\./
}

/** How a command was typed, and where that one is explained. */
export function mistyped(command: Command, { code, message }: CommanderError): CofferError {
  const names: string[] = []
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name())
  const name = `"${names.slice(1).join(' ')}"`
  const suggested = /\(Did you mean (?:one of )?(.+)\?\)/.exec(message)?.[1]
  const usage = (said: string, expected?: string, found?: string) =>
    new CofferError('COFFER_USAGE', said, {
      ...(expected !== undefined && { expected }),
      ...(found !== undefined && { found }),
      hint: `${suggested === undefined ? '' : `Did you mean "${suggested}"? `}See "${names.join(' ')} --help".`
    })
  // Commander would show help instead: for a group that is typed without the folder, and for the program's own words.
  if (message === '(outputHelp)')
    return usage(
      names.length > 1 ? "Which center? Its folder, or a running one's URL, is missing." : 'Which command?'
    )
  const [, what = '', value, wanted] = PATTERNS[code]?.exec(message) ?? []
  switch (code) {
    case 'commander.missingMandatoryOptionValue': {
      const help = command.options.find(({ flags }) => flags === what)?.description
      return usage(`${name} needs ${what}: ${help}.`)
    }
    case 'commander.missingArgument':
      return usage(`${name} needs <${what}>.`)
    case 'commander.unknownOption':
      return usage(`${names.length > 1 ? name : 'coffer-center'} has no option ${what}.`)
    case 'commander.unknownCommand':
      return usage(`There is no command "${what}".`)
    case 'commander.excessArguments':
      return usage(`${name} takes fewer words than these.`)
    case 'commander.optionMissingArgument':
      return usage(`${what.split(' ')[0]} of ${name} is not right.`, what, 'nothing after it')
    case 'commander.invalidArgument':
      if (wanted !== undefined) return usage(`${what} of ${name} is not right.`, wanted, value)
  }
  return usage(message.replace(/^error: /, ''))
}
