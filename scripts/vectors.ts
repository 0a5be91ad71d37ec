/**
 * Golden vectors: one small file for every record, file and derived value, made from fixed inputs, and beside them
 * faulty ones with one fault each. They hold the formats still: tests/formats/golden.test.ts fails when what is made
 * today differs from what was committed.
 *
 *   npm run vectors                          write tests/vectors/records/
 *   node build/scripts/vectors.js --check    compare only; exit code 1 when something differs
 *
 * A vector is text: lines `name: value`, values of bytes in hexadecimal; an empty line; the bytes in hexadecimal, 32 a
 * line, so that a change can be read in a diff and no checkout can change an end of line within them.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { concat, hex, u32be, utf8 } from '../formats/bytes.js'
import { sealPayload, sealedSize } from '../formats/cobblestone.js'
import {
  computeCertificate,
  deriveBindingKey,
  deriveCertificationKey,
  deriveExportKey,
  deriveMasterMediumKey,
  deriveMediumKey,
  deriveSaveKey,
  deriveSaveRoot,
  payloadContext,
  sealBindingSecret,
  sealCertificationKey,
  sealReleaseKey,
  wrapConversionKey,
  wrapTitleKey,
  type Binding
} from '../formats/derive.js'
import { enc } from '../formats/encode.js'
import type { ErrorCode } from '../formats/errors.js'
import { NO_ATTACHMENTS, signFrame } from '../formats/frame.js'
import { deriveKeys, deriveMarkSecret, deriveSaveSecret, userIdOf } from '../formats/keys.js'
import { Frontier, leafHash, nodeHash } from '../formats/merkle.js'
import { encode } from '../formats/msgpack.js'
import { encodePackageHead } from '../formats/package.js'
import { ed25519PublicKey, hkdfExpand512, sha256, wrapKey } from '../formats/primitives.js'
import { encodeAnswer } from '../formats/records/answer.js'
import { encodeCheckpoint, encodeReceipt } from '../formats/records/checkpoint.js'
import { encodeEnded, PARTS, withEnded } from '../formats/records/ended.js'
import type { Scheme } from '../formats/records/fields.js'
import { encodeGrant, encodeGrantBody, grantHash, type Grant } from '../formats/records/grant.js'
import { encodeIdentity, factorHint, mediumId, openIdentity } from '../formats/records/identity.js'
import { encodeManifest, type Manifest } from '../formats/records/manifest.js'
import { encodePublisher } from '../formats/records/publisher.js'
import { encodeRegistration, encodeRelease, openRegistration } from '../formats/records/release.js'
import { encodeRequest, openRequest } from '../formats/records/request.js'
import { encodeReturn, openReturn } from '../formats/records/return.js'
import { encodeCollection, encodeRevocations } from '../formats/records/revocations.js'
import { encodeRoot, rootHash } from '../formats/records/root.js'
import { sealSaves } from '../formats/saves.js'
import { encodeTitleHead } from '../formats/title.js'

const FOLDER = fileURLToPath(new URL('../../tests/vectors/records/', import.meta.url))
const LINE_BYTES = 32

const vectors = new Map<string, string>()

/** What a reader says to a vector: `opens`, `foreign` (signed by nobody it trusts), or the code it refuses with. */
type Expectation = 'opens' | 'foreign' | ErrorCode

function vector(
  name: string,
  kind: string,
  expect: Expectation,
  comment: string,
  inputs: Readonly<Record<string, Uint8Array | string | number>>,
  bytes: Uint8Array
): void {
  if (vectors.has(name)) throw new Error(`internal: two vectors are named ${name}`)
  const value = (input: Uint8Array | string | number) =>
    input instanceof Uint8Array ? hex(input) : String(input)
  const header = [
    `kind: ${kind}`,
    `expect: ${expect}`,
    `comment: ${comment}`,
    ...Object.entries(inputs).map(([key, input]) => `${key}: ${value(input)}`)
  ]
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += LINE_BYTES) lines.push(hex(bytes.subarray(at, at + LINE_BYTES)))
  vectors.set(`${name}.txt`, `${[...header, '', ...lines].join('\n')}\n`)
}

