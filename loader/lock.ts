/**
 * One writer at a time on a medium.
 *
 * `.coffer/lock` is a folder with one empty file in it, whose name is the holder: process, when that started, machine.
 * It appears whole, by the rename of a folder made beside it, which the system refuses while another is there: so it
 * needs no links, FAT can do it, and a writer that is killed at any moment holds nothing. Of a holder that is dead the
 * file is removed by its name, and then the empty folder: of two who do so at once neither can remove the lock that the
 * other has taken since.
 */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { hex, shortHex, utf8 } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import { sha256 } from '../formats/primitives.js'
import {
  codeOf,
  inspectFile,
  listFolder,
  makeFolder,
  quietly,
  refuseLinkedFolder,
  translate
} from './files.js'
import { isAlive, leftovers, removeLeftover, temporaryPath } from './pending.js'
import { mediumPaths, type MediumPaths } from './medium/layout.js'
import { refuseNoMedium } from './medium/measure.js'
import { POWERS } from './powers.js'

/**
 * Take a medium for writing. In a folder that is none, nothing is made.
 *
 * @throws CofferError COFFER_MEDIUM_MISSING, and those of {@link lockFolders}.
 */
export function lockMedium(root: string): Disposable {
  refuseNoMedium(root)
  return lockFolders(mediumPaths(root))
}

/**
 * Take the folders of a medium for writing, made where they are missing, and clear away what a writer that was killed
 * left behind.
 *
 * @throws CofferError COFFER_BUSY while another program writes to it; COFFER_RECORD_DAMAGED where a link stands in place
 *   of a folder.
 */
export function lockFolders(paths: MediumPaths, waitMs?: number): Disposable {
  const needed = [paths.folder, paths.grants, paths.titles]
  const folders = [...needed, paths.returns, paths.renewals]
  for (const folder of folders) refuseLinkedFolder(folder)
  for (const folder of needed) makeFolder(folder)
  const lock = takeLock(join(paths.folder, 'lock'), `writing to the medium at ${paths.folder}`, waitMs)
  try {
    for (const file of folders.flatMap(leftovers)) removeLeftover(file)
    return lock
  } catch (error) {
    lock[Symbol.dispose]()
    throw error
  }
}

const PAUSE_MS = 20
/** More often than anyone could take a free lock before us. */
const MAX_TURNS = 100

/**
 * Take any lock.
 *
 * @param lock - Its path, in a folder that exists.
 * @param doing - What another holder is doing, for the message.
 * @param waitMs - How long to wait for another, in this thread: only where writers are done in a moment.
 * @returns The lock; disposing of it lets it go.
 * @throws CofferError COFFER_BUSY while another process has it.
 */
export function takeLock(lock: string, doing: string, waitMs = 0): Disposable {
  const name = holderName()
  const end = performance.now() + waitMs
  for (let turn = 0; ;) {
    if (tryLock(lock, name)) return { [Symbol.dispose]: () => release(lock, name) }
    const holder = clearDead(lock)
    if (holder === undefined && ++turn < MAX_TURNS) continue
    if (performance.now() >= end) {
      throw new CofferError('COFFER_BUSY', `Another program is ${doing}.`, {
        expected: 'no other writer',
        found: holder === undefined ? 'other writers' : `process ${holder.pid}`,
        hint: 'Wait until it has finished and repeat the command.'
      })
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
  }
}

/** What a rename says where there is a lock already. */
const TAKEN: ReadonlySet<string> = new Set([
  'ENOTEMPTY',
  'EEXIST',
  'ENOTDIR',
  ...(process.platform === 'win32' ? ['EPERM', 'EACCES'] : [])
])

function tryLock(lock: string, name: string): boolean {
  const claim = temporaryPath(lock)
  try {
    mkdirSync(claim)
    closeSync(openSync(join(claim, name), 'wx'))
    renameSync(claim, lock)
    return true
  } catch (error) {
    quietly(() => unlinkSync(join(claim, name)))
    quietly(() => rmdirSync(claim))
    if (TAKEN.has(codeOf(error))) return false
    throw translate(error, 'create', lock)
  }
}

/** A lock that cannot be given back, on a medium that is gone, must not make a failure of what succeeded. */
function release(lock: string, name: string): void {
  quietly(() => unlinkSync(join(lock, name)))
  quietly(() => rmdirSync(lock))
}

/** Remove a lock whose holder is dead. @returns Who has it; undefined when it is free now. */
function clearDead(lock: string): Holder | undefined {
  const stats = inspectFile(lock)
  if (stats === undefined) return undefined
  if (!stats.isDirectory()) {
    // Not ours, whatever it is: a link is removed, never followed.
    remove(lock, unlinkSync)
    return undefined
  }
  const names = listFolder(lock)
  const holder = names.map(readHolder).find(found => found !== undefined && isHeld(found))
  if (holder !== undefined) return holder
  for (const name of names) remove(join(lock, name), unlinkSync)
  remove(lock, rmdirSync)
  return undefined
}

/** Another may have removed it first, or have taken the lock since. */
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'])

function remove(path: string, how: (path: string) => void): void {
  try {
    how(path)
  } catch (error) {
    if (!GONE.has(codeOf(error))) throw translate(error, 'remove', path)
  }
}

interface Holder {
  readonly pid: number
  /** When the process started, in the system's own measure: its number may be another's by now. '' where not told. */
  readonly started: string
  readonly machine: string
}

const holderName = (): string =>
  [process.pid, startOf(process.pid), machine(), hex(POWERS.random(4))].join('-')

const HOLDER = /^([0-9]{1,10})-([0-9]*)-([0-9a-f]{16})-[0-9a-f]{8}$/

function readHolder(name: string): Holder | undefined {
  const [, pid, started, machine] = HOLDER.exec(name) ?? []
  return pid === undefined ? undefined : { pid: Number(pid), started: started!, machine: machine! }
}

/** What another machine left on its way out does not bind this one: a medium is in one place at a time. */
const isHeld = ({ pid, started, machine: where }: Holder): boolean =>
  where === machine() && isAlive(pid) && (started === '' || startOf(pid) === started)

/** Linux: the kernel's count of ticks at which a process began, field 22; the second may hold blanks and brackets. */
function startOf(pid: number): string {
  const stat = quietly(() => readFileSync(`/proc/${pid}/stat`, 'latin1')) ?? ''
  return /^[0-9]+$/.exec(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '')?.[0] ?? ''
}

let machineName: string | undefined
/** This machine since it was started: after a restart no lock holds. */
function machine(): string {
  const boot = () => quietly(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')) ?? ''
  const { hostname } = process.getBuiltinModule('node:os')
  return (machineName ??= shortHex(sha256(utf8(`${hostname()} ${boot()}`))))
}
