/**
 * Every cryptographic primitive of suite 1, over node:crypto, which no other file of formats imports.
 *
 * All functions are synchronous, take and return plain `Uint8Array`, keep nothing they were given, and draw no
 * randomness: it arrives as an argument. A wrong size is a mistake of our own code, hence a RangeError; bytes from
 * outside that do not authenticate are a CofferError or, where the caller knows the better error, `undefined` or
 * `false`.
 *
 * @see docs/spec.md §2.2
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  hash,
  sign,
  verify
} from 'node:crypto'
import type { DecipherGCM, Hash, KeyObject } from 'node:crypto'
import { base64url, concat, fromBase64url, fromHex, hex, wipe } from './bytes.js'
import { release, releaseOutput } from './cipher-memory.js'
import { CofferError } from './errors.js'

const AES_KEY_BYTES = 32
const AES_BLOCK_BYTES = 16
export const GCM_NONCE_BYTES = 12
export const GCM_TAG_BYTES = 16
export const WRAPPED_KEY_BYTES = 40
export const CURVE_KEY_BYTES = 32
export const SIGNATURE_BYTES = 64
const WRAPPED_HINT =
  'It opens under the key that wrapped it, and as it was then; get it again from where it came from.'

// ---------------------------------------------------------------- hashes

/** SHA-256 of the parts one after another; several are copied first. @returns 32 bytes. */
export const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  plain(hash('sha256', parts.length === 1 ? parts[0]! : concat(...parts), 'buffer'))

/**
 * The same on another thread, of a copy that is overwritten: not sooner, but of a megabyte this thread is kept for a fifth of the time
 * alone.
 */
export const sha256Aside = async (bytes: Uint8Array): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>))

/** SHA-256 of bytes that arrive in pieces. After `digest` the object is spent. */
export class Sha256 {
  readonly #hash: Hash = createHash('sha256')

  update(bytes: Uint8Array): this {
    this.#hash.update(bytes)
    return this
  }

