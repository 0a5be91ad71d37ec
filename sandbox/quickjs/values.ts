/**
 * Values out of the guest without any code of its own: the host reads them where they stand in the guest's memory. The
 * other way in writer.ts.
 *
 * The memory is the guest's, so nothing in it is believed: every pointer and count is held against the memory before
 * it is followed, and depth, number of values and bytes are bounded. What is anything but plain (a getter, a proxy, an
 * instance of a class, an odd array) is left to the SDK's encoder inside the guest, which refuses it in words or takes
 * longer over it: {@link UNCLEAR}.
 *
 * @see docs/spec.md §7.3
 */
import type { Value } from '../guest.js'
import type { Bounds } from '../wire.js'
import { MAX_VALUE_ITEMS } from '../wire.js'
import type { Pointer } from './abi.js'
import type { Instance } from './instance.js'
import {
  CLASS,
  DOUBLE_BIAS,
  ENUMERABLE,
  EXOTIC,
  FAST_ARRAY,
  INDEX_NAME,
  NAN_HIGH,
  NO_VALUE,
  OBJECT,
  ROPE,
  SHAPE,
  TAG,
  TEXT,
  VARIABLE
} from './layout.js'

/** Thrown for a value that is not read here. One object, since making an error costs more than a call. */
export const UNCLEAR = Symbol('unclear')

const double = new Float64Array(1)
const halves = new Uint32Array(double.buffer)

/** Write a number, boolean, null or undefined. @returns false for everything else, with nothing written. */
export function writePrimitive(instance: Instance, at: Pointer, value: unknown): boolean {
  const { words } = instance
  const index = at >> 2
  switch (typeof value) {
    case 'number':
      if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
        words[index] = value
        words[index + 1] = TAG.integer
      } else if (value !== value) {
        words[index] = 0
        words[index + 1] = NAN_HIGH
      } else {
        double[0] = value
        words[index] = halves[0]!
        words[index + 1] = halves[1]! - DOUBLE_BIAS
      }
      return true
    case 'boolean':
      words[index] = value ? 1 : 0
      words[index + 1] = TAG.boolean
      return true
    case 'undefined':
      words[index] = 0
      words[index + 1] = TAG.undefined
      return true
    case 'object':
      if (value !== null) return false
      words[index] = 0
      words[index + 1] = TAG.null
      return true
    default:
      return false
  }
}

/** The most that a number takes on the wire. */
const NUMBER_BYTES = 9

/** @returns the number that stands there; undefined for everything else. */
export function readNumber({ words }: Instance, at: Pointer): number | undefined {
  const low = words[at >> 2]!
  const high = words[(at >> 2) + 1]! | 0
  if (high === TAG.integer) return low | 0
  if (high >= TAG.first && high <= TAG.last) return undefined
  halves[0] = low
  halves[1] = high + DOUBLE_BIAS
  return double[0]!
}

/** Names of a shape's properties, in order; undefined where one is not passed on. */
type Names = readonly (string | undefined)[]

/** Reads what a guest hands out. */
export class ValueReader {
  /** Whether any number is within the bounds of one value. */
  readonly takesNumbers: boolean
  #instance: Instance
  /** Where the address of the engine's table of names stands. */
  readonly #names: Pointer
  readonly #bounds: Bounds
  #words: Uint32Array
  #memoryBytes = 0
  #items = 0
  #bytes = 0
  /** By shape, for one message: the guest may change all of it in between. */
  readonly #shapes = new Map<Pointer, Names>()

  constructor(instance: Instance, names: Pointer, bounds: Bounds) {
    this.#instance = instance
    this.#names = names
    this.#bounds = bounds
    this.#words = instance.words
    this.takesNumbers = bounds.valueItems >= 1 && bounds.valueBytes >= NUMBER_BYTES
  }

  /** The guest has another instance, with the same memory. */
  follow(instance: Instance): void {
    this.#instance = instance
  }

  /** Read a value. @throws UNCLEAR */
  read(at: Pointer): Value {
    this.#begin()
    return this.#value(at, 0)
  }

  /** Read values that stand in a row. @throws UNCLEAR */
  readList(at: Pointer, count: number): Value[] {
    this.#begin()
    this.#items = 1
    const list: Value[] = new Array(count)
    for (let i = 0; i < count; i++) list[i] = this.#value(at + 8 * i, 1)
    return list
  }

