/**
 * Values of the host's in the engine's own binary form, which its decoder (in C) makes values of: no code of the guest's
 * runs on their way in.
 */
import { refusalOf } from '../host-wire.js'
import { typedArrayKind } from '../primordials.js'
import { MAX_VALUE_DEPTH, MAX_VALUE_ITEMS, UnsupportedValue } from '../wire.js'

/** The engine's binary form: tags of its values. */
const BINARY = {
  version: 5,
  null: 1,
  undefined: 2,
  false: 3,
  true: 4,
  integer: 5,
  double: 6,
  text: 7,
  object: 8,
  array: 9,
  bigint: 10,
  typedArray: 14,
  arrayBuffer: 15,
  /** Among typed arrays. */
  uint8Array: 2
} as const

/** Enough for a tag and two counts. */
const HEAD_BYTES = 16
const FIRST_BYTES = 4096
const KEPT_BYTES = 1 << 20
const MAX_BINARY_BYTES = 512 * 1024 * 1024

/** Most units of a text that fits so many bytes, whatever they are. */
export const unitsWithin = (bytes: number): number => Math.floor((bytes - HEAD_BYTES) / 3)

/**
 * Write a text that stands alone.
 *
 * @param at - Three bytes for each unit from here on, and a head, are there: {@link unitsWithin}.
 */
export function writeText(into: Buffer, at: number, text: string): void {
  into[at] = BINARY.version
  into[at + 1] = 0
  into[at + 2] = BINARY.text
  const start = writeCount(into, at + 3, text.length << 1)
  if (!writeNarrow(into, start, text)) into.ucs2Write(text, writeCount(into, at + 3, (text.length << 1) | 1))
}

/** @returns where it ends. */
function writeCount(into: Buffer, at: number, count: number): number {
  while (count > 127) {
    into[at++] = (count & 127) | 128
    count >>>= 7
  }
  into[at++] = count
  return at
}

/** Write the text as units of 8 bits. @returns false where that is not it. */
function writeNarrow(into: Buffer, at: number, text: string): boolean {
  const { length } = text
  // As many bytes as units: every one of them is ASCII.
  if (length > SHORT_TEXT) return into.utf8Write(text, at) === length
  let all = 0
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    all |= unit
    into[at + i] = unit
  }
  return all < 256
}

/** Writes values of the host's in the engine's binary form. */
export class ValueWriter {
  /** Of no length until something is written: most guests are called with plain values only. */
  #body = NONE
  #at = 0
  #items = 0
  /** Names of properties with their numbers: a table in front of the value. */
  readonly #names = new Map<string, number>()

  /**
   * @returns the bytes: views in a row, valid until the next call.
   * @throws UnsupportedValue
   */
  write(value: unknown): readonly [head: Uint8Array, body: Uint8Array] {
    this.#at = 0
    this.#items = 0
    this.#names.clear()
    try {
      this.#value(value, 0)
    } catch (error) {
      throw refusalOf(error)
    }
    const end = this.#at
    if (this.#names.size === 0) return [EMPTY_HEAD, this.#body.subarray(0, end)]
    // Behind the body, since only now it is known which names there are.
    this.#reserve(HEAD_BYTES)
    this.#body[this.#at++] = BINARY.version
    this.#count(this.#names.size)
    for (const name of this.#names.keys()) this.#text(name)
    return [this.#body.subarray(end, this.#at), this.#body.subarray(0, end)]
  }

  /** Overwrite what was written; a buffer that had to grow far is let go. */
  wipe(): void {
    this.#body.fill(0, 0, this.#at)
    if (this.#body.length > KEPT_BYTES) this.#body = NONE
    this.#at = 0
  }

  #reserve(count: number): void {
    const needed = this.#at + count
    if (needed <= this.#body.length) return
    if (needed > MAX_BINARY_BYTES) throw new UnsupportedValue('more than 512 MiB in one call')
    const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(needed * 2, FIRST_BYTES), MAX_BINARY_BYTES))
    this.#body.copy(grown, 0, 0, this.#at)
    this.#body.fill(0)
    this.#body = grown
  }

  #count(count: number): void {
    this.#at = writeCount(this.#body, this.#at, count)
  }

  #tag(tag: number): void {
    this.#reserve(HEAD_BYTES)
    this.#body[this.#at++] = tag
  }

