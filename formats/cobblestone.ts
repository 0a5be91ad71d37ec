/**
 * Cobblestone-256: C2SP chunked-encryption v1 with AES-256-GCM and SHA-512, which seals every payload and save.
 *
 * Sealed bytes are a header, salt (24) and key commitment (32), then chunks of 16 KiB, each with its tag (16). The
 * last chunk is shorter, possibly empty, and so marks the end: chunks can be neither swapped, dropped nor added.
 * Chunk k stands at byte 56 + k * 16400, so any part opens alone.
 *
 * Three ways in: {@link sealPayload} and {@link openPayload} for what fits in memory, streams (cobblestone-streams.ts) for what
 * does not, {@link PayloadOpener} with {@link readRange} for parts.
 *
 * @see docs/spec.md §2.7, https://c2sp.org/chunked-encryption
 */
import { concat, equalBytes, utf8, wipe } from './bytes.js'
import { CofferError } from './errors.js'
import { Aes256Gcm, hkdfExpand512 } from './primitives.js'

export const CHUNK_BYTES = 16384
export const TAG_BYTES = 16
export const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
export const SALT_BYTES = 24
const COMMITMENT_BYTES = 32
export const HEADER_BYTES = SALT_BYTES + COMMITMENT_BYTES
const KEY_BYTES = 32
const NONCE_BYTES = 12
const MAX_CHUNKS = 2 ** 38
/** Where reading reaches the speed of the disk. */
const READ_CHUNKS = 16
/** The format uses none: the context is in the key derivation. */
const NO_AAD = new Uint8Array(0)

// ---------------------------------------------------------------- sizes

/** How many bytes so many bytes of plaintext become. */
export function sealedSize(plaintextBytes: number): number {
  const chunks = Math.floor(plaintextBytes / CHUNK_BYTES) + 1
  if (!Number.isSafeInteger(plaintextBytes) || plaintextBytes < 0 || chunks > MAX_CHUNKS) {
    throw new RangeError(`cannot seal ${plaintextBytes} bytes`)
  }
  return HEADER_BYTES + plaintextBytes + chunks * TAG_BYTES
}

/**
 * The inverse of {@link sealedSize}. Says nothing about the bytes: it takes only the chunks to authenticate them.
 *
 * @throws CofferError `COFFER_PAYLOAD_TRUNCATED` for a length that no payload has.
 */
export function plaintextSize(sealedBytes: number): number {
  const chunkBytes = sealedBytes - HEADER_BYTES
  const fullChunks = Math.floor(chunkBytes / SEALED_CHUNK_BYTES)
  const lastBytes = chunkBytes - fullChunks * SEALED_CHUNK_BYTES
  if (
    !Number.isSafeInteger(sealedBytes) ||
    chunkBytes < 0 ||
    lastBytes < TAG_BYTES ||
    fullChunks >= MAX_CHUNKS
  ) {
    throw truncated(`no payload is ${sealedBytes} bytes long`)
  }
  return fullChunks * CHUNK_BYTES + lastBytes - TAG_BYTES
}

// ---------------------------------------------------------------- whole payloads

/**
 * @param key - 32 bytes. Not kept.
 * @param salt - 24 random bytes, never twice with one key.
 * @returns header and chunks, `sealedSize(plaintext.length)` bytes.
 */
export function sealPayload(
  key: Uint8Array,
  context: Uint8Array,
  salt: Uint8Array,
  plaintext: Uint8Array
): Uint8Array {
  const sealed = new Uint8Array(sealedSize(plaintext.length))
  const sealer = new PayloadSealer(key, context, salt)
  sealed.set(sealer.header)
  let to = HEADER_BYTES
  for (let from = 0; from <= plaintext.length; from += CHUNK_BYTES) {
    to += sealer.sealChunk(plaintext.subarray(from, from + CHUNK_BYTES), sealed, to)
  }
  sealer.wipe()
  return sealed
}

/**
 * @param key - 32 bytes. Not kept.
 * @param sealed - bytes from outside.
 * @param into - memory to use, at least as long as the plaintext: touching fresh pages costs as much as opening.
 * @returns plaintext, at the beginning of `into`, else in one allocation. The caller owns it and wipes it.
 * @throws CofferError `COFFER_PAYLOAD_FORGED`, `COFFER_PAYLOAD_TRUNCATED`; `into` is wiped then.
 */
