/**
 * The databases that the books may be in. A test file that runs on both imports this; `npm test` then starts one
 * PostgreSQL server for all files, and a file that is run by hand starts its own.
 */
import { DatabaseSync } from '@photostructure/sqlite'
import pg from 'pg'
import { isUrl, openStore } from '../../center/books/store.js'
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
    return { url: await newDatabase(await url, { tell }) }
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

let template: Promise<string> | undefined

/** What createCenter() and openStore() take for new books; undefined: the embedded database. */
export async function newBooks(): Promise<string | undefined> {
  if (!usesPostgres) return undefined
  template ??= emptyBooks()
  return newDatabase(await url!, { template: await template, tell })
}

/** Books without an entry: those of all tests are copies of one, since to make their tables takes as long as most tests. */
async function emptyBooks(): Promise<string> {
  const found = await emptyPostgres()
  if ('missing' in found) throw new Error(found.missing)
  await (await openStore(found.url)).close()
  return found.url
}

/** Until nobody is connected to books in PostgreSQL any more, which takes the server a moment. */
export async function untilUnused(place: string): Promise<void> {
  const name = new URL(place).pathname.slice(1)
  const count = `select count(*) from pg_stat_activity where datname = '${name}'`
  for (let tries = 0; (await query(await url!, count))[0]!['count'] !== '0'; tries++)
    if (tries === 40) throw new Error(`somebody is still connected to ${name}`)
}

/** Change books behind the center's back, by the database's own means. @param place - What openStore() takes. */
export async function tamper(place: string, sql: string): Promise<void> {
  if (isUrl(place)) return tell(place, sql)
  const database = new DatabaseSync(place)
  try {
    database.exec(sql)
  } finally {
    database.close()
  }
}

/** One connection for each database, as long as this process: the server takes longer to open one than to do what it is told. */
const connections = new Map<string, Promise<pg.Client>>()

async function tell(url: string, sql: string): Promise<void> {
  const connect = async () => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    return client
  }
  if (!connections.has(url)) connections.set(url, connect())
  const client = await connections.get(url)!
  socketOf(client).ref()
  try {
    await client.query(sql)
  } finally {
    socketOf(client).unref()
  }
}

/** A connection that nobody uses keeps no test from its end. The driver's types leave these two out. */
const socketOf = (client: pg.Client) => client as pg.Client & { ref(): void; unref(): void }
