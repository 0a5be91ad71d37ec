/**
 * The revocation list: what a center has taken back, numbered so that an older list never replaces a newer one
 * (docs/spec.md §3.8). It travels on masters, answers and media and works without a network.
 */
import { equalBytes, utf8 } from '../bytes.js'
import { NO_ATTACHMENTS, parseFrame, signFrame, type SigningKey, verifyFrame } from '../frame.js'
import { MAX_REVOCATIONS_BYTES } from '../limits.js'
import { bytes, decodeAs, encodeAs, list, map, oneOf, optional, seconds, u32, type Infer } from '../shape.js'
import { hash, release } from './fields.js'
import { signerAmong } from './grant.js'
import type { Center } from './root.js'

const entry = map({
  /** titleId as UTF-8, or the 32 bytes of a user, medium or publisher key, or the 16 of a grant. */
  id: bytes(3, 64),
  kind: oneOf('title', 'user', 'medium', 'grant', 'publisher'),
  /** Titles only: this release alone. */
  release: optional(release)
})

const shape = map({
  centerId: hash,
  entries: list(entry, 0, 20_000),
  issued: seconds,
  /** 1 for the first list, which is empty. */
  sequence: u32
})

export type Revocation = Infer<typeof entry>
export type Revocations = Infer<typeof shape>

export const encodeRevocations = (revocations: Revocations, centerKey: SigningKey): Uint8Array =>
  signFrame('revocations', encodeAs('revocation list', shape, revocations), NO_ATTACHMENTS, centerKey)

/** @returns undefined when no pinned center signed it. @throws CofferError COFFER_RECORD_*, COFFER_ENCODING. */
export function openRevocations(
  bytes: Uint8Array,
  centers: readonly Center[]
): { revocations: Revocations; center: Center } | undefined {
  const parsed = parseFrame('revocations', bytes, MAX_REVOCATIONS_BYTES)
  const frame = verifyFrame(parsed, key => signerAmong(centers, key) !== undefined)
  const center = frame && signerAmong(centers, frame.signer)
  if (frame === undefined || center === undefined) return undefined
  const revocations = decodeAs('revocation list', shape, frame.body)
  return equalBytes(revocations.centerId, center.centerId) ? { revocations, center } : undefined
}

/** What a grant names, for the search in a list. */
export interface Subject {
  readonly titleId: string
  readonly release: number
  readonly userId: Uint8Array
  readonly mediumId: Uint8Array
  readonly grantId: Uint8Array
  readonly publisher: Uint8Array
}

/** The first entry that takes this grant back, if any. */
export function findRevocation({ entries }: Revocations, subject: Subject): Revocation | undefined {
  const ids = {
    title: utf8(subject.titleId),
    user: subject.userId,
    medium: subject.mediumId,
    grant: subject.grantId,
    publisher: subject.publisher
  }
  return entries.find(
    ({ kind, id, release }) =>
      equalBytes(id, ids[kind]) && (kind !== 'title' || release === undefined || release === subject.release)
  )
}

/** The lists that a medium or master carries, one per center, as one file. */
const collectionShape = map({ lists: list(bytes(1, MAX_REVOCATIONS_BYTES), 0, 64) })
export const MAX_COLLECTION_BYTES = 2 * MAX_REVOCATIONS_BYTES

export const encodeCollection = (lists: readonly Uint8Array[]): Uint8Array =>
  encodeAs('revocation lists', collectionShape, { lists })

/** @throws CofferError COFFER_ENCODING */
export const decodeCollection = (packed: Uint8Array): readonly Uint8Array[] =>
  decodeAs('revocation lists', collectionShape, packed).lists
