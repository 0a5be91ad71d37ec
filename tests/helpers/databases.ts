/**
 * The databases that the books may be in. A test file that runs on both imports this; `npm test` then starts one
 * PostgreSQL server for all files, and a file that is run by hand starts its own.
 */
import { DatabaseSync } from '@photostructure/sqlite'
import { isUrl } from '../../center/books/store.js'
import { newDatabase, NoPostgres, query, startPostgres } from '../../scripts/postgres.js'

let url: Promise<string> | undefined

/** @returns The URL of an empty PostgreSQL database; or, where none can be had, why. */
export async function emptyPostgres(): Promise<{ url: string } | { missing: string }> {
  const { COFFER_TEST_POSTGRES, COFFER_TEST_NO_POSTGRES } = process.env
  if (COFFER_TEST_NO_POSTGRES !== undefined) return { missing: COFFER_TEST_NO_POSTGRES }
  try {
    // It ends with this process.
    url ??= COFFER_TEST_POSTGRES
      ? Promise.resolve(COFFER_TEST_POSTGRES)
      : startPostgres(false).then(of => of.url)
    return { url: await newDatabase(await url) }
  } catch (error) {
    if (error instanceof NoPostgres) return { missing: error.message }
    throw error
  }
}

let usesPostgres = false

/** Put the books of every test's center into PostgreSQL from now on. @returns Why not, where it cannot be had. */
export async function usePostgres(): Promise<string | undefined> {
  const found = await emptyPostgres()
  if ('missing' in found) return found.missing
  usesPostgres = true
  return undefined
}

/** What createCenter() and openStore() take for new books; undefined: the embedded database. */
export async function newBooks(): Promise<string | undefined> {
  if (!usesPostgres) return undefined
  const found = await emptyPostgres()
  if ('missing' in found) throw new Error(found.missing)
  return found.url
}

/** Change books behind the center's back, by the database's own means. @param place - What openStore() takes. */
export async function tamper(place: string, sql: string): Promise<void> {
  if (isUrl(place)) {
    await query(place, sql)
    return
  }
  const database = new DatabaseSync(place)
  try {
    database.exec(sql)
  } finally {
    database.close()
  }
}
