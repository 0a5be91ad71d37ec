/** One writer at a time on a medium: `.coffer/lock` names the process that has it. */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { closeSync, linkSync, openSync, writeSync } from 'node:fs'
import { utf8, utf8Decode } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import {
  PendingFile,
  inspectFile,
  isAlive,
  leftovers,
  makeFolder,
  readFile,
  refuseLinkedFolder,
  removeFile,
  translate
} from '../files.js'
import type { MediumPaths } from '../medium/layout.js'

/**
 * Take the medium for writing, and clear away what a writer that was killed left behind.
 *
 * @throws CofferError COFFER_BUSY while another program writes to it; COFFER_RECORD_DAMAGED where a link stands in place
 *   of a folder.
 */
export function lockMedium(paths: MediumPaths): Disposable {
  const path = join(paths.folder, 'lock')
  for (const folder of [paths.folder, paths.grants, paths.titles]) {
    refuseLinkedFolder(folder)
    makeFolder(folder)
  }
  for (let attempt = 0; !tryLock(path); attempt++) {
    const holder = readHolder(path)
    if (attempt > 0 || isHeld(path, holder)) {
      throw new CofferError('COFFER_BUSY', `Another program is writing to the medium at ${paths.folder}.`, {
        expected: 'no other writer',
        found: holder === undefined ? 'another writer' : `process ${holder.pid}`,
        hint: 'Wait until it has finished and repeat the command.'
      })
    }
    removeFile(path)
  }
  for (const folder of [paths.folder, paths.grants, paths.titles])
    for (const file of leftovers(folder)) removeFile(file)
  return { [Symbol.dispose]: () => removeFile(path) }
}

/** File systems without links to files, such as FAT. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EACCES', 'EMLINK']

/** The lock appears with its holder's name in it, so that a writer killed at that moment holds nothing for long. */
function tryLock(path: string): boolean {
  using named = new PendingFile(path)
  named.write(holderName())
  try {
    linkSync(named.temporaryPath, path)
    return true
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    if (NO_LINKS.includes(code)) return tryLockWithoutLinks(path)
    throw translate(error, 'create', path)
  }
}

function tryLockWithoutLinks(path: string): boolean {
  let descriptor: number
  try {
    descriptor = openSync(path, 'wx', 0o644)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw translate(error, 'create', path)
  }
  try {
    writeSync(descriptor, holderName())
    return true
  } catch (error) {
    removeFile(path)
    throw translate(error, 'write', path)
  } finally {
    closeSync(descriptor)
  }
}

const holderName = (): Uint8Array => utf8(JSON.stringify({ host: hostname(), pid: process.pid }))

interface Holder {
  readonly host: string
  readonly pid: number
}

/** A lock without a name in it is one that was made a moment ago, or one whose maker was killed at that moment. */
const NAMELESS_MS = 10_000

function isHeld(path: string, holder: Holder | undefined): boolean {
  if (holder !== undefined) return holder.host === hostname() && isAlive(holder.pid)
  const made = inspectFile(path)
  return made !== undefined && Math.abs(Date.now() - Number(made.mtimeMs)) < NAMELESS_MS
}

function readHolder(path: string): Holder | undefined {
  try {
    const { host, pid } = JSON.parse(utf8Decode(readFile(path, 1024)!)) as Record<string, unknown>
    return typeof host === 'string' && typeof pid === 'number' ? { host, pid } : undefined
  } catch {
    return undefined
  }
}
