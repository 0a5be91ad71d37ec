/**
 * The strict MessagePack profile of every record body: one value has one encoding, and nothing else is read.
 *
 * Types: nil, bool, integers from -(2^53 - 1) to 2^53 - 1, UTF-8 text, bytes, arrays, maps. No floats, no
 * extensions. Every integer and every length in its shortest form; integers that are not negative in the unsigned
 * forms. Text is well-formed and does not begin with a byte order mark. The keys of a map are 1 to 255 printable
 * ASCII characters, in ascending order of their bytes, each once, and none is `__proto__`. At most 16 levels,
 * 200 000 values, and no trailing bytes.
 *
 * A scanner of our own checks all of that before msgpackr sees the bytes, because msgpackr accepts far more
 * whatever its options: repeated keys, longer forms, bad UTF-8, extensions that build objects and even functions.
 *
 * The only file that imports msgpackr, by an entry that never loads its native addon.
 *
 * @see docs/spec.md §2.4
 */
import { Unpackr } from 'msgpackr/unpack'
import { utf8, wipe } from './bytes.js'
import { CofferError } from './errors.js'
import { counted } from './wording.js'
import { MAX_DEPTH, MAX_ITEMS } from './limits.js'

export type Packable =
  null | boolean | number | string | Uint8Array | readonly Packable[] | { readonly [key: string]: Packable }

/**
 * Encode a value in its one form.
 *
 * Not by msgpackr, which writes integers from 2^32 on as floats or as signed, keeps map order, and leaves what it
 * wrote in a buffer that it shares between calls.
 *
 * @returns bytes of their own memory, which {@link decode} turns into an equal value (-0 becomes 0).
 * @throws TypeError for a value that the profile cannot say: a mistake of our own code.
 */
export function encode(value: Packable): Uint8Array {
  const first = desk ?? new Uint8Array(256)
  desk = undefined
  let out = first
  let at = 0
  let values = 0
  try {
    put(value, 0)
    return out.slice(0, at)
  } finally {
    wipe(out.subarray(0, at))
    desk = first
  }

  function put(value: unknown, depth: number): void {
    if (++values > MAX_ITEMS) cannot(`more than ${MAX_ITEMS} values`)
    if (value === null) putHead(0xc0)
    else if (value === false) putHead(0xc2)
    else if (value === true) putHead(0xc3)
    else if (typeof value === 'number') putInteger(value)
    else if (typeof value === 'string') putText(value)
    else if (value instanceof Uint8Array) putBytes(value)
    else if (typeof value !== 'object') cannot(`a ${typeof value}`)
    else if (depth === MAX_DEPTH) cannot(`more than ${MAX_DEPTH} levels`)
    else if (Array.isArray(value)) putArray(value, depth)
    else putMap(value, depth)
  }

  function putInteger(value: number): void {
    if (!Number.isSafeInteger(value)) cannot('a number that is no exact integer')
    if (value >= 0) {
      if (value < 0x80) putHead(value)
      else if (value < 0x100) putHead(0xcc, 1, value)
      else if (value < 0x1_0000) putHead(0xcd, 2, value)
      else if (value < 0x1_0000_0000) putHead(0xce, 4, value)
      else putHead(0xcf, 8, value)
    } else if (value >= -0x20) putHead(0x100 + value)
    else if (value >= -0x80) putHead(0xd0, 1, value)
    else if (value >= -0x8000) putHead(0xd1, 2, value)
    else if (value >= -0x8000_0000) putHead(0xd2, 4, value)
    else putHead(0xd3, 8, value)
  }

  function putText(value: string): void {
    if (value.length <= SHORT_CHARS && putAscii(value)) return
    if (/^\ufeff|[\ud800-\udfff]/u.test(value))
      cannot('text with a lone surrogate or a leading byte order mark')
    const bytes = utf8(value)
    if (bytes.length < 0x20) putHead(0xa0 | bytes.length)
    else putLength(0xd9, bytes.length)
    putRaw(bytes)
  }

  /** Most text: an encoder of its own for each costs more than all the rest. @returns false for what is not ASCII. */
  function putAscii(value: string): boolean {
    const { length } = value
    reserve(2 + length)
    let end = at
    if (length < 0x20) out[end++] = 0xa0 | length
    else {
      out[end++] = 0xd9
      out[end++] = length
    }
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code >= 0x80) return false
      out[end++] = code
    }
    at = end
    return true
  }

  function putBytes(bytes: Uint8Array): void {
    putLength(0xc4, bytes.length)
    putRaw(bytes)
  }

  function putArray(values: readonly unknown[], depth: number): void {
    if (values.length < 0x10) putHead(0x90 | values.length)
    else if (values.length < 0x1_0000) putHead(0xdc, 2, values.length)
    else putHead(0xdd, 4, values.length)
    for (let i = 0; i < values.length; i++) put(values[i], depth + 1)
  }

  function putMap(map: object, depth: number): void {
    const prototype: unknown = Object.getPrototypeOf(map)
    if (prototype !== Object.prototype && prototype !== null) cannot('an object of a class')
    const keys = Object.keys(map)
    if (!ascend(keys)) keys.sort()
    if (keys.length < 0x10) putHead(0x80 | keys.length)
    else if (keys.length < 0x1_0000) putHead(0xde, 2, keys.length)
    else putHead(0xdf, 4, keys.length)
    for (const key of keys) {
      if (!isKey(key)) cannot('a key that is not 1 to 255 printable ASCII characters, or is __proto__')
      putText(key)
      put((map as Record<string, unknown>)[key], depth + 1)
    }
  }

  /** For the two types whose three forms with a length stand side by side. */
  function putLength(type8: 0xc4 | 0xd9, length: number): void {
    if (length < 0x100) putHead(type8, 1, length)
    else if (length < 0x1_0000) putHead(type8 + 1, 2, length)
    else putHead(type8 + 2, 4, length)
  }

  /** A type byte, then an integer of `width` bytes, big-endian, in two's complement. */
  function putHead(type: number, width: 0 | 1 | 2 | 4 | 8 = 0, integer = 0): void {
    reserve(1 + width)
    out[at] = type
    for (let i = width, rest = integer; i > 0; i--, rest = Math.floor(rest / 256)) out[at + i] = rest % 256
    at += 1 + width
  }

  function putRaw(bytes: Uint8Array): void {
    reserve(bytes.length)
    out.set(bytes, at)
    at += bytes.length
  }

  function reserve(length: number): void {
    if (at + length <= out.length) return
    const larger = new Uint8Array(2 * (at + length))
    larger.set(out.subarray(0, at))
    wipe(out.subarray(0, at))
    out = larger
  }

  function cannot(what: string): never {
    throw new TypeError(`cannot encode ${what}`)
  }
}

