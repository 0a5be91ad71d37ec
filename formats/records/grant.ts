/**
 * The grant: the center's certificate that one copy of one title may run from one medium, region 41 of the seed
 * (docs/spec.md §3.6). The body says what is granted; what is computed over the body's hash, CS and EKU(KEYc) or
 * EMid(Ku), is attached.
 */
import { enc } from '../encode.js'
import { parseFrame, signFrame, type SigningKey, verifySelfSigned, type VerifiedFrame } from '../frame.js'
import { MAX_RECORD_BYTES } from '../limits.js'
import { sha256 } from '../primitives.js'
import { bytes, decodeAs, encodeAs, map, optional, seconds, u32, type Infer } from '../shape.js'
import { openByCenter } from './by-center.js'
import { bind, features, grantKind, hash, publicKey, release, scheme, titleId } from './fields.js'
import type { Center } from './root.js'

const shape = map({
  bind,
  centerId: hash,
  epoch: u32,
  /** Absent: never. */
  expires: optional(seconds),
  /** What was bought beyond the title itself; titles can read it. */
  features,
  /** Seconds after `expires` in which the copy still runs, so that a renewal may come late; absent: none. */
  grace: optional(u32),
  grantId: bytes(16),
  issued: seconds,
  kind: grantKind,
  mediumId: hash,
  /** The publisher's Ed25519 key: the manifest on the medium must be signed with it. */
  publisher: publicKey,
  release,
  /** Number of the revocation list that the medium must carry at least. */
  revocations: u32,
  scheme,
  titleId,
  userId: hash
})

const HPKE_SEALED_32 = bytes(32 + 32 + 16)
const WRAPPED_32 = bytes(40)

const certificateShape = map({
  /** CS. */
  certificate: bytes(16),
  /** EKU(KEYc). */
  sealedCertificationKey: HPKE_SEALED_32,
  /** Kd, under a key that CS' enters. */
  wrappedTitleKey: WRAPPED_32
})

const conversionShape = map({
  /** 32 random bytes sealed to the user's key; absent in a bearer grant. */
  sealedBindingSecret: optional(HPKE_SEALED_32),
  /** EMid(Ku). */
  wrappedMediumKey: WRAPPED_32
})

export type Grant = Infer<typeof shape>
export type CertificateLicense = Infer<typeof certificateShape>
export type ConversionLicense = Infer<typeof conversionShape>

/** A grant that its center signed. `license` is what opens the payload, by scheme. */
export type VerifiedGrant = Grant & {
  readonly frame: VerifiedFrame
  readonly grantHash: Uint8Array
} & (
    | { readonly scheme: 'certificate'; readonly license: CertificateLicense }
    | { readonly scheme: 'conversion'; readonly license: ConversionLicense }
  )

export const encodeGrantBody = (grant: Grant): Uint8Array => encodeAs('grant', shape, grant)

/** `grantHash`: it enters CS and every key of the grant, so no field of the body can be changed. */
export const grantHash = (body: Uint8Array): Uint8Array => sha256(enc('grant-body', body))

/** @param body - From {@link encodeGrantBody}. */
export function encodeGrant(
  body: Uint8Array,
  license: CertificateLicense | ConversionLicense,
  centerKey: SigningKey
): Uint8Array {
  const attachments =
    'certificate' in license
      ? encodeAs('certificate', certificateShape, license)
      : encodeAs('conversion keys', conversionShape, license)
  return signFrame('grant', body, attachments, centerKey)
}

/**
 * @param centers - The pinned centers.
 * @returns undefined when none of them signed it.
 * @throws CofferError COFFER_RECORD_*, COFFER_ENCODING.
 */
export function openGrant(
  bytes: Uint8Array,
  centers: readonly Center[]
): { grant: VerifiedGrant; center: Center } | undefined {
  const opened = openByCenter('grant', shape, bytes, centers)
  if (opened === undefined) return undefined
  const { body: grant, frame, center } = opened
  const common = { frame, grantHash: grantHash(frame.body) }
  return {
    center,
    grant:
      grant.scheme === 'certificate'
        ? {
            ...grant,
            ...common,
            scheme: 'certificate',
            license: decodeAs('certificate', certificateShape, frame.attachments)
          }
        : {
            ...grant,
            ...common,
            scheme: 'conversion',
            license: decodeAs('conversion keys', conversionShape, frame.attachments)
          }
  }
}

/**
 * What a grant says, whoever signed it: to tell whose it is, never to open anything.
 *
 * @throws CofferError COFFER_RECORD_*, COFFER_ENCODING.
 */
export const readGrantClaim = (bytes: Uint8Array): Grant =>
  decodeAs('grant', shape, verifySelfSigned(parseFrame('grant', bytes, MAX_RECORD_BYTES)).body)