  /** @returns 32 bytes. */
  digest(): Uint8Array {
    return plain(this.#hash.digest())
  }
}

// ---------------------------------------------------------------- key derivation

/** HKDF-Extract with SHA-512 (RFC 5869 §2.2). @returns 64 bytes; the caller wipes them. */
export function hkdfExtract512(salt: Uint8Array, keyMaterial: Uint8Array): Uint8Array {
  return hmac('sha512', salt, keyMaterial)
}

/** HKDF-Expand with SHA-512 (RFC 5869 §2.3). @returns `lengthBytes`, at most 16 320; the caller wipes them. */
export function hkdfExpand512(pseudorandomKey: Uint8Array, info: Uint8Array, lengthBytes = 32): Uint8Array {
  return hkdfExpand('sha512', 64, pseudorandomKey, info, lengthBytes)
}

/** HKDF-Extract with SHA-256: only the key encapsulation of HPKE uses it. @returns 32 bytes. */
export function hkdfExtract256(salt: Uint8Array, keyMaterial: Uint8Array): Uint8Array {
  return hmac('sha256', salt, keyMaterial)
}

/** HKDF-Expand with SHA-256. @returns `lengthBytes`, at most 8 160; the caller wipes them. */
export function hkdfExpand256(pseudorandomKey: Uint8Array, info: Uint8Array, lengthBytes = 32): Uint8Array {
  return hkdfExpand('sha256', 32, pseudorandomKey, info, lengthBytes)
}

type HashName = 'sha256' | 'sha512'

function hmac(hash: HashName, key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac(hash, key)
  for (const part of parts) mac.update(part)
  return plain(mac.digest())
}

function hkdfExpand(
  hash: HashName,
  hashBytes: number,
  key: Uint8Array,
  info: Uint8Array,
  lengthBytes: number
): Uint8Array {
  if (!Number.isInteger(lengthBytes) || lengthBytes < 0 || lengthBytes > 255 * hashBytes) {
    throw new RangeError(`HKDF-Expand gives 0 to ${255 * hashBytes} bytes, not ${lengthBytes}`)
  }
  const out = new Uint8Array(lengthBytes)
  let block: Uint8Array = new Uint8Array(0)
  for (let at = 0, counter = 1; at < lengthBytes; at += hashBytes, counter++) {
    const input = concat(block, info, Uint8Array.of(counter))
    const next = hmac(hash, key, input)
    if (counter > 1) wipe(input)
    wipe(block)
    block = next
    out.set(block.subarray(0, lengthBytes - at), at)
  }
  wipe(block)
  return out
}

// ---------------------------------------------------------------- AES

/**
 * AES-CMAC (RFC 4493, NIST SP 800-38B) with a 32-byte key.
 *
 * One CBC cipher object does it all: its first output block, of zeros, is L, from which the subkeys come. That
 * block also stays in the chain, so L goes into the first block of the message a second time, to cancel it.
 *
 * @returns the 16-byte tag.
 */
export function aesCmac256(key: Uint8Array, message: Uint8Array): Uint8Array {
  checkSize('AES key', key, AES_KEY_BYTES)
  const cipher = createCipheriv('aes-256-cbc', key, ZERO_BLOCK).setAutoPadding(false)
  const zeroBlockSealed = cipher.update(ZERO_BLOCK)
  const subkey = doubled(zeroBlockSealed)

  const blocks = Math.max(1, Math.ceil(message.length / AES_BLOCK_BYTES))
  const padded = new Uint8Array(blocks * AES_BLOCK_BYTES)
  padded.set(message)
  if (message.length < padded.length) {
    padded[message.length] = 0x80
    doubled(subkey, subkey)
  }
  xorInto(padded, 0, zeroBlockSealed)
  xorInto(padded, padded.length - AES_BLOCK_BYTES, subkey)

  const chain = cipher.update(padded)
  const tag = new Uint8Array(chain.subarray(-AES_BLOCK_BYTES))
  // The earlier blocks of the chain are tags of plain CBC-MAC, from which CMACs can be forged.
  wipe(zeroBlockSealed, subkey, padded, chain)
  return tag
}

const ZERO_BLOCK = new Uint8Array(AES_BLOCK_BYTES)

/** Multiply by x in GF(2^128), big-endian (RFC 4493 §2.3), without a branch on the secret top bit. */
function doubled(block: Uint8Array, out: Uint8Array = new Uint8Array(AES_BLOCK_BYTES)): Uint8Array {
  const carry = -(block[0]! >> 7) & 0x87
  for (let i = 0; i < 15; i++) out[i] = (block[i]! << 1) | (block[i + 1]! >> 7)
  out[15] = (block[15]! << 1) ^ carry
  return out
}

function xorInto(target: Uint8Array, offset: number, block: Uint8Array): void {
  for (let i = 0; i < block.length; i++) target[offset + i]! ^= block[i]!
}

/** The initial value of RFC 3394 §2.2.3.1; unwrapping compares it, so a wrong key is noticed. */
const WRAP_INITIAL_VALUE = fromHex('a6a6a6a6a6a6a6a6')

/** AES-256 key wrap (RFC 3394) of a 32-byte key. @returns 40 bytes. */
export function wrapKey(keyEncryptionKey: Uint8Array, key: Uint8Array): Uint8Array {
  checkSize('key-encryption key', keyEncryptionKey, AES_KEY_BYTES)
  checkSize('key to wrap', key, AES_KEY_BYTES)
  return plain(createCipheriv('id-aes256-wrap', keyEncryptionKey, WRAP_INITIAL_VALUE).update(key))
}

/**
 * The inverse of {@link wrapKey}.
 *
 * @param wrapped - 40 bytes from outside.
 * @returns the 32-byte key; the caller wipes it.
 * @throws CofferError `COFFER_KEY_UNWRAP`
 */
export function unwrapKey(keyEncryptionKey: Uint8Array, wrapped: Uint8Array): Uint8Array {
  checkSize('key-encryption key', keyEncryptionKey, AES_KEY_BYTES)
  if (wrapped.length !== WRAPPED_KEY_BYTES) {
    throw new CofferError('COFFER_KEY_UNWRAP', 'Cannot unwrap a key: it has another size.', {
      expected: `${WRAPPED_KEY_BYTES} bytes`,
      found: `${wrapped.length}`,
      hint: WRAPPED_HINT
    })
  }
  try {
    return plain(createDecipheriv('id-aes256-wrap', keyEncryptionKey, WRAP_INITIAL_VALUE).update(wrapped))
  } catch {
    throw new CofferError(
      'COFFER_KEY_UNWRAP',
      'Cannot unwrap a key: it was wrapped under another key or altered.',
      { hint: WRAPPED_HINT }
    )
  }
}

/**
 * AES-256-GCM (NIST SP 800-38D) under one key, for many messages.
 *
 * The key is read once, since Node 24 takes longer over that than over sealing 16 KiB. Its copy lies in memory of
 * OpenSSL, which clears it when this object is collected; `wipe` lets go of it.
 */
export class Aes256Gcm {
  #key: KeyObject | undefined

  /** @param key - 32 bytes. Not kept. */
  constructor(key: Uint8Array) {
    checkSize('AES key', key, AES_KEY_BYTES)
    this.#key = createSecretKey(key)
  }