/** Where most values are written, one after the other, and wiped; undefined while one is. */
let desk: Uint8Array<ArrayBuffer> | undefined = new Uint8Array(4096)

const SHORT_CHARS = 128

/** By their UTF-16 units, as sort() has them. */
function ascend(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) if (keys[i - 1]! > keys[i]!) return false
  return true
}

const isKey = (name: string): boolean => /^[\x20-\x7e]{1,255}$/.test(name) && name !== '__proto__'

/**
 * Decode bytes from outside.
 *
 * @param bytes - not kept.
 * @returns a value whose bytes fields have memory of their own. Maps are ordinary objects: read own fields only.
 * @throws CofferError `COFFER_ENCODING`, with the offset at which the bytes leave the profile.
 */
export function decode(bytes: Uint8Array): Packable {
  scan(bytes)
  // A view of our own, since msgpackr leaves a property on what it is given and cuts Buffers into Buffers.
  return unpacker.unpack(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)) as Packable
}

const unpacker = new Unpackr({
  useRecords: false,
  mapsAsObjects: true,
  structuredClone: false,
  copyBuffers: true,
  int64AsType: 'number' // exact, since the scanner ends at 2^53 - 1
})

// ---------------------------------------------------------------- the scanner

/** @throws CofferError `COFFER_ENCODING` unless `bytes` is exactly one value of the profile. */
function scan(bytes: Uint8Array): void {
  const end = bytes.length
  let at = 0
  let values = MAX_ITEMS

  value(0)
  if (at !== end) refuse(`the value ends, but ${counted(end - at, 'byte')} follow`)

  function value(depth: number): void {
    if (--values < 0) refuse(`more than ${MAX_ITEMS} values`)
    const first = byte()
    if (first <= 0x7f || first >= 0xe0) return
    if (first <= 0x8f) return map(first & 0x0f, depth)
    if (first <= 0x9f) return array(first & 0x0f, depth)
    if (first <= 0xbf) return text(first & 0x1f)
    switch (first) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return
      case 0xc4:
        return skip(unsigned(1, 0))
      case 0xc5:
        return skip(unsigned(2, 0x100))
      case 0xc6:
        return skip(unsigned(4, 0x1_0000))
      case 0xcc:
        return void unsigned(1, 0x80)
      case 0xcd:
        return void unsigned(2, 0x100)
      case 0xce:
        return void unsigned(4, 0x1_0000)
      case 0xcf:
        return void unsigned(8, 0x1_0000_0000)
      case 0xd0:
        return negative(1, -0x20)
      case 0xd1:
        return negative(2, -0x80)
      case 0xd2:
        return negative(4, -0x8000)
      case 0xd3:
        return negative(8, -0x8000_0000)
      case 0xd9:
        return text(unsigned(1, 0x20))
      case 0xda:
        return text(unsigned(2, 0x100))
      case 0xdb:
        return text(unsigned(4, 0x1_0000))
      case 0xdc:
        return array(unsigned(2, 0x10), depth)
      case 0xdd:
        return array(unsigned(4, 0x1_0000), depth)
      case 0xde:
        return map(unsigned(2, 0x10), depth)
      case 0xdf:
        return map(unsigned(4, 0x1_0000), depth)
      default:
        at--
        return refuse(`type 0x${first.toString(16)} is not in the profile`)
    }
  }

  function array(length: number, depth: number): void {
    enter(depth)
    for (let i = 0; i < length; i++) value(depth + 1)
  }

  function map(length: number, depth: number): void {
    enter(depth)
    let previous = 0
    let previousEnd = 0
    for (let i = 0; i < length; i++) {
      const name = key()
      if (!ascends(bytes, previous, previousEnd, name, at)) refuse('keys repeat or do not ascend')
      previous = name
      previousEnd = at
      value(depth + 1)
    }
  }

  /** @returns where its bytes begin; they end where the next value does begin. */
  function key(): number {
    const first = byte()
    // Another type has length 0 here, which no key has.
    const length = first >= 0xa0 && first <= 0xbf ? first & 0x1f : first === 0xd9 ? unsigned(1, 0x20) : 0
    const start = at
    skip(length)
    if (!isKeyAt(bytes, start, at))
      refuse('a key is not 1 to 255 printable ASCII characters, or it is __proto__')
    return start
  }

  function enter(depth: number): void {
    if (depth === MAX_DEPTH) refuse(`more than ${MAX_DEPTH} levels`)
  }

  function byte(): number {
    if (at === end) refuse('the bytes end early')
    return bytes[at++]!
  }

  /** A big-endian integer, which is refused below `least` because a shorter form would have held it. */
  function unsigned(width: 1 | 2 | 4 | 8, least: number): number {
    let integer = 0
    for (let i = 0; i < width; i++) integer = integer * 256 + byte()
    if (integer < least) refuse('an integer or a length is not in its shortest form')
    if (integer > Number.MAX_SAFE_INTEGER) refuse('an integer is above 2^53 - 1')
    return integer
  }

  /** Two's complement, as the distance below -1, which no sign bit makes inexact; refused from `bound` on. */
  function negative(width: 1 | 2 | 4 | 8, bound: number): void {
    let below = 0
    for (let i = 0; i < width; i++) below = below * 256 + (0xff - byte())
    const isPositive = below >= 2 ** (8 * width - 1)
    if (isPositive || -1 - below >= bound) refuse('an integer is not in its shortest form')
    if (-1 - below < Number.MIN_SAFE_INTEGER) refuse('an integer is below -(2^53 - 1)')
  }

  function skip(length: number): void {
    if (length > end - at) refuse(`${counted(length, 'byte')} claimed, but ${end - at} left`)
    at += length
  }

  function text(length: number): void {
    const start = at
    skip(length)
    if (!isUtf8(bytes, start, at)) refuse('text is not UTF-8')
    // msgpackr would drop the mark from long text, and two encodings would mean one value.
    if (length >= 3 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf) {
      refuse('text begins with a byte order mark')
    }
  }

  function refuse(reason: string): never {
    throw new CofferError('COFFER_ENCODING', `Cannot read an encoded value: ${reason} (at byte ${at}).`, {
      hint: 'Get it again from where it came from; it is damaged, or was not made by coffer.'
    })
  }
}

