/**
 * Values as bytes: what crosses between a guest and its host. The same source runs on both sides, in the guest on
 * captured primordials. Encoding runs no code of the guest's (no getter, no toJSON, no proxy trap), so what is read
 * is what was there. Decoding believes nothing: lengths are compared with what is left before anything is made.
 *
 *   0 undefined  1 null  2 false  3 true
 *   4 integer    zigzag varint, -2^31 to 2^31-1 without -0
 *   5 number     8 bytes, IEEE 754, little-endian
 *   6 bigint ≥ 0, 7 bigint < 0   varint byte count, magnitude little-endian
 *   8 text       varint byte count, UTF-8
 *   9 text       varint unit count, UTF-16 little-endian: only text with lone surrogates
 *  10 bytes      varint byte count, the bytes
 *  11 array      varint count, values
 *  12 object     varint count, then (text, value) each
 *
 * A varint is an unsigned LEB128 of at most five bytes below 2^32.
 *
 * @see docs/spec.md §7.3
 */
import type { Value } from './guest.js'
import {
  BigIntOf,
  Bytes,
  bigintToString,
  charCodeAt,
  fromCharCode,
  getOwnPropertyDescriptor,
  getPrototypeOf,
  hasOwn,
  isArray,
  isWellFormed,
  keys,
  min,
  setOwn,
  typedArrayBuffer,
  typedArrayFill,
  typedArrayKind,
  typedArrayLength,
  typedArrayOffset,
  typedArraySet
} from './primordials.js'

export const MAX_VALUE_DEPTH = 64
/** Values in one message, nested ones and keys included. Large data crosses as bytes, which count as one. */
export const MAX_VALUE_ITEMS = 1_000_000
export const MAX_MESSAGE_BYTES = 256 * 1024 * 1024

const UNDEFINED = 0
const NULL = 1
const FALSE = 2
const TRUE = 3
const INTEGER = 4
const NUMBER = 5
const BIGINT = 6
const NEGATIVE_BIGINT = 7
const TEXT = 8
const TEXT16 = 9
const BYTES = 10
const ARRAY = 11
const OBJECT = 12

/** What one value may be at most. */
export interface Bounds {
  readonly valueBytes: number
  readonly valueItems: number
  readonly valueDepth: number
}

/** A bound that a value is past. */
export interface Excess {
  readonly limit: keyof Bounds
  readonly used: number
}

/** What is known of a refusal, or nothing for whatever else was thrown; asked without code of the guest's, which could
 * answer an `instanceof`. */
export let isRefusal: (thrown: unknown) => thrown is UnsupportedValue
export let excessOf: (refusal: UnsupportedValue) => Excess | undefined

/** A value of ours that cannot cross. Says what it is, never what it holds. */
export class UnsupportedValue extends TypeError {
  readonly #excess: Excess | undefined

  static {
    isRefusal = (thrown): thrown is UnsupportedValue =>
      typeof thrown === 'object' && thrown !== null && #excess in thrown
    excessOf = refusal => refusal.#excess
  }

  constructor(message: string, excess?: Excess) {
    super(message)
    this.#excess = excess
  }
}

const WIDEST: Bounds = {
  valueBytes: MAX_MESSAGE_BYTES,
  valueItems: MAX_VALUE_ITEMS,
  valueDepth: MAX_VALUE_DEPTH
}

/** Bytes that no encoder of ours made. */
export class MalformedMessage extends Error {}

/** What differs between the sides. */
export interface WireHost {
  /** UTF-8 of well-formed text; undefined where it cannot, and a loop here does it. */
  readonly encodeText?: ((text: string) => Uint8Array | undefined) | undefined
  /** The inverse; undefined where it cannot, and a loop here does it. @throws anything for bytes that are not UTF-8. */
  readonly decodeText?: ((bytes: Uint8Array) => string | undefined) | undefined
  /** Text of UTF-16 units, little-endian. Absent: a loop here does it, by text that grows, which costs memory. */
  readonly decodeUnits?: ((bytes: Uint8Array) => string) | undefined
  /** True for a proxy, which cannot be read without running its traps. Absent: none is expected. */
  readonly isProxy?: ((value: object) => boolean) | undefined
}

/** Below this many characters a loop is faster than calling out to an engine's converter. */
const SHORT_TEXT = 24