  /**
   * @param nonce - 12 bytes, never twice under one key.
   * @param out - gets `plaintext.length + 16` bytes from `outOffset` on: ciphertext, then the tag.
   */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array, outOffset: number): void {
    const cipher = createCipheriv('aes-256-gcm', this.#usable(nonce), nonce, GCM_OPTIONS)
    if (aad.length > 0) cipher.setAAD(aad)
    const ciphertext = cipher.update(plaintext)
    out.set(ciphertext, outOffset)
    releaseOutput(ciphertext)
    release(cipher.final())
    const tag = cipher.getAuthTag()
    out.set(tag, outOffset + plaintext.length)
    release(tag)
  }

  /**
   * @param sealed - ciphertext, then the 16-byte tag.
   * @param out - gets `sealed.length - 16` bytes from `outOffset` on, and only after the tag has passed.
   * @returns whether the tag fits.
   */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array, outOffset: number): boolean {
    return this.openFor(nonce, aad, sealed, plaintext => out.set(plaintext, outOffset))
  }

  /**
   * Open without a copy.
   *
   * @param sealed - ciphertext, then the 16-byte tag.
   * @param take - gets the plaintext, only after the tag has passed, in memory that is wiped as soon as it returns.
   * @returns whether the tag fits.
   */
  openFor(
    nonce: Uint8Array,
    aad: Uint8Array,
    sealed: Uint8Array,
    take: (plaintext: Uint8Array) => void
  ): boolean {
    const plaintextBytes = sealed.length - GCM_TAG_BYTES
    if (plaintextBytes < 0) return false
    const decipher = createDecipheriv('aes-256-gcm', this.#usable(nonce), nonce, GCM_OPTIONS)
    if (aad.length > 0) decipher.setAAD(aad)
    decipher.setAuthTag(sealed.subarray(plaintextBytes))
    const unverified = decipher.update(sealed.subarray(0, plaintextBytes))
    try {
      if (!isFinal(decipher)) return false
      take(unverified)
      return true
    } finally {
      wipe(unverified)
      releaseOutput(unverified)
    }
  }

  /** Nothing is sealed or opened afterwards. */
  wipe(): void {
    this.#key = undefined
  }

  #usable(nonce: Uint8Array): KeyObject {
    if (this.#key === undefined) throw new RangeError('the key is wiped')
    checkSize('GCM nonce', nonce, GCM_NONCE_BYTES)
    return this.#key
  }
}

/** Whether the tag fits, which Node tells by throwing. */
function isFinal(decipher: DecipherGCM): boolean {
  try {
    release(decipher.final())
    return true
  } catch {
    return false
  }
}

// Without this node:crypto takes tags of 4 bytes.
const GCM_OPTIONS = { authTagLength: GCM_TAG_BYTES } as const

/** One message under a key. @see Aes256Gcm.seal @returns ciphertext, then the 16-byte tag. */
export function aes256GcmSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array
): Uint8Array {
  const sealed = new Uint8Array(plaintext.length + GCM_TAG_BYTES)
  new Aes256Gcm(key).seal(nonce, aad, plaintext, sealed, 0)
  return sealed
}

/** One message under a key. @see Aes256Gcm.open @returns fresh plaintext, or undefined when the tag does not fit. */
export function aes256GcmOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array
): Uint8Array | undefined {
  const plaintext = new Uint8Array(Math.max(0, sealed.length - GCM_TAG_BYTES))
  return new Aes256Gcm(key).open(nonce, aad, sealed, plaintext, 0) ? plaintext : undefined
}

// ---------------------------------------------------------------- Ed25519 and X25519

/** An Ed25519 key that signs more than once: reading the seed costs as much as a signature. */
export class Ed25519Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  readonly #key: KeyObject

  /** @param seed - 32 bytes. Copied into memory that OpenSSL clears when this object is collected. */
  constructor(seed: Uint8Array) {
    this.#key = privateKey('Ed25519', seed)
    this.publicKey = publicBytes(this.#key)
  }

  /** Ed25519 (RFC 8032 §5.1.6). @returns a 64-byte signature. */
  sign(message: Uint8Array): Uint8Array {
    return plain(sign(null, message, this.#key))
  }
}

/** @param seed - 32 bytes. @returns the 32-byte public key. */
export const ed25519PublicKey = (seed: Uint8Array): Uint8Array => new Ed25519Signer(seed).publicKey

/** Whether the signature fits. Everything odd, such as a wrong size or a {@link isWeakPoint} key, is false. */
export function ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== CURVE_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false
  if (isWeakPoint(publicKey)) return false
  return verify(null, message, publicKeyObject('Ed25519', publicKey), signature)
}

/** {@link ed25519Verify} on another thread, for a server that verifies many. The bytes must stay as they are meanwhile. */
export async function ed25519VerifyAside(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array
): Promise<boolean> {
  if (publicKey.length !== CURVE_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false
  if (isWeakPoint(publicKey)) return false
  const key = publicKeyObject('Ed25519', publicKey)
  return new Promise((resolve, reject) =>
    verify(null, message, key, signature, (error, fits) => (error ? reject(error) : resolve(fits)))
  )
}

/** The y coordinates of the points whose order divides 8, in hexadecimal, little-endian. */
const SMALL_ORDER_Y = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'
])
/** p = 2^255 - 19. A y from here on is a second encoding of a point, which RFC 8032 §5.1.3 refuses and older OpenSSL takes. */
const FIRST_NOT_CANONICAL_Y = 'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'