/** {@link isKey}, for what is not a string yet: to make one of each key takes longer than all the rest. */
function isKeyAt(bytes: Uint8Array, start: number, end: number): boolean {
  if (end === start || end - start > 255) return false
  for (let at = start; at < end; at++) if (bytes[at]! < 0x20 || bytes[at]! > 0x7e) return false
  return end - start !== PROTO.length || !PROTO.every((byte, i) => bytes[start + i] === byte)
}

const PROTO = utf8('__proto__')

/** Whether the second of two keys comes after the first, which may be empty. */
function ascends(
  bytes: Uint8Array,
  first: number,
  firstEnd: number,
  second: number,
  secondEnd: number
): boolean {
  for (let i = 0; ; i++) {
    if (second + i === secondEnd) return false
    if (first + i === firstEnd) return true
    const step = bytes[second + i]! - bytes[first + i]!
    if (step !== 0) return step > 0
  }
}

/** RFC 3629 §4: no overlong forms, no surrogates, nothing above U+10FFFF. */
function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end;) {
    const lead = bytes[at++]!
    if (lead < 0x80) continue
    const more =
      lead >= 0xc2 && lead <= 0xdf
        ? 1
        : lead >= 0xe0 && lead <= 0xef
          ? 2
          : lead >= 0xf0 && lead <= 0xf4
            ? 3
            : 0
    if (more === 0 || at + more > end) return false
    const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    if (bytes[at]! < least || bytes[at]! > most) return false
    for (let i = 1; i < more; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return false
    at += more
  }
  return true
}