const FIRST_BYTES = 1024
const KEPT_BYTES = 1 << 20
/** A bigint's magnitude. */
const MAX_BIGINT_BYTES = 1 << 20

const float = new Float64Array(1)
const floatBytes = new Bytes(float.buffer)
float[0] = 1
const LITTLE_ENDIAN = floatBytes[7] === 0x3f

/** Appends to a buffer that grows and is used again for the next message. */
export class Writer {
  #host: WireHost
  // The capacity is kept by itself, since a guest can redefine what `.length` of a typed array says.
  #bytes = new Bytes(FIRST_BYTES)
  #capacity = FIRST_BYTES
  #at = 0
  #items = 0
  #bounds = WIDEST
  /** Where the message may end. */
  #most = MAX_MESSAGE_BYTES

  constructor(host: WireHost = {}) {
    this.#host = host
  }

  /** Start a message with its opcode. */
  begin(opcode: number): this {
    this.#at = 0
    this.#items = 0
    this.#bounds = WIDEST
    this.#most = MAX_MESSAGE_BYTES
    this.#bytes[this.#at++] = opcode
    return this
  }

  /** Hold what follows in this message to these bounds. */
  within(bounds: Bounds): this {
    this.#items = 0
    this.#bounds = bounds
    this.#most = min(this.#at + bounds.valueBytes, MAX_MESSAGE_BYTES)
    return this
  }

  /** The message so far: a view, valid until the next {@link begin}. */
  get message(): Uint8Array {
    return new Bytes(typedArrayBuffer(this.#bytes), 0, this.#at)
  }

  /** Overwrite what the buffer held; a buffer that had to grow far is let go. */
  wipe(): void {
    typedArrayFill(this.#bytes, 0, 0, this.#at)
    if (this.#capacity > KEPT_BYTES) this.#bytes = new Bytes((this.#capacity = FIRST_BYTES))
  }

  /** @throws UnsupportedValue, with the message half written: {@link begin} anew. */
  value(value: Value | unknown): this {
    this.#value(value, 0)
    return this
  }

  /** The same for what is a list of values, and none itself: each may nest as deep as it would alone. */
  list(values: readonly unknown[]): this {
    this.#array(values, -1)
    return this
  }

  #reserve(count: number): void {
    const needed = this.#at + count
    if (needed > this.#most) {
      const { valueBytes } = this.#bounds
      const used = valueBytes + needed - this.#most
      throw new UnsupportedValue(`more than ${valueBytes} bytes in one value`, {
        limit: 'valueBytes',
        used: used
      })
    }
    if (needed <= this.#capacity) return
    this.#capacity = min(needed * 2, MAX_MESSAGE_BYTES)
    const grown = new Bytes(this.#capacity)
    typedArraySet(grown, this.message)
    typedArrayFill(this.#bytes, 0)
    this.#bytes = grown
  }

  #varint(count: number): void {
    this.#reserve(5)
    while (count > 127) {
      this.#bytes[this.#at++] = (count & 127) | 128
      count >>>= 7
    }
    this.#bytes[this.#at++] = count
  }

  #tag(tag: number): void {
    this.#reserve(1)
    this.#bytes[this.#at++] = tag
  }

  #raw(bytes: Uint8Array): void {
    this.#reserve(typedArrayLength(bytes))
    typedArraySet(this.#bytes, bytes, this.#at)
    this.#at += typedArrayLength(bytes)
  }

  #value(value: unknown, depth: number): void {
    if (++this.#items > this.#bounds.valueItems) throw this.#tooMany(this.#items)
    switch (typeof value) {
      case 'undefined':
        return this.#tag(UNDEFINED)
      case 'boolean':
        return this.#tag(value ? TRUE : FALSE)
      case 'number':
        return this.#number(value)
      case 'string':
        return this.#text(value)
      case 'bigint':
        return this.#bigint(value)
      case 'object':
        return value === null ? this.#tag(NULL) : this.#object(value, depth)
      default:
        throw new UnsupportedValue(`a ${typeof value}`)
    }
  }

  #tooMany(count: number): UnsupportedValue {
    const { valueItems } = this.#bounds
    return new UnsupportedValue(`more than ${valueItems} values in one`, { limit: 'valueItems', used: count })
  }

  #number(value: number): void {
    if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
      this.#tag(INTEGER)
      return this.#varint(((value << 1) ^ (value >> 31)) >>> 0)
    }
    this.#tag(NUMBER)
    this.#reserve(8)
    float[0] = value
    const bytes = this.#bytes
    for (let i = 0; i < 8; i++) bytes[this.#at + i] = floatBytes[LITTLE_ENDIAN ? i : 7 - i]!
    this.#at += 8
  }

  #text(text: string): void {
    const { length } = text
    const { encodeText } = this.#host
    if (length > SHORT_TEXT && encodeText !== undefined && isWellFormed(text)) {
      const bytes = encodeText(text)
      if (bytes !== undefined) {
        this.#tag(TEXT)
        this.#varint(typedArrayLength(bytes))
        return this.#raw(bytes)
      }
    }
    let wide = 0
    for (let i = 0; i < length; i++) {
      const unit = charCodeAt(text, i)
      if (unit > 0x7f) wide += unit > 0x7ff ? 2 : 1
    }
    if (wide > 0 && !isWellFormed(text)) return this.#text16(text)
    // A surrogate pair counts 2 + 2 above, and takes 4 bytes for its 2 units.
    for (let i = 0; wide > 0 && i < length; i++) if (isHighSurrogate(charCodeAt(text, i))) wide -= 2
    this.#tag(TEXT)
    this.#varint(length + wide)
    this.#reserve(length + wide)
    const bytes = this.#bytes
    let at = this.#at
    for (let i = 0; i < length; i++) {
      let code = charCodeAt(text, i)
      if (code < 0x80) {
        bytes[at++] = code
        continue
      }
      if (isHighSurrogate(code)) code = 0x10000 + ((code - 0xd800) << 10) + (charCodeAt(text, ++i) - 0xdc00)
      if (code < 0x800) bytes[at++] = 0xc0 | (code >> 6)
      else {
        if (code < 0x10000) bytes[at++] = 0xe0 | (code >> 12)
        else {
          bytes[at++] = 0xf0 | (code >> 18)
          bytes[at++] = 0x80 | ((code >> 12) & 63)
        }
        bytes[at++] = 0x80 | ((code >> 6) & 63)
      }
      bytes[at++] = 0x80 | (code & 63)
    }
    this.#at = at
  }

  #text16(text: string): void {
    this.#tag(TEXT16)
    this.#varint(text.length)
    this.#reserve(2 * text.length)
    for (let i = 0; i < text.length; i++) {
      const unit = charCodeAt(text, i)
      this.#bytes[this.#at++] = unit
      this.#bytes[this.#at++] = unit >> 8
    }
  }

