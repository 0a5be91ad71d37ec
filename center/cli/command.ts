/** What each command of `coffer-center` is made with, and how its help reads. */
import { Help, type Command } from 'commander'
import { jsonLine } from '../../formats/wording.js'
import type * as Commands from './commands.js'
import { mistyped } from './mistyped.js'
import { write } from './output.js'
import type { Result } from './screen.js'

/** Adds a command, or an action of a group. */
type Add = (usage: string, description: string) => Command

/** What commands are added to. */
export interface Program {
  readonly json: boolean
  readonly command: Add
  /** A group, whose folder is typed before the action. The first that is added is meant when there is none. */
  group(name: string, description: string, examples: string): Add
  /** Loaded when a command runs: help and typing errors need no database. */
  load(): Promise<typeof Commands>
  /** Do what was typed, and print what comes of it. */
  show(run: (commands: typeof Commands) => Promise<Result>): Promise<void>
}

export function programOf(root: Command, json: boolean): Program {
  const add =
    (under: Command): Add =>
    (usage, description) =>
      withJson(quiet(under.command(usage)).description(description))
  const load = () => import('./commands.js')
  return {
    json,
    command: add(root),
    group: (name, description, examples) =>
      add(
        withJson(quiet(root.command(name)))
          .description(description)
          .usage('<folder> [action] ...')
          .addHelpText('after', `\nExamples:\n${examples}`)
      ),
    load,
    show: async run => print(await run(await load()), json)
  }
}

export const withJson = (command: Command): Command => command.option('--json', 'one JSON object on stdout')

export async function print({ json: object, text, note }: Result, json: boolean): Promise<void> {
  if (json) return write(process.stdout, jsonLine(object))
  await write(process.stdout, `${text}\n`)
  if (note !== undefined) process.stderr.write(`${note}\n`)
}

/** Of a description beside what it describes, where a terminal has 80. */
const MIN_HELP_COLUMNS = 30

/** Errors are ours to say; help goes to stdout. */
export const quiet = (command: Command): Command =>
  command
    .exitOverride(error => {
      throw error.exitCode === 0 ? error : mistyped(command, error)
    })
    .configureOutput({ writeErr: () => {} })
    .configureHelp({ commandUsage, subcommandTerm, minWidthToWrap: MIN_HELP_COLUMNS })
    .showSuggestionAfterError(true)

/** An action stands behind the folder of its group, as it is typed. */
const isAction = (command: Command): boolean => Boolean(command.parent?.parent)

const wordsOf = (command: Command): string[] =>
  command.registeredArguments.map(argument =>
    argument.required ? `<${argument.name()}>` : `[${argument.name()}]`
  )

function commandUsage(this: Help, command: Command): string {
  if (!isAction(command)) return Help.prototype.commandUsage.call(this, command)
  const [folder, ...words] = wordsOf(command)
  const path = `${command.parent!.parent!.name()} ${command.parent!.name()} ${folder} ${command.name()}`
  return [path, ...words, '[options]'].join(' ')
}

const subcommandTerm = (command: Command): string =>
  [command.name(), ...wordsOf(command).slice(isAction(command) ? 1 : 0)].join(' ')