// ---------------------------------------------------------------- fixed inputs

/** 32 bytes, or fewer, that a name stands for. */
const fixed = (name: string, length = 32): Uint8Array =>
  sha256(utf8(`coffer vector ${name}`)).slice(0, length)

const NOW = 1_800_000_000
const TITLE = 'org.example.hello'
const RELEASE = 3
const EPOCH = 1

const centerSeed = fixed('center seed')
const nextCenterSeed = fixed('next center seed')
const strangerSeed = fixed('stranger seed')
const certificationMaster = fixed('certification master')
const masterKey = fixed('master key')
const titleKey = fixed('title key')
const bindingSecret = fixed('binding secret')
const user = deriveKeys('user', fixed('user'))
const publisher = deriveKeys('publisher', fixed('publisher'))
const userId = userIdOf(user)

// ---------------------------------------------------------------- faults

const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = bytes.slice()
  copy[at < 0 ? copy.length + at : at]! ^= 1
  return copy
}
const changed = (bytes: Uint8Array, at: number, to: number): Uint8Array => {
  const copy = bytes.slice()
  copy[at] = to
  return copy
}
const longer = (bytes: Uint8Array): Uint8Array => concat(bytes, new Uint8Array(1))
const shorter = (bytes: Uint8Array): Uint8Array => bytes.slice(0, -1)

// ---------------------------------------------------------------- root records

const root = encodeRoot(
  { created: NOW, epoch: EPOCH, keys: [ed25519PublicKey(centerSeed)], name: 'Example Shop', sequence: 0 },
  centerSeed
)
const centerId = rootHash(root)
const nextRootBody = {
  created: NOW + 1,
  epoch: EPOCH + 1,
  keys: [ed25519PublicKey(nextCenterSeed), ed25519PublicKey(centerSeed)],
  name: 'Example Shop',
  previous: rootHash(root),
  sequence: 1
}
const rotated = encodeRoot(nextRootBody, nextCenterSeed, centerSeed)
const usurped = encodeRoot(nextRootBody, nextCenterSeed, strangerSeed)
const packedRoots = (...roots: Uint8Array[]): Uint8Array => encode({ roots })

vector('root', 'roots', 'opens', 'the first root record of a center', { centerId }, packedRoots(root))
vector(
  'root-rotated',
  'roots',
  'opens',
  'a second root record, signed by a key of the first',
  { centerId },
  packedRoots(root, rotated)
)
vector(
  'root-usurped',
  'roots',
  'COFFER_CENTER_UNTRUSTED',
  'a second root record, signed by no key of the first',
  {},
  packedRoots(root, usurped)
)
vector(
  'root-gap',
  'roots',
  'COFFER_CENTER_UNTRUSTED',
  'a chain that does not begin with a first record',
  {},
  packedRoots(rotated)
)

vector(
  'root-altered',
  'roots',
  'COFFER_RECORD_FORGED',
  'one bit of the name turned',
  {},
  packedRoots(flipped(root, 95))
)

// ---------------------------------------------------------------- publisher and manifest

const publisherBody = {
  centerId,
  issued: NOW,
  name: 'Example Press',
  sealKey: publisher.sealKey,
  signKey: publisher.signKey
}
const publisherRecord = encodePublisher(publisherBody, centerSeed)
vector('publisher', 'publisher', 'opens', 'a publisher certificate', { root }, publisherRecord)
vector(
  'publisher-foreign',
  'publisher',
  'COFFER_PUBLISHER_UNTRUSTED',
  'a publisher certificate that the center did not sign',
  { root },
  encodePublisher(publisherBody, strangerSeed)
)

