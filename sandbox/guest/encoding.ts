/** TextEncoder, TextDecoder (WHATWG Encoding: UTF-8, UTF-16LE and windows-1252), atob and btoa. */
import { DOMException } from './exception.js'
import { tag } from './globals.js'
import type { Native } from './link.js'

/** The engine's own converters, where it has them: a loop here takes hundreds of times as long. */
let native: Pick<Native, 'encodeText' | 'decodeText'> = {}
export const useConverters = (engine: Native): void => {
  native = engine
}

export class TextEncoder {
  get encoding(): string {
    return 'utf-8'
  }

  encode(input: unknown = ''): Uint8Array {
    const text = `${input}`.toWellFormed()
    if (native.encodeText !== undefined && !text.includes('\0')) return native.encodeText(text)
    const bytes = new Uint8Array(utf8Length(text))
    writeUtf8(text, bytes)
    return bytes
  }

  encodeInto(input: unknown, target: Uint8Array): { read: number; written: number } {
    return writeUtf8(`${input}`, target)
  }
}
tag(TextEncoder, 'TextEncoder')

/** The code point at `index`; lone surrogates become U+FFFD. */
function scalarAt(text: string, index: number): number {
  const code = text.codePointAt(index)!
  return code >= 0xd800 && code < 0xe000 ? 0xfffd : code
}

function utf8Length(text: string): number {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    if (unit < 0x800) length += 1
    else {
      length += 2
      // A pair is two units and four bytes.
      if (text.codePointAt(i)! > 0xffff) i++
    }
  }
  return length
}

function writeUtf8(text: string, bytes: Uint8Array): { read: number; written: number } {
  const room = bytes.length
  let at = 0
  let i = 0
  while (i < text.length) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) {
      if (at === room) break
      bytes[at++] = unit
      i++
      continue
    }
    const code = scalarAt(text, i)
    const size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (at + size > room) break
    if (size === 2) bytes[at++] = 0xc0 | (code >> 6)
    else {
      if (size === 3) bytes[at++] = 0xe0 | (code >> 12)
      else {
        bytes[at++] = 0xf0 | (code >> 18)
        bytes[at++] = 0x80 | ((code >> 12) & 63)
      }
      bytes[at++] = 0x80 | ((code >> 6) & 63)
    }
    bytes[at++] = 0x80 | (code & 63)
    i += code > 0xffff ? 2 : 1
  }
  return { read: i, written: at }
}

/** Labels by encoding, as the standard lists them for the three kept here. */
const LABELS: Readonly<Record<string, string>> = {
  'utf-8': 'unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8',
  'utf-16le': 'csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le',
  'windows-1252':
    'ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 ' +
    'iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252'
}

/** What windows-1252 has between 0x80 and 0x9f. */
const WINDOWS_1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ'

function encodingOf(label: string): string | undefined {
  const wanted = label.replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, '').toLowerCase()
  return Object.keys(LABELS).find(encoding => LABELS[encoding]!.split(' ').includes(wanted))
}

export class TextDecoder {
  readonly #encoding: string
  readonly #fatal: boolean
  readonly #ignoreBOM: boolean
  /** Bytes of a character that a streamed chunk began. */
  #rest: number[] = []
  #bomSeen = false

  constructor(label: unknown = 'utf-8', options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    const encoding = encodingOf(`${label}`)
    if (encoding === undefined) throw new RangeError(`The encoding '${label}' is not supported`)
    this.#encoding = encoding
    this.#fatal = !!options.fatal
    this.#ignoreBOM = !!options.ignoreBOM
  }

  get encoding(): string {
    return this.#encoding
  }

  get fatal(): boolean {
    return this.#fatal
  }

  get ignoreBOM(): boolean {
    return this.#ignoreBOM
  }

  decode(input?: ArrayBuffer | ArrayBufferView, options: { stream?: boolean } = {}): string {
    const chunk = bytesOf(input)
    let bytes = chunk
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + chunk.length)
      bytes.set(this.#rest)
      bytes.set(chunk, this.#rest.length)
      this.#rest = []
    }
    const stream = !!options.stream
    const fast = this.#encoding === 'utf-8' && !stream ? decodeClean(bytes) : undefined
    if (fast !== undefined) return this.#withoutBom(fast, stream)
    const units = new Units()
    const used =
      this.#encoding === 'utf-8'
        ? this.#utf8(bytes, units, stream)
        : this.#encoding === 'utf-16le'
          ? this.#utf16(bytes, units, stream)
          : windows1252(bytes, units)
    this.#rest = Array.from(bytes.subarray(used))
    return this.#withoutBom(units.text(), stream)
  }

  #withoutBom(text: string, stream: boolean): string {
    if (!this.#bomSeen && text !== '') {
      this.#bomSeen = true
      if (!this.#ignoreBOM && this.#encoding !== 'windows-1252' && text.charCodeAt(0) === 0xfeff)
        text = text.slice(1)
    }
    if (!stream) this.#bomSeen = false
    return text
  }

