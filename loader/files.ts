/**
 * The buyer's site's one door to the file system. Reads are bounded before anything is allocated, and what the system says is
 * translated here. Whole files are written by loader/pending.ts.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  constants,
  type BigIntStats
} from 'node:fs'
import { dirname, sep } from 'node:path'
import { CofferError, type ErrorCode } from '../formats/errors.js'

/** How the names begin of what is not finished (loader/pending.ts). */
export const TEMPORARY = '.tmp-'

/** `join` for a folder's path and a name that are in order already; a recheck asks for half a dozen. */
export const within = (folder: string, name: string): string => `${folder}${sep}${name}`

/** What the system calls a failure, such as "ENOENT"; empty for one of another kind. */
export const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? ''

/** Do what may fail, whatever it fails of. @returns undefined then. */
export function quietly<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}

/** What is done without making or changing anything. */
const READING: ReadonlySet<string> = new Set(['read', 'list', 'inspect'])

/** What a failed system call means to a person. */
export function translate(error: unknown, doing: string, path: string): CofferError {
  if (error instanceof CofferError) return error
  const system = codeOf(error)
  const make = (code: ErrorCode, what: string, hint: string) =>
    new CofferError(code, `Cannot ${doing} ${path}: ${what}.`, {
      found: system || 'an unknown failure',
      hint,
      cause: error
    })
  switch (system) {
    case 'ENOTDIR':
      return doing === 'create'
        ? make('COFFER_CANNOT_CREATE', 'what would hold it is a file', 'Give a folder, or remove that file.')
        : make('COFFER_FILE_MISSING', 'there is no such file or folder', 'Check the path.')
    case 'ENOENT':
      return doing === 'create'
        ? make('COFFER_FILE_MISSING', 'the folder that it would be in is not there', 'Check the path.')
        : make('COFFER_FILE_MISSING', 'there is no such file or folder', 'Check the path.')
    case 'EEXIST':
      return make('COFFER_EXISTS', 'it exists already', 'Choose another name, or remove it first.')
    case 'ENOSPC':
    case 'EDQUOT':
      return make(
        'COFFER_DISK_FULL',
        'there is no space left',
        'Free some space there and repeat the command.'
      )
    case 'EFBIG':
      return make(
        'COFFER_CANNOT_CREATE',
        'no file may be that large there',
        'A FAT file system takes files below 4 GiB: format the medium with another one, such as exFAT.'
      )
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return make(
        READING.has(doing) ? 'COFFER_IO' : 'COFFER_CANNOT_CREATE',
        'it is not allowed',
        'Check its permissions, and whether it is write-protected.'
      )
    case 'EBUSY':
    case 'ETXTBSY':
      return make('COFFER_BUSY', 'it is in use', 'Close what uses it and repeat the command.')
    default:
      return make(
        'COFFER_IO',
        'the system reports a failure',
        'Check that the medium is still connected and undamaged.'
      )
  }
}

/** Do something to a file or folder. @throws CofferError for what the system says, see {@link translate}. */
export function attempt<T>(doing: string, path: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw translate(error, doing, path)
  }
}

/**
 * A whole small file.
 *
 * @returns Fresh bytes; undefined when there is no such file.
 * @throws CofferError COFFER_RECORD_DAMAGED beyond `maxBytes`, COFFER_IO and the like.
 */
export const readFile = (path: string, maxBytes: number): Uint8Array | undefined =>
  readWithFacts(path, maxBytes)?.bytes

/** The same, with facts of the file, links followed. */
export function readWithFacts(
  path: string,
  maxBytes: number
): { readonly bytes: Uint8Array; readonly facts: BigIntStats } | undefined {
  const file = RandomFile.open(path)
  if (file === undefined) return undefined
  try {
    if (file.sizeBytes > maxBytes) {
      throw new CofferError('COFFER_RECORD_DAMAGED', `Cannot read ${path}: it is too large.`, {
        expected: `at most ${maxBytes} bytes`,
        found: `${file.sizeBytes} bytes`,
        hint: 'The file is damaged; get it again from where it came from.'
      })
    }
    return { bytes: file.read(0, file.sizeBytes), facts: file.facts }
  } finally {
    file.close()
  }
}

/** A file open for reading at any place. The descriptor stays on the same file even if its name is given to another. */
export class RandomFile {
  readonly path: string
  readonly facts: BigIntStats
  readonly sizeBytes: number
  #descriptor: number | undefined

  private constructor(path: string, descriptor: number, facts: BigIntStats) {
    this.path = path
    this.#descriptor = descriptor
    this.facts = facts
    this.sizeBytes = Number(facts.size)
  }

