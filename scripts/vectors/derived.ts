/** Derived values, and saves. */
import { concat, u32be, utf8 } from '../../formats/bytes.js'
import { sealPayload } from '../../formats/cobblestone.js'
import { deriveExportKey, deriveSaveKey, deriveSaveRoot, payloadContext } from '../../formats/derive.js'
import { enc } from '../../formats/encode.js'
import { deriveMarkSecret, deriveSaveSecret } from '../../formats/keys.js'
import { encode } from '../../formats/msgpack.js'
import { ed25519PublicKey, hkdfExpand512, wrapKey } from '../../formats/primitives.js'
import { factorHint } from '../../formats/records/identity.js'
import { sealSaves } from '../../formats/saves.js'
import {
  bindingKey,
  certificate,
  certificateBinding,
  certificateBody,
  certificationKey,
  conversionBinding,
  conversionLicense,
  masterMediumKey,
  mediumKey,
  wrappedMasterMediumKey,
  wrappedTitleKey
} from './grants.js'
import { FACTORS, factorText, medium, oneTimeSeed } from './identity.js'
import {
  EPOCH,
  NOW,
  RELEASE,
  TITLE,
  bindingSecret,
  bytesOf,
  certificationMaster,
  fixed,
  flipped,
  masterKey,
  publisher,
  replaced,
  titleKey,
  user,
  userId
} from './inputs.js'
import { request, requestHash } from './request.js'
import { centerId, root } from './roots.js'
import { vector } from './vector.js'

const derived = (
  name: string,
  comment: string,
  inputs: Readonly<Record<string, Uint8Array | string | number>>,
  value: Uint8Array
): void => vector(`derive-${name}`, `derive-${name}`, 'opens', comment, inputs, value)

