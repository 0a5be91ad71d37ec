/**
 * Every second record that came as a Buffer, as `readFileSync` gives it, was refused with COFFER_RECORD_FORGED, and had a
 * bit of its signer's key changed: of a Buffer, slice() copies nothing.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  NO_ATTACHMENTS,
  parseFrame,
  signFrame,
  verifySelfSigned,
  verifySelfSignedAside
} from '../../formats/frame.js'
import { ed25519Verify, Ed25519Signer } from '../../formats/primitives.js'

test('verifySelfSigned() takes a Buffer, and leaves it as it was', async () => {
  const seeds = Array.from({ length: 16 }, (_, index) => new Uint8Array(32).fill(index))
  // The sign of x, the bit that was changed.
  const signer = seeds.map(seed => new Ed25519Signer(seed)).find(({ publicKey }) => publicKey[31]! >= 0x80)!
  const record = signFrame('request', Uint8Array.of(0x80), NO_ATTACHMENTS, signer)
  const buffer = Buffer.from(record)
  const parsed = () => parseFrame('request', buffer, 1000)
  assert.equal(verifySelfSigned(parsed()).signer, signer.publicKey)
  assert.equal((await verifySelfSignedAside(parsed())).signer, signer.publicKey)
  assert.ok(buffer.equals(record))

  const key = Buffer.from(signer.publicKey)
  const message = Uint8Array.of(1)
  for (const _ of [1, 2]) assert.ok(ed25519Verify(key, message, signer.sign(message)))
  assert.ok(key.equals(signer.publicKey))
})

test.run()