export function openPayload(
  key: Uint8Array,
  context: Uint8Array,
  sealed: Uint8Array,
  into?: Uint8Array
): Uint8Array {
  const plaintextBytes = plaintextSize(sealed.length)
  if (into !== undefined && into.length < plaintextBytes)
    throw new RangeError(`no room for ${plaintextBytes} bytes`)
  const opener = new PayloadOpener(key, context, sealed.subarray(0, HEADER_BYTES))
  const plaintext = into?.subarray(0, plaintextBytes) ?? new Uint8Array(plaintextBytes)
  try {
    opener.openChunks(0, sealed.subarray(HEADER_BYTES), plaintext)
    return plaintext
  } catch (error) {
    wipe(plaintext)
    throw error
  } finally {
    opener.wipe()
  }
}

// ---------------------------------------------------------------- chunk by chunk

/** Salt and key commitment, 56 bytes: what the sealed bytes begin with. @param key - 32 bytes. @param salt - 24 bytes. */
export function payloadHeader(key: Uint8Array, context: Uint8Array, salt: Uint8Array): Uint8Array {
  const sealer = new PayloadSealer(key, context, salt)
  sealer.wipe()
  return sealer.header
}

/** Seals the chunks of one payload in order. */
export class PayloadSealer {
  /** Salt and commitment, 56 bytes: what the sealed bytes begin with. */
  readonly header: Uint8Array
  readonly #keys: PayloadKeys
  #nextIndex = 0
  #ended = false

