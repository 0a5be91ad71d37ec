/** Compile one program into a guest, link it with what is granted, and say in words what is wrong with it. */
import { CofferError } from '../../formats/errors.js'
import { programInvalid } from '../failures.js'
import { DRIVE, EVAL_MODULE, type Pointer } from './abi.js'
import type { Entry } from './entry.js'
import type { Instance } from './instance.js'
import { linkedModule, type Program } from './program.js'

export class Linker {
  private readonly entry: Entry
  private program: Program | undefined
  /** What the program may import. */
  private modules: () => ReadonlyMap<string, readonly string[]> = () => new Map()

  constructor(entry: Entry) {
    this.entry = entry
  }

  /** A program that was started before, in an image, may import these. */
  grant(modules: () => ReadonlyMap<string, readonly string[]>): void {
    this.modules = modules
  }

  /**
   * Run the program's first statements.
   *
   * @param source - What {@link Program} was made of.
   * @returns what they came to, as QTS_Eval tells it.
   * @throws CofferError COFFER_PROGRAM_INVALID
   */
  start(instance: Instance, source: Uint8Array, program: Program): Pointer {
    if (this.program !== undefined) throw new Error('internal: a machine takes one program')
    this.program = program
    this.modules = () => program.modules
    const { context, undefinedPointer } = this.entry.fields
    const { engine } = instance
    const label = instance.newText(program.name)
    this.entry.drive(DRIVE.link, undefinedPointer)
    const value = engine.QTS_Eval(context, program.start, program.lengthBytes, label, 0, EVAL_MODULE)
    if (!program.begun) throw this.invalid(program, source, engine.QTS_ResolveException(context, value))
    engine.free(program.start)
    engine.free(label)
    return value
  }

  /** All is compiled and linked, and nothing of the program has run. */
  begin(): void {
    this.program?.begin(this.entry.alive())
  }

  /** The engine asks for a module that it has not seen. @see Hooks.load */
  load(name: string): string | undefined {
    const source = this.program?.linked(name) ?? this.linkedLate(name)
    if (source !== undefined) return source
    const instance = this.entry.alive()
    const { context } = this.entry.fields
    const text = instance.newText(name)
    const value = instance.engine.QTS_NewString(context, text)
    const error = this.entry.tryDrive(DRIVE.refuse, value)
    // It keeps a reference of its own, and answers with a block that says so.
    instance.engine.free(instance.engine.QTS_Throw(context, error === 0 ? value : error))
    instance.engine.QTS_FreeValuePointer(context, value)
    if (error !== 0) instance.engine.freeInPlace(context, error)
    instance.engine.free(text)
    return undefined
  }

  /**
   * A granted module that the program did not import before it began, for its `import()`. Nothing of the program runs
   * between here and the module's last statement.
   */
  private linkedLate(name: string): string | undefined {
    const exports = this.modules().get(name)
    if (exports === undefined || this.program?.begun === false) return undefined
    // A program that has closed its global object to new names has closed this way too.
    if (this.entry.tryDrive(DRIVE.link, this.entry.fields.undefinedPointer) === 0) return undefined
    return `${linkedModule(name, exports)};__coffer.close()`
  }

  /** What is wrong with a program that did not begin. `error` is what the engine threw. */
  private invalid(program: Program, source: Uint8Array, error: Pointer): CofferError {
    const instance = this.entry.alive()
    const { refused } = program
    if (refused !== undefined) {
      return new CofferError(
        'COFFER_PROGRAM_INVALID',
        `Cannot link the program: it imports '${brief(refused)}', which it was not granted.`,
        {
          hint: "Bundle it with the program, or ask for it under the manifest's permissions if it is a coffer: module."
        }
      )
    }
    const description = this.entry.drive(DRIVE.describe, error)
    const text = instance.text(instance.engine.QTS_GetString(this.entry.fields.context, description))
    const [line, column, message] = /^(\d+|undefined) (\d+|undefined) (.*)$/s.exec(text)?.slice(1) ?? []
    const told = message === undefined ? 'it is not a module' : brief(withoutNames(message))
    if (line === undefined || line === 'undefined') {
      return programInvalid(`Cannot link the program: ${told}.`)
    }
    const lines = source.reduce((count, byte) => (byte === 10 ? count + 1 : count), 1)
    const beyond = Number(line) > lines
    const what = beyond && /^(expecting|unexpected)/.test(told) ? 'the program ends too early' : told
    const where = beyond ? `at the end of line ${lines}` : `line ${line}, column ${column}`
    return programInvalid(`Cannot compile the program: ${where}: ${what}.`)
  }
}

/** The engine quotes what it stumbles over. Punctuation and missing exports may be told; a title's words stay in it. */
const withoutNames = (message: string): string =>
  message.startsWith('Could not find export') ? message : message.replace(/:? '[^']{3,}'?/g, '').trimEnd()

/** A program's own text in a message: one line of it, and not without end. */
const brief = (text: string): string => {
  const line = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?')
  return line.length > 200 ? `${line.slice(0, 200)}...` : line
}
