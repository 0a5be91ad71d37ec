/**
 * HPKE (RFC 9180) in base mode, for one message: KEM 0x0020 DHKEM(X25519, HKDF-SHA256), KDF 0x0003 HKDF-SHA512,
 * AEAD 0x0002 AES-256-GCM. Since a context seals only once, the nonce is the base nonce and no context is kept.
 *
 * @see docs/spec.md §2.6
 */
import { concat, utf8, wipe } from './bytes.js'
import { CofferError } from './errors.js'
import {
  aes256GcmOpen,
  aes256GcmSeal,
  CURVE_KEY_BYTES,
  GCM_NONCE_BYTES,
  GCM_TAG_BYTES,
  hkdfExpand256,
  hkdfExpand512,
  hkdfExtract256,
  hkdfExtract512,
  X25519Key
} from './primitives.js'

export const HPKE_OVERHEAD_BYTES = CURVE_KEY_BYTES + GCM_TAG_BYTES
const SEALED_HINT = 'Use the key that it was sealed to; where that is the one, get it again.'

/**
 * Seal to a public key.
 *
 * @param ephemeralSecret - 32 fresh random bytes, never used before or again. The caller wipes them.
 * @returns the ephemeral public key (32), ciphertext (as long as the plaintext), tag (16).
 * @throws CofferError `COFFER_KEY_UNWRAP` when the public key is of small order.
 */
export function hpkeSeal(
  recipientPublicKey: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
  ephemeralSecret: Uint8Array
): Uint8Array {
  const ephemeral = new X25519Key(ephemeralSecret)
  const sharedSecret = ephemeral.agree(recipientPublicKey)
  const { key, nonce } = schedule(sharedSecret, ephemeral.publicKey, recipientPublicKey, info)
  const sealed = aes256GcmSeal(key, nonce, aad, plaintext)
  wipe(key, nonce)
  return concat(ephemeral.publicKey, sealed)
}

/** Whoever something was sealed to. */
export type Recipient = X25519Key | Uint8Array

/**
 * The inverse of {@link hpkeSeal}.
 *
 * @param recipient - the key, or its 32-byte secret, which is then read for this one call. Not kept.
 * @param sealed - bytes from outside.
 * @returns fresh plaintext; the caller wipes it.
 * @throws CofferError `COFFER_KEY_UNWRAP` for another recipient, info or aad, or altered bytes.
 */
export function hpkeOpen(
  recipient: Recipient,
  info: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array
): Uint8Array {
  if (sealed.length < HPKE_OVERHEAD_BYTES) {
    throw new CofferError('COFFER_KEY_UNWRAP', 'Cannot open a sealed key: it is too short.', {
      expected: `at least ${HPKE_OVERHEAD_BYTES} bytes`,
      found: `${sealed.length}`,
      hint: SEALED_HINT
    })
  }
  const encapsulated = sealed.subarray(0, CURVE_KEY_BYTES)
  const own = recipient instanceof X25519Key ? recipient : new X25519Key(recipient)
  const { key, nonce } = schedule(own.agree(encapsulated), encapsulated, own.publicKey, info)
  const plaintext = aes256GcmOpen(key, nonce, aad, sealed.subarray(CURVE_KEY_BYTES))
  wipe(key, nonce)
  if (plaintext === undefined) {
    throw new CofferError(
      'COFFER_KEY_UNWRAP',
      'Cannot open a sealed key: it was sealed to another user key, for another purpose, or altered.',
      { hint: SEALED_HINT }
    )
  }
  return plaintext
}

// ---------------------------------------------------------------- RFC 9180 §4.1 and §5.1

const VERSION = utf8('HPKE-v1')
const KEM_SUITE = concat(utf8('KEM'), new Uint8Array([0x00, 0x20]))
const HPKE_SUITE = concat(utf8('HPKE'), new Uint8Array([0x00, 0x20, 0x00, 0x03, 0x00, 0x02]))
const MODE_BASE = new Uint8Array([0])
const EMPTY = new Uint8Array(0)

/** Wipes `exchanged`, the raw Diffie-Hellman value. */
function schedule(
  exchanged: Uint8Array,
  encapsulated: Uint8Array,
  recipientPublicKey: Uint8Array,
  info: Uint8Array
): { key: Uint8Array; nonce: Uint8Array } {
  const kemContext = concat(encapsulated, recipientPublicKey)
  const kemKey = extract(hkdfExtract256, KEM_SUITE, EMPTY, 'eae_prk', exchanged)
  const sharedSecret = expand(hkdfExpand256, KEM_SUITE, kemKey, 'shared_secret', kemContext, 32)

  const context = concat(
    MODE_BASE,
    PSK_ID_HASH,
    extract(hkdfExtract512, HPKE_SUITE, EMPTY, 'info_hash', info)
  )
  const secret = extract(hkdfExtract512, HPKE_SUITE, sharedSecret, 'secret', EMPTY)
  const key = expand(hkdfExpand512, HPKE_SUITE, secret, 'key', context, 32)
  const nonce = expand(hkdfExpand512, HPKE_SUITE, secret, 'base_nonce', context, GCM_NONCE_BYTES)
  wipe(exchanged, kemKey, sharedSecret, secret)
  return { key, nonce }
}

/** Of the empty name: base mode has no shared key beforehand. */
const PSK_ID_HASH = extract(hkdfExtract512, HPKE_SUITE, EMPTY, 'psk_id_hash', EMPTY)

function extract(
  hkdfExtract: typeof hkdfExtract512,
  suite: Uint8Array,
  salt: Uint8Array,
  label: string,
  keyMaterial: Uint8Array
): Uint8Array {
  const labeled = concat(VERSION, suite, utf8(label), keyMaterial)
  const key = hkdfExtract(salt, labeled)
  wipe(labeled)
  return key
}

function expand(
  hkdfExpand: typeof hkdfExpand512,
  suite: Uint8Array,
  key: Uint8Array,
  label: string,
  info: Uint8Array,
  lengthBytes: number
): Uint8Array {
  const lengthField = new Uint8Array([lengthBytes >> 8, lengthBytes])
  return hkdfExpand(key, concat(lengthField, VERSION, suite, utf8(label), info), lengthBytes)
}
