/** Payloads that arrive in pieces of any length: sealed and opened in constant memory. */
import { wipe } from './bytes.js'
import { CHUNK_BYTES, PayloadOpener, PayloadSealer, SEALED_CHUNK_BYTES } from './cobblestone.js'

/**
 * Seals a payload that arrives in pieces of any length, in constant memory. Write `header`, then what `push` returns
 * for each piece, then what `end` returns. Pieces of whole chunks are the fastest: they are sealed where they lie.
 */
export class StreamSealer {
  /** Salt and commitment, 56 bytes. */
  readonly header: Uint8Array
  readonly #sealer: PayloadSealer
  readonly #pieces = new Pieces(CHUNK_BYTES)
  readonly #out = new ReusedMemory()

  /** @param key - 32 bytes. Not kept. @param salt - 24 random bytes, never twice with one key. */
  constructor(key: Uint8Array, context: Uint8Array, salt: Uint8Array) {
    this.#sealer = new PayloadSealer(key, context, salt)
    this.header = this.#sealer.header
  }

  /** @returns sealed bytes, possibly none, in memory that the next call reuses. */
  push(plaintext: Uint8Array): Uint8Array {
    const out = this.#out.atLeast(this.#pieces.chunksWith(plaintext) * SEALED_CHUNK_BYTES)
    let written = 0
    for (const chunk of this.#pieces.cut(plaintext)) written += this.#sealer.sealChunk(chunk, out, written)
    return out.subarray(0, written)
  }

  /** Seal the last chunk. @returns its bytes, in memory of this object. */
  end(): Uint8Array {
    const out = this.#out.atLeast(SEALED_CHUNK_BYTES)
    return out.subarray(0, this.#sealer.sealChunk(this.#pieces.rest(), out, 0))
  }

  /** The sealer is spent afterwards. */
  wipe(): void {
    this.#sealer.wipe()
    this.#pieces.wipe()
  }
}

/**
 * Opens a payload that arrives in pieces of any length, in constant memory. Every byte that `push` returns is
 * authentic, but only `end` tells that none is missing.
 */
export class StreamOpener {
  readonly #opener: PayloadOpener
  readonly #pieces = new Pieces(SEALED_CHUNK_BYTES)
  readonly #out = new ReusedMemory()
  #nextIndex = 0

  /**
   * @param key - 32 bytes. Not kept.
   * @param header - the payload's first 56 bytes; `push` gets what follows.
   * @throws CofferError `COFFER_PAYLOAD_FORGED` when the header commits to another key or context.
   */
  constructor(key: Uint8Array, context: Uint8Array, header: Uint8Array) {
    this.#opener = new PayloadOpener(key, context, header)
  }

  /**
   * @returns plaintext, possibly none, in memory that the next call reuses.
   * @throws CofferError `COFFER_PAYLOAD_FORGED`; the opener is spent then.
   */
  push(sealed: Uint8Array): Uint8Array {
    const out = this.#out.atLeast(this.#pieces.chunksWith(sealed) * CHUNK_BYTES)
    let written = 0
    for (const chunk of this.#pieces.cut(sealed)) written += this.#open(chunk, out, written)
    return out.subarray(0, written)
  }

  /**
   * Open the last chunk.
   *
   * @returns its plaintext, possibly none, in memory of this object.
   * @throws CofferError `COFFER_PAYLOAD_TRUNCATED` when bytes are missing, `COFFER_PAYLOAD_FORGED`
   */
  end(): Uint8Array {
    const out = this.#out.atLeast(CHUNK_BYTES)
    return out.subarray(0, this.#open(this.#pieces.rest(), out, 0))
  }

  /** The opener is spent afterwards, and the plaintext that it returned last is gone. */
  wipe(): void {
    this.#opener.wipe()
    this.#pieces.wipe()
    this.#out.wipe()
  }

  #open(chunk: Uint8Array, out: Uint8Array, outOffset: number): number {
    try {
      return this.#opener.openChunk(this.#nextIndex++, chunk, out, outOffset)
    } catch (error) {
      this.wipe() // A caller that goes on must not get a payload with a gap.
      throw error
    }
  }
}

/** Cuts pieces of any length into chunks of one length, copying only what straddles two pieces. */
class Pieces {
  readonly #kept: Uint8Array
  #keptBytes = 0

  constructor(chunkBytes: number) {
    this.#kept = new Uint8Array(chunkBytes)
  }

  /** How many chunks `cut` will give for this piece. */
  chunksWith(piece: Uint8Array): number {
    return Math.floor((this.#keptBytes + piece.length) / this.#kept.length)
  }

  /** @yields full chunks, valid until the next one is asked for. */
  *cut(piece: Uint8Array): Generator<Uint8Array> {
    const chunkBytes = this.#kept.length
    let at = 0
    if (this.#keptBytes > 0) {
      at = this.#keep(piece.subarray(0, chunkBytes - this.#keptBytes))
      if (this.#keptBytes < chunkBytes) return
      this.#keptBytes = 0
      yield this.#kept
    }
    for (; at + chunkBytes <= piece.length; at += chunkBytes) yield piece.subarray(at, at + chunkBytes)
    this.#keep(piece.subarray(at))
  }

  /** What is left for the last chunk: less than a full one. */
  rest(): Uint8Array {
    return this.#kept.subarray(0, this.#keptBytes)
  }

  wipe(): void {
    wipe(this.#kept)
  }

  #keep(bytes: Uint8Array): number {
    this.#kept.set(bytes, this.#keptBytes)
    this.#keptBytes += bytes.length
    return bytes.length
  }
}

/** One buffer that is allocated again only when it is too small: a fresh page costs as much as sealing it. */
class ReusedMemory {
  #bytes = new Uint8Array(0)

  atLeast(length: number): Uint8Array {
    if (this.#bytes.length < length) {
      this.wipe()
      this.#bytes = new Uint8Array(length)
    }
    return this.#bytes
  }

  wipe(): void {
    wipe(this.#bytes)
  }
}