  #malformed(units: Units): void {
    if (this.#fatal) {
      this.#rest = []
      this.#bomSeen = false
      throw new TypeError(`The bytes are not valid ${this.#encoding}`)
    }
    units.add(0xfffd)
  }

  /** @returns Bytes used; fewer than all only when the last character is cut in a stream. */
  #utf8(bytes: Uint8Array, units: Units, stream: boolean): number {
    let i = 0
    while (i < bytes.length) {
      const lead = bytes[i]!
      if (lead < 0x80) {
        units.add(lead)
        i++
        continue
      }
      const extra =
        lead >= 0xc2 && lead < 0xe0
          ? 1
          : lead >= 0xe0 && lead < 0xf0
            ? 2
            : lead >= 0xf0 && lead < 0xf5
              ? 3
              : 0
      let code = lead & (0x3f >> extra)
      let taken = 0
      while (taken < extra && i + 1 + taken < bytes.length) {
        const next = bytes[i + 1 + taken]!
        // The first byte after some leads has a narrower range: no overlong forms, surrogates or beyond U+10FFFF.
        const low = taken > 0 ? 0x80 : lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
        const high = taken > 0 ? 0xbf : lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
        if (next < low || next > high) break
        code = (code << 6) | (next & 63)
        taken++
      }
      if (extra > 0 && taken === extra) units.add(code)
      else if (extra > 0 && i + 1 + taken === bytes.length && stream) return i
      else this.#malformed(units)
      i += 1 + taken
    }
    return i
  }

  #utf16(bytes: Uint8Array, units: Units, stream: boolean): number {
    let i = 0
    for (; i + 1 < bytes.length; i += 2) {
      const unit = bytes[i]! | (bytes[i + 1]! << 8)
      if (unit < 0xd800 || unit > 0xdfff) {
        units.add(unit)
        continue
      }
      if (unit < 0xdc00 && i + 3 >= bytes.length && stream) return i
      const next = i + 3 < bytes.length ? bytes[i + 2]! | (bytes[i + 3]! << 8) : 0
      if (unit < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
        units.add(0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00))
        i += 2
      } else {
        this.#malformed(units)
        // A cut high surrogate and the odd byte after it are one mistake.
        if (unit < 0xdc00 && i + 3 === bytes.length) return bytes.length
      }
    }
    if (i < bytes.length) {
      if (stream) return i
      this.#malformed(units)
    }
    return bytes.length
  }
}
tag(TextDecoder, 'TextDecoder')

/** By the engine's converter, which treats mistakes in its own way: nothing that holds one, or may, comes from it. */
function decodeClean(bytes: Uint8Array): string | undefined {
  if (native.decodeText === undefined || bytes.length === 0) return undefined
  const text = native.decodeText(bytes)
  return text === undefined || text.includes('\ufffd') || !text.isWellFormed() ? undefined : text
}

function windows1252(bytes: Uint8Array, units: Units): number {
  for (const byte of bytes)
    units.add(byte >= 0x80 && byte < 0xa0 ? WINDOWS_1252.charCodeAt(byte - 0x80) : byte)
  return bytes.length
}

/** Text in the making: UTF-16 units by blocks, since adding to a string one by one is slow. */
class Units {
  #block = new Uint16Array(1024)
  #used = 0
  #text = ''

  add(code: number): void {
    if (this.#used >= 1023) this.#flush()
    if (code > 0xffff) {
      this.#block[this.#used++] = 0xd7c0 + (code >> 10)
      code = 0xdc00 | (code & 0x3ff)
    }
    this.#block[this.#used++] = code
  }

  #flush(): void {
    this.#text += String.fromCharCode.apply(null, this.#block.subarray(0, this.#used) as unknown as number[])
    this.#used = 0
  }

  text(): string {
    this.#flush()
    return this.#text
  }
}

function bytesOf(input: ArrayBuffer | ArrayBufferView | undefined): Uint8Array {
  if (input === undefined) return new Uint8Array(0)
  if (input instanceof ArrayBuffer) return new Uint8Array(input)
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
  throw new TypeError('The input must be an ArrayBuffer or a view of one')
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** Latin-1 text to base64 (WHATWG Infra, forgiving-base64). */
export function btoa(input: unknown): string {
  const text = `${input}`
  let out = ''
  for (let i = 0; i < text.length; i += 3) {
    const [a, b, c] = [text.charCodeAt(i), text.charCodeAt(i + 1), text.charCodeAt(i + 2)]
    if (a > 255 || b > 255 || c > 255) {
      throw new DOMException('The text has characters outside of Latin-1', 'InvalidCharacterError')
    }
    const group = (a << 16) | (b << 8) | c
    out += BASE64[group >> 18]! + BASE64[(group >> 12) & 63]!
    out += i + 1 < text.length ? BASE64[(group >> 6) & 63]! : '='
    out += i + 2 < text.length ? BASE64[group & 63]! : '='
  }
  return out
}

export function atob(input: unknown): string {
  let text = `${input}`.replace(/[\t\n\f\r ]/g, '')
  if (text.length % 4 === 0) text = text.replace(/==?$/, '')
  if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) {
    throw new DOMException('The text is not base64', 'InvalidCharacterError')
  }
  let out = ''
  let bits = 0
  let group = 0
  for (const char of text) {
    group = ((group << 6) | BASE64.indexOf(char)) & 0xfff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      out += String.fromCharCode((group >> bits) & 255)
    }
  }
  return out
}
