/**
 * Where the center's keys are kept. All that is ever computed with them is two functions, so that a device can hold
 * them: files (keyfiles.ts) and a PKCS#11 token (pkcs11.ts) are two implementations.
 *
 *     signing, signing-2, ...      Ed25519: roots, grants, answers, certificates, revocation lists
 *     storage                      protects title keys (Kd) and answers in the database
 *     epoch-<n>/certification      certification master of an epoch, from which every KEYc is derived
 *     epoch-<n>/master             KM of an epoch, from which every Ku and Ka is derived
 */
import { concat } from '../../formats/bytes.js'
import type { Random } from '../powers.js'

/** What a key is for. */
export type KeyKind = 'sign' | 'mac'

export interface KeyStore {
  /** Every key that is there now, also those that another process has made since. */
  names(): readonly string[]
  /** Ed25519, 32 bytes. */
  publicKey(name: string): Uint8Array
  /** Ed25519, 64 bytes. */
  sign(name: string, message: Uint8Array): Uint8Array
  /** HMAC-SHA-512, 64 bytes; the caller wipes them. */
  mac(name: string, message: Uint8Array): Uint8Array
  /** Make a key of which no other copy exists; it is there, durably, once this resolves. */
  make(name: string, kind: KeyKind, random: Random): Promise<void>
  remove(name: string): Promise<void>
  /** Forget what is in memory. */
  close(): void
}

export const kindOf = (name: string): KeyKind => (/^signing(?:-\d+)?$/.test(name) ? 'sign' : 'mac')

/** Names that a store may hold; anything else in its place is not a key of ours. */
export const isKeyName = (name: string): boolean =>
  /^(?:signing(?:-[1-9]\d{0,5})?|storage|epoch-[1-9]\d{0,8}\/(?:certification|master))$/.test(name)

const FIRST_BLOCK = Uint8Array.of(1)

/** EXP of docs/spec.md §2.2 under a key that may be in a device: the first 32 bytes of the first block. */
export function expandWith(store: KeyStore, name: string, info: Uint8Array): Uint8Array {
  const block = store.mac(name, concat(info, FIRST_BLOCK))
  const key = block.slice(0, 32)
  block.fill(0)
  return key
}