  /** @param key - 32 bytes. Not kept. @param salt - 24 random bytes, never twice with one key. */
  constructor(key: Uint8Array, context: Uint8Array, salt: Uint8Array) {
    this.#keys = deriveKeys(key, context, salt)
    this.header = concat(salt, this.#keys.commitment)
  }

  /**
   * Seal the next chunk.
   *
   * @param plaintext - 16 384 bytes, or fewer for the last chunk, which ends the payload and may be empty.
   * @param out - gets `plaintext.length + 16` bytes from `outOffset` on.
   * @returns how many bytes were written.
   */
  sealChunk(plaintext: Uint8Array, out: Uint8Array, outOffset: number): number {
    if (this.#ended) throw new RangeError('the payload has ended')
    const written = this.sealChunkAt(this.#nextIndex, plaintext, out, outOffset)
    this.#nextIndex++
    this.#ended = plaintext.length < CHUNK_BYTES
    return written
  }

  /**
   * Seal a chunk of any place, for threads that share a payload out among them. Each number must be sealed once in all: a
   * nonce that serves two texts gives both away.
   *
   * @param index - counted from 0.
   * @param plaintext - 16 384 bytes, or fewer for the payload's last chunk.
   * @param out - gets `plaintext.length + 16` bytes from `outOffset` on.
   * @returns how many bytes were written.
   */
  sealChunkAt(index: number, plaintext: Uint8Array, out: Uint8Array, outOffset: number): number {
    if (plaintext.length > CHUNK_BYTES) throw new RangeError(`a chunk has at most ${CHUNK_BYTES} bytes`)
    this.#keys.cipher.seal(nonceOf(this.#keys, index), NO_AAD, plaintext, out, outOffset)
    return plaintext.length + TAG_BYTES
  }

  /** The sealer is spent afterwards. */
  wipe(): void {
    this.#keys.cipher.wipe()
  }
}

/** Opens the chunks of one payload in any order. */
export class PayloadOpener {
  readonly #keys: PayloadKeys

  /**
   * @param key - 32 bytes. Not kept.
   * @param header - the payload's first 56 bytes.
   * @throws CofferError `COFFER_PAYLOAD_FORGED` when the header commits to another key or context.
   */
  constructor(key: Uint8Array, context: Uint8Array, header: Uint8Array) {
    if (header.length !== HEADER_BYTES) throw truncated('its header is incomplete')
    this.#keys = deriveKeys(key, context, header.subarray(0, SALT_BYTES))
    if (!equalBytes(this.#keys.commitment, header.subarray(SALT_BYTES))) {
      this.wipe()
      throw forged('it was sealed with another key, for another title or release, or its header was altered')
    }
  }

  /**
   * Open one chunk.
   *
   * @param index - counted from 0.
   * @param sealed - 16 to 16 400 bytes: ciphertext, then the tag.
   * @param out - gets `sealed.length - 16` bytes from `outOffset` on, only after the tag has passed.
   * @returns how many bytes were written.
   * @throws CofferError `COFFER_PAYLOAD_FORGED`, without saying which byte; `COFFER_PAYLOAD_TRUNCATED`
   */
  openChunk(index: number, sealed: Uint8Array, out: Uint8Array, outOffset: number): number {
    this.#open(index, sealed, plaintext => out.set(plaintext, outOffset))
    return sealed.length - TAG_BYTES
  }

  /**
   * Open chunks that lie one after the other.
   *
   * @param firstIndex - number of the first, counted from 0.
   * @param sealed - whole chunks, and at most one shorter one after them.
   * @param out - gets their plaintext from its beginning on, each chunk only after its tag has passed.
   * @returns how many bytes were written.
   * @throws CofferError as {@link openChunk}.
   */
  openChunks(firstIndex: number, sealed: Uint8Array, out: Uint8Array): number {
    let to = 0
    for (let index = firstIndex, from = 0; from < sealed.length; index++, from += SEALED_CHUNK_BYTES) {
      to += this.openChunk(index, sealed.subarray(from, from + SEALED_CHUNK_BYTES), out, to)
    }
    return to
  }

  /**
   * Seal chunks that lie one after the other under another key, each under its number. Their plaintext is nowhere but in
   * the cipher's own memory, a chunk at a time.
   *
   * @param firstIndex - number of the first, counted from 0.
   * @param sealed - whole chunks, and at most one shorter one after them.
   * @param out - gets as many bytes, from its beginning on.
   * @returns how many bytes were written.
   * @throws CofferError as {@link openChunk}.
   */
  resealChunks(firstIndex: number, sealed: Uint8Array, sealer: PayloadSealer, out: Uint8Array): number {
    for (let index = firstIndex, at = 0; at < sealed.length; index++, at += SEALED_CHUNK_BYTES) {
      this.#open(index, sealed.subarray(at, at + SEALED_CHUNK_BYTES), plaintext =>
        sealer.sealChunkAt(index, plaintext, out, at)
      )
    }
    return sealed.length
  }

  #open(index: number, sealed: Uint8Array, take: (plaintext: Uint8Array) => void): void {
    if (sealed.length > SEALED_CHUNK_BYTES)
      throw new RangeError(`a sealed chunk has at most ${SEALED_CHUNK_BYTES} bytes`)
    if (sealed.length < TAG_BYTES) throw truncated(`chunk ${index} has no tag`)
    if (!this.#keys.cipher.openFor(nonceOf(this.#keys, index), NO_AAD, sealed, take))
      throw forged(`chunk ${index} was altered`)
  }

  /** The opener is spent afterwards. */
  wipe(): void {
    this.#keys.cipher.wipe()
  }
}

// ---------------------------------------------------------------- parts

/**
 * Open bytes `offset` to `offset + length` of the plaintext, decrypting only the chunks that hold them.
 *
 * @param plaintextBytes - of the whole payload, from an authenticated source: it tells where the last chunk ends.
 * @param readSealed - reads sealed bytes at an offset from the header's first byte, at most 262 400 at once. It may reuse
 *   its memory.
 * @param range - `length` bytes that get the plaintext. Default: fresh ones. Wiped when anything is wrong.
 * @returns the plaintext. The caller owns it and wipes it.
 * @throws CofferError `COFFER_PAYLOAD_FORGED`, `COFFER_PAYLOAD_TRUNCATED`
 */
export function readRange(
  opener: PayloadOpener,
  plaintextBytes: number,
  offset: number,
  length: number,
  readSealed: (offset: number, length: number) => Uint8Array,
  range?: Uint8Array
): Uint8Array {
  const end = offset + length
  if (
    !Number.isSafeInteger(offset) ||
    !Number.isSafeInteger(length) ||
    offset < 0 ||
    length < 0 ||
    end > plaintextBytes ||
    (range !== undefined && range.length !== length)
  ) {
    throw new RangeError(
      `no bytes ${offset} to ${end} in a payload of ${plaintextBytes}, or no room for them`
    )
  }
  range ??= new Uint8Array(length)
  const chunk = new Uint8Array(CHUNK_BYTES)
  try {
    for (let at = offset; at < end;) {
      const index = Math.floor(at / CHUNK_BYTES)
      const start = index * CHUNK_BYTES
      const whole = at === start ? wholeChunks(start, end, plaintextBytes) : 0
      const bytes = Math.min(Math.max(whole, 1) * CHUNK_BYTES, plaintextBytes - start)
      const sealedBytes = bytes + Math.max(whole, 1) * TAG_BYTES
      const sealed = readSealed(HEADER_BYTES + index * SEALED_CHUNK_BYTES, sealedBytes)
      if (sealed.length !== sealedBytes) throw truncated(`chunk ${index} is incomplete`)
      if (whole > 0) {
        opener.openChunks(index, sealed, range.subarray(at - offset))
      } else {
        opener.openChunk(index, sealed, chunk, 0)
        range.set(chunk.subarray(at - start, Math.min(bytes, end - start)), at - offset)
      }
      at = start + bytes
    }
    return range
  } catch (error) {
    wipe(range)
    throw error
  } finally {
    wipe(chunk)
  }
}

/** How many chunks from `start` on lie whole in front of `end`, the shorter last one too: as many as are read at once. */
function wholeChunks(start: number, end: number, plaintextBytes: number): number {
  const chunks = (end - start) / CHUNK_BYTES
  return Math.min(READ_CHUNKS, end === plaintextBytes ? Math.ceil(chunks) : Math.floor(chunks))
}

// ---------------------------------------------------------------- keys and nonces

interface PayloadKeys {
  readonly cipher: Aes256Gcm
  readonly baseNonce: Uint8Array
  /** Of the chunk that is being sealed or opened. */
  readonly nonce: Uint8Array
  readonly commitment: Uint8Array
}

const INFO = utf8('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0')

function deriveKeys(inputKey: Uint8Array, context: Uint8Array, salt: Uint8Array): PayloadKeys {
  if (inputKey.length !== KEY_BYTES)
    throw new RangeError(`a payload key has ${KEY_BYTES} bytes, not ${inputKey.length}`)
  if (salt.length !== SALT_BYTES)
    throw new RangeError(`a payload salt has ${SALT_BYTES} bytes, not ${salt.length}`)
  const derived = hkdfExpand512(
    inputKey,
    concat(INFO, salt, context),
    KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES
  )
  const keys = {
    cipher: new Aes256Gcm(derived.subarray(0, KEY_BYTES)),
    baseNonce: derived.slice(KEY_BYTES, KEY_BYTES + NONCE_BYTES),
    nonce: new Uint8Array(NONCE_BYTES),
    commitment: derived.slice(KEY_BYTES + NONCE_BYTES)
  }
  wipe(derived)
  return keys
}

/** The base nonce with the chunk's number XORed into its last five bytes. @returns memory that the next call reuses. */
function nonceOf({ baseNonce, nonce }: PayloadKeys, index: number): Uint8Array {
  if (!Number.isInteger(index) || index < 0 || index >= MAX_CHUNKS)
    throw new RangeError(`no chunk has number ${index}`)
  nonce.set(baseNonce)
  let rest = index
  for (let i = NONCE_BYTES - 1; rest > 0; i--) {
    nonce[i]! ^= rest % 256
    rest = Math.floor(rest / 256)
  }
  return nonce
}

const forged = (reason: string): CofferError =>
  new CofferError('COFFER_PAYLOAD_FORGED', `Cannot open a payload: ${reason}.`, {
    expected: 'the bytes that were sealed, with their key',
    found: 'others',
    hint: 'Copy the title to the medium again; these bytes are not what was sealed.'
  })

const truncated = (reason: string): CofferError =>
  new CofferError('COFFER_PAYLOAD_TRUNCATED', `Cannot open a payload: ${reason}.`, {
    expected: 'all the bytes that were sealed',
    found: 'fewer',
    hint: 'Copy the title to the medium again; this copy is incomplete.'
  })
