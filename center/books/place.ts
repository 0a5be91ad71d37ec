/** Where a center's books are: beside its vault, or in the PostgreSQL database whose URL lies there in their stead. */
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { utf8 } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { asTyped } from '../../formats/wording.js'
import { writeWholeFile } from '../files.js'
import type { Alone } from './sqlite.js'

const EMBEDDED = 'center.db'
/** Holds a password, as a rule. */
const REMEMBERED = 'database'
const OWNER_ONLY = 0o600

/** Choose the place of a new center's books. @returns What openStore() takes. */
export async function beginBooks(folder: string, url: string | undefined): Promise<string> {
  const file = await open(join(folder, url === undefined ? EMBEDDED : REMEMBERED), 'wx', OWNER_ONLY)
  try {
    if (url !== undefined) await file.writeFile(`${url}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  return url ?? join(folder, EMBEDDED)
}

export const embeddedBooks = (folder: string): string => join(folder, EMBEDDED)

/** Which database a URL names, without who may use it. Some that the driver takes are none to Node: of a socket. */
export function placeOf(url: string): string {
  if (!URL.canParse(url)) return 'PostgreSQL'
  const { host, pathname } = new URL(url)
  return host + pathname
}

/** From now on the books of this center are in the database at `url`. */
export async function remember(folder: string, url: string): Promise<void> {
  await writeWholeFile(join(folder, REMEMBERED), utf8(`${url}\n`), true, OWNER_ONLY)
}

/**
 * Do something while nobody else uses the center, which its own file of books can tell. Who uses a database elsewhere is
 * not known here.
 *
 * @throws CofferError COFFER_BUSY, COFFER_FILE_MISSING.
 */
export async function aloneWith<T>(folder: string, work: () => Promise<T>): Promise<T> {
  if ((await findBooks(folder)) !== embeddedBooks(folder)) return work()
  const alone = await holdBooks(embeddedBooks(folder))
  try {
    return await work()
  } finally {
    alone.release()
  }
}

async function holdBooks(path: string): Promise<Alone> {
  const { holdAlone } = await import('./sqlite.js')
  try {
    return holdAlone(path)
  } catch (cause) {
    if (!(cause instanceof CofferError) || cause.code !== 'COFFER_BUSY') throw cause
    throw new CofferError('COFFER_BUSY', 'This center is in use.', {
      expected: 'that nothing else has its books open',
      found: 'a server, or another command',
      hint: 'Stop "coffer-center serve", then repeat the command.',
      cause
    })
  }
}

/** @returns What openStore() takes. @throws CofferError COFFER_FILE_MISSING where there is no center. */
export async function findBooks(folder: string): Promise<string> {
  const url = await readFile(join(folder, REMEMBERED), 'utf8').catch(() => undefined)
  if (url !== undefined) return url.trim()
  const path = embeddedBooks(folder)
  // Asked first: opening a database that is not there would make one.
  await stat(path).catch(async (cause: unknown) => {
    const there = await readdir(folder).catch((error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? [] : [folder]
    )
    throw new CofferError('COFFER_FILE_MISSING', `There is no license center in "${folder}".`, {
      expected: `${EMBEDDED} or ${REMEMBERED} in that folder`,
      found: 'neither',
      hint:
        there.length === 0
          ? `Make one with "coffer-center init ${asTyped(folder)}", or check the path.`
          : 'Check the path.',
      cause
    })
  })
  return path
}