const program = utf8("export default () => console.log('Hello')\n")
const asset = utf8('a line of text\n')
const contents = [
  { name: 'program.js', role: 'program' as const, bytes: program },
  { name: 'notes/line.txt', role: 'asset' as const, bytes: asset },
  { name: 'empty', role: 'asset' as const, bytes: new Uint8Array(0) }
]
const { head: packageHead, indexDigest } = encodePackageHead(contents)
const packageBytes = concat(packageHead, program, asset)

const manifestOf = (scheme: Scheme): Manifest => ({
  centerId,
  engine: 'quickjs',
  engineRequired: false,
  id: TITLE,
  indexDigest,
  limits: { memoryMiB: 64 },
  loaderLevel: 1,
  name: 'Hello',
  payloadBytes: sealedSize(packageBytes.length),
  permissions: ['terminal'],
  pressed: NOW,
  release: RELEASE,
  scheme,
  version: '1.0.0'
})
const manifest = encodeManifest(manifestOf('certificate'), publisherRecord, publisher.signSeed)
const manifestWith = (body: Uint8Array): Uint8Array =>
  signFrame('manifest', body, encode({ publisher: publisherRecord }), publisher.signSeed)
const manifestBody = encode(manifestOf('certificate') as never)

vector('manifest', 'manifest', 'opens', 'a title manifest', { root }, manifest)
vector(
  'manifest-altered',
  'manifest',
  'COFFER_RECORD_FORGED',
  'one bit of the body turned',
  { root },
  flipped(manifest, 40)
)
vector(
  'manifest-signature-altered',
  'manifest',
  'COFFER_RECORD_FORGED',
  'one bit of the signature turned',
  { root },
  flipped(manifest, -40)
)
vector('manifest-longer', 'manifest', 'COFFER_RECORD_DAMAGED', 'a byte more', { root }, longer(manifest))
vector('manifest-shorter', 'manifest', 'COFFER_RECORD_DAMAGED', 'a byte less', { root }, shorter(manifest))
vector(
  'manifest-magic',
  'manifest',
  'COFFER_RECORD_DAMAGED',
  'another magic number',
  { root },
  flipped(manifest, 0)
)
vector(
  'manifest-version',
  'manifest',
  'COFFER_VERSION_UNSUPPORTED',
  'version 2 of the frame',
  { root },
  changed(manifest, 4, 2)
)
vector(
  'manifest-suite',
  'manifest',
  'COFFER_VERSION_UNSUPPORTED',
  'suite 2',
  { root },
  changed(manifest, 7, 2)
)
vector(
  'manifest-type',
  'manifest',
  'COFFER_RECORD_DAMAGED',
  'another type',
  { root },
  changed(manifest, 5, 4)
)
vector(
  'manifest-no-signature',
  'manifest',
  'COFFER_RECORD_DAMAGED',
  'no signature',
  { root },
  concat(manifest.slice(0, 16), u32be(0), manifest.slice(20, -96))
)
vector(
  'manifest-unknown-field',
  'manifest',
  'COFFER_ENCODING',
  'a field that no manifest has',
  { root },
  manifestWith(encode({ ...manifestOf('certificate'), zeal: 1 } as never))
)
vector(
  'manifest-missing-field',
  'manifest',
  'COFFER_ENCODING',
  'no version',
  { root },
  manifestWith(encode(without(manifestOf('certificate'), 'version') as never))
)
vector(
  'manifest-long-form',
  'manifest',
  'COFFER_ENCODING',
  'the release as a u8 where a fixint would do',
  { root },
  manifestWith(
    replaced(
      manifestBody,
      concat(utf8('release'), bytesOf(RELEASE)),
      concat(utf8('release'), bytesOf(0xcc, RELEASE))
    )
  )
)
vector(
  'manifest-key-order',
  'manifest',
  'COFFER_ENCODING',
  'keys that do not ascend',
  { root },
  manifestWith(replaced(manifestBody, utf8('scheme'), utf8('Scheme')))
)
vector(
  'manifest-trailing',
  'manifest',
  'COFFER_ENCODING',
  'a value after the map',
  { root },
  manifestWith(concat(manifestBody, bytesOf(0xc0)))
)
vector(
  'manifest-other-signer',
  'manifest',
  'COFFER_PUBLISHER_UNTRUSTED',
  'signed with a key other than the certified one',
  { root },
  encodeManifest(manifestOf('certificate'), publisherRecord, strangerSeed)
)
vector(
  'manifest-newer',
  'manifest',
  'COFFER_LOADER_TOO_OLD',
  'asks for a newer loader',
  { root },
  encodeManifest({ ...manifestOf('certificate'), loaderLevel: 2 }, publisherRecord, publisher.signSeed)
)

