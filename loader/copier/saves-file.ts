/**
 * What a title saved, out of a medium and into another (docs/spec.md §6.10): a file under the user's own key, whatever
 * becomes of the medium. A lease that has ended keeps nobody from what is his.
 */
import { equalBytes, wipe } from '../../formats/bytes.js'
import { SALT_BYTES } from '../../formats/cobblestone.js'
import { CofferError } from '../../formats/errors.js'
import type { VerifiedGrant } from '../../formats/records/grant.js'
import {
  maxSealedSaves,
  openSaves,
  parseSaves,
  SAVES_HEAD_BYTES,
  savesHeadLength,
  sealSaves,
  type ParsedSaves,
  type SavesHead,
  type SavesState
} from '../../formats/saves.js'
import { RandomFile } from '../files.js'
import { clearLeftovers, PendingFile } from '../pending.js'
import type { Home } from '../home.js'
import { otherId } from '../ids.js'
import { saveQuotaBytes } from '../launch.js'
import type { Progress } from '../pass.js'
import { checkCall, MEDIUM, TITLE } from '../options.js'
import { POWERS, type Powers } from '../powers.js'
import { licenseName, readTitle } from '../read.js'
import { checkSaveQuota } from '../saves.js'
import { ownGrant, savesOf } from './held.js'

export interface SavesOptions {
  readonly home: Home
  readonly powers?: Powers | undefined
  readonly onEvent?: ((event: SavesEvent) => void) | undefined
}

/** How much of all saves is off the medium, in the file, on the medium. */
export interface SavesEvent {
  readonly step: 'read' | 'write'
  readonly doneBytes: number
  readonly totalBytes: number
}

export interface ImportSavesOptions extends SavesOptions {
  /** Also in the place of saves that the file knows nothing of. */
  readonly replace?: boolean | undefined
}

const SAVES_OPTIONS: Readonly<Record<keyof SavesOptions, true>> = { home: true, powers: true, onEvent: true }

/** What was exported or imported. */
export interface MovedSaves {
  readonly title: string
  /** The file. */
  readonly path: string
  readonly slots: number
  /** What the title stored in all of them together. */
  readonly bytes: number
  /** When the file was made, seconds since 1970. */
  readonly created: number
}

/**
 * Write all saves of a title into a file that this user alone can open. The medium is only read.
 *
 * @param path - Of the file, which is replaced where it is there.
 * @throws CofferError COFFER_USER_MISMATCH, COFFER_MEDIUM_MISMATCH and what the grant is refused for otherwise, its end
 *   excepted; COFFER_FILE_MISSING where nothing was saved; COFFER_SAVE_DAMAGED; of writing.
 */
export function exportSaves(root: string, titleId: string, path: string, options: SavesOptions): MovedSaves {
  checkCall(
    'exportSaves()',
    { [MEDIUM]: root, [TITLE]: titleId, 'the path of a file': path },
    options,
    SAVES_OPTIONS
  )
  const { home, powers = POWERS, onEvent = () => {} } = options
  const { grant, name, user } = held(root, titleId, home)
  using saves = savesOf(root, name, grant, home, powers)
  const state = saves.snapshot(tell('read', onEvent))
  try {
    if (state.slots.length === 0) throw nothingSaved(titleId)
    const created = powers.now()
    const head = {
      centerId: grant.centerId,
      created,
      publisher: grant.publisher,
      titleId,
      userId: user.userId
    }
    clearLeftovers(path)
    using file = new PendingFile(path, 0o600)
    const sealed = sealSaves(user.saveSecret, head, state, powers.random(SALT_BYTES))
    for (let at = 0; at < sealed.length; at += WRITE_BYTES) {
      file.write(sealed.subarray(at, at + WRITE_BYTES))
      onEvent({ step: 'write', doneBytes: file.writtenBytes, totalBytes: sealed.length })
    }
    file.commit()
    return moved(head, path, state)
  } finally {
    wipe(...state.slots.map(({ bytes }) => bytes))
  }
}

/**
 * Put the saves of such a file in the place of those on a medium: all of them, in one step.
 *
 * @throws CofferError COFFER_RECORD_DAMAGED, COFFER_VERSION_UNSUPPORTED, COFFER_ENCODING, COFFER_SAVE_DAMAGED for what is
 *   no such file or was altered; COFFER_USER_MISMATCH, COFFER_TITLE_MISMATCH for another's or another title's;
 *   COFFER_SAVE_NEWER, COFFER_SAVE_QUOTA; what the grant on the medium is refused for, its end excepted. Nothing is
 *   changed then.
 */
