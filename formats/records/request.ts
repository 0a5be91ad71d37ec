/**
 * The request: a buyer's signed order to copy one title to one medium (S1, S11; docs/spec.md §3.5). The signature
 * enrols its user; the id makes a repeated order the same order.
 */
import { equalBytes } from '../bytes.js'
import { enc } from '../encode.js'
import { CofferError } from '../errors.js'
import {
  NO_ATTACHMENTS,
  parseFrame,
  signFrame,
  verifySelfSigned,
  verifySelfSignedAside,
  type SigningKey,
  type VerifiedFrame
} from '../frame.js'
import { MAX_RECORD_BYTES } from '../limits.js'
import { sha256 } from '../primitives.js'
import { decodeAs, encodeAs, list, map, oneOf, seconds, text, type Infer } from '../shape.js'
import { bind, hash, mediumKind, publicKey, release, requestId, scheme, titleId } from './fields.js'
import { userIdOf } from '../keys.js'

const shape = map({
  bind,
  centerId: hash,
  created: seconds,
  /** Names of the factors that the medium is measured by, so that a seller can tell how strong it is. */
  factors: list(text(32, /^[a-z][a-z-]*$/), 0, 8),
  /**
   * `order` buys a copy, `trial` borrows one to try it, `renew` asks for a fresh grant of a copy that is held.
   * `transfer` takes what another medium gives up: the center answers it within the return that carries it alone.
   */
  kind: oneOf('order', 'trial', 'renew', 'transfer'),
  mediumId: hash,
  mediumKind,
  release,
  requestId,
  /** One release may be sold under both schemes. */
  scheme,
  /** X25519 public key of the user: keys come sealed to it. */
  sealKey: publicKey,
  /** Ed25519 public key of the user, which signs this request. */
  signKey: publicKey,
  titleId
})

export type Request = Infer<typeof shape>
export type RequestKind = Request['kind']

export interface VerifiedRequest extends Request {
  readonly userId: Uint8Array
  /** Tells two requests with one id apart. */
  readonly requestHash: Uint8Array
}

export const encodeRequest = (request: Request, userKey: SigningKey): Uint8Array =>
  signFrame('request', encodeAs('request', shape, request), NO_ATTACHMENTS, userKey)

const parse = (bytes: Uint8Array) => parseFrame('request', bytes, MAX_RECORD_BYTES)

/** @throws CofferError COFFER_RECORD_*, COFFER_ENCODING. */
export const openRequest = (bytes: Uint8Array): VerifiedRequest => opened(verifySelfSigned(parse(bytes)))

/** {@link openRequest} with the signature verified on another thread, for a server that opens many. */
export const openRequestAside = async (bytes: Uint8Array): Promise<VerifiedRequest> =>
  opened(await verifySelfSignedAside(parse(bytes)))

function opened(frame: VerifiedFrame): VerifiedRequest {
  const request = decodeAs('request', shape, frame.body)
  if (!equalBytes(request.signKey, frame.signer)) {
    throw new CofferError('COFFER_RECORD_FORGED', "The request is not signed with its user's own key.", {
      expected: 'a signature by the key that the request names',
      found: 'one by another key',
      hint: 'Make the request again with "coffer order" or "coffer copy".'
    })
  }
  return {
    ...request,
    userId: userIdOf(request),
    requestHash: requestHash(frame.body)
  }
}

export const requestHash = (body: Uint8Array): Uint8Array => sha256(enc('request-body', body))