  /** @returns undefined when there is no such file. @throws CofferError */
  static open(path: string): RandomFile | undefined {
    let descriptor: number
    try {
      // Without O_NONBLOCK a named pipe in a file's place would hang the program.
      descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
      throw translate(error, 'read', path)
    }
    try {
      const facts = fstatSync(descriptor, { bigint: true })
      if (!facts.isFile()) {
        throw new CofferError('COFFER_RECORD_DAMAGED', `Cannot read ${path}: it is not a file.`, {
          hint: 'Check the path.'
        })
      }
      return new RandomFile(path, descriptor, facts)
    } catch (error) {
      closeSync(descriptor)
      throw translate(error, 'read', path)
    }
  }

  /** @returns Fresh bytes. @throws CofferError COFFER_RECORD_DAMAGED when the file ends early. */
  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    this.readInto(bytes, offset)
    return bytes
  }

  /** Fill `target` from `offset`. @throws CofferError COFFER_RECORD_DAMAGED when the file ends early. */
  readInto(target: Uint8Array, offset: number): void {
    const descriptor = this.#descriptor
    if (descriptor === undefined) throw new Error('internal: read of a closed file')
    let filled = 0
    while (filled < target.length) {
      const got = attempt('read', this.path, () =>
        readSync(descriptor, target, filled, target.length - filled, offset + filled)
      )
      if (got === 0) {
        throw new CofferError('COFFER_RECORD_DAMAGED', `Cannot read ${this.path}: it ends early.`, {
          expected: `${target.length} bytes at offset ${offset}`,
          found: `${filled} bytes`,
          hint: 'The file is incomplete; copy it again.'
        })
      }
      filled += got
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }
}

/** Make a rename or removal in a folder durable. Not every system can open a folder; those that cannot need not. */
export function syncFolder(path: string): void {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, 'r')
    fsyncSync(descriptor)
  } catch (error) {
    if (!['EISDIR', 'EPERM', 'EINVAL', 'ENOTSUP', 'EACCES'].includes(codeOf(error)))
      throw translate(error, 'write', path)
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

export function makeFolder(path: string, mode = 0o755): void {
  attempt('create', path, () => makeFolders(path, mode))
}

/** Make a folder in one that is there: where a medium was pulled out, nothing is made in its place. */
export function makeFolderWithin(path: string): void {
  if (isFolder(path)) return
  attempt('create', path, () => {
    try {
      mkdirSync(path)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || !isFolder(path)) throw error
    }
    syncFolder(dirname(path))
  })
}

/** Not mkdir's own way with `recursive`: it asks for ever where a folder exists that can have none in it, as /proc. */
function makeFolders(path: string, mode: number): void {
  if (isFolder(path)) return
  const parent = dirname(path)
  if (inspectFile(parent) === undefined) makeFolders(parent, mode)
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST' || !isFolder(path)) throw error
  }
  // What is in it can outlive a pulled plug only if the folder itself does.
  syncFolder(parent)
}

/**
 * A medium comes from strangers: a link in place of one of its own folders would have us write or remove elsewhere.
 *
 * @throws CofferError COFFER_RECORD_DAMAGED for anything that is there and is no folder itself.
 */
export function refuseLinkedFolder(path: string): void {
  const stats = inspectFile(path)
  if (stats === undefined || stats.isDirectory()) return
  throw new CofferError('COFFER_RECORD_DAMAGED', `${path} is not a folder of the medium itself.`, {
    expected: 'a folder',
    found: stats.isSymbolicLink() ? 'a link to somewhere else' : 'something else',
    hint: 'Do not use this medium if it is not yours; otherwise remove that link and repeat the command.'
  })
}

/** Give a folder another name beside its own, durably. */
export function renameFolder(from: string, to: string): void {
  attempt('write', to, () => renameSync(from, to))
  syncFolder(dirname(to))
}

/** Remove a file, durably unless told otherwise; no matter if it is not there. */
export function removeFile(path: string, { durably = true } = {}): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw translate(error, 'remove', path)
  }
  if (durably) syncFolder(dirname(path))
}

/** Facts of a file or folder, links not followed; undefined when there is none. */
export function inspectFile(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false })
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw translate(error, 'inspect', path)
  }
}

/** Facts of a folder, links followed; undefined when there is none. */
export function inspectFolder(path: string): BigIntStats | undefined {
  try {
    const stats = statSync(path, { bigint: true })
    return stats.isDirectory() ? stats : undefined
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw translate(error, 'inspect', path)
  }
}

export const isFolder = (path: string): boolean => inspectFolder(path) !== undefined

/** Names in a folder in a fixed order, leftovers of interrupted writes left out; none when there is no folder. */
export function listFolder(path: string): string[] {
  try {
    return readdirSync(path)
      .filter(name => !name.startsWith(TEMPORARY))
      .sort()
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return []
    throw translate(error, 'list', path)
  }
}
