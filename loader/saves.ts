/**
 * What titles store, sealed on their own medium (docs/spec.md §6.8). A save opens only with the license: on another
 * medium, or for another user, it is noise.
 *
 * An index names the file of each slot. A commit writes new files beside the old ones, then the index, in one step:
 * until then all of the old saves are there, from then on all of the new ones. Reading writes nothing.
 */
import { dirname, join } from 'node:path'
import { equalBytes, hex, wipe } from '../formats/bytes.js'
import { openPayload, sealPayload, SALT_BYTES, sealedSize } from '../formats/cobblestone.js'
import { deriveSaveKey } from '../formats/derive.js'
import { enc } from '../formats/encode.js'
import { CofferError } from '../formats/errors.js'
import { MAX_RECORD_BYTES, MAX_SAVE_SLOTS } from '../formats/limits.js'
import {
  historyShape,
  includesHistory,
  isSlotName,
  MAX_LINES,
  MAX_SAVE_BYTES,
  slotName,
  type SavesHistory,
  type SavesState
} from '../formats/saves.js'
import { decodeAs, encodeAs, integer, list, map, optional, u32, type Infer } from '../formats/shape.js'
import type { SaveChange, SaveStore } from '../sandbox/guest.js'
import {
  inspectFolder,
  isFolder,
  listFolder,
  makeFolderWithin,
  readFile,
  refuseLinkedFolder,
  removeFile,
  syncFolder
} from './files.js'
import { PendingFile, leftovers, removeLeftover } from './pending.js'
import { takeLock } from './lock.js'
import type { MediumPaths } from './medium/layout.js'
import type { Progress } from './pass.js'
import type { Powers } from './powers.js'
import type { PayloadKey } from './unwrap.js'

/** What one title may keep on a medium, where its manifest does not say (plaintext). */
export const DEFAULT_SAVE_BYTES = 16 * 1024 * 1024
/** A save's file: its slot in hexadecimal, and the commit that wrote it. */
const FILE = /^(?:[0-9a-f]{2}){1,64}-[1-9][0-9]{0,9}\.save$/

const indexShape = map({
  /** What is in these saves, this medium's own line first; none in an index from before there were lines. */
  history: optional(historyShape),
  /** Counts the commits. */
  revision: u32,
  slots: list(
    map({
      /** The commit that wrote it. */
      commit: u32,
      /** Plaintext. */
      size: integer(0, MAX_SAVE_BYTES),
      slot: slotName
    }),
    0,
    MAX_SAVE_SLOTS
  )
})
type Index = Infer<typeof indexShape>
type Entry = Index['slots'][number]

const MAX_INDEX_BYTES = 64 * 1024
/** No slot has this name, so no save has the index's key. */
const INDEX = ''

/** How long a commit waits for another process's, which takes as long as the medium takes to write. */
const LOCK_TRIES = 200
const LOCK_WAIT_MS = 10
/** A reader that meets a commit begins again. */
const READ_TRIES = 8

/** What one user's title keeps on one medium. Each call reads what is there then: others may commit meanwhile. */
export class MediumSaves implements SaveStore, Disposable {
  readonly #paths: MediumPaths
  readonly #titleId: string
  readonly #name: string
  readonly #root: Uint8Array
  readonly #powers: Powers
  readonly #quotaBytes: number
  /** What was in its place at first: another medium there, or none, is not this one. */
  readonly #volume: bigint | undefined
  readonly #identity: Uint8Array | undefined
  #disposed = false

  /**
   * @param key - Its save root is copied; dispose this store to wipe the copy.
   * @param quotaBytes - Plaintext of all slots together.
   * @param name - What the license is filed under: each user of a title has saves of his own.
   */
  constructor(
    paths: MediumPaths,
    titleId: string,
    key: Pick<PayloadKey, 'saveRoot'>,
    powers: Powers,
    quotaBytes = DEFAULT_SAVE_BYTES,
    name = titleId
  ) {
    this.#paths = paths
    this.#titleId = titleId
    this.#name = name
    this.#volume = inspectFolder(paths.folder)?.dev
    this.#identity = readFile(paths.identity, MAX_RECORD_BYTES)
    this.#root = key.saveRoot.slice()
    this.#powers = powers
    this.#quotaBytes = quotaBytes
  }

  list(): string[] {
    return this.#index().slots.map(({ slot }) => slot)
  }

  revision(): number {
    return this.#index().revision
  }

  read(slot: string): Uint8Array | undefined {
    checkSlot(slot)
    for (let index = this.#index(), tries = 0; ; tries++) {
      const entry = index.slots.find(entry => entry.slot === slot)
      const bytes = entry && this.#open(entry)
      if (entry === undefined || bytes !== undefined) return bytes
      // Replaced since the index was read; or taken out by hand, which is how a person gives up a damaged save.
      const newer = this.#index()
      if (newer.revision === index.revision || tries === READ_TRIES) return undefined
      index = newer
    }
  }