// ---------------------------------------------------------------- identity

const FACTORS = [
  { name: 'machine', value: '5f1a' },
  { name: 'volume', value: 'D00D-FEED' }
]
const factorText = FACTORS.map(({ name, value }) => `${name}=${value}`).join(' ')
const oneTimeSeed = fixed('one-time seed')
const identity = encodeIdentity('folder', FACTORS, NOW, oneTimeSeed)
const medium = mediumId(openIdentity(identity), FACTORS)
vector(
  'identity',
  'identity',
  'opens',
  'a medium identity',
  { factors: factorText, mediumId: medium },
  identity
)
vector(
  'identity-other-signer',
  'identity',
  'COFFER_RECORD_FORGED',
  'signed with a key other than its nonce',
  {},
  signFrame(
    'identity',
    encode({ created: NOW, factors: [], kind: 'folder', nonce: ed25519PublicKey(oneTimeSeed) }),
    NO_ATTACHMENTS,
    strangerSeed
  )
)

vector(
  'identity-attachments',
  'identity',
  'COFFER_RECORD_DAMAGED',
  'attachments where none belong',
  {},
  signFrame(
    'identity',
    encode({ created: NOW, factors: [], kind: 'folder', nonce: ed25519PublicKey(oneTimeSeed) }),
    encode({ more: 1 }),
    oneTimeSeed
  )
)

// ---------------------------------------------------------------- request

const requestId = fixed('request', 16)
const requestBody = {
  bind: ['medium', 'user'] as const,
  centerId,
  created: NOW,
  factors: ['machine', 'volume'],
  kind: 'order' as const,
  mediumId: medium,
  mediumKind: 'folder' as const,
  release: RELEASE,
  requestId,
  scheme: 'certificate' as const,
  sealKey: user.sealKey,
  signKey: user.signKey,
  titleId: TITLE
}
const request = encodeRequest(requestBody, user.signSeed)
const { requestHash } = openRequest(request)
vector('request', 'request', 'opens', 'an order', { userId, requestHash }, request)
vector(
  'request-other-signer',
  'request',
  'COFFER_RECORD_FORGED',
  'signed with a key other than the one it names',
  {},
  encodeRequest(requestBody, strangerSeed)
)

vector(
  'request-other-kind',
  'request',
  'COFFER_ENCODING',
  'a kind of request that there is not',
  {},
  signFrame('request', encode({ ...requestBody, kind: 'gift' }), NO_ATTACHMENTS, user.signSeed)
)

// ---------------------------------------------------------------- returns

