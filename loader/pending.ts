/**
 * What is being written: crash-safe, a new file, its data, fsync, rename, fsync of the folder. What a writer leaves that was killed
 * is known by its name, and is cleared away by the next one.
 */
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
  type BigIntStats
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { hex } from '../formats/bytes.js'
import { attempt, codeOf, inspectFile, removeFile, syncFolder, TEMPORARY } from './files.js'
import { POWERS } from './powers.js'

/** How much is written between two flushes of a large file: a slow stick has it in a second or two. */
const ALONG_BYTES = 16 * 1024 * 1024
/** Holds the id of the process that writes it. */
const TEMPORARY_NAME = /^\.tmp-([0-9]+)-/

/** A name beside `path` for what is not finished: of this process, and of nobody else in it. */
export const temporaryPath = (path: string): string => {
  const slash = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1
  const unique = hex(POWERS.random(4))
  return `${path.slice(0, slash)}${TEMPORARY}${process.pid}-${unique}-${path.slice(slash)}`
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

/** Remove what {@link leftovers} found. */
export function removeLeftover(path: string): void {
  attempt('remove', path, () => rmSync(path, { force: true, recursive: true }))
}

/** Remove what writers of this very file left beside it that were killed: its folder may be anybody's. */
export function clearLeftovers(path: string): void {
  const ending = `-${basename(path)}`
  for (const file of leftovers(dirname(path))) if (file.endsWith(ending)) removeLeftover(file)
}