  /** The variables behind exports by name, out of the namespace's JSValue; none where that is anything but plain. */
  variables(namespace: Pointer): ReadonlyMap<string, Pointer> {
    this.#begin()
    const variables = new Map<string, Pointer>()
    try {
      const object = this.#words[namespace >> 2]!
      this.#check(object, OBJECT.bytes)
      const shape = this.#words[(object + OBJECT.shape) >> 2]!
      this.#check(shape, SHAPE.properties)
      const count = this.#words[(shape + SHAPE.propertyCount) >> 2]!
      if (count > this.#bounds.valueItems) throw UNCLEAR
      this.#check(shape + SHAPE.properties, 8 * count)
      const properties = this.#words[(object + OBJECT.properties) >> 2]!
      this.#check(properties, 8 * count)
      for (let i = 0; i < count; i++) {
        const index = (shape + SHAPE.properties + 8 * i) >> 2
        const flags = this.#words[index]! >>> 26
        if ((flags & NO_VALUE) !== VARIABLE || (flags & ENUMERABLE) === 0) continue
        variables.set(this.#name(this.#words[index + 1]!), this.#words[(properties + 8 * i) >> 2]!)
      }
      return variables
    } catch (reason) {
      if (reason !== UNCLEAR) throw reason
      return new Map()
    }
  }

  #begin(): void {
    this.#words = this.#instance.words
    this.#memoryBytes = this.#words.length * 4
    this.#items = 0
    this.#bytes = 0
    if (this.#shapes.size > 0) this.#shapes.clear()
  }

  /** Count bytes that the value would take at most on the wire, so that its bound is never passed here. */
  #take(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > this.#bounds.valueBytes) throw UNCLEAR
  }

  #value(at: Pointer, depth: number): Value {
    if (++this.#items > this.#bounds.valueItems) throw UNCLEAR
    const number = readNumber(this.#instance, at)
    if (number !== undefined) {
      this.#take(NUMBER_BYTES)
      return number
    }
    const index = at >> 2
    const low = this.#words[index]!
    switch (this.#words[index + 1]! | 0) {
      case TAG.boolean:
        this.#take(1)
        return low !== 0
      case TAG.null:
        this.#take(1)
        return null
      case TAG.undefined:
        this.#take(1)
        return undefined
      case TAG.text:
        return this.#text(low)
      case TAG.rope:
        return this.#rope(low)
      case TAG.shortBigint:
        this.#take(6)
        return BigInt(low | 0)
      case TAG.object:
        return this.#object(low, depth)
      default:
        throw UNCLEAR
    }
  }

  /** Whether so many bytes from there lie in the memory. */
  #check(pointer: Pointer, bytes: number): void {
    if (pointer % 4 !== 0 || pointer + bytes > this.#memoryBytes) throw UNCLEAR
  }

  #text(pointer: Pointer): string {
    this.#check(pointer, TEXT.units)
    const word = this.#words[(pointer + TEXT.length) >> 2]!
    const length = word & 0x7fffffff
    const start = pointer + TEXT.units
    if (word === length) {
      this.#take(6 + 2 * length)
      if (start + length > this.#memoryBytes) throw UNCLEAR
      return this.#instance.latin1(start, length)
    }
    this.#take(6 + 3 * length)
    if (start + 2 * length > this.#memoryBytes) throw UNCLEAR
    return this.#instance.utf16(start, length)
  }

  /** From left to right, without recursion: a rope may be as deep as it is long. */
  #rope(pointer: Pointer): string {
    this.#check(pointer, ROPE.right + 8)
    const length = this.#words[(pointer + ROPE.length) >> 2]!
    const parts: string[] = []
    let units = 0
    const waiting = [pointer + ROPE.right, pointer + ROPE.left]
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const low = this.#words[at >> 2]!
      const high = this.#words[(at >> 2) + 1]! | 0
      if (high === TAG.text) {
        const part = this.#text(low)
        units += part.length
        parts.push(part)
        if (units > length) throw UNCLEAR
      } else if (high === TAG.rope) {
        this.#check(low, ROPE.right + 8)
        // Parts may be empty, so they count as values: what goes round for ever comes to its end.
        if (++this.#items > MAX_VALUE_ITEMS) throw UNCLEAR
        waiting.push(low + ROPE.right, low + ROPE.left)
      } else throw UNCLEAR
    }
    return parts.join('')
  }

  #object(pointer: Pointer, depth: number): Value {
    if (depth >= this.#bounds.valueDepth) throw UNCLEAR
    this.#check(pointer, OBJECT.bytes)
    const header = this.#words[(pointer + 4) >> 2]!
    const flags = (header >>> 8) & 255
    switch (header >>> 16) {
      case CLASS.object:
        if ((flags & EXOTIC) !== 0) throw UNCLEAR
        return this.#plain(pointer, depth)
      case CLASS.array:
        if ((flags & FAST_ARRAY) === 0) throw UNCLEAR
        return this.#array(pointer, depth)
      case CLASS.uint8Array:
        return this.#byteArray(pointer)
      default:
        throw UNCLEAR
    }
  }

  #array(pointer: Pointer, depth: number): Value[] {
    const words = this.#words
    const values = words[(pointer + OBJECT.values) >> 2]!
    const count = words[(pointer + OBJECT.count) >> 2]!
    // Its first property is its length, which may say that there are holes at the end.
    const properties = words[(pointer + OBJECT.properties) >> 2]!
    this.#check(properties, 8)
    const length = properties >> 2
    if (words[length] !== count || words[length + 1] !== TAG.integer) throw UNCLEAR
    this.#take(6)
    if (count === 0) return []
    this.#check(values, 8 * count)
    if (this.#items + count > this.#bounds.valueItems) throw UNCLEAR
    const list: Value[] = new Array(count)
    for (let i = 0; i < count; i++) list[i] = this.#value(values + 8 * i, depth + 1)
    return list
  }

  #byteArray(pointer: Pointer): Uint8Array {
    const start = this.#words[(pointer + OBJECT.values) >> 2]!
    const length = this.#words[(pointer + OBJECT.count) >> 2]!
    this.#take(6 + length)
    if (start + length > this.#memoryBytes) throw UNCLEAR
    return this.#instance.copyOut(start, length)
  }

  #plain(pointer: Pointer, depth: number): { [key: string]: Value } {
    const words = this.#words
    const shape = words[(pointer + OBJECT.shape) >> 2]!
    let names = this.#shapes.get(shape)
    if (names === undefined) this.#shapes.set(shape, (names = this.#namesOf(shape)))
    const properties = words[(pointer + OBJECT.properties) >> 2]!
    this.#check(properties, 8 * names.length)
    this.#take(6)
    // Keys count, and no more are looked at than may be.
    if ((this.#items += names.length) > this.#bounds.valueItems) throw UNCLEAR
    const object: { [key: string]: Value } = {}
    for (let i = 0; i < names.length; i++) {
      const name = names[i]
      if (name === undefined) continue
      this.#take(6 + 3 * name.length)
      const value = this.#value(properties + 8 * i, depth + 1)
      if (name === '__proto__') Object.defineProperty(object, name, { value, ...PLAIN })
      else object[name] = value
    }
    return object
  }

  #namesOf(shape: Pointer): Names {
    const words = this.#words
    this.#check(shape, SHAPE.properties)
    const prototype = words[(shape + SHAPE.prototype) >> 2]!
    // Object.prototype of whatever realm, or none: what has no prototype itself.
    if (prototype !== 0) {
      this.#check(prototype, OBJECT.bytes)
      const classOf = words[(prototype + 4) >> 2]! >>> 16
      const above = words[(prototype + OBJECT.shape) >> 2]!
      this.#check(above, SHAPE.properties)
      if (classOf !== CLASS.object || words[(above + SHAPE.prototype) >> 2] !== 0) throw UNCLEAR
    }
    const count = words[(shape + SHAPE.propertyCount) >> 2]!
    this.#check(shape + SHAPE.properties, 8 * count)
    if (count > this.#bounds.valueItems) throw UNCLEAR
    const names: (string | undefined)[] = []
    for (let i = 0; i < count; i++) {
      const index = (shape + SHAPE.properties + 8 * i) >> 2
      const flags = words[index]! >>> 26
      const name = words[index + 1]!
      // Zero stands for a property that was deleted.
      if (name === 0 || (flags & ENUMERABLE) === 0) names.push(undefined)
      else if ((flags & NO_VALUE) !== 0) throw UNCLEAR
      else names.push(this.#name(name))
    }
    return names
  }

  #name(name: number): string {
    if (name >= INDEX_NAME) return String(name - INDEX_NAME)
    const table = this.#words[this.#names >> 2]!
    this.#check(table + 4 * name, 4)
    const text = this.#words[(table >> 2) + name]!
    this.#check(text, TEXT.units)
    // A symbol is no name that crosses; whether it is enumerable makes no difference.
    if (this.#words[(text + TEXT.kind) >> 2]! >>> 30 !== TEXT.kindOfNames) throw UNCLEAR
    return this.#text(text)
  }
}

const PLAIN = { writable: true, enumerable: true, configurable: true }