const returnBody = {
  centerId,
  created: NOW,
  grantId: fixed('grant', 16),
  mediumId: medium,
  requestId: fixed('return request', 16),
  sealKey: user.sealKey,
  signKey: user.signKey,
  titleId: TITLE
}
const givenBack = encodeReturn(returnBody, user.signSeed)
const returned = { userId, requestHash: openReturn(givenBack).requestHash }
vector('return', 'return', 'opens', 'a copy given back', returned, givenBack)
const receiver = deriveKeys('user', fixed('another user'))
const wanted = encodeRequest(
  {
    ...requestBody,
    kind: 'transfer',
    mediumId: fixed('another medium'),
    sealKey: receiver.sealKey,
    signKey: receiver.signKey
  },
  receiver.signSeed
)
const handedOn = encodeReturn({ ...returnBody, order: wanted }, user.signSeed)
vector(
  'return-transfer',
  'return',
  'opens',
  "a copy given up for another user's medium: his order is in it",
  { userId, requestHash: openReturn(handedOn).requestHash, receiver: userIdOf(receiver) },
  handedOn
)
vector(
  'return-other-signer',
  'return',
  'COFFER_RECORD_FORGED',
  'signed with a key other than the one it names',
  returned,
  encodeReturn(returnBody, strangerSeed)
)
vector(
  'return-altered',
  'return',
  'COFFER_RECORD_FORGED',
  'one bit of the body turned',
  returned,
  flipped(givenBack, 60)
)

// ---------------------------------------------------------------- grants

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

const certificateBody = encodeGrantBody(grantOf('certificate'))
const certificateBinding = bindingOf(certificateBody)
const certificationKey = deriveCertificationKey(certificationMaster, centerId, EPOCH, userId, medium)
const certificate = computeCertificate(certificationKey, certificateBinding)
const sealedCertificationKey = sealCertificationKey(
  user.sealKey,
  certificateBinding,
  certificate,
  certificationKey,
  fixed('ephemeral certification')
)
const wrappedTitleKey = wrapTitleKey(certificationKey, certificateBinding, certificate, titleKey)
const certificateLicense = { certificate, sealedCertificationKey, wrappedTitleKey }
const certificateGrant = encodeGrant(certificateBody, certificateLicense, centerSeed)

const conversionBody = encodeGrantBody(grantOf('conversion'))
const conversionBinding = bindingOf(conversionBody)
const mediumKey = deriveMediumKey(masterKey, centerId, EPOCH, medium)
const masterMediumKey = deriveMasterMediumKey(masterKey, centerId, EPOCH, TITLE, RELEASE)
const bindingKey = deriveBindingKey(conversionBinding, bindingSecret)
const wrappedMasterMediumKey = wrapConversionKey(bindingKey, 'master-medium-key', masterMediumKey)
const conversionLicense = {
  sealedBindingSecret: sealBindingSecret(
    user.sealKey,
    conversionBinding,
    bindingSecret,
    fixed('ephemeral binding')
  ),
  wrappedMediumKey: wrapConversionKey(bindingKey, 'medium-key', mediumKey)
}
const conversionGrant = encodeGrant(conversionBody, conversionLicense, centerSeed)

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

// ---------------------------------------------------------------- checkpoints and receipts

const logged = Array.from({ length: 7 }, (_, n) => utf8(`entry ${n}`))
const log = new Frontier()
for (const entry of logged) log.append(leafHash(entry))
const checkpointBody = { centerId, issued: NOW, root: log.root(), size: log.size }
const checkpoint = encodeCheckpoint(checkpointBody, centerSeed)
vector('checkpoint', 'checkpoint', 'opens', 'seven entries', { root, logRoot: log.root() }, checkpoint)
vector(
  'checkpoint-altered',
  'checkpoint',
  'COFFER_RECORD_FORGED',
  'one bit of the body turned',
  { root, logRoot: log.root() },
  flipped(checkpoint, 40)
)
// ---------------------------------------------------------------- copies that have ended

const endedIds = [0, 0, 7, 255].map((first, n) => new Uint8Array(16).fill(n + 1).fill(first, 0, 1))
const endedParts = Array.from({ length: PARTS }, (_, first) =>
  withEnded(
    new Uint8Array(0),
    endedIds.filter(id => id[0] === first)
  )
)
const endedRecord = encodeEnded({ centerId, issued: NOW, sequence: 9, parts: endedParts }, centerSeed)
vector('ended', 'ended', 'opens', 'four copies that have ended', { root }, concat(endedRecord, ...endedParts))
vector(
  'ended-other-copy',
  'ended',
  'COFFER_RECORD_DAMAGED',
  'one bit of an id turned',
  { root },
  concat(endedRecord, flipped(concat(...endedParts), 3))
)
vector(
  'ended-cut',
  'ended',
  'COFFER_RECORD_DAMAGED',
  'the last byte is missing',
  { root },
  concat(endedRecord, ...endedParts).slice(0, -1)
)
vector(
  'ended-altered',
  'ended',
  'COFFER_RECORD_FORGED',
  'one bit of the record turned',
  { root },
  flipped(concat(endedRecord, ...endedParts), 60)
)

