/**
 * The return: a user's signed word that a medium has given up its copy of a title (docs/spec.md §3.10). It is made
 * when the grant is removed from the medium, and kept there until the center has answered it.
 *
 * With an order in it, it is a transfer: the copy is given up for that order and no other, so that whoever gets hold
 * of the record can do nothing else with it.
 */
import { equalBytes } from '../bytes.js'
import { CofferError } from '../errors.js'
import { NO_ATTACHMENTS, parseFrame, signFrame, type SigningKey, verifySelfSigned } from '../frame.js'
import { userIdOf } from '../keys.js'
import { MAX_RECORD_BYTES } from '../limits.js'
import { bytes, decodeAs, encodeAs, map, optional, seconds, type Infer } from '../shape.js'
import { hash, publicKey, requestId, titleId } from './fields.js'
import { requestHash } from './request.js'

const shape = map({
  centerId: hash,
  created: seconds,
  /** Every issue of the copy has it, so that giving up one gives up all. It is never issued again. */
  grantId: bytes(16),
  mediumId: hash,
  /** The request record, of kind `transfer`, that the copy is given up for. */
  order: optional(bytes(1, 4096)),
  requestId,
  sealKey: publicKey,
  /** Ed25519 key of the user, which signs this. */
  signKey: publicKey,
  titleId
})

export type Return = Infer<typeof shape>

export interface VerifiedReturn extends Return {
  readonly userId: Uint8Array
  readonly requestHash: Uint8Array
}

export const encodeReturn = (given: Return, userKey: SigningKey): Uint8Array =>
  signFrame('return', encodeAs('return', shape, given), NO_ATTACHMENTS, userKey)

/** @throws CofferError COFFER_RECORD_*, COFFER_ENCODING. */
export function openReturn(bytes: Uint8Array): VerifiedReturn {
  const frame = verifySelfSigned(parseFrame('return', bytes, MAX_RECORD_BYTES))
  const given = decodeAs('return', shape, frame.body)
  if (!equalBytes(given.signKey, frame.signer)) {
    throw new CofferError('COFFER_RECORD_FORGED', "The return is not signed with its user's own key.", {
      expected: 'a signature by the key that the return names',
      found: 'one by another key',
      hint: 'Make it again with "coffer return".'
    })
  }
  return { ...given, userId: userIdOf(given), requestHash: requestHash(frame.body) }
}
