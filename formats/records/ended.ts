/**
 * Copies that have ended: returned, handed on or taken back, beyond those that the revocation list still names one by one
 * (docs/spec.md §3.12). The record says, for each first byte of a grantId, how many there are and what their hash is; they
 * follow the record, so that whoever asks for one copy reads one part of 256:
 *
 *     record, then for each first byte: the next 7 bytes of each grantId, ascending
 *
 * 64 bits of an id that the center drew at random: with a million that ended, a copy in 10^13 would be taken for another.
 */
import { concat, equalBytes, readU32be, u32be } from '../bytes.js'
import { CofferError } from '../errors.js'
import { FRAME_HEADER_BYTES, frameLength, NO_ATTACHMENTS, signFrame, type SigningKey } from '../frame.js'
import { MAX_ENDED, MAX_RECORD_BYTES } from '../limits.js'
import { sha256 } from '../primitives.js'
import { bytes, encodeAs, map, seconds, u32 } from '../shape.js'
import { openByCenter } from './by-center.js'
import { hash } from './fields.js'
import type { Center } from './root.js'

/** One for each first byte. */
export const PARTS = 256
/** Of a grantId, what a part has of it. */
export const ID_BYTES = 7
const COUNT_BYTES = 4
const ENTRY_BYTES = COUNT_BYTES + 32

const shape = map({
  centerId: hash,
  issued: seconds,
  /** For each first byte: u32be, how many, and SHA-256 of their bytes. */
  parts: bytes(PARTS * ENTRY_BYTES),
  /** Number of the first revocation list that belongs to it: a higher one replaces a lower one. */
  sequence: u32
})

export interface Ended {
  readonly centerId: Uint8Array
  readonly issued: number
  readonly sequence: number
  /** Of the record itself. */
  readonly recordBytes: number
  /** Of the record and all parts. */
  readonly totalBytes: number
  /** Where a part is in the file. */
  part(firstByte: number): {
    readonly offsetBytes: number
    readonly lengthBytes: number
    readonly hash: Uint8Array
  }
}

/** @param parts - 256 of them, as {@link withEnded} makes them. @returns The record; the parts follow it in a file. */
export const encodeEnded = (
  {
    parts,
    ...about
  }: { centerId: Uint8Array; issued: number; sequence: number; parts: readonly Uint8Array[] },
  centerKey: SigningKey
): Uint8Array =>
  signFrame(
    'ended',
    encodeAs('ended copies', shape, { ...about, parts: concat(...parts.map(entryOf)) }),
    NO_ATTACHMENTS,
    centerKey
  )

const entryOf = (part: Uint8Array): Uint8Array => concat(u32be(part.length / ID_BYTES), sha256(part))

/**
 * How long the record is.
 *
 * @param header - The first 20 bytes of the file.
 * @throws CofferError COFFER_RECORD_DAMAGED.
 */
export function endedRecordLength(header: Uint8Array): number {
  const length = header.length < FRAME_HEADER_BYTES ? Infinity : frameLength(header)
  if (length <= MAX_RECORD_BYTES) return length
  throw damaged('no such record')
}

/** @returns undefined when no pinned center signed it. @throws CofferError COFFER_RECORD_*, COFFER_ENCODING. */
export function openEnded(
  record: Uint8Array,
  centers: readonly Center[]
): { ended: Ended; center: Center } | undefined {
  const opened = openByCenter('ended', shape, record, centers, { what: 'ended copies' })
  if (opened === undefined) return undefined
  const { parts, ...about } = opened.body
  const offsets: number[] = [record.length]
  for (let at = 0; at < parts.length; at += ENTRY_BYTES)
    offsets.push(offsets.at(-1)! + ID_BYTES * readU32be(parts, at))
  const totalBytes = offsets.at(-1)!
  if (totalBytes > MAX_ENDED * ID_BYTES + record.length) throw damaged('more than there can be')
  return {
    center: opened.center,
    ended: {
      ...about,
      recordBytes: record.length,
      totalBytes,
      part: first => ({
        offsetBytes: offsets[first]!,
        lengthBytes: offsets[first + 1]! - offsets[first]!,
        hash: parts.subarray(first * ENTRY_BYTES + COUNT_BYTES, (first + 1) * ENTRY_BYTES)
      })
    }
  }
}