/** The sixth of seven: its sibling, then the pair before, then the first four. */
const sixth = [
  leafHash(logged[4]!),
  leafHash(logged[6]!),
  nodeHash(
    nodeHash(leafHash(logged[0]!), leafHash(logged[1]!)),
    nodeHash(leafHash(logged[2]!), leafHash(logged[3]!))
  )
]
const receiptBody = { checkpoint, entry: logged[5]!, index: 5, path: sixth }
vector('receipt', 'receipt', 'opens', 'entry 5 of 7', { root, entry: logged[5]! }, encodeReceipt(receiptBody))
vector(
  'receipt-other-entry',
  'receipt',
  'COFFER_RECORD_FORGED',
  'another entry in the place of the one that the path proves',
  { root, entry: logged[5]! },
  encodeReceipt({ ...receiptBody, entry: logged[4]! })
)
vector(
  'receipt-longer-path',
  'receipt',
  'COFFER_RECORD_FORGED',
  'a path that goes on above the root',
  { root, entry: logged[5]! },
  encodeReceipt({ ...receiptBody, path: [...sixth, sixth[0]!] })
)

// ---------------------------------------------------------------- revocations and answers

const revocationsOf = (sequence: number): Uint8Array =>
  encodeRevocations(
    {
      centerId,
      entries: [
        { id: utf8('org.example.old'), kind: 'title', release: 1 },
        { id: fixed('revoked user'), kind: 'user' },
        { id: fixed('revoked grant', 16), kind: 'grant' }
      ],
      issued: NOW,
      sequence
    },
    centerSeed
  )
const revocations = revocationsOf(2)
vector('revocations', 'revocations', 'opens', 'a revocation list', { root }, revocations)
vector(
  'revocations-altered',
  'revocations',
  'COFFER_RECORD_FORGED',
  'one bit of the body turned',
  { root },
  flipped(revocations, 30)
)
vector(
  'revocation-lists',
  'revocation-lists',
  'opens',
  'the file of lists that a medium carries',
  { root },
  encodeCollection({ lists: [revocations] })
)
vector(
  'revocation-lists-roots',
  'revocation-lists',
  'opens',
  'the same with the root records of the center, whose key has been rotated',
  { root },
  encodeCollection({ lists: [revocations], roots: [[root, rotated]] })
)
vector(
  'revocation-lists-trailing',
  'revocation-lists',
  'COFFER_ENCODING',
  'a byte more',
  { root },
  longer(encodeCollection({ lists: [revocations] }))
)

const ticket = { answered: NOW, centerId, chargedMinor: 900, currency: 'EUR', requestHash, requestId }
const certificateAnswer = encodeAnswer(
  ticket,
  { grant: certificateGrant, revocations, roots: [root] },
  centerSeed
)
vector('answer-certificate', 'answer', 'opens', 'an answer, scheme certificate', { root }, certificateAnswer)
vector(
  'answer-conversion',
  'answer',
  'opens',
  'an answer, scheme conversion, with EMid(Ka)',
  { root, mediumId: medium, sealSecret: user.sealSecret, masterMediumKey },
  encodeAnswer(
    ticket,
    { grant: conversionGrant, revocations, roots: [root], wrappedMasterMediumKey },
    centerSeed
  )
)
vector(
  'answer-shorter',
  'answer',
  'COFFER_RECORD_DAMAGED',
  'a byte less',
  { root },
  shorter(certificateAnswer)
)

