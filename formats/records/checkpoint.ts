/**
 * The checkpoint: how long the center's log is, and the root of its Merkle tree, signed (docs/spec.md §3.11). And the
 * receipt: one entry of the log, and what proves that a checkpoint covers it.
 */
import { CofferError } from '../errors.js'
import { NO_ATTACHMENTS, signFrame, type SigningKey } from '../frame.js'
import { MAX_RECORD_BYTES } from '../limits.js'
import { HASH_BYTES, leafHash, MAX_PATH_HASHES, provesInclusion } from '../merkle.js'
import { bytes, decodeAs, encodeAs, integer, list, map, seconds, type Infer } from '../shape.js'
import { openByCenter } from './by-center.js'
import { hash } from './fields.js'
import type { Center } from './root.js'

const count = integer(0, 2 ** 48)

const shape = map({
  centerId: hash,
  issued: seconds,
  root: hash,
  /** Entries that the root covers. */
  size: count
})

export type Checkpoint = Infer<typeof shape>

export const encodeCheckpoint = (checkpoint: Checkpoint, centerKey: SigningKey): Uint8Array =>
  signFrame('checkpoint', encodeAs('checkpoint', shape, checkpoint), NO_ATTACHMENTS, centerKey)

/** @returns undefined when no pinned center signed it. @throws CofferError COFFER_RECORD_*, COFFER_ENCODING. */
export function openCheckpoint(
  packed: Uint8Array,
  centers: readonly Center[]
): { checkpoint: Checkpoint; center: Center } | undefined {
  const opened = openByCenter('checkpoint', shape, packed, centers)
  return opened && { checkpoint: opened.body, center: opened.center }
}

const MAX_ENTRY_BYTES = 1024 * 1024
const MAX_RECEIPT_BYTES = MAX_ENTRY_BYTES + MAX_RECORD_BYTES + 64 * HASH_BYTES

/** Not signed by itself: its checkpoint is, and the path leads to it. */
const receiptShape = map({
  checkpoint: bytes(1, MAX_RECORD_BYTES),
  entry: bytes(1, MAX_ENTRY_BYTES),
  index: count,
  /** From the entry to the root. */
  path: list(hash, 0, MAX_PATH_HASHES)
})

export type Receipt = Infer<typeof receiptShape>

export const encodeReceipt = (receipt: Receipt): Uint8Array => encodeAs('receipt', receiptShape, receipt)

/**
 * @returns undefined when no pinned center signed its checkpoint.
 * @throws CofferError COFFER_RECORD_FORGED when the path does not lead from the entry to the checkpoint's root;
 *   COFFER_RECORD_DAMAGED, COFFER_ENCODING.
 */
export function openReceipt(
  packed: Uint8Array,
  centers: readonly Center[]
): { receipt: Receipt; checkpoint: Checkpoint; center: Center } | undefined {
  if (packed.length > MAX_RECEIPT_BYTES) {
    throw new CofferError('COFFER_RECORD_DAMAGED', 'This is no receipt.', {
      expected: `at most ${MAX_RECEIPT_BYTES} bytes`,
      found: `${packed.length} bytes`,
      hint: 'Check the path, or ask the center for the receipt again.'
    })
  }
  const receipt = decodeAs('receipt', receiptShape, packed)
  const opened = openCheckpoint(receipt.checkpoint, centers)
  if (opened === undefined) return undefined
  const { root, size } = opened.checkpoint
  if (provesInclusion(leafHash(receipt.entry), receipt.index, size, receipt.path, root)) {
    return { receipt, ...opened }
  }
  throw new CofferError('COFFER_RECORD_FORGED', 'The receipt does not prove its entry.', {
    expected: 'a path from the entry to the root that the center signed',
    found: 'a path that leads elsewhere',
    hint: 'Ask the center for the receipt again.'
  })
}
