/** Where a center's books are: beside its vault, or in the PostgreSQL database whose URL lies there in their stead. */
import { open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { utf8 } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { asTyped } from '../../formats/wording.js'
import { writeWholeFile } from '../files.js'

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

/** From now on the books of this center are in the database at `url`. */
export async function remember(folder: string, url: string): Promise<void> {
  await writeWholeFile(join(folder, REMEMBERED), utf8(`${url}\n`), true, OWNER_ONLY)
}

/** @returns What openStore() takes. @throws CofferError COFFER_FILE_MISSING where there is no center. */
export async function findBooks(folder: string): Promise<string> {
  const url = await readFile(join(folder, REMEMBERED), 'utf8').catch(() => undefined)
  if (url !== undefined) return url.trim()
  const path = embeddedBooks(folder)
  // Asked first: opening a database that is not there would make one.
  await stat(path).catch((cause: unknown) => {
    throw new CofferError('COFFER_FILE_MISSING', `There is no license center in ${folder}.`, {
      hint: `Make one with "coffer-center init ${asTyped(folder)}", or check the path.`,
      cause
    })
  })
  return path
}