vector(
  'answer-foreign',
  'answer',
  'foreign',
  'signed by a key that no pinned center has',
  { root },
  encodeAnswer(ticket, { grant: certificateGrant, revocations, roots: [root] }, strangerSeed)
)

// ---------------------------------------------------------------- registration and release

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

// ---------------------------------------------------------------- sealed titles

const payload = sealPayload(titleKey, payloadContext(TITLE, RELEASE), fixed('salt', 24), packageBytes)
const title = concat(encodeTitleHead(manifest), payload)
const opened = { payloadKey: titleKey, program }
vector('title', 'title', 'opens', 'a sealed title with a program and two assets', opened, title)
vector('title-shorter', 'title', 'COFFER_PAYLOAD_TRUNCATED', 'a byte less', opened, shorter(title))
vector('title-longer', 'title', 'COFFER_PAYLOAD_TRUNCATED', 'a byte more', opened, longer(title))
vector(
  'title-version',
  'title',
  'COFFER_VERSION_UNSUPPORTED',
  'version 2 of the file',
  opened,
  changed(title, 4, 2)
)
vector(
  'title-chunk-altered',
  'title',
  'COFFER_PAYLOAD_FORGED',
  'one bit of the payload turned',
  opened,
  flipped(title, -20)
)
vector(
  'title-commitment-altered',
  'title',
  'COFFER_PAYLOAD_FORGED',
  "one bit of the payload's commitment turned",
  opened,
  flipped(title, title.length - payload.length + 24)
)
vector(
  'title-other-key',
  'title',
  'COFFER_PAYLOAD_FORGED',
  'another key',
  { ...opened, payloadKey: fixed('another key') },
  title
)
vector(
  'title-other-release',
  'title',
  'COFFER_PAYLOAD_FORGED',
  'a payload that was sealed for another release',
  opened,
  concat(
    encodeTitleHead(manifest),
    sealPayload(titleKey, payloadContext(TITLE, RELEASE + 1), fixed('salt', 24), packageBytes)
  )
)
vector(
  'title-other-contents',
  'title',
  'COFFER_PACKAGE_DAMAGED',
  'a payload that opens, but whose program is not the one that the index names',
  opened,
  concat(
    encodeTitleHead(manifest),
    sealPayload(
      titleKey,
      payloadContext(TITLE, RELEASE),
      fixed('salt', 24),
      flipped(packageBytes, packageHead.length)
    )
  )
)

// ---------------------------------------------------------------- derived values

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

write()

// ---------------------------------------------------------------- small

function bytesOf(...values: number[]): Uint8Array {
  return new Uint8Array(values)
}

function without(value: object, name: string): object {
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== name))
}

/** The one place where `from` stands, with `to` in its place. */
function replaced(bytes: Uint8Array, from: Uint8Array, to: Uint8Array): Uint8Array {
  const text = hex(bytes)
  const at = text.indexOf(hex(from)) / 2
  if (!Number.isInteger(at) || at < 0) throw new Error('internal: nothing to replace')
  return concat(bytes.slice(0, at), to, bytes.slice(at + from.length))
}

function write(): void {
  const committed = existsSync(FOLDER) ? readdirSync(FOLDER) : []
  const stale = [
    ...committed.filter(name => !vectors.has(name)),
    ...[...vectors]
      .filter(([name, text]) => !committed.includes(name) || readFileSync(FOLDER + name, 'utf8') !== text)
      .map(([name]) => name)
  ]
  if (process.argv.includes('--check')) {
    for (const name of stale) console.log(`differs: tests/vectors/records/${name}`)
    if (stale.length > 0) process.exitCode = 1
    return
  }
  mkdirSync(FOLDER, { recursive: true })
  for (const name of committed) if (!vectors.has(name)) rmSync(FOLDER + name)
  for (const [name, text] of vectors) writeFileSync(FOLDER + name, text)
  console.log(`${vectors.size} vectors, ${stale.length} of them changed`)
}
