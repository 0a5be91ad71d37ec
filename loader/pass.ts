/** Every byte of a payload through memory, in order: opened, or sealed under another key where one is given. */
import { wipe } from '../formats/bytes.js'
import { HEADER_BYTES, plaintextSize } from '../formats/cobblestone.js'
import { payloadContext } from '../formats/derive.js'
import { Spares } from '../sandbox/spare.js'
import {
  BLOCK_BYTES,
  blockMemory,
  Blocks,
  cleared,
  type BlockCipher,
  type BlockMemory,
  type BlockWork
} from './blocks.js'
import type { RandomFile } from './files.js'
import { releaseFor } from './release.js'
import { atOnce, type Steps } from './steps.js'

export type Progress = (doneBytes: number, totalBytes: number) => void

/** Where a sealed payload lies: an `OpenTitle` is one. */
export interface SealedPayload {
  readonly file: RandomFile
  readonly payloadOffset: number
  readonly manifest: { readonly id: string; readonly release: number; readonly payloadBytes: number }
}

export interface Pass {
  /** 32 bytes. Not kept. */
  readonly key: Uint8Array
  /** What to seal it to. Default: nothing, it is only opened. */
  readonly sealing?: BlockCipher | undefined
  /** Gets every byte in order, in memory that is used again afterwards: plaintext, or, sealed again, all but the header. */
  readonly take: (bytes: Uint8Array) => void
  readonly progress?: Progress | undefined
  /** Start threads that help. Default: this one does it alone. */
  readonly helpers?: Helpers | undefined
}

export interface Helpers {
  readonly count: number
  /** For one payload. */
  memory(): BlockMemory
  start(work: BlockWork): void
}

/**
 * Pass a payload through memory that does not grow with it.
 *
 * @throws CofferError COFFER_PAYLOAD_FORGED, COFFER_PAYLOAD_TRUNCATED, COFFER_IO, and what `take` throws.
 */
export const passPayload = (payload: SealedPayload, pass: Pass): void => atOnce(passingPayload(payload, pass))

/** Where this thread works alone: to have such memory anew takes as long as to open 200 KB. */
const spares = new Spares<BlockMemory>()

/** The same a block at a time. */
export function* passingPayload(payload: SealedPayload, pass: Pass): Steps {
  const { file, payloadOffset, manifest } = payload
  const { sealing, helpers } = pass
  plaintextSize(manifest.payloadBytes)
  releaseFor(manifest.payloadBytes)
  const context = payloadContext(manifest.id, manifest.release)
  const header = file.read(payloadOffset, HEADER_BYTES)
  const memory = helpers?.memory() ?? spares.take() ?? blockMemory(1)
  const key = helpers === undefined ? pass.key : shared(pass.key)
  try {
    yield* passingBlocks(payload, { ...memory, opening: { key, context, header }, sealing }, pass)
  } finally {
    if (helpers !== undefined) wipe(key)
    else if (cleared(memory)) spares.leave(memory)
  }
}

function* passingBlocks(
  { file, payloadOffset, manifest: { payloadBytes } }: SealedPayload,
  work: BlockWork,
  { take, progress = () => {}, helpers }: Pass
): Steps {
  const blocks = new Blocks(work)
  try {
    helpers?.start(work)
    const count = Math.ceil((payloadBytes - HEADER_BYTES) / BLOCK_BYTES)
    for (let next = 0, filled = 0; next < count; next++) {
      for (; filled < Math.min(count, next + blocks.slots); filled++) {
        const sealed = blocks.sealed(filled % blocks.slots, sizeOf(filled))
        file.readInto(sealed, payloadOffset + HEADER_BYTES + filled * BLOCK_BYTES)
        blocks.offer(filled % blocks.slots, filled, sealed.length)
      }
      take(blocks.finish(next % blocks.slots))
      progress(HEADER_BYTES + next * BLOCK_BYTES + sizeOf(next), payloadBytes)
      yield
    }
  } finally {
    blocks.end()
  }

  function sizeOf(block: number): number {
    return Math.min(BLOCK_BYTES, payloadBytes - HEADER_BYTES - block * BLOCK_BYTES)
  }
}

/** A copy that other threads see. */
export function shared(key: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(key.length))
  copy.set(key)
  return copy
}
