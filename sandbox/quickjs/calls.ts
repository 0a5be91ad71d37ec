/** Calls of the guest's exports without messages: arguments and result stand in its memory. */
import type { Value } from '../guest.js'
import { type Direct, PROMISE, UNCALLED, UNTOLD } from '../machine.js'
import type { FlatError } from '../protocol.js'
import { DRIVE, FUNCTION, MAX_DIRECT_ARGUMENTS, SCRATCH, type Pointer } from './abi.js'
import type { Entry } from './entry.js'
import type { Instance } from './instance.js'
import { CLASS, TAG } from './layout.js'
import type { Passing } from './passing.js'
import { readNumber, UNCLEAR, type ValueReader } from './values.js'

/** Where calls in both directions find what they call. */
export interface Places {
  readonly bound: readonly string[]
  readonly variables: ReadonlyMap<string, Pointer>
}

export class Calls implements Direct {
  /** What the guest has of the host's functions, in the order of their numbers. */
  private bound: readonly string[] | undefined
  private readonly entry: Entry
  private readonly reader: ValueReader
  private readonly passing: Passing
  /** Of the entry's fields what every call needs. */
  private readonly context: Pointer
  private readonly values: Pointer
  private readonly result: Pointer
  private readonly jobList: Pointer
  /** Variables of the program's exports, by name: found when one is first called. */
  private variables: ReadonlyMap<string, Pointer> | undefined
  /** The export that was called last, and its variable: to look one up takes a tenth of a call. */
  private lastName: string | undefined
  private lastVariable: Pointer = 0
  /** Where what the last call came to waits to be told. */
  private untold: { readonly operation: number; readonly value: Pointer } | undefined

  constructor(entry: Entry, reader: ValueReader, passing: Passing) {
    this.entry = entry
    this.reader = reader
    this.passing = passing
    const { context, scratch, jobList } = entry.fields
    this.context = context
    this.values = scratch + SCRATCH.arguments
    this.result = scratch + SCRATCH.result
    this.jobList = jobList
  }

  bind(names: readonly string[]): readonly string[] {
    const known = this.bound
    if (known !== undefined && names.every(name => known.includes(name))) return known
    let bound: string[] = []
    this.entry.run(instance => {
      const { context, scratch } = this.entry.fields
      const { engine } = instance
      bound = this.reader.read(this.entry.drive(DRIVE.bound)) as string[]
      engine.freeInPlace(context, scratch + SCRATCH.driven)
      for (const name of names) {
        if (bound.includes(name)) continue
        const text = instance.newText(name.slice(name.lastIndexOf('.') + 1))
        const made = engine.QTS_NewFunction(context, text, 0, 0, FUNCTION.host + bound.length)
        const key = this.passing.make(instance, name)
        this.entry.drive(DRIVE.bind, made, key)
        for (const value of [made, key]) engine.QTS_FreeValuePointer(context, value)
        engine.free(text)
        bound.push(name)
      }
    })
    return (this.bound = bound)
  }

  /** Of a program that waits to be called, what another guest that starts from the same memory need not look for. */
  places(): Places {
    this.entry.run(instance => (this.variables ??= this.findVariables(instance)))
    return { bound: this.bound ?? [], variables: this.variables! }
  }

  know({ bound, variables }: Places): void {
    this.bound = bound
    this.variables = variables
  }

  call(name: string, args: readonly unknown[]): Value | typeof PROMISE | typeof UNTOLD | typeof UNCALLED {
    const { entry, passing } = this
    const instance = entry.enter()
    try {
      const { context, values, result, jobList } = this
      const count = args.length
      const variable = count > MAX_DIRECT_ARGUMENTS ? 0 : this.variable(instance, name)
      if (variable === 0) return UNCALLED
      for (let i = 0; i < count; i++) passing.put(instance, values + 8 * i, args[i])
      const called = instance.engine.callVariable(context, variable, count, values, result)
      passing.letGo(instance)
      if (called === 0) return UNCALLED
      const outcome = this.outcome(instance, result)
      if (this.untold === undefined && instance.words[(jobList >> 2) + 1] !== jobList) entry.runJobs(instance)
      return outcome
    } catch (error) {
      throw this.failed(instance, error)
    } finally {
      entry.leave()
    }
  }

  tell(id: number): void {
    const { operation, value } = this.untold!
    this.untold = undefined
    this.entry.run(instance => {
      this.entry.driveFor(id, operation, value)
      this.forget(instance, operation, value)
    })
  }

  drop(): void {
    const { operation, value } = this.untold!
    this.untold = undefined
    this.entry.run(instance => {
      this.forget(instance, operation, value)
      this.entry.runJobs(instance)
    })
  }

  resolve(id: number, value: unknown): void {
    this.settle(id, DRIVE.resolve, value)
  }

  reject(id: number, { name, message }: FlatError): void {
    this.settle(id, DRIVE.reject, [name, message])
  }

  private settle(id: number, operation: number, value: unknown): void {
    const { entry, passing } = this
    const instance = entry.enter()
    try {
      const at = entry.fields.scratch + SCRATCH.result
      passing.put(instance, at, value)
      entry.driveFor(id, operation, at)
      passing.letGo(instance)
    } catch (error) {
      throw this.failed(instance, error)
    } finally {
      entry.leave()
      passing.wipe()
    }
  }

  /** What a caller is to be told. Anything but a value that cannot cross ends the guest. */
  private failed(instance: Instance, error: unknown): unknown {
    if (!this.entry.survives(error)) return this.entry.fail(error)
    this.passing.letGo(instance)
    return error
  }

  /** The export's variable; 0 where there is none. */
  private variable(instance: Instance, name: string): Pointer {
    if (name !== this.lastName) {
      this.lastVariable = (this.variables ??= this.findVariables(instance)).get(name) ?? 0
      this.lastName = name
    }
    return this.lastVariable
  }

  private findVariables(instance: Instance): ReadonlyMap<string, Pointer> {
    const { context, scratch } = this.entry.fields
    const variables = this.reader.variables(this.entry.drive(DRIVE.namespace))
    instance.engine.freeInPlace(context, scratch + SCRATCH.driven)
    return variables
  }

  /** What a call came to, read; or noted as untold. */
  private outcome(instance: Instance, at: Pointer): Value | typeof PROMISE | typeof UNTOLD {
    const { words } = instance
    const tag = words[(at >> 2) + 1]! | 0
    if (this.reader.takesNumbers) {
      // First what most numbers are.
      const number = tag === TAG.integer ? words[at >> 2]! | 0 : readNumber(instance, at)
      if (number !== undefined) return number
    }
    const { context } = this
    if (tag === TAG.exception) {
      this.untold = { operation: DRIVE.threw, value: instance.engine.QTS_ResolveException(context, at) }
      return UNTOLD
    }
    try {
      const value = this.reader.read(at)
      if (tag < TAG.integer && tag >= TAG.first) instance.engine.freeInPlace(context, at)
      return value
    } catch (reason) {
      if (reason !== UNCLEAR) throw reason
    }
    this.untold = { operation: DRIVE.answer, value: at }
    return tag === TAG.object && instance.objectClass(at) === CLASS.promise ? PROMISE : UNTOLD
  }

  private forget(instance: Instance, operation: number, value: Pointer): void {
    const { context } = this
    if (operation === DRIVE.threw) instance.engine.QTS_FreeValuePointer(context, value)
    else instance.engine.freeInPlace(context, value)
  }
}
