/**
 * The quote: what a center would charge for an order, signed, before anything is bought (docs/spec.md §3.13). It binds nobody;
 * what was charged says the answer.
 */
import { NO_ATTACHMENTS, signFrame, type SigningKey } from '../frame.js'
import { encodeAs, integer, map, optional, seconds, text, type Infer } from '../shape.js'
import { openByCenter } from './by-center.js'
import { grantKind, hash } from './fields.js'
import type { Center } from './root.js'

const shape = map({
  centerId: hash,
  /** In minor units; 0 where the copy was paid for before. */
  chargedMinor: integer(0, 2 ** 48),
  currency: text(3, /^[A-Z]{3}$/),
  /** When the copy would end; absent: never, or it was answered before. */
  expires: optional(seconds),
  /** What it would be; absent: the order was answered before, and costs nothing. */
  kind: optional(grantKind),
  quoted: seconds,
  /** Of the order. */
  requestHash: hash
})

export type Quote = Infer<typeof shape>

export const encodeQuote = (quote: Quote, centerKey: SigningKey): Uint8Array =>
  signFrame('quote', encodeAs('quote', shape, quote), NO_ATTACHMENTS, centerKey)

/** @returns undefined when no pinned center signed it. @throws CofferError COFFER_RECORD_*, COFFER_ENCODING. */
export function openQuote(
  bytes: Uint8Array,
  centers: readonly Center[]
): { quote: Quote; center: Center } | undefined {
  const opened = openByCenter('quote', shape, bytes, centers)
  return opened && { quote: opened.body, center: opened.center }
}
