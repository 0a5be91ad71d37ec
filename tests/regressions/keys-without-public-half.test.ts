/** Node 26 refuses a private key as JWK whose public half is not its own, and nothing ran there. */
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromBase64url, fromHex, hex } from '../../formats/bytes.js'

const { createPrivateKey, createPublicKey } = crypto
let refused = 0
crypto.createPrivateKey = ((input: { key: { d?: string; x?: string }; format: string }) => {
  if (input.format !== 'jwk') return createPrivateKey(input as never)
  try {
    const key = createPrivateKey(input as never)
    if (createPublicKey(key).export({ format: 'jwk' }).x === input.key.x) return key
    throw Object.assign(new TypeError('Invalid JWK OKP key'), { code: 'ERR_CRYPTO_INVALID_JWK' })
  } catch (error) {
    // Ours, or that of Node 26 itself.
    refused++
    throw error
  }
}) as typeof createPrivateKey
syncBuiltinESMExports()
const { Ed25519Signer, X25519Key } = await import('../../formats/primitives.js')

test('Ed25519 and X25519 work where a JWK needs its public half, which is tried once', () => {
  // RFC 8032 §7.1, test 1
  const signer = new Ed25519Signer(
    fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60')
  )
  assert.is(hex(signer.publicKey), 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
  assert.is(
    hex(signer.sign(new Uint8Array(0))),
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'
  )
  // A pair of Node's own making.
  const pair = crypto.generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' })
  assert.equal(new X25519Key(fromBase64url(pair.d!)).publicKey, fromBase64url(pair.x!))
  assert.is(refused, 1)
})

test.run()
