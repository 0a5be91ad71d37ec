/** What a terminal sends, as keys: UTF-8, control characters, and the escape sequences of xterm, rxvt, Linux, kitty. */
import type { Key } from '../../sandbox/guest.js'

const ESC = 0x1b
/** A sequence that does not end by then is no key; of more escapes in a row each is the key. */
const MAX_SEQUENCE_BYTES = 64

/** By the last letter of `ESC [ ...` and `ESC O ...`. */
const FINALS: Readonly<Record<string, string>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  F: 'end',
  H: 'home',
  P: 'f1',
  Q: 'f2',
  R: 'f3',
  S: 'f4',
  M: 'enter'
}

/** By the number in `ESC [ n ~`. */
const NUMBERS: Readonly<Record<number, string>> = {
  1: 'home',
  2: 'insert',
  3: 'delete',
  4: 'end',
  5: 'pageup',
  6: 'pagedown',
  7: 'home',
  8: 'end',
  11: 'f1',
  12: 'f2',
  13: 'f3',
  14: 'f4',
  15: 'f5',
  17: 'f6',
  18: 'f7',
  19: 'f8',
  20: 'f9',
  21: 'f10',
  23: 'f11',
  24: 'f12'
}

/** Turns bytes into keys. Bytes may come in any pieces; what is begun and not ended waits for more. */
export class KeyDecoder {
  #pending: number[] = []

  /** Whether an escape sequence, or the escape key, was begun: only time tells which. */
  get waiting(): boolean {
    return this.#pending[0] === ESC
  }

  push(bytes: Uint8Array): Key[] {
    this.#pending.push(...bytes)
    return this.#take(false)
  }

  /** Nothing more came: an escape by itself is the escape key, and half a character is none. */
  flush(): Key[] {
    return this.#take(true)
  }

  #take(ended: boolean): Key[] {
    const keys: Key[] = []
    let at = 0
    while (at < this.#pending.length) {
      const found = readKey(this.#pending, at, ended)
      if (found === undefined) break
      at += found.length
      if (found.key !== undefined) keys.push(found.key)
    }
    this.#pending = this.#pending.slice(at)
    return keys
  }
}

/** A key, or nothing for a sequence that is none, and how many bytes it took. */
interface Found {
  readonly key: Key | undefined
  readonly length: number
}

/** Escapes in a row are Alt for the key that follows them. @returns undefined when more bytes are needed. */
function readKey(bytes: readonly number[], at: number, ended: boolean): Found | undefined {
  let more = 0
  while (more < MAX_SEQUENCE_BYTES && bytes[at + more] === ESC && bytes[at + more + 1] === ESC) more++
  const escape = { key: plain('escape'), length: 1 }
  if (more === MAX_SEQUENCE_BYTES) return escape
  const found = readOne(bytes, at + more, ended)
  if (found === undefined || more === 0) return found
  if (found.key?.name === 'escape') return escape
  return { key: found.key && withAlt(found.key), length: more + found.length }
}

/** @param at - Of a byte that is no escape before another one. */
function readOne(bytes: readonly number[], at: number, ended: boolean): Found | undefined {
  const first = bytes[at]!
  if (first !== ESC) return readCharacter(bytes, at, ended)
  const second = bytes[at + 1]
  if (second === undefined) return ended ? { key: plain('escape'), length: 1 } : undefined
  if (second === 0x5b || second === 0x4f) {
    const sequence = readSequence(bytes, at, ended)
    // Nothing followed: the keys Alt-[ and Alt-O send just that.
    if (sequence === 'cut') return { key: withAlt(character(String.fromCharCode(second))), length: 2 }
    return sequence
  }
  const rest = readCharacter(bytes, at + 1, ended)
  return rest && { key: rest.key && withAlt(rest.key), length: 1 + rest.length }
}

