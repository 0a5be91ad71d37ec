/**
 * The two key pairs that a person or publisher has, X25519 to receive and Ed25519 to sign, both derived from one
 * 32-byte seed (KU of the seed document; docs/spec.md §2.5), and their text forms.
 */
import { base64url, concat, fromBase64url, wipe } from './bytes.js'
import { enc } from './encode.js'
import { CofferError } from './errors.js'
import { Ed25519Signer, hkdfExpand512, sha256, X25519Key } from './primitives.js'

export interface PublicKeys {
  /** Ed25519, 32 bytes. */
  readonly signKey: Uint8Array
  /** X25519, 32 bytes. */
  readonly sealKey: Uint8Array
}

/** Both pairs, ready for use: their private halves are in memory of OpenSSL, which clears it in the end. */
export interface Keys extends PublicKeys {
  readonly signer: Ed25519Signer
  readonly recipient: X25519Key
}

/** The private halves as bytes too. Secret: {@link wipeKeys} when done; `signer` and `recipient` go on working. */
export interface KeyPairs extends Keys {
  readonly signSeed: Uint8Array
  readonly sealSecret: Uint8Array
}

export type KeyOwner = 'user' | 'publisher'

/** @param seed - 32 random bytes. Not kept. */
export function deriveKeys(owner: KeyOwner, seed: Uint8Array): KeyPairs {
  const signSeed = hkdfExpand512(seed, enc(`${owner}-sign`))
  const sealSecret = hkdfExpand512(seed, enc(`${owner}-seal`))
  const signer = new Ed25519Signer(signSeed)
  const recipient = new X25519Key(sealSecret)
  return { signSeed, sealSecret, signer, recipient, signKey: signer.publicKey, sealKey: recipient.publicKey }
}

export const wipeKeys = (keys: KeyPairs): void => wipe(keys.signSeed, keys.sealSecret)

/** What a user's saves are sealed under, 32 bytes: for himself alone, whoever licenses the title. @param seed - As above. */
export const deriveSaveSecret = (seed: Uint8Array): Uint8Array => hkdfExpand512(seed, enc('user-save'))

/** What authenticates a user's marks: 32 bytes, from his seed. */
export const deriveMarkSecret = (seed: Uint8Array): Uint8Array => hkdfExpand512(seed, enc('user-marks'))

/** `userId`, 32 bytes. */
export const userIdOf = ({ signKey, sealKey }: PublicKeys): Uint8Array =>
  sha256(enc('user-id', signKey, sealKey))

const PUBLIC_PREFIX = { user: 'coffer-user-', publisher: 'coffer-publisher-' } as const
const SECRET_PREFIX = { user: 'COFFER-USER-KEY-1-', publisher: 'COFFER-PUBLISHER-KEY-1-' } as const

/** One word, to be copied into a shell or a mail. */
export const formatPublicKeys = (owner: KeyOwner, { signKey, sealKey }: PublicKeys): string =>
  PUBLIC_PREFIX[owner] + base64url(concat(signKey, sealKey))

/** @throws CofferError COFFER_USAGE */
export function parsePublicKeys(owner: KeyOwner, word: string): PublicKeys {
  const bytes = readWord(word.trim(), PUBLIC_PREFIX[owner], 64)
  if (bytes === undefined) {
    throw new CofferError('COFFER_USAGE', `This is not a ${owner}'s public key.`, {
      expected: `one word that begins with "${PUBLIC_PREFIX[owner]}"`,
      hint: `Copy the whole line that "coffer keygen${owner === 'publisher' ? ' --publisher <file>' : ''}" printed.`
    })
  }
  return { signKey: bytes.slice(0, 32), sealKey: bytes.slice(32) }
}

/** The line that a key file holds. It is secret. */
export const formatSecretKey = (owner: KeyOwner, seed: Uint8Array): string =>
  SECRET_PREFIX[owner] + base64url(seed) + '\n'

/** @returns The 32-byte seed, owned by the caller. @throws CofferError COFFER_ENCODING, without quoting the text. */
export function parseSecretKey(owner: KeyOwner, text: string): Uint8Array {
  const seed = readWord(text.trim(), SECRET_PREFIX[owner], 32)
  if (seed === undefined) {
    throw new CofferError('COFFER_ENCODING', `This is not a ${owner}'s key file.`, {
      expected: `one line that begins with "${SECRET_PREFIX[owner]}"`,
      found: 'something else',
      hint: 'Restore the key file from your backup; without it, titles bound to it do not open.'
    })
  }
  return seed
}

function readWord(word: string, prefix: string, length: number): Uint8Array | undefined {
  if (!word.startsWith(prefix) || word.length > 200) return undefined
  try {
    const bytes = fromBase64url(word.slice(prefix.length))
    return bytes.length === length ? bytes : undefined
  } catch {
    return undefined
  }
}
