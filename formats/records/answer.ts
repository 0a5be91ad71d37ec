/**
 * The answer, or copy ticket: everything a center sends back to one request (S2, S14; docs/spec.md §3.7). The grant
 * and the revocation list go to the medium; EMid(Ka), which only the copying needs, does not.
 */
import { parseFrame, signFrame, type SigningKey, verifySelfSigned } from '../frame.js'
import { MAX_ANSWER_BYTES, MAX_RECORD_BYTES, MAX_REVOCATIONS_BYTES } from '../limits.js'
import {
  bytes,
  decodeAs,
  encodeAs,
  integer,
  list,
  map,
  optional,
  seconds,
  text,
  type Infer
} from '../shape.js'
import { openByCenter } from './by-center.js'
import { hash, requestId } from './fields.js'
import { MAX_ROOTS, type Center } from './root.js'

const shape = map({
  /** The center's clock: a signed time, by which a wrong clock of the buyer's is noticed and put right. */
  answered: seconds,
  centerId: hash,
  /** What was charged, in minor units; 0 when the same copy was paid for before. */
  chargedMinor: integer(0, 2 ** 48),
  currency: text(3, /^[A-Z]{3}$/),
  /** What is paid back for a return. */
  refundedMinor: optional(integer(0, 2 ** 48)),
  requestHash: hash,
  requestId
})

const attachmentsShape = map({
  /** Absent in the answer to a return. */
  grant: optional(bytes(1, MAX_RECORD_BYTES)),
  revocations: bytes(1, MAX_REVOCATIONS_BYTES),
  /** Every root record of the center, first to newest. */
  roots: list(bytes(1, MAX_RECORD_BYTES), 1, MAX_ROOTS),
  /** EMid(Ka), scheme conversion only. */
  wrappedMasterMediumKey: optional(bytes(40))
})

export type Answer = Infer<typeof shape>
export type AnswerAttachments = Infer<typeof attachmentsShape>
export type VerifiedAnswer = Answer & AnswerAttachments

export const encodeAnswer = (
  answer: Answer,
  attachments: AnswerAttachments,
  centerKey: SigningKey
): Uint8Array =>
  signFrame(
    'answer',
    encodeAs('answer', shape, answer),
    encodeAs('answer attachments', attachmentsShape, attachments),
    centerKey
  )

/** @returns undefined when no pinned center signed it. @throws CofferError COFFER_RECORD_*, COFFER_ENCODING. */
export function openAnswer(
  bytes: Uint8Array,
  centers: readonly Center[]
): { answer: VerifiedAnswer; center: Center } | undefined {
  const opened = openByCenter('answer', shape, bytes, centers, { maxBytes: MAX_ANSWER_BYTES })
  if (opened === undefined) return undefined
  const { body, frame, center } = opened
  return {
    center,
    answer: { ...body, ...decodeAs('answer attachments', attachmentsShape, frame.attachments) }
  }
}

/**
 * The root records in an answer that nobody known signed. They prove themselves, or do not: nothing else of such an
 * answer is believed.
 *
 * @throws CofferError COFFER_RECORD_*, COFFER_ENCODING.
 */
export function claimedRoots(bytes: Uint8Array): readonly Uint8Array[] {
  const frame = verifySelfSigned(parseFrame('answer', bytes, MAX_ANSWER_BYTES))
  return decodeAs('answer attachments', attachmentsShape, frame.attachments).roots
}
