/** Small helpers on bytes. Nothing here knows what the bytes mean. */
import { CofferError } from './errors.js'

const encoder = new TextEncoder()

export function utf8(text: string): Uint8Array {
  // A call of the encoder takes longer than short text that is ASCII.
  if (text.length > 64) return encoder.encode(text)
  const out = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code >= 0x80) return encoder.encode(text)
    out[i] = code
  }
  return out
}

/** @throws TypeError when the bytes are not UTF-8: callers translate it. */
export const utf8Decode = (bytes: Uint8Array): string =>
  new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

export function u32be(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new RangeError(`not a u32: ${value}`)
  return new Uint8Array([value >>> 24, value >>> 16, value >>> 8, value])
}

export const readU32be = (bytes: Uint8Array, offset: number): number =>
  ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0

/** Compare without leaving early, so that timing does not tell how many bytes fit. Lengths are not secret. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!
  return difference === 0
}

/** Overwrite secrets that are no longer needed. JavaScript cannot promise more (SECURITY.md). */
export function wipe(...secrets: readonly (Uint8Array | undefined)[]): void {
  for (const secret of secrets) secret?.fill(0)
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export const hex = (bytes: Uint8Array): string => {
  let out = ''
  for (let i = 0; i < bytes.length; i++) out += HEX[bytes[i]!]!
  return out
}

/** The first 16 digits: enough to tell hashes apart, in names of files and for people. */
export const shortHex = (bytes: Uint8Array): string => hex(bytes).slice(0, 16)

export function fromHex(text: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/.test(text)) {
    throw new CofferError('COFFER_ENCODING', 'Cannot read hexadecimal text.', {
      expected: 'pairs of 0-9 and a-f',
      found: `${text.length} characters that are not`,
      hint: 'Get the text again from where it came from, whole.'
    })
  }
  const out = new Uint8Array(text.length / 2)
  for (let i = 0; i < out.length; i++) {
    out[i] = (digitOf(text.charCodeAt(2 * i)) << 4) | digitOf(text.charCodeAt(2 * i + 1))
  }
  return out
}

/** Of 0-9 or a-f. */
const digitOf = (code: number): number => (code <= 0x39 ? code - 0x30 : code - 0x57)

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** RFC 4648 §5 without padding. */
export function base64url(bytes: Uint8Array): string {
  let out = ''
  for (let i = 0; i < bytes.length; i += 3) {
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    const chars = Math.min(bytes.length - i, 3) + 1
    for (let c = 0; c < chars; c++) out += BASE64URL[(group >> (18 - 6 * c)) & 63]
  }
  return out
}

/** The inverse of {@link base64url}; one text per value, so unused bits must be zero. */
export function fromBase64url(text: string): Uint8Array {
  const refuse = () =>
    new CofferError('COFFER_ENCODING', 'Cannot read base64url text: it is not in its one valid form.', {
      hint: 'Get the text again from where it came from, whole.'
    })
  if (text.length % 4 === 1) throw refuse()
  const out = new Uint8Array(Math.floor((text.length * 3) / 4))
  let bits = 0
  let value = 0
  let at = 0
  for (const char of text) {
    const digit = BASE64URL.indexOf(char)
    if (digit < 0) throw refuse()
    value = ((value << 6) | digit) & 0xffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      out[at++] = (value >> bits) & 0xff
    }
  }
  if ((value & ((1 << bits) - 1)) !== 0) throw refuse()
  return out
}
