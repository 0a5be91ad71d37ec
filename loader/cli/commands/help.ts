/** `coffer help`, and `--help` of every command: the table of commands in words. */
import {
  COMMON_OPTIONS,
  optionsOf,
  type Argument,
  type Call,
  type Command,
  type Option,
  type Outcome
} from '../command.js'
import { findCommand } from '../parse.js'
import { paint, STDOUT } from '../output.js'
import { fields } from '../screen.js'

export async function execute(call: Call): Promise<Outcome> {
  if (call.command.name !== 'help') return explain(call.command)
  const name = call.optional('command')
  return name === undefined ? overview(call.commands) : explain(await findCommand(call.commands, name))
}

export function overview(commands: readonly Command[]): Outcome {
  return {
    data: { commands: commands.map(({ name, summary }) => ({ name, summary })) },
    text: [
      'coffer runs licensed titles from media they were copied to, and makes such media.',
      '',
      heading('Usage'),
      '  coffer <command> ...',
      '',
      heading('Commands'),
      fields(
        commands.map(({ name, summary }) => [name, summary]),
        '  ',
        WIDTH
      ),
      '',
      heading('Every command takes'),
      optionFields(COMMON_OPTIONS),
      '',
      `User key and trusted centers are kept in $COFFER_HOME, or in the platform's folder for settings.`,
      'See "coffer help <command>".'
    ].join('\n')
  }
}

function explain(command: Command): Outcome {
  const { name, summary, details, examples, rest } = command
  const options = optionsOf(command)
  const words = [
    ...command.arguments.map((argument): [string, string] => [argumentText(argument), argument.help]),
    ...(rest === undefined ? [] : [['-- ...', rest] as [string, string]])
  ]
  const text = [
    `${summary[0]!.toUpperCase()}${summary.slice(1)}.`,
    ...(details === undefined ? [] : [details]),
    '',
    heading('Usage'),
    `  ${usageText(command)}`,
    ...(words.length === 0 ? [] : ['', heading('Arguments'), fields(words, '  ', WIDTH)]),
    '',
    heading('Options'),
    optionFields(options),
    '',
    heading(examples.length === 1 ? 'Example' : 'Examples'),
    ...examples.map(example => `  ${example}`)
  ].join('\n')
  const data = {
    command: name,
    summary,
    usage: usageText(command),
    arguments: command.arguments,
    options,
    examples
  }
  return { data, text }
}

/** Of a terminal that nobody has made wider. */
const WIDTH = 80

const heading = (text: string): string => paint('bold', `${text}:`, STDOUT)

const argumentText = ({ name, optional }: Argument): string => (optional === true ? `[${name}]` : `<${name}>`)

const optionText = ({ name, value }: Option): string => `--${name}${value === undefined ? '' : ` <${value}>`}`

const optionFields = (options: readonly Option[]): string =>
  fields(
    options.map(option => [optionText(option), `${option.help}${choicesText(option)}`]),
    '  ',
    WIDTH
  )

const choicesText = ({ choices, help }: Option): string =>
  choices === undefined || choices.every(choice => help.includes(choice)) ? '' : ` (${choices.join(' or ')})`

function usageText(command: Command): string {
  const required = command.options.filter(option => option.required === true)
  return [
    'coffer',
    command.name,
    ...command.arguments.map(argumentText),
    ...required.map(optionText),
    ...(command.options.length > required.length ? ['[options]'] : []),
    ...(command.rest === undefined ? [] : ['[-- ...]'])
  ].join(' ')
}