/**
 * A whole file: the record, and every part as it counts them.
 *
 * @returns undefined when no pinned center signed it. @throws CofferError COFFER_RECORD_*, COFFER_ENCODING.
 */
export function openEndedFile(
  file: Uint8Array,
  centers: readonly Center[]
): { ended: Ended; center: Center } | undefined {
  const length = endedRecordLength(file.subarray(0, FRAME_HEADER_BYTES))
  const opened = openEnded(file.subarray(0, length), centers)
  if (opened === undefined) return undefined
  if (file.length !== opened.ended.totalBytes) throw damaged('a file that is cut short, or runs on')
  for (let first = 0; first < PARTS; first++) {
    const { offsetBytes, lengthBytes } = opened.ended.part(first)
    checkPart(opened.ended, first, file.subarray(offsetBytes, offsetBytes + lengthBytes))
  }
  return opened
}

/**
 * Whether a copy is among them.
 *
 * @param part - That of the grantId's first byte, as read.
 * @throws CofferError COFFER_RECORD_DAMAGED for a part that is not the record's.
 */
export function isEnded(ended: Ended, part: Uint8Array, grantId: Uint8Array): boolean {
  checkPart(ended, grantId[0]!, part)
  const at = placeOf(part, grantId)
  return at < part.length && isAt(part, at, grantId)
}

/** @throws CofferError COFFER_RECORD_DAMAGED for a part that is not the record's. */
export function checkPart(ended: Ended, firstByte: number, part: Uint8Array): void {
  const { lengthBytes, hash } = ended.part(firstByte)
  if (part.length !== lengthBytes || !equalBytes(sha256(part), hash)) throw damaged('others')
}

/** A part with more copies, or fewer. @param grantIds - All with the part's first byte. @returns A new part. */
export function withEnded(
  part: Uint8Array,
  grantIds: readonly Uint8Array[],
  without: readonly Uint8Array[] = []
): Uint8Array {
  const changes = new Map<string, { id: Uint8Array; stays: boolean }>()
  for (const id of grantIds) changes.set(keyOf(id), { id, stays: true })
  for (const id of without) changes.set(keyOf(id), { id, stays: false })
  const pieces: Uint8Array[] = []
  let taken = 0
  for (const key of [...changes.keys()].sort()) {
    const { id, stays } = changes.get(key)!
    const at = placeOf(part, id)
    const there = at < part.length && isAt(part, at, id)
    if (there === stays) continue
    pieces.push(part.subarray(taken, at))
    if (stays) pieces.push(id.subarray(1, 1 + ID_BYTES))
    taken = stays ? at : at + ID_BYTES
  }
  return concat(...pieces, part.subarray(taken))
}

/** Text that sorts as the bytes that are kept do. */
const keyOf = (grantId: Uint8Array): string => String.fromCharCode(...grantId.subarray(1, 1 + ID_BYTES))

/** Offset of the first id that is not below this one. */
function placeOf(part: Uint8Array, grantId: Uint8Array): number {
  let [from, to] = [0, part.length / ID_BYTES]
  while (from < to) {
    const middle = (from + to) >>> 1
    if (isBelow(part, middle * ID_BYTES, grantId)) from = middle + 1
    else to = middle
  }
  return from * ID_BYTES
}

function isBelow(part: Uint8Array, at: number, grantId: Uint8Array): boolean {
  for (let n = 0; n < ID_BYTES; n++) {
    const difference = part[at + n]! - grantId[1 + n]!
    if (difference !== 0) return difference < 0
  }
  return false
}

const isAt = (part: Uint8Array, at: number, grantId: Uint8Array): boolean =>
  equalBytes(part.subarray(at, at + ID_BYTES), grantId.subarray(1, 1 + ID_BYTES))

const damaged = (found: string) =>
  new CofferError(
    'COFFER_RECORD_DAMAGED',
    'The list of copies that have ended is not as its center made it.',
    {
      expected: 'the record of a center, and the copies that it counts',
      found,
      hint: 'Get it again: "coffer renew" or "coffer copy" puts the newest onto the medium.'
    }
  )
