/**
 * The medium identity, region 42 of the seed: written once by `prepare`, never again (docs/spec.md §3.4).
 *
 * Its nonce is the public half of an Ed25519 key that was made for this one signature and wiped: nobody, not even
 * the owner, can write a second identity with the same nonce. The factors themselves are not here: they are measured
 * anew each time. Only a short hash of each is, so that a message can say which one changed.
 */
import { equalBytes } from '../bytes.js'
import { enc } from '../encode.js'
import { CofferError } from '../errors.js'
import { NO_ATTACHMENTS, parseFrame, signFrame, verifySelfSigned } from '../frame.js'
import { MAX_RECORD_BYTES } from '../limits.js'
import { ed25519PublicKey, sha256 } from '../primitives.js'
import { bytes, decodeAs, encodeAs, list, map, seconds, text, type Infer } from '../shape.js'
import { mediumKind, publicKey } from './fields.js'

const shape = map({
  created: seconds,
  factors: list(map({ hint: bytes(8), name: text(32, /^[a-z][a-z-]*$/) }), 0, 8),
  kind: mediumKind,
  nonce: publicKey
})

export type Identity = Infer<typeof shape>

/** One measured property of a medium, such as its serial number. */
export interface Factor {
  readonly name: string
  readonly value: string
}

/** `mediumId`, 32 bytes: IDk and Mid of the seed. @param factors - Measured just now. */
export const mediumId = (identity: Identity, factors: readonly Factor[]): Uint8Array =>
  sha256(
    enc('medium-id', identity.nonce, identity.kind, ...factors.map(({ name, value }) => `${name}=${value}`))
  )

/** Eight bytes that say whether a factor is the same as when the medium was prepared, and no more than that. */
export const factorHint = (nonce: Uint8Array, { name, value }: Factor): Uint8Array =>
  sha256(enc('medium-factor', nonce, name, value)).slice(0, 8)

/** @param oneTimeSeed - 32 fresh random bytes. The caller wipes them at once. */
export function encodeIdentity(
  kind: Identity['kind'],
  factors: readonly Factor[],
  created: number,
  oneTimeSeed: Uint8Array
): Uint8Array {
  const nonce = ed25519PublicKey(oneTimeSeed)
  const hints = factors.map(factor => ({ hint: factorHint(nonce, factor), name: factor.name }))
  const body = encodeAs('medium identity', shape, { created, factors: hints, kind, nonce })
  return signFrame('identity', body, NO_ATTACHMENTS, oneTimeSeed)
}

/** @throws CofferError COFFER_RECORD_*, COFFER_ENCODING. */
export function openIdentity(bytes: Uint8Array): Identity {
  const frame = verifySelfSigned(parseFrame('identity', bytes, MAX_RECORD_BYTES))
  const identity = decodeAs('medium identity', shape, frame.body)
  if (!equalBytes(identity.nonce, frame.signer)) {
    throw new CofferError(
      'COFFER_RECORD_FORGED',
      "The medium's identity is signed with a key other than its own.",
      {
        expected: 'an identity signed with the key that is its nonce',
        found: 'another signer',
        hint: 'Prepare the medium again with "coffer prepare" and order its titles anew.'
      }
    )
  }
  return identity
}
