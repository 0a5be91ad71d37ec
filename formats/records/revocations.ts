/**
 * The revocation list: what a center has taken back, numbered so that an older list never replaces a newer one
 * (docs/spec.md §3.8). It travels on masters, answers and media and works without a network.
 */
import { equalBytes, utf8 } from '../bytes.js'
import { NO_ATTACHMENTS, signFrame, type SigningKey } from '../frame.js'
import { MAX_RECORD_BYTES, MAX_REVOCATIONS_BYTES } from '../limits.js'
import { bytes, decodeAs, encodeAs, list, map, oneOf, optional, seconds, u32, type Infer } from '../shape.js'
import { openByCenter } from './by-center.js'
import { hash, release } from './fields.js'
import { MAX_ROOTS, type Center } from './root.js'

const entry = map({
  /** titleId as UTF-8, or the 32 bytes of a user, medium or publisher key, or the 16 of a grant. */
  id: bytes(3, 64),
  kind: oneOf('title', 'user', 'medium', 'grant', 'publisher'),
  /** Titles only: this release alone. */
  release: optional(release)
})

const shape = map({
  centerId: hash,
  /** Number of the record of ended copies that belongs to it (ended.ts); absent: there is none. */
  ended: optional(u32),
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
  const opened = openByCenter('revocations', shape, bytes, centers, {
    what: 'revocation list',
    maxBytes: MAX_REVOCATIONS_BYTES
  })
  return opened && { revocations: opened.body, center: opened.center }
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

/**
 * What a medium or master carries of its centers, as one file: the newest list of each, and their root records, so
 * that whoever pinned a center long ago can follow to the key that signed.
 */
export interface Collection {
  readonly lists: readonly Uint8Array[]
  /** Chains of root records, each from the first to the newest. */
  readonly roots?: readonly (readonly Uint8Array[])[]
}

const collectionShape = map({
  lists: list(bytes(1, MAX_REVOCATIONS_BYTES), 0, 64),
  roots: optional(list(list(bytes(1, MAX_RECORD_BYTES), 1, MAX_ROOTS), 1, 64))
})
export const MAX_COLLECTION_BYTES = 2 * MAX_REVOCATIONS_BYTES

export const encodeCollection = ({ lists, roots = [] }: Collection): Uint8Array =>
  encodeAs('revocation lists', collectionShape, { lists, ...(roots.length > 0 && { roots }) })

/** @throws CofferError COFFER_ENCODING */
export const decodeCollection = (packed: Uint8Array): Collection =>
  decodeAs('revocation lists', collectionShape, packed)
