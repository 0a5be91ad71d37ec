/**
 * Copies that have ended, as media, masters and homes carry them (docs/spec.md §3.12): a record that its center signed,
 * and behind it the short ids in 256 parts. Whether one copy is among them takes the record and one part, however many
 * there are.
 */
import { join } from 'node:path'
import { shortHex } from '../formats/bytes.js'
import { CofferError, orNone } from '../formats/errors.js'
import { FRAME_HEADER_BYTES } from '../formats/frame.js'
import { MAX_ENDED_BYTES } from '../formats/limits.js'
import { endedRecordLength, isEnded, openEnded, openEndedFile, type Ended } from '../formats/records/ended.js'
import type { Center } from '../formats/records/root.js'
import { inspectFile, RandomFile, readFile } from './files.js'
import { writeFile } from './pending.js'
import type { Home } from './home.js'
import { remembering } from './remember.js'
import type { Seen } from './seen.js'

/** What such a file is called, on a medium and on a master. */
export const endedName = (centerId: Uint8Array): string => `ended-${shortHex(centerId)}`

const openOnce = remembering((record: Uint8Array, center: Center) => openEnded(record, [center])?.ended)

/**
 * Whether the file says that this copy has ended.
 *
 * @returns The number of its record too; undefined where there is no file, or none that a key of the center signed.
 * @throws CofferError COFFER_RECORD_*, COFFER_ENCODING for one that is damaged.
 */
export function lookUp(
  path: string,
  center: Center,
  grantId: Uint8Array
): { readonly sequence: number; readonly isEnded: boolean } | undefined {
  // Hardly ever there, and failing to open a file costs more than looking for it.
  const file = inspectFile(path) && RandomFile.open(path)
  if (file === undefined) return undefined
  try {
    const ended = openHead(file, center)
    if (ended === undefined) return undefined
    const { offsetBytes, lengthBytes } = ended.part(grantId[0]!)
    if (file.sizeBytes !== ended.totalBytes) throw cutShort()
    return { sequence: ended.sequence, isEnded: isEnded(ended, file.read(offsetBytes, lengthBytes), grantId) }
  } finally {
    file.close()
  }
}

function openHead(file: RandomFile, center: Center): Ended | undefined {
  if (file.sizeBytes < FRAME_HEADER_BYTES) throw cutShort()
  const length = endedRecordLength(file.read(0, FRAME_HEADER_BYTES))
  if (file.sizeBytes < length) throw cutShort()
  return openOnce(file.read(0, length), center)
}

/** Number of the record in a file; 0 for none, or one that is damaged: another takes its place. */
export function endedSequence(path: string, center: Center): number {
  const sequence = orNone(() => {
    const file = inspectFile(path) && RandomFile.open(path)
    if (file === undefined) return undefined
    try {
      const ended = openHead(file, center)
      return ended?.totalBytes === file.sizeBytes ? ended.sequence : undefined
    } finally {
      file.close()
    }
  })
  return sequence ?? 0
}

/** The same by what was seen at home; what is torn there is not believed. */
export function lookUpSeen(
  seen: Seen,
  center: Center,
  grantId: Uint8Array
): { readonly sequence: number; readonly isEnded: boolean } | undefined {
  return seen.hasEnded ? orNone(() => lookUp(seen.endedFile, center, grantId)) : undefined
}

/** Keep what a medium carries. Failing to is no reason not to go on: a home on a read-only disk still runs titles. */
export function rememberEnded(folder: string, center: Center, seen: Seen): void {
  orNone(() => {
    const bytes = readFile(join(folder, endedName(center.centerId)), MAX_ENDED_BYTES)
    if (bytes !== undefined) keepEnded(bytes, center, seen.endedFile)
  })
}

/**
 * Put the newest file of each pinned center onto a medium and into the home: of those there, and of those in other folders,
 * such as a master. An older one never replaces a newer one.
 */
export function carryEnded(home: Home, target: string, ...sources: readonly string[]): void {
  for (const center of home.centers()) {
    const name = endedName(center.centerId)
    const atHome = home.seen(center.centerId).endedFile
    const places = [atHome, join(target, name)]
    const found = [...places, ...sources.map(source => join(source, name))].map(path => ({
      path,
      sequence: endedSequence(path, center)
    }))
    const newest = found.reduce((best, one) => (one.sequence > best.sequence ? one : best))
    if (newest.sequence === 0) continue
    const bytes = readFile(newest.path, MAX_ENDED_BYTES)
    if (bytes === undefined || orNone(() => openEndedFile(bytes, [center])) === undefined) continue
    for (const path of places)
      if (found.find(one => one.path === path)!.sequence < newest.sequence) writeFile(path, bytes)
  }
}

/** Keep what a center gave, where it is newer. @throws CofferError for what is damaged. */
export function keepEnded(bytes: Uint8Array, center: Center, path: string): void {
  const ended = openEndedFile(bytes, [center])?.ended
  if (ended !== undefined && ended.sequence > endedSequence(path, center)) writeFile(path, bytes)
}

const cutShort = () =>
  new CofferError('COFFER_RECORD_DAMAGED', 'The list of copies that have ended is cut short, or runs on.', {
    expected: 'as many bytes as its record counts',
    found: 'others',
    hint: 'Get it again: "coffer renew" or "coffer copy" puts the newest onto the medium.'
  })
