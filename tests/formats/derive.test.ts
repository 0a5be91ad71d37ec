/**
 * The derivations, as properties: each field that enters a key changes it, and each sealed or wrapped key opens with
 * exactly what it was made with. That the values are those of the specification is for its vectors to say.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import {
  computeCertificate,
  deriveBindingKey,
  deriveCertificationKey,
  deriveMasterMediumKey,
  deriveMediumKey,
  deriveSaveKey,
  deriveSaveRoot,
  openBindingSecret,
  openCertificationKey,
  openReleaseKey,
  payloadContext,
  sealBindingSecret,
  sealCertificationKey,
  sealReleaseKey,
  unwrapConversionKey,
  unwrapTitleKey,
  wrapConversionKey,
  wrapTitleKey,
  type Binding
} from '../../formats/derive.js'
import { deriveKeys } from '../../formats/keys.js'
import { rejectsWith } from '../helpers/rejects.js'

const filled = (byte: number, length = 32) => new Uint8Array(length).fill(byte)
const binding: Binding = { centerId: filled(1), titleId: 'org.a', mediumId: filled(2), grantHash: filled(3) }
const OTHERS: readonly Binding[] = [
  { ...binding, centerId: filled(9) },
  { ...binding, titleId: 'org.b' },
  { ...binding, mediumId: filled(9) },
  { ...binding, grantHash: filled(9) },
  // The same bytes under other names.
  { ...binding, centerId: binding.mediumId, mediumId: binding.centerId },
  { ...binding, mediumId: binding.grantHash, grantHash: binding.mediumId }
]
const user = deriveKeys('user', filled(4))
const stranger = deriveKeys('user', filled(5))
const KEY = filled(6)
const EPHEMERAL = filled(7)

/** All different. */
const distinct = (...values: readonly Uint8Array[]) => assert.is(new Set(values.map(hex)).size, values.length)

test('every field enters every key', () => {
  const [a, b] = [filled(1), filled(2)]
  distinct(
    deriveCertificationKey(KEY, a, 1, b, b),
    deriveCertificationKey(EPHEMERAL, a, 1, b, b),
    deriveCertificationKey(KEY, b, 1, b, b),
    deriveCertificationKey(KEY, a, 2, b, b),
    deriveCertificationKey(KEY, a, 1, a, b),
    deriveCertificationKey(KEY, a, 1, b, a)
  )
  // The same master key and the same bytes: a medium can be no title, whatever its id (the seed's one KM for both).
  const id = new TextEncoder().encode('x'.repeat(32))
  distinct(
    deriveMediumKey(KEY, a, 1, id),
    deriveMediumKey(KEY, a, 2, id),
    deriveMediumKey(KEY, b, 1, id),
    deriveMasterMediumKey(KEY, a, 1, 'x'.repeat(32), 1),
    deriveMasterMediumKey(KEY, a, 1, 'x'.repeat(32), 2),
    deriveMasterMediumKey(KEY, a, 2, 'x'.repeat(32), 1)
  )
  distinct(
    deriveSaveKey(KEY, 'org.a', 'slot'),
    deriveSaveKey(KEY, 'org.a', 'Slot'),
    deriveSaveKey(KEY, 'org.as', 'lot'),
    deriveSaveKey(EPHEMERAL, 'org.a', 'slot')
  )
  const [one, other] = [
    { centerId: KEY, mediumId: EPHEMERAL },
    { centerId: EPHEMERAL, mediumId: KEY }
  ]
  distinct(
    deriveSaveRoot(KEY, one),
    deriveSaveRoot(KEY, other),
    deriveSaveRoot(KEY, { ...one, mediumId: KEY }),
    deriveSaveRoot(new Uint8Array(32), one),
    deriveSaveRoot(undefined, one).subarray(1)
  )
  distinct(payloadContext('org.a', 1), payloadContext('org.a', 2), payloadContext('org.b', 1))
  distinct(
    ...[binding, ...OTHERS].map(one => computeCertificate(KEY, one)),
    computeCertificate(EPHEMERAL, binding)
  )
  distinct(
    ...[binding, ...OTHERS].map(one => deriveBindingKey(one, KEY)),
    deriveBindingKey(binding, new Uint8Array(0)),
    deriveBindingKey(binding, EPHEMERAL)
  )
})

