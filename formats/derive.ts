/**
 * Every derived value of the protocol, one function each (docs/spec.md §4). Nothing here reads, decides or keeps:
 * keys go in, keys come out, and the caller wipes both.
 *
 * Protection is data flow. The key that opens a title is unwrapped under a key that the recomputed certificate
 * enters, so leaving out the comparison of the two certificates opens nothing.
 */
import { concat, wipe } from './bytes.js'
import { enc, lengthPrefixed } from './encode.js'
import { CofferError } from './errors.js'
import { hpkeOpen, hpkeSeal, type Recipient } from './hpke.js'
import { aesCmac256, hkdfExpand512, hkdfExtract512, unwrapKey, wrapKey } from './primitives.js'

/** What a license is for: it enters every key, so that a grant opens nothing under another title or medium. */
export interface Binding {
  readonly centerId: Uint8Array
  readonly titleId: string
  /** On the buyer's side: measured just now, never read from a file. */
  readonly mediumId: Uint8Array
  readonly grantHash: Uint8Array
}

const fields = ({ centerId, titleId, mediumId, grantHash }: Binding) =>
  [centerId, titleId, mediumId, grantHash] as const

const ORDER_AGAIN =
  'Order the title for this medium again with "coffer copy"; if that does not help, tell the seller.'

/** A key that does not come out says why; what to do about it depends on which key it is. */
function orHint<T>(hint: string, open: () => T): T {
  try {
    return open()
  } catch (error) {
    if (!(error instanceof CofferError)) throw error
    throw new CofferError(error.code, error.message, { hint, cause: error })
  }
}

/** EXP under a secret that may be in a device, which never gives it out. @returns 32 bytes. */
export type Expand = (info: Uint8Array) => Uint8Array

const expandWith = (secret: Uint8Array | Expand, info: Uint8Array): Uint8Array =>
  secret instanceof Uint8Array ? hkdfExpand512(secret, info) : secret(info)

// Embodiment 1: the certificate

/** KEYc. @param certificationMaster - The center's 32-byte secret of one epoch, or EXP under it. */
export const deriveCertificationKey = (
  certificationMaster: Uint8Array | Expand,
  centerId: Uint8Array,
  epoch: number,
  userId: Uint8Array,
  mediumId: Uint8Array
): Uint8Array => expandWith(certificationMaster, enc('certification-key', centerId, epoch, userId, mediumId))

/** CS at the center, CS' at the buyer: FIG. 5 as AES-256-CMAC, 16 bytes. */
export const computeCertificate = (certificationKey: Uint8Array, binding: Binding): Uint8Array =>
  aesCmac256(certificationKey, enc('certificate', ...fields(binding)))

/** EKU(KEYc). @param ephemeralSecret - 32 fresh random bytes. */
export const sealCertificationKey = (
  sealKey: Uint8Array,
  binding: Binding,
  certificate: Uint8Array,
  certificationKey: Uint8Array,
  ephemeralSecret: Uint8Array
): Uint8Array =>
  hpkeSeal(
    sealKey,
    enc('sealed-certification-key', ...fields(binding)),
    certificate,
    certificationKey,
    ephemeralSecret
  )

/** @throws CofferError COFFER_KEY_UNWRAP for another user, medium, title or grant. */
export const openCertificationKey = (
  recipient: Recipient,
  binding: Binding,
  certificate: Uint8Array,
  sealed: Uint8Array
): Uint8Array =>
  orHint(ORDER_AGAIN, () =>
    hpkeOpen(recipient, enc('sealed-certification-key', ...fields(binding)), certificate, sealed)
  )

const titleKeyWrap = (certificationKey: Uint8Array, binding: Binding, certificate: Uint8Array): Uint8Array =>
  hkdfExpand512(certificationKey, enc('title-key', ...fields(binding), certificate))

export function wrapTitleKey(
  certificationKey: Uint8Array,
  binding: Binding,
  certificate: Uint8Array,
  titleKey: Uint8Array
): Uint8Array {
  const wrapping = titleKeyWrap(certificationKey, binding, certificate)
  try {
    return wrapKey(wrapping, titleKey)
  } finally {
    wipe(wrapping)
  }
}

/** Kd. @param recomputedCertificate - CS', never CS. @throws CofferError COFFER_KEY_UNWRAP */
export function unwrapTitleKey(
  certificationKey: Uint8Array,
  binding: Binding,
  recomputedCertificate: Uint8Array,
  wrappedTitleKey: Uint8Array
): Uint8Array {
  const wrapping = titleKeyWrap(certificationKey, binding, recomputedCertificate)
  try {
    return orHint(ORDER_AGAIN, () => unwrapKey(wrapping, wrappedTitleKey))
  } finally {
    wipe(wrapping)
  }
}

// Embodiment 2: the conversion keys

/** Ku. @param masterKey - KM, the center's 32-byte secret of one epoch, or EXP under it. */
export const deriveMediumKey = (
  masterKey: Uint8Array | Expand,
  centerId: Uint8Array,
  epoch: number,
  mediumId: Uint8Array
): Uint8Array => expandWith(masterKey, enc('medium-key', centerId, epoch, mediumId))

/** Ka. */
export const deriveMasterMediumKey = (
  masterKey: Uint8Array | Expand,
  centerId: Uint8Array,
  epoch: number,
  titleId: string,
  release: number
): Uint8Array => expandWith(masterKey, enc('master-medium-key', centerId, epoch, titleId, release))