  #value(value: unknown, depth: number): void {
    if (++this.#items > MAX_VALUE_ITEMS) throw new UnsupportedValue('more than a million values in one call')
    switch (typeof value) {
      case 'undefined':
        return this.#tag(BINARY.undefined)
      case 'boolean':
        return this.#tag(value ? BINARY.true : BINARY.false)
      case 'number':
        return this.#number(value)
      case 'string':
        this.#tag(BINARY.text)
        return this.#text(value)
      case 'bigint':
        return this.#bigint(value)
      case 'object':
        return value === null ? this.#tag(BINARY.null) : this.#object(value, depth)
      default:
        throw new UnsupportedValue(`a ${typeof value}`)
    }
  }

  #number(value: number): void {
    if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
      this.#tag(BINARY.integer)
      return this.#count(((value << 1) ^ (value >> 31)) >>> 0)
    }
    this.#tag(BINARY.double)
    // Every NaN as the one that the engine knows.
    this.#at = this.#body.writeDoubleLE(value === value ? value : NaN, this.#at)
  }

  /** Count of units, and below it whether they are wide; then the units. */
  #text(text: string): void {
    const { length } = text
    this.#reserve(HEAD_BYTES + 3 * length)
    const start = this.#at
    this.#count(length << 1)
    if (writeNarrow(this.#body, this.#at, text)) {
      this.#at += length
      return
    }
    this.#at = start
    this.#count((length << 1) | 1)
    this.#at += this.#body.ucs2Write(text, this.#at)
  }

  /** Two's complement, in as few bytes as show its sign. */
  #bigint(value: bigint): void {
    const magnitude = (value < 0n ? ~value : value).toString(16)
    if (magnitude.length > 2 * MAX_BIGINT_BYTES) throw new UnsupportedValue('a bigint of more than 1 MiB')
    const bits = 4 * magnitude.length - (Math.clz32(parseInt(magnitude[0]!, 16)) - 28)
    // With none to spare: the engine takes it as it is.
    const count = (bits >> 3) + 1
    const digits = BigInt.asUintN(8 * count, value)
      .toString(16)
      .padStart(2 * count, '0')
    this.#tag(BINARY.bigint)
    this.#reserve(HEAD_BYTES + count)
    this.#count(count)
    for (let i = count - 1; i >= 0; i--) this.#body[this.#at++] = parseInt(digits.slice(2 * i, 2 * i + 2), 16)
  }

  #object(value: object, depth: number): void {
    // Cycles end here too: no cycle is shorter than the bound.
    if (depth >= MAX_VALUE_DEPTH)
      throw new UnsupportedValue(`a value nested deeper than ${MAX_VALUE_DEPTH}, or a cycle`)
    if (ArrayBuffer.isView(value)) return this.#byteArray(value)
    if (Array.isArray(value)) {
      const { length } = value
      if (length > MAX_VALUE_ITEMS) throw new UnsupportedValue('more than a million values in one call')
      this.#tag(BINARY.array)
      this.#count(length)
      for (let i = 0; i < length; i++) this.#value(own(value, i), depth + 1)
      return
    }
    const prototype = Object.getPrototypeOf(value) as object | null
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
      throw new UnsupportedValue('an instance of a class')
    const names = Object.keys(value)
    this.#tag(BINARY.object)
    this.#count(names.length)
    for (const name of names) {
      let number = this.#names.get(name)
      if (number === undefined) this.#names.set(name, (number = this.#names.size + 1))
      this.#reserve(HEAD_BYTES)
      this.#count(2 * number)
      this.#value(own(value, name), depth + 1)
    }
  }

  #byteArray(view: ArrayBufferView): void {
    if (!(view instanceof Uint8Array))
      throw new UnsupportedValue(`a ${typedArrayKind(view) ?? 'DataView'}: only Uint8Array crosses`)
    const { length } = view
    this.#tag(BINARY.typedArray)
    this.#reserve(2 * HEAD_BYTES + length)
    this.#body[this.#at++] = BINARY.uint8Array
    this.#count(length)
    this.#count(0)
    this.#body[this.#at++] = BINARY.arrayBuffer
    this.#count(length)
    // The length that it may grow to: it may not.
    this.#count(0xffffffff)
    this.#body.set(view, this.#at)
    this.#at += length
  }
}

const SHORT_TEXT = 16
const MAX_BIGINT_BYTES = 1 << 20
const NONE = Buffer.alloc(0)
const EMPTY_HEAD = new Uint8Array([BINARY.version, 0])

/** An own property without running a getter; a hole reads as undefined. */
function own(object: object, key: PropertyKey): unknown {
  const property = Object.getOwnPropertyDescriptor(object, key)
  if (property === undefined) return undefined
  if (!('value' in property)) throw new UnsupportedValue('a property with a getter')
  return property.value
}