  #bigint(value: bigint): void {
    // By way of hexadecimal: shifting digit by digit would take quadratic time.
    let digits = bigintToString(value < 0n ? -value : value, 16)
    if (digits.length % 2 === 1) digits = '0' + digits
    const count = digits.length / 2
    if (count > MAX_BIGINT_BYTES) throw new UnsupportedValue('a bigint of more than 1 MiB')
    this.#tag(value < 0n ? NEGATIVE_BIGINT : BIGINT)
    this.#varint(count)
    this.#reserve(count)
    for (let i = count - 1; i >= 0; i--) {
      this.#bytes[this.#at++] =
        (hexDigit(charCodeAt(digits, 2 * i)) << 4) | hexDigit(charCodeAt(digits, 2 * i + 1))
    }
  }

  #object(value: object, depth: number): void {
    // Cycles end here too: no cycle is shorter than the bound.
    const { valueDepth } = this.#bounds
    if (depth >= valueDepth)
      throw new UnsupportedValue(`a value nested deeper than ${valueDepth}, or a cycle`, {
        limit: 'valueDepth',
        used: depth + 1
      })
    const { isProxy } = this.#host
    if (isProxy?.(value)) throw new UnsupportedValue('a proxy')
    const kind = typedArrayKind(value)
    if (kind !== undefined) {
      if (kind !== 'Uint8Array') throw new UnsupportedValue(`a ${kind}: only Uint8Array crosses`)
      this.#tag(BYTES)
      this.#varint(typedArrayLength(value))
      return this.#raw(value as Uint8Array)
    }
    if (isArray(value)) return this.#array(value, depth)
    const prototype = getPrototypeOf(value) as object | null
    // Object.prototype of whatever realm, or none.
    if (prototype !== null && (isProxy?.(prototype) || getPrototypeOf(prototype) !== null)) {
      throw new UnsupportedValue('an instance of a class')
    }
    const names = keys(value)
    if ((this.#items += names.length) > this.#bounds.valueItems) throw this.#tooMany(this.#items)
    this.#tag(OBJECT)
    this.#varint(names.length)
    for (let i = 0; i < names.length; i++) {
      this.#text(names[i]!)
      this.#value(readOwn(value, names[i]!), depth + 1)
    }
  }

  #array(list: readonly unknown[], depth: number): void {
    const { length } = list
    if (length > this.#bounds.valueItems) throw this.#tooMany(length)
    this.#tag(ARRAY)
    this.#varint(length)
    for (let i = 0; i < length; i++) this.#value(readOwn(list, i), depth + 1)
  }
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00
const hexDigit = (code: number): number => (code < 58 ? code - 48 : code - 87)

/** An own property without running a getter; a hole reads as undefined. */
function readOwn(object: object, key: PropertyKey): unknown {
  const property = getOwnPropertyDescriptor(object, key)
  if (property === undefined) return undefined
  if (!hasOwn(property, 'value')) throw new UnsupportedValue('a property with a getter')
  return property.value
}

/** Reads one message, field by field. Every method throws MalformedMessage. */
export class Reader {
  #host: WireHost
  #bytes: Uint8Array
  #at = 0
  #end: number
  #items = 0

  /** @param bytes - Read in place; what {@link value} returns shares nothing with it. */
  constructor(bytes: Uint8Array, host: WireHost = {}) {
    this.#host = host
    this.#bytes = bytes
    this.#end = typedArrayLength(bytes)
  }

  byte(): number {
    if (this.#at >= this.#end) throw new MalformedMessage('message ends early')
    return this.#bytes[this.#at++]!
  }

  /** A text field. */
  text(): string {
    const tag = this.byte()
    if (tag !== TEXT && tag !== TEXT16) throw new MalformedMessage('text expected')
    return this.#text(tag)
  }

  /** An integer field of 0 to 2^31 - 1, such as an id. */
  count(): number {
    const value = this.byte() === INTEGER ? this.#integer() : -1
    if (value < 0) throw new MalformedMessage('count expected')
    return value
  }

  number(): number {
    const value = this.value()
    if (typeof value !== 'number') throw new MalformedMessage('number expected')
    return value
  }

  boolean(): boolean {
    const tag = this.byte()
    if (tag !== TRUE && tag !== FALSE) throw new MalformedMessage('boolean expected')
    return tag === TRUE
  }

  /** An array field of any values, each as deep as it may be alone. */
  list(): Value[] {
    if (this.byte() !== ARRAY) throw new MalformedMessage('list expected')
    return this.#array(-1)
  }

  value(): Value {
    return this.#value(0)
  }

  /** @throws MalformedMessage when fields are left. */
  end(): void {
    if (this.#at !== this.#end) throw new MalformedMessage('message runs on')
  }

  #varint(): number {
    let value = 0
    for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
      const byte = this.byte()
      value += (byte & 127) * factor
      if (byte < 128) {
        if (value > 0xffffffff) break
        return value
      }
    }
    throw new MalformedMessage('number out of range')
  }

  /** A length that what is left can hold, each item taking `itemBytes` at least. */
  #length(itemBytes: number): number {
    const count = this.#varint()
    if (count * itemBytes > this.#end - this.#at) throw new MalformedMessage('message ends early')
    return count
  }

  #value(depth: number): Value {
    if (++this.#items > MAX_VALUE_ITEMS) throw new MalformedMessage('too many values')
    const tag = this.byte()
    switch (tag) {
      case UNDEFINED:
        return undefined
      case NULL:
        return null
      case FALSE:
        return false
      case TRUE:
        return true
      case INTEGER:
        return this.#integer()
      case NUMBER:
        return this.#float()
      case BIGINT:
        return this.#bigint()
      case NEGATIVE_BIGINT:
        return -this.#bigint()
      case TEXT:
      case TEXT16:
        return this.#text(tag)
      case BYTES:
        return this.#raw()
    }
    if (depth >= MAX_VALUE_DEPTH) throw new MalformedMessage('nested too deep')
    if (tag === ARRAY) return this.#array(depth)
    if (tag === OBJECT) return this.#object(depth)
    throw new MalformedMessage('unknown kind of value')
  }

  #integer(): number {
    const zigzag = this.#varint()
    return (zigzag >>> 1) ^ -(zigzag & 1)
  }

  #float(): number {
    if (this.#end - this.#at < 8) throw new MalformedMessage('message ends early')
    const bytes = this.#bytes
    for (let i = 0; i < 8; i++) floatBytes[LITTLE_ENDIAN ? i : 7 - i] = bytes[this.#at + i]!
    this.#at += 8
    return float[0]!
  }

  #bigint(): bigint {
    const count = this.#length(1)
    if (count === 0) return 0n
    if (count > MAX_BIGINT_BYTES) throw new MalformedMessage('bigint too large')
    const digits = new Bytes(2 * count)
    let at = this.#at + count
    for (let i = 0; i < 2 * count; i += 2) {
      const byte = this.#bytes[--at]!
      digits[i] = charCodeAt(HEX, byte >> 4)
      digits[i + 1] = charCodeAt(HEX, byte & 15)
    }
    this.#at += count
    return BigIntOf('0x' + this.#ascii(digits))
  }

  #ascii(bytes: Uint8Array): string {
    const text = this.#host.decodeText?.(bytes)
    if (text !== undefined) return text
    let joined = ''
    for (let i = 0; i < typedArrayLength(bytes); i++) joined += fromCharCode(bytes[i]!)
    return joined
  }

  /** @returns A copy that starts its own buffer. */
  #raw(): Uint8Array {
    const count = this.#length(1)
    const copy = new Bytes(count)
    typedArraySet(copy, this.#view(count))
    return copy
  }

  /** The next `count` bytes in place. */
  #view(count: number): Uint8Array {
    const view = new Bytes(typedArrayBuffer(this.#bytes), typedArrayOffset(this.#bytes) + this.#at, count)
    this.#at += count
    return view
  }

  #text(tag: number): string {
    if (tag === TEXT16) return this.#text16()
    const count = this.#length(1)
    const { decodeText } = this.#host
    if (count <= SHORT_TEXT || decodeText === undefined) return this.#utf8(count)
    const start = this.#at
    const view = this.#view(count)
    try {
      const text = decodeText(view)
      if (text !== undefined) return text
    } catch {
      throw new MalformedMessage('text is not UTF-8')
    }
    this.#at = start
    return this.#utf8(count)
  }

  #text16(): string {
    const count = this.#length(2)
    const { decodeUnits } = this.#host
    if (decodeUnits !== undefined) return decodeUnits(this.#view(2 * count))
    let text = ''
    for (let i = 0; i < count; i++) text += fromCharCode(this.byte() | (this.byte() << 8))
    return text
  }

  #utf8(count: number): string {
    // Locals, since in QuickJS a private field costs several times as much.
    const bytes = this.#bytes
    let at = this.#at
    const end = at + count
    let text = ''
    while (at < end) {
      const lead = bytes[at++]!
      if (lead < 0x80) {
        text += fromCharCode(lead)
        continue
      }
      const extra = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1
      let code = lead & (0x3f >> extra)
      for (let i = 0; i < extra; i++) {
        const next = at < end ? bytes[at++]! : 0
        if ((next & 0xc0) !== 0x80) throw new MalformedMessage('text is not UTF-8')
        code = (code << 6) | (next & 63)
      }
      const shortest = extra === 1 ? 0x80 : extra === 2 ? 0x800 : 0x10000
      if (
        lead < 0xc2 ||
        lead > 0xf4 ||
        code < shortest ||
        code > 0x10ffff ||
        (code >= 0xd800 && code < 0xe000)
      ) {
        throw new MalformedMessage('text is not UTF-8')
      }
      text +=
        code < 0x10000
          ? fromCharCode(code)
          : fromCharCode(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff))
    }
    this.#at = end
    return text
  }

  #array(depth: number): Value[] {
    const count = this.#length(1)
    const list: Value[] = []
    for (let i = 0; i < count; i++) setOwn(list, i, this.#value(depth + 1))
    return list
  }

  #object(depth: number): { [key: string]: Value } {
    const count = this.#length(2)
    if ((this.#items += count) > MAX_VALUE_ITEMS) throw new MalformedMessage('too many values')
    const object: { [key: string]: Value } = {}
    for (let i = 0; i < count; i++) {
      const key = this.text()
      setOwn(object, key, this.#value(depth + 1))
    }
    return object
  }
}

const HEX = '0123456789abcdef'
