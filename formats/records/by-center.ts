/** Records that only centers sign: what every reader asks before it reads on. */
import { equalBytes } from '../bytes.js'
import { parseFrame, verifyFrame, type RecordType, type VerifiedFrame } from '../frame.js'
import { MAX_RECORD_BYTES } from '../limits.js'
import { decodeAs, type Shape } from '../shape.js'
import type { Center } from './root.js'

/** What a center signed: the body is that center's own. */
export interface ByCenter<Body> {
  readonly body: Body
  readonly frame: VerifiedFrame
  readonly center: Center
}

/**
 * Open a record that one of these centers signed.
 *
 * @param shape - Of its body.
 * @param centers - Those that count: at a buyer's, the pinned ones.
 * @param what - Names the record in messages. Default: its type.
 * @param maxBytes - Of the whole record. Default: 64 KiB.
 * @returns undefined when none of them signed it, or one signed it in another's name.
 * @throws CofferError COFFER_RECORD_*, COFFER_ENCODING.
 */
export function openByCenter<Body extends { readonly centerId: Uint8Array }>(
  type: RecordType,
  shape: Shape<Body>,
  bytes: Uint8Array,
  centers: readonly Center[],
  { what = type, maxBytes = MAX_RECORD_BYTES }: { what?: string; maxBytes?: number } = {}
): ByCenter<Body> | undefined {
  const signerOf = (publicKey: Uint8Array) =>
    centers.find(({ keys }) => keys.some(known => equalBytes(known, publicKey)))
  const frame = verifyFrame(parseFrame(type, bytes, maxBytes), key => signerOf(key) !== undefined)
  const center = frame && signerOf(frame.signer)
  if (frame === undefined || center === undefined) return undefined
  const body = decodeAs(what, shape, frame.body)
  return equalBytes(body.centerId, center.centerId) ? { body, frame, center } : undefined
}
