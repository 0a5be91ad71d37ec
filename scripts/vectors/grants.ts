/** Grants. */
import {
  computeCertificate,
  deriveBindingKey,
  deriveCertificationKey,
  deriveMasterMediumKey,
  deriveMediumKey,
  sealBindingSecret,
  sealCertificationKey,
  wrapConversionKey,
  wrapTitleKey,
  type Binding
} from '../../formats/derive.js'
import { deriveKeys } from '../../formats/keys.js'
import type { Scheme } from '../../formats/records/fields.js'
import { encodeGrant, encodeGrantBody, grantHash, type Grant } from '../../formats/records/grant.js'
import { medium } from './identity.js'
import {
  EPOCH,
  NOW,
  RELEASE,
  TITLE,
  bindingSecret,
  centerSeed,
  certificationMaster,
  fixed,
  flipped,
  masterKey,
  publisher,
  strangerSeed,
  titleKey,
  user,
  userId
} from './inputs.js'
import { publisherRecord } from './manifest.js'
import { centerId, root } from './roots.js'
import { vector } from './vector.js'

const grantOf = (scheme: Scheme): Grant => ({
  bind: ['medium', 'user'],
  centerId,
  epoch: EPOCH,
  features: [],
  grantId: fixed('grant', 16),
  issued: NOW,
  kind: 'perpetual',
  mediumId: medium,
  publisher: publisher.signKey,
  release: RELEASE,
  revocations: 1,
  scheme,
  titleId: TITLE,
  userId
})
const bindingOf = (body: Uint8Array): Binding => ({
  centerId,
  titleId: TITLE,
  mediumId: medium,
  grantHash: grantHash(body)
})

export const certificateBody = encodeGrantBody(grantOf('certificate'))
export const certificateBinding = bindingOf(certificateBody)
export const certificationKey = deriveCertificationKey(certificationMaster, centerId, EPOCH, userId, medium)
export const certificate = computeCertificate(certificationKey, certificateBinding)
const sealedCertificationKey = sealCertificationKey(
  user.sealKey,
  certificateBinding,
  certificate,
  certificationKey,
  fixed('ephemeral certification')
)
export const wrappedTitleKey = wrapTitleKey(certificationKey, certificateBinding, certificate, titleKey)
const certificateLicense = { certificate, sealedCertificationKey, wrappedTitleKey }
export const certificateGrant = encodeGrant(certificateBody, certificateLicense, centerSeed)

const conversionBody = encodeGrantBody(grantOf('conversion'))
export const conversionBinding = bindingOf(conversionBody)
export const mediumKey = deriveMediumKey(masterKey, centerId, EPOCH, medium)
export const masterMediumKey = deriveMasterMediumKey(masterKey, centerId, EPOCH, TITLE, RELEASE)
export const bindingKey = deriveBindingKey(conversionBinding, bindingSecret)
export const wrappedMasterMediumKey = wrapConversionKey(bindingKey, 'master-medium-key', masterMediumKey)
export const conversionLicense = {
  sealedBindingSecret: sealBindingSecret(
    user.sealKey,
    conversionBinding,
    bindingSecret,
    fixed('ephemeral binding')
  ),
  wrappedMediumKey: wrapConversionKey(bindingKey, 'medium-key', mediumKey)
}
export const conversionGrant = encodeGrant(conversionBody, conversionLicense, centerSeed)

const bearerBody = encodeGrantBody({ ...grantOf('conversion'), bind: ['medium'] })
const bearerKey = deriveBindingKey(bindingOf(bearerBody), new Uint8Array(0))

/** What a buyer of the vectors has beside the grant. */
const buyer = { root, sealSecret: user.sealSecret, mediumId: medium }
vector(
  'grant-certificate',
  'grant',
  'opens',
  "scheme certificate: CS, EKU(KEYc), and Kd under a key that CS' enters",
  { ...buyer, certificationKey, payloadKey: titleKey },
  certificateGrant
)
vector(
  'grant-conversion',
  'grant',
  'opens',
  'scheme conversion: the binding secret, and EMid(Ku)',
  { ...buyer, payloadKey: mediumKey },
  conversionGrant
)
vector(
  'grant-bearer',
  'grant',
  'opens',
  'scheme conversion, bound to the medium alone',
  { ...buyer, payloadKey: mediumKey },
  encodeGrant(
    bearerBody,
    { wrappedMediumKey: wrapConversionKey(bearerKey, 'medium-key', mediumKey) },
    centerSeed
  )
)
const leaseBody = encodeGrantBody({
  ...grantOf('conversion'),
  expires: NOW + 86_400,
  features: ['export', 'pro'],
  grace: 3_600,
  kind: 'lease'
})
const leaseKey = deriveBindingKey(bindingOf(leaseBody), bindingSecret)
vector(
  'grant-lease',
  'grant',
  'opens',
  'a lease with features and a time of grace',
  { ...buyer, payloadKey: mediumKey },
  encodeGrant(
    leaseBody,
    {
      sealedBindingSecret: sealBindingSecret(
        user.sealKey,
        bindingOf(leaseBody),
        bindingSecret,
        fixed('ephemeral lease')
      ),
      wrappedMediumKey: wrapConversionKey(leaseKey, 'medium-key', mediumKey)
    },
    centerSeed
  )
)
vector(
  'grant-other-medium',
  'grant',
  'COFFER_KEY_UNWRAP',
  "the grant is good, but the medium is measured as another: CS' differs, so Kd stays shut",
  { ...buyer, mediumId: fixed('another medium') },
  certificateGrant
)
vector(
  'grant-conversion-other-medium',
  'grant',
  'COFFER_KEY_UNWRAP',
  'the same for the scheme conversion: Ku stays shut',
  { ...buyer, mediumId: fixed('another medium') },
  conversionGrant
)
vector(
  'grant-other-user',
  'grant',
  'COFFER_KEY_UNWRAP',
  'the grant is good, but the user key is another',
  { ...buyer, sealSecret: deriveKeys('user', fixed('another user')).sealSecret },
  certificateGrant
)
vector(
  'grant-altered',
  'grant',
  'COFFER_RECORD_FORGED',
  'one bit of the body turned',
  buyer,
  flipped(certificateGrant, 60)
)
vector(
  'grant-attachment-altered',
  'grant',
  'COFFER_RECORD_FORGED',
  'one bit of the attachments turned',
  buyer,
  flipped(certificateGrant, -97)
)
vector(
  'grant-foreign',
  'grant',
  'foreign',
  'signed by a key that no pinned center has',
  buyer,
  encodeGrant(certificateBody, certificateLicense, strangerSeed)
)
vector(
  'grant-wrong-attachments',
  'grant',
  'COFFER_ENCODING',
  'scheme certificate with the keys of the scheme conversion',
  buyer,
  encodeGrant(certificateBody, conversionLicense, centerSeed)
)
vector(
  'grant-other-type',
  'grant',
  'COFFER_RECORD_DAMAGED',
  'a publisher certificate in the place of a grant',
  buyer,
  publisherRecord
)