  async commit(changes: readonly SaveChange[], basis?: number): Promise<void> {
    for (const { slot } of changes) checkSlot(slot)
    if (changes.length === 0) return this.#checkBasis(this.#index(), basis)
    await this.#inTurn(index => {
      this.#checkBasis(index, basis)
      return { changes, history: this.#changed(index) }
    })
  }

  /**
   * All saves at one moment, though others commit meanwhile.
   *
   * @param progress - Told after each slot.
   * @returns Fresh bytes, for the caller to wipe.
   * @throws CofferError COFFER_SAVE_DAMAGED; COFFER_BUSY where others do not stop to commit.
   */
  snapshot(progress: Progress = () => {}): SavesState {
    for (let tries = 1; ; tries++) {
      const index = this.#index()
      const step = stepsOf(index.slots, progress)
      const slots: { bytes: Uint8Array; slot: string }[] = []
      let isWhole = false
      try {
        for (const entry of index.slots) {
          const bytes = this.#open(entry)
          if (bytes !== undefined) slots.push({ bytes, slot: entry.slot })
          step(entry.size)
        }
        isWhole = this.revision() === index.revision
        if (isWhole) return { history: index.history ?? [], slots }
      } finally {
        if (!isWhole) wipe(...slots.map(({ bytes }) => bytes))
      }
      if (tries === READ_TRIES) throw changedMeanwhile(index.revision, this.revision())
    }
  }

  /**
   * Put other saves in the place of all that are there, in one step.
   *
   * @param replace - Also where what is there has changes that these saves know nothing of.
   * @param progress - Told after each slot.
   * @throws CofferError COFFER_SAVE_NEWER, COFFER_SAVE_QUOTA, COFFER_SAVE_DAMAGED, COFFER_BUSY; nothing is changed then.
   */
  restore(
    { history, slots }: SavesState,
    {
      replace = false,
      progress
    }: { readonly replace?: boolean; readonly progress?: Progress | undefined } = {}
  ): Promise<void> {
    return this.#inTurn(index => {
      const isNewer =
        isEmpty(index) || (index.history !== undefined && includesHistory(history, index.history))
      if (!isNewer && !replace) throw unknownChanges()
      const kept = new Set(slots.map(({ slot }) => slot))
      const gone = index.slots.filter(({ slot }) => !kept.has(slot))
      return {
        changes: [...gone.map(({ slot }) => ({ slot, bytes: undefined })), ...slots],
        // Whoever goes back to older saves makes a change, which is newer than all that there was.
        history: mergedHistory(isNewer ? this.#line(index) : this.#changed(index), history)
      }
    }, progress)
  }

  /**
   * A title never starts on a damaged save. What a killed run left half written is cleared away.
   *
   * @throws CofferError COFFER_SAVE_DAMAGED naming the file, COFFER_RECORD_DAMAGED for a link in place of a folder.
   */
  verify(): void {
    for (const file of leftovers(this.#folder())) removeLeftover(file)
    for (const slot of this.list()) wipe(this.read(slot))
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    wipe(this.#root)
  }

  /** Commit what is decided on by what is there then; another process's turn is waited for. */
  async #inTurn(decide: (index: Index) => Commit, progress?: Progress): Promise<void> {
    for (let tries = 1; ; tries++) {
      this.#checkLive()
      try {
        const folder = this.#folder()
        for (const path of [dirname(folder), folder]) {
          if (isFolder(path)) continue
          // It may be missing because another medium was put there just now, in which nothing is to be made.
          this.#checkLive()
          makeFolderWithin(path)
        }
        return this.#commit(decide, progress)
      } catch (error) {
        const locked = error instanceof Locked
        // That nothing can be written is less than that there is nothing to write to.
        if (!locked) this.#checkLive()
        if (!locked || tries === LOCK_TRIES) throw locked ? error.cause : error
      }
      await new Promise(resolve => setTimeout(resolve, LOCK_WAIT_MS))
    }
  }

  /** The whole of a commit, under the lock and without a pause, so that a guest beside this one never meets it. */
  #commit(decide: (index: Index) => Commit, progress: Progress = () => {}): void {
    using _lock = this.#lock()
    const index = this.#index()
    const { changes, history } = decide(index)
    const revision = index.revision + 1
    const slots = new Map(index.slots.map(entry => [entry.slot, entry]))
    // The last change of a slot counts; put at the end anew, it cannot meet a file of this commit.
    const last = new Map(changes.map(({ slot, bytes }) => [slot, bytes]))
    for (const [slot, bytes] of last) {
      slots.delete(slot)
      if (bytes !== undefined) slots.set(slot, { commit: revision, size: bytes.length, slot })
    }
    const next = { history, revision, slots: [...slots.values()].sort((a, b) => (a.slot < b.slot ? -1 : 1)) }
    checkSaveQuota(
      this.#quotaBytes,
      next.slots.map(({ size }) => size)
    )
    const folder = this.#paths.saves(this.#name)
    const placed: string[] = []
    const step = stepsOf(
      changes.map(({ bytes }) => ({ size: bytes?.length ?? 0 })),
      progress
    )
    try {
      for (const [slot, bytes] of last) {
        if (bytes === undefined) continue
        const path = this.#path(slots.get(slot)!)
        this.#seal(path, slot, this.#context(slots.get(slot)!), bytes, false)
        placed.push(path)
        step(bytes.length)
      }
      // What the index names must be there, and durable, before the index is.
      if (placed.length > 0) syncFolder(folder)
      this.#seal(this.#paths.saveIndex(this.#name), INDEX, this.#indexContext(), encodeIndex(next), true)
    } catch (error) {
      // Where only flushing failed after it, the new index is in its place, and names them.
      if (this.#isOlderThan(revision)) for (const path of placed) removeQuietly(path)
      throw error
    }
    this.#sweep(next)
  }

  /** Whether the index that is there is an older one for sure. */
  #isOlderThan(revision: number): boolean {
    try {
      return this.#index().revision < revision
    } catch {
      return false
    }
  }

  /** Remove what the index does not name. Not made durable: what comes back is swept by the next commit. */
  #sweep({ slots }: Index): void {
    const kept = new Set(slots.map(entry => this.#path(entry)))
    const folder = this.#paths.saves(this.#name)
    for (const name of listFolder(folder)) {
      const path = join(folder, name)
      if (FILE.test(name) && !kept.has(path)) removeQuietly(path)
    }
  }

  #lock(): Disposable {
    try {
      return takeLock(this.#paths.saveLock(this.#name), 'saving for the same title')
    } catch (error) {
      if (error instanceof CofferError && error.code === 'COFFER_BUSY') throw new Locked(error)
      throw forTitle(error)
    }
  }

  /** What is there now. */
  #index(): Index {
    this.#checkLive()
    const path = this.#paths.saveIndex(this.#name)
    const plain = this.#openFile(path, INDEX, this.#indexContext(), MAX_INDEX_BYTES)
    if (plain === undefined) return { revision: 0, slots: [] }
    try {
      return decodeAs('index of saves', indexShape, plain)
    } catch (error) {
      throw damaged(path, error)
    }
  }

  #open(entry: Entry): Uint8Array | undefined {
    return this.#openFile(this.#path(entry), entry.slot, this.#context(entry), entry.size)
  }

  #openFile(path: string, slot: string, context: Uint8Array, maxBytes: number): Uint8Array | undefined {
    const key = deriveSaveKey(this.#root, this.#titleId, slot)
    try {
      const sealed = readFile(path, sealedSize(maxBytes))
      return sealed && openPayload(key, context, sealed)
    } catch (error) {
      // A disk that fails says so itself.
      throw error instanceof CofferError && error.exitCode === 65 ? damaged(path, error) : error
    } finally {
      wipe(key)
    }
  }

  /** @param last - It stands for all before it: force it, and its name, onto the medium. */
  #seal(path: string, slot: string, context: Uint8Array, bytes: Uint8Array, last: boolean): void {
    const key = deriveSaveKey(this.#root, this.#titleId, slot)
    try {
      using file = new PendingFile(path, 0o600)
      file.write(sealPayload(key, context, this.#powers.random(SALT_BYTES), bytes))
      if (last) file.commit()
      else file.place()
    } catch (error) {
      throw forTitle(error)
    } finally {
      wipe(key)
    }
  }

  #checkBasis({ revision }: Index, basis: number | undefined): void {
    if (basis !== undefined && basis !== revision) throw changedMeanwhile(basis, revision)
  }

  /** The history of an index, which begins with this medium's own line. */
  #line({ history = [] }: Index): SavesHistory {
    return history.length > 0 ? history : [{ changes: 0, line: this.#powers.random(16) }]
  }

  /** The same after one change more. */
  #changed(index: Index): SavesHistory {
    const [own, ...others] = this.#line(index)
    return [{ changes: own!.changes + 1, line: own!.line }, ...others]
  }

  /** A commit that waited for its turn must not seal under a key that was wiped meanwhile. */
  #checkLive(): void {
    if (this.#disposed)
      throw new CofferError('COFFER_GUEST_GONE', 'The guest of these saves has ended.', {
        hint: 'Launch the title again.'
      })
    // Of two sticks that are plugged in one after the other, the system may give both the same number.
    const identity = readFile(this.#paths.identity, MAX_RECORD_BYTES)
    const isThere = inspectFolder(this.#paths.folder)?.dev === this.#volume
    if (isThere && identity && this.#identity && equalBytes(identity, this.#identity)) return
    throw new CofferError('COFFER_MEDIUM_MISSING', 'Cannot save: the medium is gone.', {
      hint: 'Connect it again and start the title again; what it had saved is there.'
    })
  }

  /** Where to write and remove: folders of the medium itself. */
  #folder(): string {
    const folder = this.#paths.saves(this.#name)
    refuseLinkedFolder(dirname(folder))
    refuseLinkedFolder(folder)
    return folder
  }

  #path = ({ slot, commit }: Entry): string => this.#paths.save(this.#name, slot, commit)
  #indexContext = (): Uint8Array => enc('save', this.#titleId, INDEX)
  /** The commit is in it, so that an older save of the same slot does not open in a newer one's place. */
  #context = ({ slot, commit }: Entry): Uint8Array => enc('save', this.#titleId, slot, commit)
}

interface Commit {
  readonly changes: readonly SaveChange[]
  readonly history: SavesHistory
}

/** Tell of each slot that is done. */
function stepsOf(slots: readonly { readonly size: number }[], progress: Progress): (bytes: number) => void {
  const totalBytes = slots.reduce((sum, { size }) => sum + size, 0)
  let doneBytes = 0
  return bytes => progress((doneBytes += bytes), totalBytes)
}

/** Nothing was ever saved there. */
const isEmpty = ({ revision }: Index): boolean => revision === 0

/** The lines of both with the most changes of each, as many as are kept; those of `first` in front. */
function mergedHistory(first: SavesHistory, second: SavesHistory): SavesHistory {
  const counts = new Map<string, SavesHistory[number]>()
  for (const entry of [...first, ...second]) {
    const name = hex(entry.line)
    if ((counts.get(name)?.changes ?? -1) < entry.changes) counts.set(name, entry)
  }
  return [...counts.values()].slice(0, MAX_LINES)
}

const changedMeanwhile = (expected: number, found: number) =>
  new CofferError('COFFER_BUSY', 'The saves were changed while this was done.', {
    expected: `revision ${expected}`,
    found: `revision ${found}`,
    hint: 'Do it again with what is there now.'
  })

const unknownChanges = () =>
  new CofferError('COFFER_SAVE_NEWER', 'The medium has saves that are not in this file.', {
    expected: 'no saves there, or none that the file knows nothing of',
    found: 'changes that were made after the file, or beside it',
    hint: 'Export those first if they matter. To put the older ones in their place, say so with "--replace".'
  })

/** @param sizes - Of all slots, plaintext. @throws CofferError COFFER_SAVE_QUOTA */
export function checkSaveQuota(quotaBytes: number, sizes: readonly number[]): void {
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (total <= quotaBytes && sizes.length <= MAX_SAVE_SLOTS) return
  throw new CofferError('COFFER_SAVE_QUOTA', 'The title has used up its space for saves on this medium.', {
    expected: `at most ${quotaBytes} bytes in ${MAX_SAVE_SLOTS} slots`,
    found: `${total} bytes in ${sizes.length}`,
    hint: 'Remove old saves within the title.'
  })
}

/** Another process commits now. */
class Locked extends Error {
  constructor(cause: CofferError) {
    super('locked', { cause })
  }
}

const encodeIndex = (index: Index): Uint8Array => encodeAs('index of saves', indexShape, index)

function checkSlot(slot: string): void {
  if (isSlotName(slot)) return
  throw new CofferError('COFFER_VALUE_UNSUPPORTED', 'A save slot has a name that is not allowed.', {
    expected: '1 to 64 of A-Z a-z 0-9 . _ -',
    hint: 'Give it another name.'
  })
}

function removeQuietly(path: string): void {
  try {
    removeFile(path, { durably: false })
  } catch {
    // It stays until the next commit.
  }
}

/** A title hears why it could not save, and no path of its host. */
function forTitle(error: unknown): unknown {
  if (!(error instanceof CofferError)) return error
  // It was there a moment ago.
  const isMoved = error.code === 'COFFER_FILE_MISSING'
  const why = isMoved
    ? 'its saves have just been set apart'
    : error.code === 'COFFER_DISK_FULL'
      ? 'there is no space left on the medium'
      : 'the medium cannot be written'
  const hint = isMoved ? 'Start the title again, if this medium still has its copy.' : error.hint
  return new CofferError(error.code, `Cannot save: ${why}.`, { hint, cause: error })
}

const damaged = (path: string, cause: unknown) =>
  new CofferError('COFFER_SAVE_DAMAGED', `The save ${path} does not open.`, {
    expected: 'a save that this title made on this medium',
    found: 'a damaged one, or one from elsewhere',
    hint: path.endsWith('.save')
      ? 'Put it back from a backup, or remove that file to go on without it.'
      : 'Put its folder back from a backup, or remove the folder to go on without saves.',
    cause
  })
