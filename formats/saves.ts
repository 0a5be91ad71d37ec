/**
 * What a title saved, in a file of its user's (docs/spec.md §6.10): it opens with his key alone, for this title of this
 * center and publisher, on whatever medium.
 *
 *     offset  bytes
 *     0       4     magic 89 43 46 53
 *     4       1     version, 1
 *     5       3     zero
 *     8       4     length of the head, u32be
 *     12      n     the head, a MessagePack map, in clear and authenticated with the rest
 *     12 + n  ...   the saves, Cobblestone-256, to the end of the file
 */
import { concat, equalBytes, readU32be, u32be, wipe } from './bytes.js'
import { openPayload, sealedSize, sealPayload } from './cobblestone.js'
import { deriveExportKey } from './derive.js'
import { enc } from './encode.js'
import { CofferError } from './errors.js'
import { counted } from './wording.js'
import { MAX_SAVE_SLOTS } from './limits.js'
import { hash, publicKey, titleId } from './records/fields.js'
import { bytes, decodeAs, encodeAs, list, map, seconds, text, u32, type Infer } from './shape.js'

export const SAVES_HEAD_BYTES = 12
export const SAVES_MAGIC = new Uint8Array([0x89, 0x43, 0x46, 0x53])
const VERSION = 1
const MAX_HEAD_BYTES = 1024

const SLOT = /^[A-Za-z0-9._-]{1,64}$/
export const isSlotName = (slot: string): boolean => SLOT.test(slot)
export const slotName = text(64, SLOT)
/** Plaintext of one save. */
export const MAX_SAVE_BYTES = 0xffffffff

const headShape = map({
  centerId: hash,
  created: seconds,
  /** Ed25519 key that signs the title: nobody else's title of the same name gets these saves. */
  publisher: publicKey,
  titleId,
  userId: hash
})
export type SavesHead = Infer<typeof headShape>

/** Lines that a history remembers. */
export const MAX_LINES = 64

/**
 * How many changes of each line are in some saves. A line is what one medium keeps of a title, from its first save on:
 * the first entry is the line of these saves. Of two histories the one that has at least as many of each line is as new.
 */
export const historyShape = list(map({ changes: u32, line: bytes(16) }), 0, MAX_LINES)
export type SavesHistory = Infer<typeof historyShape>

const stateShape = map({
  history: historyShape,
  slots: list(map({ bytes: bytes(0, MAX_SAVE_BYTES), slot: slotName }), 0, MAX_SAVE_SLOTS)
})
/** All saves of a title at one moment. */
export type SavesState = Infer<typeof stateShape>

/** A file whose head is whole; nothing of it is believed yet. */
export interface ParsedSaves {
  readonly head: SavesHead
  /** Everything in front of the sealed part, as received. */
  readonly front: Uint8Array
}

/**
 * @param saveSecret - The user's, 32 bytes.
 * @param salt - 24 fresh random bytes.
 * @returns The whole file.
 */
export function sealSaves(
  saveSecret: Uint8Array,
  head: SavesHead,
  state: SavesState,
  salt: Uint8Array
): Uint8Array {
  const headBytes = encodeAs('head of saves', headShape, head)
  const front = concat(SAVES_MAGIC, new Uint8Array([VERSION, 0, 0, 0]), u32be(headBytes.length), headBytes)
  const key = deriveExportKey(saveSecret, head)
  const plaintext = encodeAs('saves', stateShape, state)
  try {
    return concat(front, sealPayload(key, enc('exported-saves', front), salt, plaintext))
  } finally {
    wipe(key, plaintext)
  }
}

/**
 * @param start - The first 12 bytes of the file, or fewer if it is shorter.
 * @returns Length of the head that follows, bounded.
 * @throws CofferError COFFER_RECORD_DAMAGED, COFFER_VERSION_UNSUPPORTED.
 */
export function savesHeadLength(start: Uint8Array): number {
  if (start.length < SAVES_HEAD_BYTES) throw damaged(`it ends after ${counted(start.length, 'byte')}`)
  if (!equalBytes(start.subarray(0, 4), SAVES_MAGIC))
    throw damaged('it does not begin with their magic bytes')
  if (!equalBytes(start.subarray(4, 8), new Uint8Array([VERSION, 0, 0, 0]))) {
    throw new CofferError('COFFER_VERSION_UNSUPPORTED', `Cannot read the saves: version ${start[4]}.`, {
      expected: `version ${VERSION}`,
      found: `version ${start[4]}`,
      hint: 'Install a newer coffer, or get the file again if it may be damaged.'
    })
  }
  const length = readU32be(start, 8)
  if (length < 1 || length > MAX_HEAD_BYTES) throw damaged(`its head claims ${length} bytes`)
  return length
}

/** @param front - The first bytes of the file, with as many of head as {@link savesHeadLength} said. @throws CofferError COFFER_ENCODING */
export const parseSaves = (front: Uint8Array): ParsedSaves => ({
  front,
  head: decodeAs('head of saves', headShape, front.subarray(SAVES_HEAD_BYTES))
})

/** The most that a file of these saves can have behind its front, where all saves together have `bytes` of plaintext. */
export const maxSealedSaves = (plaintextBytes: number): number =>
  sealedSize(plaintextBytes + MAX_SAVE_SLOTS * 128 + 8 * 1024)

/**
 * @param sealed - The rest of the file.
 * @returns Fresh bytes, for the caller to wipe.
 * @throws CofferError COFFER_PAYLOAD_* for what this user did not seal so, COFFER_ENCODING.
 */
export function openSaves(
  saveSecret: Uint8Array,
  { head, front }: ParsedSaves,
  sealed: Uint8Array
): SavesState {
  const key = deriveExportKey(saveSecret, head)
  let plaintext: Uint8Array | undefined
  try {
    plaintext = openPayload(key, enc('exported-saves', front), sealed)
    const { history, slots } = decodeAs('saves', stateShape, plaintext)
    return { history, slots: slots.map(({ bytes, slot }) => ({ bytes: bytes.slice(), slot })) }
  } finally {
    wipe(key, plaintext)
  }
}

/** Whether whoever has `newer` has all changes of `older`. */
export const includesHistory = (newer: SavesHistory, older: SavesHistory): boolean =>
  older.every(
    ({ line, changes }) =>
      changes === 0 || newer.some(other => equalBytes(other.line, line) && other.changes >= changes)
  )

const damaged = (found: string) =>
  new CofferError('COFFER_RECORD_DAMAGED', `Cannot read the saves: ${found}.`, {
    expected: 'a file that "coffer export" made',
    found,
    hint: 'Check the path; the file may be damaged or incomplete.'
  })
