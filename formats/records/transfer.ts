/**
 * The question that is asked before a copy is given up for an order (docs/spec.md §3.14): would the center hand it on? No
 * record: nobody signs it, and nothing in it ends a copy or buys one.
 */
import { bytes, decodeAs, encodeAs, map, type Infer } from '../shape.js'

const shape = map({
  grantId: bytes(16),
  /** The request record, of kind `transfer`, that the copy would be given up for. */
  order: bytes(1, 4096)
})

export type TransferQuestion = Infer<typeof shape>

export const encodeTransferQuestion = (question: TransferQuestion): Uint8Array =>
  encodeAs('transfer question', shape, question)

/** @throws CofferError COFFER_ENCODING. */
export const decodeTransferQuestion = (packed: Uint8Array): TransferQuestion =>
  decodeAs('transfer question', shape, packed)
