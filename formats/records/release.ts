/**
 * How a title gets its payload key: the publisher registers a release, signed; the center answers with Kd or Ka sealed
 * to the publisher's key and with the publisher's certificate (docs/spec.md §3.9).
 */
import { equalBytes } from '../bytes.js'
import { CofferError } from '../errors.js'
import { NO_ATTACHMENTS, parseFrame, signFrame, type SigningKey, verifySelfSigned } from '../frame.js'
import { MAX_RECORD_BYTES, MAX_RELEASE_BYTES } from '../limits.js'
import { bytes, decodeAs, encodeAs, map, seconds, type Infer } from '../shape.js'
import { openByCenter } from './by-center.js'
import { displayName, hash, publicKey, release, requestId, scheme, titleId } from './fields.js'
import { requestHash } from './request.js'
import type { Center } from './root.js'

const registrationShape = map({
  centerId: hash,
  created: seconds,
  name: displayName,
  release,
  requestId,
  scheme,
  /** Ed25519 key of the publisher, which signs this registration. */
  signKey: publicKey,
  titleId
})

export type Registration = Infer<typeof registrationShape>
export type VerifiedRegistration = Registration & { readonly requestHash: Uint8Array }

export const encodeRegistration = (registration: Registration, publisherKey: SigningKey): Uint8Array =>
  signFrame(
    'registration',
    encodeAs('registration', registrationShape, registration),
    NO_ATTACHMENTS,
    publisherKey
  )

/** @throws CofferError COFFER_RECORD_*, COFFER_ENCODING. */
export function openRegistration(bytes: Uint8Array): VerifiedRegistration {
  const frame = verifySelfSigned(parseFrame('registration', bytes, MAX_RECORD_BYTES))
  const registration = decodeAs('registration', registrationShape, frame.body)
  if (!equalBytes(registration.signKey, frame.signer)) {
    throw new CofferError(
      'COFFER_RECORD_FORGED',
      "The registration is not signed with its publisher's own key.",
      {
        hint: 'Press the title again.'
      }
    )
  }
  return { ...registration, requestHash: requestHash(frame.body) }
}

const releaseShape = map({
  centerId: hash,
  release,
  requestHash: hash,
  requestId,
  scheme,
  titleId
})

const releaseAttachments = map({
  /** The publisher's certificate, to be put into the manifest. */
  publisher: bytes(1, MAX_RECORD_BYTES),
  /** Kd or Ka, sealed to the publisher's X25519 key. */
  sealedReleaseKey: bytes(32 + 32 + 16)
})

export type Release = Infer<typeof releaseShape>
export type ReleaseAttachments = Infer<typeof releaseAttachments>

export const encodeRelease = (
  ticket: Release,
  attachments: ReleaseAttachments,
  centerKey: SigningKey
): Uint8Array =>
  signFrame(
    'release',
    encodeAs('release', releaseShape, ticket),
    encodeAs('release attachments', releaseAttachments, attachments),
    centerKey
  )

/** @returns undefined when `center` did not sign it. @throws CofferError COFFER_RECORD_*, COFFER_ENCODING. */
export function openRelease(bytes: Uint8Array, center: Center): (Release & ReleaseAttachments) | undefined {
  const opened = openByCenter('release', releaseShape, bytes, [center], { maxBytes: MAX_RELEASE_BYTES })
  if (opened === undefined) return undefined
  const { body, frame } = opened
  return { ...body, ...decodeAs('release attachments', releaseAttachments, frame.attachments) }
}