const where = { centerId, titleId: TITLE, mediumId: medium }
derived('center-id', 'centerId: the hash of the first root record', { root }, centerId)
derived('user-id', 'userId', { signKey: user.signKey, sealKey: user.sealKey }, userId)
derived('user-sign', "seed of the user's Ed25519 key", { seed: fixed('user') }, user.signSeed)
derived('user-seal', "the user's X25519 secret", { seed: fixed('user') }, user.sealSecret)
derived(
  'medium-id',
  'mediumId: IDk, Mid',
  { nonce: ed25519PublicKey(oneTimeSeed), mediumKind: 'folder', factors: factorText },
  medium
)
derived(
  'medium-factor',
  'the 8 bytes by which an identity knows a factor again',
  { nonce: ed25519PublicKey(oneTimeSeed), name: FACTORS[0]!.name, factor: FACTORS[0]!.value },
  factorHint(ed25519PublicKey(oneTimeSeed), FACTORS[0]!)
)
derived('request-body', 'requestHash', { request }, requestHash)
derived('grant-body', 'grantHash', { body: certificateBody }, certificateBinding.grantHash)
derived(
  'certification-key',
  'KEYc',
  { certificationMaster, centerId, epoch: EPOCH, userId, mediumId: medium },
  certificationKey
)
derived(
  'certificate',
  'CS',
  { certificationKey, ...where, grantHash: certificateBinding.grantHash },
  certificate
)
derived(
  'title-key',
  'Kd, wrapped under a key that the certificate enters',
  { certificationKey, ...where, grantHash: certificateBinding.grantHash, certificate, titleKey },
  wrappedTitleKey
)
derived('medium-key', 'Ku', { masterKey, centerId, epoch: EPOCH, mediumId: medium }, mediumKey)
derived(
  'master-medium-key',
  'Ka',
  { masterKey, centerId, epoch: EPOCH, titleId: TITLE, release: RELEASE },
  masterMediumKey
)
derived(
  'medium-binding',
  'the binding key, 64 bytes',
  { bindingSecret, ...where, grantHash: conversionBinding.grantHash },
  bindingKey
)
derived('wrap-medium-key', 'EMid(Ku)', { bindingKey, key: mediumKey }, conversionLicense.wrappedMediumKey)
derived('wrap-master-medium-key', 'EMid(Ka)', { bindingKey, key: masterMediumKey }, wrappedMasterMediumKey)
derived(
  'payload',
  "a payload's context",
  { titleId: TITLE, release: RELEASE },
  payloadContext(TITLE, RELEASE)
)
const storageKey = fixed('storage key')
derived(
  'stored-title-key',
  'Kd as a center keeps it in its database',
  { storageKey, titleId: TITLE, release: RELEASE, titleKey },
  wrapKey(hkdfExpand512(storageKey, enc('stored-title-key', TITLE, RELEASE)), titleKey)
)
const vaultKey = fixed('vault key')
derived(
  'vault-key',
  'a key of the center in a locked vault, by its name',
  { vaultKey, name: 'epoch-1/master', key: masterKey },
  wrapKey(hkdfExpand512(vaultKey, enc('vault-key', 'epoch-1/master')), masterKey)
)
const markSecret = deriveMarkSecret(fixed('user'))
derived('user-marks', "what authenticates a user's marks", { seed: fixed('user') }, markSecret)
const marks = encode({ clock: NOW, returned: [fixed('grant', 16)], signed: NOW - 60 })
derived(
  'marks',
  'the MAC of marks on a medium',
  { markSecret, centerId, mediumId: medium, marks },
  hkdfExpand512(markSecret, enc('marks', centerId, medium, marks))
)
const saveSecret = deriveSaveSecret(fixed('user'))
derived('user-save', "the secret of a user's saves", { seed: fixed('user') }, saveSecret)
const saveRoot = deriveSaveRoot(saveSecret, { centerId, mediumId: medium })
derived('save-root', 'what keys of saves come from', { saveSecret, centerId, mediumId: medium }, saveRoot)
const saveKey = deriveSaveKey(saveRoot, TITLE, 'slot-1')
derived('save', 'the key of one save', { saveRoot, titleId: TITLE, slot: 'slot-1' }, saveKey)
const save = sealPayload(saveKey, enc('save', TITLE, 'slot-1'), fixed('save salt', 24), utf8('level 2'))
const saved = { saveKey, titleId: TITLE, slot: 'slot-1', plaintext: utf8('level 2') }
vector('save', 'save', 'opens', 'a save, sealed', saved, save)
vector(
  'save-altered',
  'save',
  'COFFER_PAYLOAD_FORGED',
  'one bit of the ciphertext turned',
  saved,
  flipped(save, -20)
)
vector(
  'save-other-slot',
  'save',
  'COFFER_PAYLOAD_FORGED',
  'put in the place of another slot',
  { ...saved, slot: 'slot-2' },
  save
)
const exportedFor = { centerId, titleId: TITLE, publisher: publisher.signKey }
derived(
  'exported-saves',
  "the key of what a user exported of a title's saves",
  { saveSecret, ...exportedFor },
  deriveExportKey(saveSecret, exportedFor)
)
const exported = sealSaves(
  saveSecret,
  { ...exportedFor, created: NOW, userId },
  {
    history: [{ changes: 3, line: fixed('line', 16) }],
    slots: [{ bytes: utf8('level 2'), slot: 'slot-1' }]
  },
  fixed('export salt', 24)
)
const inside = { saveSecret, titleId: TITLE, slot: 'slot-1', plaintext: utf8('level 2') }
vector('saves', 'saves', 'opens', 'exported saves', inside, exported)
vector(
  'saves-head-altered',
  'saves',
  'COFFER_PAYLOAD_FORGED',
  'one bit of the open head turned: the time',
  inside,
  replaced(exported, u32be(NOW), u32be(NOW + 1))
)
vector(
  'saves-altered',
  'saves',
  'COFFER_PAYLOAD_FORGED',
  'one bit of the ciphertext turned',
  inside,
  flipped(exported, -20)
)
vector(
  'saves-other-user',
  'saves',
  'COFFER_PAYLOAD_FORGED',
  "under another user's secret",
  { ...inside, saveSecret: deriveSaveSecret(fixed('other user')) },
  exported
)
vector('saves-magic', 'saves', 'COFFER_RECORD_DAMAGED', 'another magic', inside, flipped(exported, 3))
vector(
  'saves-newer',
  'saves',
  'COFFER_VERSION_UNSUPPORTED',
  'version 2',
  inside,
  concat(exported.slice(0, 4), bytesOf(2), exported.slice(5))
)