test('EKU(KEYc) opens for its user, medium, title, grant and certificate alone', async () => {
  const certificate = computeCertificate(KEY, binding)
  const sealed = sealCertificationKey(user.sealKey, binding, certificate, KEY, EPHEMERAL)
  assert.equal(openCertificationKey(user.sealSecret, binding, certificate, sealed), KEY)
  const refused = async (open: () => unknown) => {
    const error = await rejectsWith('COFFER_KEY_UNWRAP', open)
    assert.match(error.hint!, 'coffer copy')
  }
  await refused(() => openCertificationKey(stranger.sealSecret, binding, certificate, sealed))
  for (const other of OTHERS)
    await refused(() => openCertificationKey(user.sealSecret, other, certificate, sealed))
  await refused(() => openCertificationKey(user.sealSecret, binding, filled(0, 16), sealed))
  // What is sealed for one purpose does not open for another.
  await refused(() => openBindingSecret(user.sealSecret, binding, sealed))
})

test('Kd unwraps only under the recomputed certificate', async () => {
  const certificate = computeCertificate(KEY, binding)
  const wrapped = wrapTitleKey(KEY, binding, certificate, filled(8))
  assert.is(wrapped.length, 40)
  assert.equal(unwrapTitleKey(KEY, binding, certificate, wrapped), filled(8))
  await rejectsWith('COFFER_KEY_UNWRAP', () => unwrapTitleKey(EPHEMERAL, binding, certificate, wrapped))
  for (const other of OTHERS) {
    // The very attack: the certificate as certified, on another medium.
    await rejectsWith('COFFER_KEY_UNWRAP', () => unwrapTitleKey(KEY, other, certificate, wrapped))
    await rejectsWith('COFFER_KEY_UNWRAP', () =>
      unwrapTitleKey(KEY, binding, computeCertificate(KEY, other), wrapped)
    )
  }
})

test('EMid(Ku) and EMid(Ka) open under their own binding, each as what it is', async () => {
  const sealed = sealBindingSecret(user.sealKey, binding, KEY, EPHEMERAL)
  assert.equal(openBindingSecret(user.sealSecret, binding, sealed), KEY)
  await rejectsWith('COFFER_KEY_UNWRAP', () => openBindingSecret(stranger.sealSecret, binding, sealed))
  for (const other of OTHERS)
    await rejectsWith('COFFER_KEY_UNWRAP', () => openBindingSecret(user.sealSecret, other, sealed))

  const bindingKey = deriveBindingKey(binding, KEY)
  const wrapped = wrapConversionKey(bindingKey, 'medium-key', filled(8))
  assert.equal(unwrapConversionKey(bindingKey, 'medium-key', wrapped), filled(8))
  await rejectsWith('COFFER_KEY_UNWRAP', () => unwrapConversionKey(bindingKey, 'master-medium-key', wrapped))
  // Mid is public: without the binding secret it opens nothing (EMid of the seed hides nothing).
  await rejectsWith('COFFER_KEY_UNWRAP', () =>
    unwrapConversionKey(deriveBindingKey(binding, new Uint8Array(0)), 'medium-key', wrapped)
  )
})

test('a release key opens for its publisher and release alone', async () => {
  const name = { centerId: filled(1), titleId: 'org.a', release: 1, scheme: 'certificate' } as const
  const sealed = sealReleaseKey(user.sealKey, name, KEY, EPHEMERAL)
  assert.equal(openReleaseKey(user.sealSecret, name, sealed), KEY)
  const others = [
    { centerId: filled(2) },
    { titleId: 'org.b' },
    { release: 2 },
    { scheme: 'conversion' as const }
  ]
  for (const other of others)
    await rejectsWith('COFFER_KEY_UNWRAP', () =>
      openReleaseKey(user.sealSecret, { ...name, ...other }, sealed)
    )
  const error = await rejectsWith('COFFER_KEY_UNWRAP', () =>
    openReleaseKey(stranger.sealSecret, name, sealed)
  )
  assert.match(error.hint!, 'publisher')
})

test.run()