/** `ESC [ parameters final` or `ESC O final`. */
function readSequence(bytes: readonly number[], at: number, ended: boolean): Found | 'cut' | undefined {
  const more = ended ? 'cut' : undefined
  const start = at + 2
  if (bytes[at + 1] === 0x4f) {
    const final = bytes[start]
    if (final === undefined) return more
    return { key: named(FINALS[String.fromCharCode(final)], 1), length: 3 }
  }
  if (bytes[start] === 0x5b) {
    // Linux's console: ESC [ [ A to E are F1 to F5.
    const final = bytes[start + 1]
    if (final === undefined) return more
    return { key: named(final >= 0x41 && final <= 0x45 ? `f${final - 0x40}` : undefined, 1), length: 4 }
  }
  // The old mouse report has three bytes after its M, which are not text.
  if (bytes[start] === 0x4d) return bytes.length >= start + 4 ? { key: undefined, length: 6 } : more
  let end = start
  while (end < bytes.length && bytes[end]! >= 0x20 && bytes[end]! <= 0x3f) end++
  const length = end + 1 - at
  if (length > MAX_SEQUENCE_BYTES) return { key: undefined, length }
  // rxvt ends Shift- and Ctrl-keys with $, which is a parameter by the standard: ESC [ 3 $
  if (bytes[end] === undefined) {
    if (end > start && bytes[end - 1] === 0x24)
      return { key: decodeSequence(bytes, start, end - 1), length: end - at }
    return more
  }
  if (bytes[end]! < 0x40 || bytes[end]! > 0x7e) return { key: undefined, length: length - 1 }
  return { key: decodeSequence(bytes, start, end), length }
}

function decodeSequence(bytes: readonly number[], start: number, end: number): Key | undefined {
  const parameters = String.fromCharCode(...bytes.slice(start, end))
  const final = String.fromCharCode(bytes[end]!)
  if (!/^[0-9;:]*$/.test(parameters)) return undefined
  const [first = '', second = ''] = parameters.split(';')
  const number = Number.parseInt(first, 10)
  const modifiers = Number.parseInt(second, 10) || 1
  switch (final) {
    case '~':
      return named(NUMBERS[number], modifiers)
    case '$':
      return named(NUMBERS[number], 2)
    case '^':
      return named(NUMBERS[number], 5)
    case '@':
      return named(NUMBERS[number], 6)
    case 'Z':
      return { ...plain('tab', '\t'), shift: true }
    case 'u':
      return kitty(number, modifiers)
    case 'a':
    case 'b':
    case 'c':
    case 'd':
      return named(FINALS[final.toUpperCase()], 2)
    default:
      return named(FINALS[final], modifiers)
  }
}

/** kitty's `ESC [ code ; modifiers u`. */
function kitty(code: number, modifiers: number): Key | undefined {
  if (!(code > 0 && code <= 0x10ffff) || (code >= 0xd800 && code <= 0xdfff)) return undefined
  const key = code < 0x20 || code === 0x7f ? control(code) : character(String.fromCodePoint(code))
  return { ...key, ...modifierFlags(modifiers) }
}

const modifierFlags = (modifiers: number) => {
  const bits = modifiers - 1
  return { shift: (bits & 1) !== 0, alt: (bits & 2) !== 0, ctrl: (bits & 4) !== 0 }
}

const named = (name: string | undefined, modifiers: number): Key | undefined =>
  name === undefined ? undefined : { ...plain(name), ...modifierFlags(modifiers) }

const plain = (name: string, text = ''): Key => ({ name, text, ctrl: false, alt: false, shift: false })
const withAlt = (key: Key): Key => ({ ...key, alt: true })

function readCharacter(bytes: readonly number[], at: number, ended: boolean): Found | undefined {
  const first = bytes[at]!
  if (first < 0x20 || first === 0x7f) return { key: control(first), length: 1 }
  const length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1
  const sequence = bytes.slice(at, at + length)
  const broken = sequence.findIndex((byte, index) => index > 0 && (byte & 0xc0) !== 0x80)
  if (broken > 0) return { key: undefined, length: broken }
  if (sequence.length < length) return ended ? { key: undefined, length: sequence.length } : undefined
  const text = new TextDecoder().decode(Uint8Array.from(sequence))
  // Surrogates, overlong forms: bytes that look like a character and are none.
  return { key: text.includes('\ufffd') ? undefined : character(text), length }
}

const character = (text: string): Key => ({
  ...plain(text === ' ' ? 'space' : text, text),
  shift: text !== text.toLowerCase()
})

function control(code: number): Key {
  switch (code) {
    case 0x00:
      return { ...plain('space'), ctrl: true }
    case 0x08:
    case 0x7f:
      return plain('backspace')
    case 0x09:
      return plain('tab', '\t')
    // Enter sends CR; lines from a file end with LF.
    case 0x0a:
    case 0x0d:
      return plain('enter', '\n')
    case ESC:
      return plain('escape')
    default:
      // Ctrl-A to Ctrl-Z, and Ctrl-\ ] ^ _.
      return { ...plain(String.fromCharCode(code + 0x40).toLowerCase()), ctrl: true }
  }
}