/** Whether a key is of small order, so that one signature fits many messages, or in a second encoding. */
function isWeakPoint(publicKey: Uint8Array): boolean {
  const y = new Uint8Array(publicKey) // A slice of a Buffer would be the same memory.
  y[31]! &= 0x7f // the top bit is the sign of x
  const text = hex(y)
  // Of this length, and with the top bit taken off, only the first byte of a greater number is another.
  const isCanonical =
    text < FIRST_NOT_CANONICAL_Y.slice(0, 2) || text.slice(2) !== FIRST_NOT_CANONICAL_Y.slice(2)
  return SMALL_ORDER_Y.has(text) || !isCanonical
}

/** An X25519 key that agrees more than once: reading the secret costs as much as agreeing. */
export class X25519Key {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  readonly #key: KeyObject

  /** @param secret - 32 bytes. Copied into memory that OpenSSL clears when this object is collected. */
  constructor(secret: Uint8Array) {
    this.#key = privateKey('X25519', secret)
    this.publicKey = publicBytes(this.#key)
  }

  /**
   * X25519 (RFC 7748 §5).
   *
   * @param publicKey - 32 bytes, possibly from outside.
   * @returns 32 bytes; the caller wipes them.
   * @throws CofferError `COFFER_KEY_UNWRAP` when the result is all zeros, that is for a public key of small order.
   */
  agree(publicKey: Uint8Array): Uint8Array {
    checkSize('X25519 public key', publicKey, CURVE_KEY_BYTES)
    try {
      return plain(diffieHellman({ privateKey: this.#key, publicKey: publicKeyObject('X25519', publicKey) }))
    } catch {
      throw new CofferError(
        'COFFER_KEY_UNWRAP',
        'Cannot agree on a key: the other public key is of small order.',
        { hint: 'Whoever sent it has no such key: have it sent again, and do not trust this one.' }
      )
    }
  }
}

type Curve = 'Ed25519' | 'X25519'

/** PKCS #8 (RFC 8410 §7) in front of the secret. */
const PKCS8_HEAD = {
  Ed25519: fromHex('302e020100300506032b657004220420'),
  X25519: fromHex('302e020100300506032b656e04220420')
} as const

/** Node derives the public half of a JWK and ignores `x`; from 26 on it compares the two. */
let ignoresPublicHalf = true

/**
 * By JWK, where that can be: OpenSSL 3.0 takes ten times as long to find its way through DER, at every start of a title. The
 * secret is a string on the way, which cannot be wiped; but the key itself stays in memory as long as it is of use.
 */
function privateKey(curve: Curve, secret: Uint8Array): KeyObject {
  checkSize(`${curve} secret`, secret, CURVE_KEY_BYTES)
  if (ignoresPublicHalf) {
    const key = { kty: 'OKP', crv: curve, d: base64url(secret), x: '' }
    try {
      return createPrivateKey({ key, format: 'jwk' })
    } catch {
      ignoresPublicHalf = false
    }
  }
  const der = concat(PKCS8_HEAD[curve], secret)
  const key = createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' })
  wipe(der)
  return key
}

function publicKeyObject(curve: Curve, bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: curve, x: base64url(bytes) }, format: 'jwk' })
}

const publicBytes = (key: KeyObject): Uint8Array =>
  fromBase64url(createPublicKey(key).export({ format: 'jwk' }).x!)

// ---------------------------------------------------------------- small

/** The same memory as a plain Uint8Array: a Buffer is another type to tests and structured clones. */
const plain = (buffer: Buffer): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)

function checkSize(what: string, bytes: Uint8Array, expected: number): void {
  if (bytes.length !== expected)
    throw new RangeError(`${what}: expected ${expected} bytes, got ${bytes.length}`)
}