export async function importSaves(
  path: string,
  root: string,
  options: ImportSavesOptions
): Promise<MovedSaves> {
  const known = { ...SAVES_OPTIONS, replace: true as const }
  checkCall('importSaves()', { 'the path of a file': path, [MEDIUM]: root }, options, known)
  const { home, powers = POWERS, replace = false, onEvent = () => {} } = options
  const file = RandomFile.open(path)
  if (file === undefined) throw noFile(path)
  try {
    const parsed = readFront(file)
    const { head, front } = parsed
    refuseOtherUser(head, home.requireUserKeys().userId)
    const { grant, name, user } = held(root, head.titleId, home)
    refuseOtherTitle(head, grant)
    const quotaBytes = quotaOf(root, grant)
    const sealedBytes = file.sizeBytes - front.length
    if (sealedBytes > maxSealedSaves(quotaBytes)) checkSaveQuota(quotaBytes, [sealedBytes])
    const state = open(user.saveSecret, parsed, file.read(front.length, sealedBytes), path)
    using saves = savesOf(root, name, grant, home, powers, quotaBytes)
    try {
      await saves.restore(state, { replace, progress: tell('write', onEvent) })
    } finally {
      wipe(...state.slots.map(({ bytes }) => bytes))
    }
    return moved(head, path, state)
  } finally {
    file.close()
  }
}

/** A medium takes it in a moment, so that a bar moves. */
const WRITE_BYTES = 4 * 1024 * 1024

const tell =
  (step: SavesEvent['step'], onEvent: (event: SavesEvent) => void): Progress =>
  (doneBytes, totalBytes) =>
    onEvent({ step, doneBytes, totalBytes })

/** What such a file says of itself in clear. @throws CofferError as {@link importSaves} does of a file that is none. */
export function inspectSaves(path: string): { readonly head: SavesHead; readonly fileBytes: number } {
  const file = RandomFile.open(path)
  if (file === undefined) throw noFile(path)
  try {
    return { head: readFront(file).head, fileBytes: file.sizeBytes }
  } finally {
    file.close()
  }
}

/** The user, his grant and what it is filed under. */
function held(root: string, titleId: string, home: Home) {
  const user = home.requireUserKeys()
  return { user, grant: ownGrant(root, titleId, home), name: licenseName(root, titleId, user.userId) }
}

function quotaOf(root: string, grant: VerifiedGrant): number {
  using title = readTitle(root, grant)
  return saveQuotaBytes(title.manifest)
}

function readFront(file: RandomFile): ParsedSaves {
  const length = savesHeadLength(file.read(0, Math.min(SAVES_HEAD_BYTES, file.sizeBytes)))
  return parseSaves(file.read(0, SAVES_HEAD_BYTES + length))
}

/** @throws CofferError COFFER_SAVE_DAMAGED, whatever it is that does not fit. */
function open(saveSecret: Uint8Array, parsed: ParsedSaves, sealed: Uint8Array, path: string): SavesState {
  try {
    return openSaves(saveSecret, parsed, sealed)
  } catch (error) {
    if (!(error instanceof CofferError)) throw error
    throw new CofferError('COFFER_SAVE_DAMAGED', `The saves in ${path} do not open.`, {
      expected: 'a file as "coffer export" made it for this user',
      found: 'a damaged one, or one that was altered',
      hint: 'Get the file again from where it came from, or export the saves again.',
      cause: error
    })
  }
}

function refuseOtherUser({ userId }: SavesHead, mine: Uint8Array): void {
  if (equalBytes(userId, mine)) return
  throw new CofferError('COFFER_USER_MISMATCH', 'These saves were exported with another user key.', {
    ...otherId('user', mine, userId),
    hint: 'Use the COFFER_HOME with the key that they were exported with.'
  })
}

/** A title's id is a name: whose title it is, its center and publisher say. */
function refuseOtherTitle({ titleId, centerId, publisher }: SavesHead, grant: VerifiedGrant): void {
  const [what, expected, found] = equalBytes(centerId, grant.centerId)
    ? ['publisher', grant.publisher, publisher]
    : ['center', grant.centerId, centerId]
  if (equalBytes(expected, found)) return
  throw new CofferError('COFFER_TITLE_MISMATCH', `These saves are of another title named ${titleId}.`, {
    ...otherId(what, expected, found),
    hint: `Import them where the title is from that ${what}.`
  })
}

const moved = (
  { titleId, created }: SavesHead,
  path: string,
  { slots }: Pick<SavesState, 'slots'>
): MovedSaves => ({
  title: titleId,
  path,
  slots: slots.length,
  bytes: slots.reduce((sum, { bytes }) => sum + bytes.length, 0),
  created
})

const nothingSaved = (titleId: string) =>
  new CofferError('COFFER_FILE_MISSING', `${titleId} has saved nothing on this medium.`, {
    expected: 'saves of this user',
    found: 'none',
    hint: 'Check that this is the medium that you used it on.'
  })

const noFile = (path: string) =>
  new CofferError('COFFER_FILE_MISSING', `There are no saves at ${path}.`, {
    expected: 'a file that "coffer export" made',
    found: 'no such file',
    hint: 'Check the path.'
  })
