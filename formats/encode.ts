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
  const parts = [prefixOf(label)]
  for (const field of fields) {
    const bytes = toBytes(field)
    parts.push(u32be(bytes.length), bytes)
  }
  return concat(...parts)
}

const prefixes = new Map<Label, Uint8Array>()

function prefixOf(label: Label): Uint8Array {
  let prefix = prefixes.get(label)
  if (prefix === undefined) prefixes.set(label, (prefix = utf8(`coffer/v1/${label}\0`)))
  return prefix
}

/** LP: a field with its length in front, as in the key material of the medium binding. */
export const lengthPrefixed = (bytes: Uint8Array): Uint8Array => concat(u32be(bytes.length), bytes)
