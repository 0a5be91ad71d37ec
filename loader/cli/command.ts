/** What a command is, enough to parse a call of it, to explain it and to load it; and one call of it. */

export interface Argument {
  readonly name: string
  readonly help: string
  readonly optional?: boolean
  /** A medium: the one that the program itself lies on, where none is given. */
  readonly ownMedium?: boolean
}

export interface Option {
  /** Without the dashes. */
  readonly name: string
  readonly help: string
  /** What to call its value in the help; absent: a switch. */
  readonly value?: string
  readonly required?: boolean
  readonly repeated?: boolean
  readonly choices?: readonly string[]
  /** A whole number within these bounds. */
  readonly whole?: readonly [min: number, max: number]
}

export interface Command {
  readonly name: string
  /** One line, for the list of commands. */
  readonly summary: string
  readonly arguments: readonly Argument[]
  readonly options: readonly Option[]
  /** What `-- ...` is for, where it is for anything. */
  readonly rest?: string
  readonly details?: string
  readonly examples: readonly string[]
  load(): Promise<{ execute(call: Call): Promise<Outcome> | Outcome }>
}

/** What a command has to say at its end: one object for programs, text for people. Either goes to stdout. */
export interface Outcome {
  readonly data: object
  /** '' for nothing. */
  readonly text: string
  /** Default 0. */
  readonly exitCode?: number
}

/** Options that every command has. */
export const COMMON_OPTIONS: readonly Option[] = [
  { name: 'json', help: 'one JSON object on stdout, nothing else' },
  { name: 'help', help: 'explain the command' }
]

/** One call of a command, its words checked. Asking for what the command's entry in the table lacks is a bug. */
export class Call {
  readonly command: Command
  /** Every command there is. */
  readonly commands: readonly Command[]
  /** What follows `--`. */
  readonly rest: readonly string[]
  readonly #arguments: readonly string[]
  readonly #options: ReadonlyMap<string, readonly string[]>

  constructor(
    command: Command,
    commands: readonly Command[],
    words: {
      positionals: readonly string[]
      options: ReadonlyMap<string, readonly string[]>
      rest: readonly string[]
    }
  ) {
    this.command = command
    this.commands = commands
    this.rest = words.rest
    this.#arguments = words.positionals
    this.#options = words.options
  }

  /** An argument that must be there. */
  argument(name: string): string {
    const value = this.optional(name)
    if (value === undefined) throw new Error(`internal: <${name}> was not required`)
    return value
  }

  optional(name: string): string | undefined {
    const index = this.command.arguments.findIndex(argument => argument.name === name)
    if (index < 0) throw new Error(`internal: ${this.command.name} has no <${name}>`)
    return this.#arguments[index]
  }

  flag(name: string): boolean {
    return this.#values(name).length > 0
  }

  /** The value of an option; the last one where it was given twice. */
  text(name: string): string | undefined {
    return this.#values(name).at(-1)
  }

  required(name: string): string {
    const value = this.text(name)
    if (value === undefined) throw new Error(`internal: --${name} was not required`)
    return value
  }

  number(name: string): number | undefined {
    const value = this.text(name)
    return value === undefined ? undefined : Number(value)
  }

  list(name: string): readonly string[] {
    return this.#values(name)
  }

  get json(): boolean {
    return this.flag('json')
  }

  #values(name: string): readonly string[] {
    if (!optionsOf(this.command).some(option => option.name === name))
      throw new Error(`internal: ${this.command.name} has no --${name}`)
    return this.#options.get(name) ?? []
  }
}

export const optionsOf = (command: Command): readonly Option[] => [...command.options, ...COMMON_OPTIONS]
