/** The guest's calls of functions of the host's, and results that its SDK tells: without messages where they are plain. */
import type { Value } from '../guest.js'
import { WIRE, flattenHostError } from '../host-wire.js'
import { HostRefusal, LATER } from '../machine.js'
import { MalformedMessage, Reader, UnsupportedValue } from '../wire.js'
import { DRIVE, type Pointer } from './abi.js'
import type { Entry } from './entry.js'
import { engineFailed, type Instance } from './instance.js'
import { TAG } from './layout.js'
import type { Passing } from './passing.js'
import { UNCLEAR, type ValueReader, writePrimitive } from './values.js'

export class HostCalls {
  private readonly entry: Entry
  private readonly reader: ValueReader
  private readonly passing: Passing
  private lastRequest = 0

  constructor(entry: Entry, reader: ValueReader, passing: Passing) {
    this.entry = entry
    this.reader = reader
    this.passing = passing
  }

  /** A call's number and its result. @returns whether the host could read it. */
  result(pair: Pointer): boolean {
    const instance = this.entry.alive()
    try {
      const value = this.reader.read(pair + 8)
      this.entry.port.result(instance.words[pair >> 2]!, value)
    } catch (reason) {
      if (reason !== UNCLEAR) throw reason
      return false
    }
    this.entry.alive()
    return true
  }

  /** @see Hooks.host */
  call(index: number, self: Pointer, count: number, at: Pointer): Pointer {
    const { entry, passing } = this
    const instance = entry.alive()
    const args = this.arguments(instance, at, count)
    if (args === undefined) return pending(instance, self)
    try {
      const id = (this.lastRequest = (this.lastRequest + 1) & 0x7fffffff)
      const answer = entry.port.callHost(index, id, args)
      entry.alive()
      if (answer === LATER) return this.expect(instance, id, self)
      if (writePrimitive(instance, self, answer)) return self
      return passing.tryMake(instance, answer) || pending(instance, self)
    } catch (error) {
      const refusal = error instanceof UnsupportedValue ? new HostRefusal(flattenHostError(error)) : error
      if (!(refusal instanceof HostRefusal)) throw error
      return this.refuse(entry.alive(), refusal, self)
    }
  }

  /** What the guest passed; undefined with the engine's exception pending. */
  private arguments(instance: Instance, at: Pointer, count: number): Value[] | undefined {
    if (count > MAX_ARGUMENTS) throw engineFailed('it passes more arguments than it ever does')
    try {
      return this.reader.readList(at, count)
    } catch (reason) {
      if (reason !== UNCLEAR) throw reason
      // Its own words say what cannot cross.
      return this.encode(instance, at, count)
    }
  }

  /** Values that the host does not read, by way of the SDK's encoder; undefined when it threw. */
  private encode(instance: Instance, at: Pointer, count: number): Value[] | undefined {
    const { context } = this.entry.fields
    const values = Array.from({ length: count }, (_, i) => at + 8 * i)
    const result = this.entry.driveInto(instance, DRIVE.encode, values)
    if (instance.isException(result)) return undefined
    const reader = new Reader(instance.typedArray(result).slice(1), WIRE)
    instance.engine.freeInPlace(context, result)
    try {
      return reader.list()
    } catch (error) {
      throw error instanceof MalformedMessage ? engineFailed(error.message) : error
    }
  }

  /** Answer with the promise of a request. A guest at the end of its stack has none, and is told so by the engine. */
  private expect(instance: Instance, id: number, self: Pointer): Pointer {
    const promise = this.entry.driveInto(instance, DRIVE.expect, [this.entry.number(instance, id)])
    if (instance.isException(promise)) return pending(instance, self)
    instance.words[self >> 2] = instance.words[promise >> 2]!
    instance.words[(self >> 2) + 1] = instance.words[(promise >> 2) + 1]!
    return self
  }

  /** Throw what the host's function threw. */
  private refuse(instance: Instance, { error }: HostRefusal, self: Pointer): Pointer {
    const { engine } = instance
    const { context } = this.entry.fields
    const fields = this.passing.tryMake(instance, [error.name, error.message])
    if (fields === 0) return pending(instance, self)
    const made = this.entry.driveInto(instance, DRIVE.error, [fields])
    if (instance.isException(made)) {
      engine.QTS_FreeValuePointer(context, fields)
      return pending(instance, self)
    }
    const thrown = engine.QTS_Throw(context, made)
    engine.freeInPlace(context, made)
    engine.QTS_FreeValuePointer(context, fields)
    return thrown
  }
}

/** The engine's own bound, that a guest's memory can lie about. */
const MAX_ARGUMENTS = 65_535

/** Answer a call of the host's by the engine's pending exception. */
function pending(instance: Instance, self: Pointer): Pointer {
  instance.words[(self >> 2) + 1] = TAG.exception
  return self
}