/**
 * The key that stands where the seed encrypts with Mid alone, 64 bytes.
 *
 * @param bindingSecret - 32 bytes that only the user can open; empty for a bearer grant.
 */
export function deriveBindingKey(binding: Binding, bindingSecret: Uint8Array): Uint8Array {
  const material = concat(lengthPrefixed(binding.mediumId), lengthPrefixed(bindingSecret))
  try {
    return hkdfExtract512(enc('medium-binding', ...fields(binding)), material)
  } finally {
    wipe(material)
  }
}

export const sealBindingSecret = (
  sealKey: Uint8Array,
  binding: Binding,
  bindingSecret: Uint8Array,
  ephemeralSecret: Uint8Array
): Uint8Array =>
  hpkeSeal(
    sealKey,
    enc('sealed-binding-secret', ...fields(binding)),
    new Uint8Array(0),
    bindingSecret,
    ephemeralSecret
  )

/** @throws CofferError COFFER_KEY_UNWRAP */
export const openBindingSecret = (recipient: Recipient, binding: Binding, sealed: Uint8Array): Uint8Array =>
  orHint(ORDER_AGAIN, () =>
    hpkeOpen(recipient, enc('sealed-binding-secret', ...fields(binding)), new Uint8Array(0), sealed)
  )

/** Which of the two conversion keys is wrapped. */
export type ConversionKey = 'medium-key' | 'master-medium-key'

/** EMid(Ku) or EMid(Ka). */
export function wrapConversionKey(bindingKey: Uint8Array, which: ConversionKey, key: Uint8Array): Uint8Array {
  const wrapping = hkdfExpand512(bindingKey, enc(`wrap-${which}`))
  try {
    return wrapKey(wrapping, key)
  } finally {
    wipe(wrapping)
  }
}

/** Ku out of EMid(Ku), or Ka out of EMid(Ka). @throws CofferError COFFER_KEY_UNWRAP */
export function unwrapConversionKey(
  bindingKey: Uint8Array,
  which: ConversionKey,
  wrapped: Uint8Array
): Uint8Array {
  const wrapping = hkdfExpand512(bindingKey, enc(`wrap-${which}`))
  try {
    return orHint(ORDER_AGAIN, () => unwrapKey(wrapping, wrapped))
  } finally {
    wipe(wrapping)
  }
}

// Both

/** What a payload's key is bound to (Cobblestone context): a payload does not open as another title's. */
export const payloadContext = (titleId: string, release: number): Uint8Array =>
  enc('payload', titleId, release)

/**
 * What the keys of saves on one medium come from. It follows from user, center and medium alone, so that saves outlive a
 * new release, a change of scheme and a new epoch of the center's keys; and no center's title reads another's.
 *
 * @param saveSecret - The user's, 32 bytes; undefined for a bearer grant, whose saves are open to whoever has the medium.
 */
export const deriveSaveRoot = (
  saveSecret: Uint8Array | undefined,
  { centerId, mediumId }: Pick<Binding, 'centerId' | 'mediumId'>
): Uint8Array => hkdfExpand512(saveSecret ?? mediumId, enc('save-root', centerId, mediumId))

/** Key of one save slot. @param saveRoot - From {@link deriveSaveRoot}. */
export const deriveSaveKey = (saveRoot: Uint8Array, titleId: string, slot: string): Uint8Array =>
  hkdfExpand512(saveRoot, enc('save', titleId, slot))

/**
 * Key of what a user exports of a title's saves. It follows from no medium.
 *
 * @param saveSecret - The user's, 32 bytes: of a bearer grant too.
 * @param publisher - 32-byte key that signs the title.
 */
export const deriveExportKey = (
  saveSecret: Uint8Array,
  { centerId, titleId, publisher }: Pick<Binding, 'centerId' | 'titleId'> & { publisher: Uint8Array }
): Uint8Array => hkdfExpand512(saveSecret, enc('exported-saves', centerId, titleId, publisher))

const releaseInfo = (centerId: Uint8Array, titleId: string, release: number, scheme: string) =>
  enc('sealed-release-key', centerId, titleId, release, scheme)

/** Kd or Ka for the publisher who presses. */
export const sealReleaseKey = (
  sealKey: Uint8Array,
  { centerId, titleId, release, scheme }: ReleaseName,
  releaseKey: Uint8Array,
  ephemeralSecret: Uint8Array
): Uint8Array =>
  hpkeSeal(
    sealKey,
    releaseInfo(centerId, titleId, release, scheme),
    new Uint8Array(0),
    releaseKey,
    ephemeralSecret
  )

/** @throws CofferError COFFER_KEY_UNWRAP */
export const openReleaseKey = (
  recipient: Recipient,
  { centerId, titleId, release, scheme }: ReleaseName,
  sealed: Uint8Array
): Uint8Array =>
  orHint("Press with the publisher's key that the center knows.", () =>
    hpkeOpen(recipient, releaseInfo(centerId, titleId, release, scheme), new Uint8Array(0), sealed)
  )

export interface ReleaseName {
  readonly centerId: Uint8Array
  readonly titleId: string
  readonly release: number
  readonly scheme: 'certificate' | 'conversion'
}
