/** The few things that the center does with ordinary files. */
import { randomBytes } from 'node:crypto'
import { link, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CofferError } from '../formats/errors.js'

/**
 * Read a whole file that should be small.
 *
 * @throws CofferError COFFER_FILE_MISSING, COFFER_IO, COFFER_RECORD_DAMAGED when it is larger.
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<Uint8Array> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw fileError(path, cause)
  })
  try {
    // One byte more than allowed, so that what is too large is seen without reading all of it.
    const buffer = new Uint8Array(maxBytes + 1)
    let length = 0
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    if (length > maxBytes) {
      throw new CofferError('COFFER_RECORD_DAMAGED', `Cannot read ${path}: it is no record.`, {
        expected: `at most ${maxBytes} bytes`,
        found: 'more',
        hint: 'Check that this is the file you meant.'
      })
    }
    return buffer.slice(0, length)
  } catch (cause) {
    throw fileError(path, cause)
  } finally {
    await file.close()
  }
}

/**
 * Write a file that is there either whole or not at all, even when the power fails.
 *
 * @param replace - false: an existing file is left alone.
 * @throws CofferError COFFER_EXISTS, COFFER_CANNOT_CREATE, COFFER_DISK_FULL, COFFER_IO.
 */
export async function writeWholeFile(
  path: string,
  bytes: Uint8Array,
  replace = false,
  mode = 0o666
): Promise<void> {
  const partial = `${path}.${randomBytes(6).toString('hex')}.part`
  try {
    const file = await open(partial, 'wx', mode)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    // A link, unlike a rename, never replaces; file systems without links (vfat) get a new file of their own.
    if (replace) await rename(partial, path)
    else await link(partial, path).catch((cause: unknown) => writeNew(path, bytes, mode, cause))
    await flushFolder(dirname(path))
  } catch (cause) {
    throw fileError(path, cause)
  } finally {
    await rm(partial, { force: true })
  }
}

async function writeNew(path: string, bytes: Uint8Array, mode: number, cause: unknown): Promise<void> {
  if (codeOf(cause) === 'EEXIST') throw cause
  const file = await open(path, 'wx', mode)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Remove what writers of this file left beside it that were killed. For a file that nobody else writes at the same time. */
export async function clearPartials(path: string): Promise<void> {
  const folder = dirname(path)
  for (const name of await readdir(folder).catch(() => [])) {
    const isPartial =
      name.startsWith(`${basename(path)}.`) &&
      /^\.[0-9a-f]{12}\.part$/.test(name.slice(basename(path).length))
    if (isPartial) await rm(join(folder, name), { force: true })
  }
}

/** Make names that were just given or taken in a folder durable. */
export async function flushFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return // folders cannot be opened there; NTFS journals names
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const codeOf = (cause: unknown) => (cause as NodeJS.ErrnoException).code

/** Say in our words why a file could not be read or written. Anything but a system error is passed on. */
export function fileError(path: string, cause: unknown): unknown {
  const code = codeOf(cause)
  if (cause instanceof CofferError || typeof code !== 'string') return cause
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new CofferError('COFFER_FILE_MISSING', `There is no ${path}.`, {
        hint: 'Check the path.',
        cause
      })
    case 'EEXIST':
      return new CofferError('COFFER_EXISTS', `${path} is there already.`, {
        hint: 'Name another file, or remove it first.',
        cause
      })
    case 'ENOSPC':
    case 'EDQUOT':
      return new CofferError('COFFER_DISK_FULL', `There is no room for ${path}.`, {
        hint: 'Make room and run the command again.',
        cause
      })
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new CofferError('COFFER_CANNOT_CREATE', `This account may not use ${path}.`, {
        hint: 'Check its owner and mode.',
        cause
      })
    default:
      return new CofferError('COFFER_IO', `Cannot read or write ${path}: ${code}.`, {
        hint: 'Check the disk and run the command again.',
        cause
      })
  }
}
