/**
 * ENC, the one way in which fields become the input of a hash, MAC, key derivation, HPKE info or signature:
 * "coffer/v1/" label 0x00, then each field as u32be length and bytes (docs/spec.md §2.1).
 *
 * Without the lengths two different pairs of fields could share one encoding, and so one certificate; without the
 * label one key could be made to serve two purposes.
 */
import { concat, u32be, utf8 } from './bytes.js'
import type { Label } from './labels.js'

/** Text is UTF-8, a number is a u32be. */
export type Field = Uint8Array | string | number

const toBytes = (field: Field): Uint8Array =>
  typeof field === 'string' ? utf8(field) : typeof field === 'number' ? u32be(field) : field

/** @returns Fresh bytes, owned by the caller. */
export function enc(label: Label, ...fields: readonly Field[]): Uint8Array {
  const prefix = prefixOf(label)
  const parts = fields.map(toBytes)
  const out = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, prefix.length))
  out.set(prefix)
  let at = prefix.length
  for (const part of parts) {
    const { length } = part
    out[at] = length >>> 24
    out[at + 1] = length >>> 16
    out[at + 2] = length >>> 8
    out[at + 3] = length
    out.set(part, at + 4)
    at += 4 + length
  }
  return out
}

const prefixes = new Map<Label, Uint8Array>()

function prefixOf(label: Label): Uint8Array {
  let prefix = prefixes.get(label)
  if (prefix === undefined) prefixes.set(label, (prefix = utf8(`coffer/v1/${label}\0`)))
  return prefix
}

/** LP: a field with its length in front, as in the key material of the medium binding. */
export const lengthPrefixed = (bytes: Uint8Array): Uint8Array => concat(u32be(bytes.length), bytes)
