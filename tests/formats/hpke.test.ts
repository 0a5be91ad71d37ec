import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromHex, hex } from '../../formats/bytes.js'
import { HPKE_OVERHEAD_BYTES, hpkeOpen, hpkeSeal } from '../../formats/hpke.js'
import { X25519Key } from '../../formats/primitives.js'
import { misuse } from '../helpers/misuse.js'
import { rejectsWith } from '../helpers/rejects.js'
import { Seeded } from '../helpers/seeded.js'
import { outsideTest } from '../vectors/outside.js'
import { HPKE_BASE } from '../vectors/published.js'

const SECRET = new Uint8Array(32).fill(3)
const PUBLIC = new X25519Key(SECRET).publicKey
const EPHEMERAL = new Uint8Array(32).fill(4)
const INFO = new Uint8Array([1, 2])
const AAD = new Uint8Array([3])
const SEALED = hpkeSeal(PUBLIC, INFO, AAD, new Uint8Array(32).fill(5), EPHEMERAL)

test('hpke gives the published vector of its suite', () => {
  const v = HPKE_BASE
  const [info, aad, plaintext] = [fromHex(v.info), fromHex(v.aad), fromHex(v.plaintext)]
  const sealed = hpkeSeal(fromHex(v.recipientPublic), info, aad, plaintext, fromHex(v.ephemeralSecret))
  assert.is(hex(sealed), v.encapsulated + v.ciphertext)
  assert.equal(hpkeOpen(fromHex(v.recipientSecret), info, aad, sealed), plaintext)
})

interface Vector {
  mode: number
  kem_id: number
  kdf_id: number
  aead_id: number
  info: string
  skRm: string
  skEm: string
  pkRm: string
  enc: string
  encryptions: { aad: string; ct: string; pt: string }[]
}
outsideTest<Vector[]>('hpke', 'hpke/rfc9180-x25519.json', async vectors => {
  const ours = (v: Vector) => v.mode === 0 && v.kem_id === 0x20 && v.kdf_id === 3 && v.aead_id === 2
  let opened = 0
  for (const vector of vectors) {
    const [first, ...later] = vector.encryptions
    if (first === undefined) continue
    const open = ({ aad, ct }: { aad: string; ct: string }) =>
      hpkeOpen(fromHex(vector.skRm), fromHex(vector.info), fromHex(aad), fromHex(vector.enc + ct))
    if (ours(vector)) {
      assert.is(hex(open(first)), first.pt)
      opened++
      // One-shot: what a context sealed second is not for us.
      for (const message of later) await rejectsWith('COFFER_KEY_UNWRAP', () => open(message))
    } else {
      await rejectsWith('COFFER_KEY_UNWRAP', () => open(first))
    }
  }
  assert.is(opened, 1)
})

test('hpkeOpen() gives back what hpkeSeal() took', () => {
  const random = new Seeded('hpke')
  for (const length of [0, 1, 32, 100]) {
    const [secret, ephemeral, plaintext] = [random.bytes(32), random.bytes(32), random.bytes(length)]
    const sealed = hpkeSeal(new X25519Key(secret).publicKey, INFO, AAD, plaintext, ephemeral)
    assert.is(sealed.length, length + HPKE_OVERHEAD_BYTES)
    const opened = hpkeOpen(secret, INFO, AAD, sealed)
    assert.equal(opened, plaintext)
    assert.is(opened.buffer.byteLength, length)
  }
})

test('hpkeOpen() refuses another recipient, info or associated data', async () => {
  await rejectsWith('COFFER_KEY_UNWRAP', () => hpkeOpen(EPHEMERAL, INFO, AAD, SEALED))
  await rejectsWith('COFFER_KEY_UNWRAP', () => hpkeOpen(SECRET, AAD, AAD, SEALED))
  await rejectsWith('COFFER_KEY_UNWRAP', () => hpkeOpen(SECRET, INFO, INFO, SEALED))
  await rejectsWith('COFFER_KEY_UNWRAP', () => hpkeOpen(SECRET, INFO, new Uint8Array(0), SEALED))
})

test('hpkeOpen() refuses every flipped bit and every other length', async () => {
  for (let bit = 0; bit < SEALED.length * 8; bit++) {
    const forged = SEALED.slice()
    forged[bit >> 3]! ^= 1 << (bit & 7)
    await rejectsWith('COFFER_KEY_UNWRAP', () => hpkeOpen(SECRET, INFO, AAD, forged))
  }
  for (let length = 0; length < SEALED.length; length++) {
    await rejectsWith('COFFER_KEY_UNWRAP', () => hpkeOpen(SECRET, INFO, AAD, SEALED.subarray(0, length)))
  }
  await rejectsWith('COFFER_KEY_UNWRAP', () => hpkeOpen(SECRET, INFO, AAD, Uint8Array.of(...SEALED, 0)))
})

test('hpke refuses an encapsulated or recipient key of small order, which would give a known secret', async () => {
  const forged = SEALED.slice().fill(0, 0, 32)
  await rejectsWith('COFFER_KEY_UNWRAP', () => hpkeOpen(SECRET, INFO, AAD, forged))
  await rejectsWith('COFFER_KEY_UNWRAP', () => hpkeSeal(new Uint8Array(32), INFO, AAD, INFO, EPHEMERAL))
})

test('hpke takes 32-byte keys only, and leaves its arguments alone', () => {
  misuse(RangeError, () => hpkeSeal(PUBLIC.subarray(1), INFO, AAD, INFO, EPHEMERAL))
  misuse(RangeError, () => hpkeSeal(PUBLIC, INFO, AAD, INFO, EPHEMERAL.subarray(1)))
  misuse(RangeError, () => hpkeOpen(SECRET.subarray(1), INFO, AAD, SEALED))
  assert.equal([SECRET, EPHEMERAL], [new Uint8Array(32).fill(3), new Uint8Array(32).fill(4)])
})

test.run()
