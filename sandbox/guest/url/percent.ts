/** Percent-encoding (WHATWG URL, section 1.3). */
import { TextDecoder } from '../encoding.js'

/** Characters beyond controls and non-ASCII that each part escapes. */
export const IN_FRAGMENT = ' "<>`'
export const IN_QUERY = ' "#<>'
export const IN_SPECIAL_QUERY = IN_QUERY + "'"
export const IN_PATH = IN_QUERY + '?^`{}'
export const IN_USERINFO = IN_PATH + '/:;=@[\\]|'
export const NOTHING = ''

const isPlain = (code: number): boolean => code > 0x1f && code < 0x7f

export function escape(text: string, set: string): string {
  let out = ''
  for (const char of text) {
    if (isPlain(char.codePointAt(0)!) && !set.includes(char)) out += char
    else for (const byte of utf8(char)) out += '%' + byte.toString(16).toUpperCase().padStart(2, '0')
  }
  return out
}

/** Lone surrogates become U+FFFD. */
export function utf8(text: string): number[] {
  const bytes: number[] = []
  for (const char of text.toWellFormed()) {
    const code = char.codePointAt(0)!
    if (code < 0x80) bytes.push(code)
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63))
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
    else {
      bytes.push(
        0xf0 | (code >> 18),
        0x80 | ((code >> 12) & 63),
        0x80 | ((code >> 6) & 63),
        0x80 | (code & 63)
      )
    }
  }
  return bytes
}

/** Percent-decode to text; what is not UTF-8 becomes U+FFFD. */
export function unescape(text: string): string {
  if (!text.includes('%')) return text
  const bytes = utf8(text)
  const out: number[] = []
  for (let i = 0; i < bytes.length; i++) {
    const digits = bytes[i] === 0x25 ? String.fromCharCode(bytes[i + 1] ?? 0, bytes[i + 2] ?? 0) : ''
    if (/^[0-9a-f]{2}$/i.test(digits)) {
      out.push(parseInt(digits, 16))
      i += 2
    } else out.push(bytes[i]!)
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array(out))
}
