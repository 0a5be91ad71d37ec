/** Registrations and releases. */
import { sealReleaseKey } from '../../formats/derive.js'
import { deriveKeys } from '../../formats/keys.js'
import { encodeRegistration, encodeRelease, openRegistration } from '../../formats/records/release.js'
import { NOW, RELEASE, TITLE, centerSeed, fixed, flipped, publisher, titleKey } from './inputs.js'
import { publisherRecord } from './manifest.js'
import { centerId, root } from './roots.js'
import { vector } from './vector.js'

const registration = encodeRegistration(
  {
    centerId,
    created: NOW,
    name: 'Hello',
    release: RELEASE,
    requestId: fixed('registration', 16),
    scheme: 'certificate',
    signKey: publisher.signKey,
    titleId: TITLE
  },
  publisher.signSeed
)
const registered = openRegistration(registration)
vector(
  'registration',
  'registration',
  'opens',
  "a publisher's registration",
  { requestHash: registered.requestHash },
  registration
)
vector(
  'registration-altered',
  'registration',
  'COFFER_RECORD_FORGED',
  'one bit of the body turned',
  {},
  flipped(registration, 50)
)
const releaseName = { centerId, titleId: TITLE, release: RELEASE, scheme: 'certificate' as const }
const releaseRecord = encodeRelease(
  { ...releaseName, requestHash: registered.requestHash, requestId: registered.requestId },
  {
    publisher: publisherRecord,
    sealedReleaseKey: sealReleaseKey(publisher.sealKey, releaseName, titleKey, fixed('ephemeral release'))
  },
  centerSeed
)
const presser = { root, sealSecret: publisher.sealSecret, releaseKey: titleKey }
vector(
  'release',
  'release',
  'opens',
  'the ticket that answers it, with Kd sealed to the publisher',
  presser,
  releaseRecord
)
vector(
  'release-altered',
  'release',
  'COFFER_RECORD_FORGED',
  'one bit of the attachments turned',
  presser,
  flipped(releaseRecord, -97)
)
vector(
  'release-other-publisher',
  'release',
  'COFFER_KEY_UNWRAP',
  'the ticket is good, but the key is sealed to another publisher',
  { ...presser, sealSecret: deriveKeys('publisher', fixed('another publisher')).sealSecret },
  releaseRecord
)
