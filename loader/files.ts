/**
 * The buyer's site's one door to the file system. Reads are bounded before anything is allocated; writes are
 * crash-safe: a new file, its data, fsync, rename, fsync of the folder. What the system says is translated here.
 */
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
  constants,
  type BigIntStats
} from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { hex } from '../formats/bytes.js'
import { CofferError, type ErrorCode } from '../formats/errors.js'
import { POWERS } from './powers.js'

const TEMPORARY = '.tmp-'
/** How much is written between two flushes of a large file: a slow stick has it in a second or two. */
const ALONG_BYTES = 16 * 1024 * 1024
/** Holds the id of the process that writes it. */
const TEMPORARY_NAME = /^\.tmp-([0-9]+)-/

/** `join` for a folder's path and a name that are in order already; a recheck asks for half a dozen. */
export const within = (folder: string, name: string): string => `${folder}${sep}${name}`

/** A name beside `path` for what is not finished: of this process, and of nobody else in it. */
export const temporaryPath = (path: string): string => {
  const slash = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1
  const unique = hex(POWERS.random(4))
  return `${path.slice(0, slash)}${TEMPORARY}${process.pid}-${unique}-${path.slice(slash)}`
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? ''

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
    case 'ENOENT':
    case 'ENOTDIR':
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

function attempt<T>(doing: string, path: string, action: () => T): T {
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

/**
 * A file on its way: written under a temporary name beside its target, flushed, then renamed into place in one step.
 * Until {@link commit} the target is untouched; disposed of before that, it leaves nothing behind.
 */
export class PendingFile implements Disposable {
  readonly path: string
  readonly temporaryPath: string
  #descriptor: number
  #open = true
  #committed = false
  #written = 0
  /** The flush that goes on, or went last; and how much was written when it began. */
  #flushing: Promise<void> | undefined
  #begunBytes = 0

  /** @param mode - Permission bits of the finished file. */
  constructor(path: string, mode = 0o644) {
    this.path = path
    this.temporaryPath = temporaryPath(path)
    this.#descriptor = attempt('create', path, () => openSync(this.temporaryPath, 'wx+', mode))
  }

  get writtenBytes(): number {
    return this.#written
  }

  /** Facts of the file itself; they stay when it is renamed. */
  stats(): BigIntStats {
    return attempt('inspect', this.path, () => fstatSync(this.#descriptor, { bigint: true }))
  }

  setMode(mode: number): void {
    attempt('protect', this.path, () => fchmodSync(this.#descriptor, mode))
  }

  write(bytes: Uint8Array): void {
    let done = 0
    while (done < bytes.length) {
      done += attempt('write', this.path, () => writeSync(this.#descriptor, bytes, done, bytes.length - done))
    }
    this.#written += bytes.length
  }

  /** Force what was written onto the medium. */
  flush(): void {
    attempt('write', this.path, () => fsyncSync(this.#descriptor))
  }

  /** The same, while this thread does something else: a large file on a slow medium takes minutes. */
  async flushAside(): Promise<void> {
    await this.#flushing
    const failed = await new Promise<NodeJS.ErrnoException | null>(resolve =>
      fsync(this.#descriptor, resolve)
    )
    attempt('write', this.path, () => {
      if (failed !== null) throw failed
    })
  }

  /**
   * To be called now and then by who writes much: what was written is never far ahead of the medium, so that progress
   * tells of that.
   *
   * @returns What to wait for before more is written; undefined: nothing.
   */
  flushAlong(): Promise<void> | undefined {
    if (this.#written - this.#begunBytes < ALONG_BYTES) return undefined
    this.#begunBytes = this.#written
    const before = this.#flushing
    this.#flushing = this.flushAside()
    // Whoever waits for it next is told.
    this.#flushing.catch(() => {})
    return before
  }

  /** Until nothing is being flushed any more, whatever comes of it: before it is closed. */
  async quiet(): Promise<void> {
    await this.#flushing?.catch(() => {})
  }

  commit(): void {
    this.place()
    syncFolder(dirname(this.path))
  }

  /** Put it in its place; whoever needs it there after a pulled plug flushes the folder, once for many files. */
  place(): void {
    this.flush()
    attempt('write', this.path, () => this.#close())
    attempt('write', this.path, () => renameSync(this.temporaryPath, this.path))
    this.#committed = true
  }

  /**
   * The same where nothing is to be replaced: of two that come at once, one is in its place afterwards.
   *
   * @returns false for the other one, and where something was there before; that is left as it is.
   */
  commitNew(): boolean {
    this.flush()
    attempt('write', this.path, () => this.#close())
    if (!attempt('write', this.path, () => linkNew(this.temporaryPath, this.path))) return false
    removeFile(this.temporaryPath, { durably: false })
    this.#committed = true
    syncFolder(dirname(this.path))
    return true
  }

  /** Where the medium is gone or broken, what failed before is the news, not that nothing can be tidied up. */
  [Symbol.dispose](): void {
    try {
      this.#close()
      if (!this.#committed) rmSync(this.temporaryPath, { force: true })
    } catch {
      // The next writer clears it away.
    }
  }

  #close(): void {
    if (!this.#open) return
    this.#open = false
    closeSync(this.#descriptor)
  }
}

/** Write a whole file durably: afterwards it is there, whole, even if the plug is pulled. */
export function writeFile(path: string, bytes: Uint8Array, mode = 0o644): void {
  using file = new PendingFile(path, mode)
  file.write(bytes)
  file.commit()
}

/** The same for a file that is not there yet. @returns false where one is, which is left as it is. */
export function writeNewFile(path: string, bytes: Uint8Array, mode = 0o644): boolean {
  using file = new PendingFile(path, mode)
  file.write(bytes)
  return file.commitNew()
}

/** What systems say of a link where there can be none; EISDIR is Windows' "invalid function". */
const NO_LINKS: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EISDIR']

/** Give a file a name that nothing has yet. Where it can have but one, as on FAT, of two who come at once the later one has it. */
function linkNew(from: string, to: string): boolean {
  try {
    linkSync(from, to)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    if (!NO_LINKS.includes(codeOf(error))) throw error
    if (inspectFile(to) !== undefined) return false
    renameSync(from, to)
  }
  return true
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

/** Remove what {@link leftovers} found. */
export function removeLeftover(path: string): void {
  attempt('remove', path, () => rmSync(path, { force: true, recursive: true }))
}

/** Remove what writers of this very file left beside it that were killed: its folder may be anybody's. */
export function clearLeftovers(path: string): void {
  const ending = `-${basename(path)}`
  for (const file of leftovers(dirname(path))) if (file.endsWith(ending)) removeLeftover(file)
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

/** What a writer left behind that was killed, by full paths; what live ones are at is left out. */
export function leftovers(folder: string): string[] {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return []
  }
  return names
    .filter(name => {
      const [, pid] = TEMPORARY_NAME.exec(name) ?? []
      return pid !== undefined && !isAlive(Number(pid))
    })
    .map(name => join(folder, name))
}

/** Whether a process of this machine is there. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}
