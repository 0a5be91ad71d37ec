/** What a command is: enough to parse a call of it, to explain it, and to load it when it is called. */
import type { Call } from './call.js'

export interface Argument {
  readonly name: string
  readonly help: string
  readonly optional?: boolean
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
