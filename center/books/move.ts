/**
 * The move of a center's books from the embedded database to PostgreSQL, once one machine is not enough: every table as it
 * is, the log with them, in one transaction. The file that they were in is kept beside, under a name that nothing opens.
 */
import { Kysely, sql } from 'kysely'
import { rename } from 'node:fs/promises'
import { CofferError } from '../../formats/errors.js'
import { TABLES, rowsOf } from './tables.js'
import { fileError } from '../files.js'
import { findBooks, placeOf, remember } from './place.js'
import { closingStatements } from './sqlite.js'
import { isUrl, openDatabase, openStore, type Books } from './store.js'

const ROWS_AT_ONCE = 100

/**
 * Let a center's folder use the books in a PostgreSQL database: moved there when it is empty; as they are there when they
 * are this center's, so that another machine needs no more than a copy of the folder.
 *
 * @returns Where the old file of the books is kept; undefined when nothing was moved.
 * @throws CofferError COFFER_EXISTS when that database has the books of another center, or the folder has sales that those
 *   there do not know; COFFER_USAGE, COFFER_BUSY.
 */
export async function useDatabase(folder: string, url: string): Promise<string | undefined> {
  const place = await findBooks(folder)
  if (place === url) return undefined
  if (isUrl(place)) {
    throw new CofferError('COFFER_USAGE', 'The books of this center are in another PostgreSQL database.', {
      expected: 'books in the folder, or in that database',
      hint: 'Move them with the tools of PostgreSQL, and write the new URL into the file "database" of the folder.'
    })
  }
  await (await openStore(url)).close() // makes the tables
  const source = new Kysely<any>({ dialect: (await openDatabase(place)).writing() }) as Books
  const target = new Kysely<any>({ dialect: (await openDatabase(url)).writing() }) as Books
  try {
    // Nobody sells from either while they move, nor from the old ones afterwards.
    await source.transaction().execute(from =>
      target.transaction().execute(async to => {
        await moveOrJoin(from, to)
        await close(from, url)
      })
    )
    await remember(folder, url)
    // All that is beside the file goes into it, unless a server still has it open.
    await sql`pragma journal_mode = delete`.execute(source).catch(() => {})
  } finally {
    await source.destroy()
    await target.destroy()
  }
  return putAside(place)
}

/** Whoever has them open may read on, and is refused whatever he writes. */
async function close(books: Books, url: string): Promise<void> {
  const statements = TABLES.flatMap(table => closingStatements(table, placeOf(url)))
  for (const statement of statements) await sql.raw(statement).execute(books)
}

/** A database has up to two files beside it, which it is read with. @returns Its new path. */
async function putAside(path: string): Promise<string> {
  const kept = `${path}.moved`
  for (const suffix of ['-wal', '-shm', '']) {
    await rename(path + suffix, kept + suffix).catch((cause: NodeJS.ErrnoException) => {
      if (suffix === '' || cause.code !== 'ENOENT') throw fileError(path, cause)
    })
  }
  return kept
}

async function moveOrJoin(from: Books, to: Books): Promise<void> {
  const [here, there] = await Promise.all([centerOf(from), centerOf(to)])
  if (there === undefined) {
    for (const table of TABLES) {
      let rows: Record<string, unknown>[] = []
      const flush = async () => {
        if (rows.length > 0)
          await to
            .insertInto(table)
            .values(rows as never)
            .execute()
        rows = []
      }
      for await (const row of rowsOf(from, table)) if (rows.push(row) === ROWS_AT_ONCE) await flush()
      await flush()
    }
    return
  }
  const newest = await from
    .selectFrom('log')
    .select(['index', 'entry'])
    .orderBy('index', 'desc')
    .limit(1)
    .executeTakeFirst()
  const known = await sql<{ entry: Uint8Array }>`
    select entry from log where ${sql.ref('index')} = ${newest?.index ?? -1}
  `.execute(to)
  const isBehind =
    newest === undefined || Buffer.from(known.rows[0]?.entry ?? []).equals(Buffer.from(newest.entry))
  if (there === here && isBehind) return
  throw new CofferError('COFFER_EXISTS', 'That database has other books.', {
    expected: 'an empty database, or one with all that the books in the folder have',
    found: there === here ? "this center's, without its newest sales" : `those of center ${there}`,
    hint: 'Name another database.'
  })
}

const centerOf = async (books: Books): Promise<string | undefined> =>
  (await books.selectFrom('center').select('centerId').executeTakeFirst())?.centerId
