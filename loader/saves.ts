/**
 * What titles store, sealed on their own medium (docs/spec.md §6.8). A save opens only with the license: on another
 * medium, or for another user, it is noise.
 */
import { dirname } from 'node:path'
import { fromHex, utf8Decode, wipe } from '../formats/bytes.js'
import { openPayload, sealPayload, SALT_BYTES, sealedSize } from '../formats/cobblestone.js'
import { deriveSaveKey } from '../formats/derive.js'
import { enc } from '../formats/encode.js'
import { CofferError } from '../formats/errors.js'
import type { SaveStore } from '../sandbox/guest.js'
import {
  inspectFile,
  leftovers,
  listFolder,
  makeFolder,
  readFile,
  refuseLinkedFolder,
  removeFile,
  removeLeftover,
  writeFile
} from './files.js'
import type { MediumPaths } from './medium/layout.js'
import type { Powers } from './powers.js'
import type { PayloadKey } from './unwrap.js'

/** What one title may keep on a medium, plaintext. */
export const MAX_SAVE_BYTES = 16 * 1024 * 1024
const MAX_SLOTS = 256
const SLOT = /^[A-Za-z0-9._-]{1,64}$/
const FILE = /^((?:[0-9a-f]{2}){1,64})\.save$/

export class MediumSaves implements SaveStore, Disposable {
  readonly #paths: MediumPaths
  readonly #titleId: string
  readonly #root: Uint8Array
  readonly #powers: Powers

  /** @param key - Its save root is copied; dispose this store to wipe the copy. */
  constructor(paths: MediumPaths, titleId: string, key: PayloadKey, powers: Powers) {
    this.#paths = paths
    this.#titleId = titleId
    this.#root = key.saveRoot.slice()
    this.#powers = powers
  }

  list(): string[] {
    return listFolder(this.#paths.saves(this.#titleId)).flatMap(name => {
      const [, digits] = FILE.exec(name) ?? []
      const slot = digits && asSlot(digits)
      return slot === undefined ? [] : [slot]
    })
  }

  read(slot: string): Uint8Array | undefined {
    const path = this.#path(slot)
    const key = this.#key(slot)
    try {
      const sealed = readFile(path, sealedSize(MAX_SAVE_BYTES))
      return sealed && openPayload(key, this.#context(slot), sealed)
    } catch (error) {
      // A disk that fails says so itself.
      throw error instanceof CofferError && error.exitCode === 65 ? damaged(path, error) : error
    } finally {
      wipe(key)
    }
  }

  write(slot: string, bytes: Uint8Array): void {
    const path = this.#path(slot)
    this.#checkQuota(slot, bytes.length)
    makeFolder(this.#folder())
    const key = this.#key(slot)
    try {
      writeSave(path, sealPayload(key, this.#context(slot), this.#powers.random(SALT_BYTES), bytes))
    } finally {
      wipe(key)
    }
  }

  remove(slot: string): void {
    this.#folder()
    removeFile(this.#path(slot))
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
    wipe(this.#root)
  }

  #path(slot: string): string {
    if (!SLOT.test(slot)) {
      throw new CofferError('COFFER_VALUE_UNSUPPORTED', 'A save slot has a name that is not allowed.', {
        expected: '1 to 64 of A-Z a-z 0-9 . _ -'
      })
    }
    return this.#paths.save(this.#titleId, slot)
  }

  #checkQuota(slot: string, newBytes: number): void {
    const others = this.list().filter(name => name !== slot)
    let total = newBytes
    for (const name of others) {
      total += Number(inspectFile(this.#path(name))?.size ?? 0n)
    }
    if (total > MAX_SAVE_BYTES || others.length >= MAX_SLOTS) {
      throw new CofferError('COFFER_QUOTA', 'The title has used up its space for saves on this medium.', {
        expected: `at most ${MAX_SAVE_BYTES} bytes in ${MAX_SLOTS} slots`,
        found: `${total} bytes in ${others.length + 1}`,
        hint: 'Remove old saves within the title.'
      })
    }
  }

  /** Where to write and remove: folders of the medium itself. */
  #folder(): string {
    const folder = this.#paths.saves(this.#titleId)
    refuseLinkedFolder(dirname(folder))
    refuseLinkedFolder(folder)
    return folder
  }

  #key = (slot: string): Uint8Array => deriveSaveKey(this.#root, this.#titleId, slot)
  #context = (slot: string): Uint8Array => enc('save', this.#titleId, slot)
}

function asSlot(digits: string): string | undefined {
  try {
    const slot = utf8Decode(fromHex(digits))
    return SLOT.test(slot) ? slot : undefined
  } catch {
    return undefined
  }
}

/** A title hears why it could not save, and no path of its host. */
function writeSave(path: string, sealed: Uint8Array): void {
  try {
    writeFile(path, sealed, 0o600)
  } catch (error) {
    if (!(error instanceof CofferError)) throw error
    const why =
      error.code === 'COFFER_DISK_FULL'
        ? 'there is no space left on the medium'
        : 'the medium cannot be written'
    throw new CofferError(error.code, `Cannot save: ${why}.`, { hint: error.hint, cause: error })
  }
}

const damaged = (path: string, cause: unknown) =>
  new CofferError('COFFER_SAVE_DAMAGED', `The save ${path} does not open.`, {
    expected: 'a save that this title made on this medium',
    found: 'a damaged one, or one from elsewhere',
    hint: 'Put it back from a backup, or remove that file to go on without it.',
    cause
  })
