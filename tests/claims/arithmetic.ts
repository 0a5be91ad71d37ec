/**
 * The values of the protocol, written out a second time over the primitives (docs/spec.md §4), so that no test of the
 * claims asks the code under test what is right. Labels and fields stand here as the document lists them.
 */
import { concat } from '../../formats/bytes.js'
import { enc, lengthPrefixed, type Field } from '../../formats/encode.js'
import { hpkeOpen, hpkeSeal, type Recipient } from '../../formats/hpke.js'
import { aesCmac256, hkdfExpand512, hkdfExtract512, unwrapKey, wrapKey } from '../../formats/primitives.js'

/** What a copy is of and for. */
export interface Binding {
  readonly centerId: Uint8Array
  readonly titleId: string
  readonly mediumId: Uint8Array
  readonly grantHash: Uint8Array
}

const all = ({ centerId, titleId, mediumId, grantHash }: Binding): readonly Field[] => [
  centerId,
  titleId,
  mediumId,
  grantHash
]
const NOTHING = new Uint8Array(0)

/** KEYc. */
export const certificationKeyOf = (
  certificationMaster: Uint8Array,
  centerId: Uint8Array,
  epoch: number,
  userId: Uint8Array,
  mediumId: Uint8Array
): Uint8Array =>
  hkdfExpand512(certificationMaster, enc('certification-key', centerId, epoch, userId, mediumId))

/** CS, CS'. */
export const certificateCode = (certificationKey: Uint8Array, binding: Binding): Uint8Array =>
  aesCmac256(certificationKey, enc('certificate', ...all(binding)))

/** EKU(KEYc). */
export const encryptKeyc = (
  sealKey: Uint8Array,
  binding: Binding,
  certificate: Uint8Array,
  certificationKey: Uint8Array,
  ephemeralSecret: Uint8Array
): Uint8Array =>
  hpkeSeal(
    sealKey,
    enc('sealed-certification-key', ...all(binding)),
    certificate,
    certificationKey,
    ephemeralSecret
  )

/** KEYc out of EKU(KEYc). @throws CofferError COFFER_KEY_UNWRAP, as all that open something here. */
export const decryptKeyc = (
  recipient: Recipient,
  binding: Binding,
  certificate: Uint8Array,
  sealed: Uint8Array
): Uint8Array => hpkeOpen(recipient, enc('sealed-certification-key', ...all(binding)), certificate, sealed)

/** Kd, under a key that CS' enters. */
export const decryptKd = (
  certificationKey: Uint8Array,
  binding: Binding,
  recomputedCertificate: Uint8Array,
  wrapped: Uint8Array
): Uint8Array =>
  unwrapKey(
    hkdfExpand512(certificationKey, enc('title-key', ...all(binding), recomputedCertificate)),
    wrapped
  )

/** Ku. */
export const mediumKeyOf = (
  masterKey: Uint8Array,
  centerId: Uint8Array,
  epoch: number,
  mediumId: Uint8Array
): Uint8Array => hkdfExpand512(masterKey, enc('medium-key', centerId, epoch, mediumId))

/** Ka. */
export const masterMediumKeyOf = (
  masterKey: Uint8Array,
  centerId: Uint8Array,
  epoch: number,
  titleId: string,
  release: number
): Uint8Array => hkdfExpand512(masterKey, enc('master-medium-key', centerId, epoch, titleId, release))

/** What stands where the seed encrypts with Mid: Mid and a secret of the user, or Mid alone for a bearer. */
export const bindingKeyOf = (binding: Binding, secret: Uint8Array = NOTHING): Uint8Array =>
  hkdfExtract512(
    enc('medium-binding', ...all(binding)),
    concat(lengthPrefixed(binding.mediumId), lengthPrefixed(secret))
  )

export const decryptSecret = (recipient: Recipient, binding: Binding, sealed: Uint8Array): Uint8Array =>
  hpkeOpen(recipient, enc('sealed-binding-secret', ...all(binding)), NOTHING, sealed)

/** Ku out of EMid(Ku). */
export const decryptKu = (bindingKey: Uint8Array, wrapped: Uint8Array): Uint8Array =>
  unwrapKey(hkdfExpand512(bindingKey, enc('wrap-medium-key')), wrapped)

/** Ka out of EMid(Ka). */
export const decryptKa = (bindingKey: Uint8Array, wrapped: Uint8Array): Uint8Array =>
  unwrapKey(hkdfExpand512(bindingKey, enc('wrap-master-medium-key')), wrapped)

/** EMid(Ka). */
export const encryptKa = (bindingKey: Uint8Array, masterMediumKey: Uint8Array): Uint8Array =>
  wrapKey(hkdfExpand512(bindingKey, enc('wrap-master-medium-key')), masterMediumKey)

/** What a payload is sealed as. */
export const contextOf = (titleId: string, release: number): Uint8Array => enc('payload', titleId, release)
