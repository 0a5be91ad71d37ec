/** The tables of the books: what tells the rows of each apart, and all their rows, a page at a time. */
import { sql } from 'kysely'
import { setImmediate } from 'node:timers/promises'
import { COUNT_KEYS } from '../orders/counts.js'
import type { AllTables, Books, LogTables, Tables } from './store.js'

/** What tells the rows of a table apart; in an order in which no row refers to a later one. */
export const KEYS: Readonly<Record<keyof Tables, readonly string[]>> = {
  center: ['centerId'],
  roots: ['sequence'],
  publishers: ['signKey'],
  titles: ['titleId'],
  releases: ['titleId', 'release', 'scheme'],
  users: ['userId'],
  personalTerms: ['userId', 'titleId'],
  requests: ['requestId'],
  grants: ['grantId'],
  ledger: ['posting', 'account'],
  revocations: ['sequence'],
  ended: ['one'],
  endedParts: ['first'],
  admins: ['signKey'],
  acts: ['nonceHash'],
  sessions: ['tokenHash']
}

const LOG_KEYS: Readonly<Record<keyof LogTables, readonly string[]>> = {
  log: ['index'],
  logNodes: ['level', 'index'],
  logHead: ['one']
}
const ALL_KEYS = { ...KEYS, ...LOG_KEYS, ...COUNT_KEYS }
/** Every table, in that order. */
export const TABLES = Object.keys(ALL_KEYS) as (keyof typeof ALL_KEYS)[]

const PAGE = 500

/** Every row of a table, a page at a time, by its key. Others have a turn of the event loop before each page. */
export async function* rowsOf(books: Books, table: keyof AllTables): AsyncGenerator<Record<string, unknown>> {
  const key = ALL_KEYS[table]
  const columns = sql.join(key.map(column => sql.ref(column)))
  for (let after = sql``; ;) {
    await setImmediate()
    const { rows } = await sql<Record<string, unknown>>`
      select * from ${sql.table(table)} ${after} order by ${columns} limit ${PAGE}
    `.execute(books)
    yield* rows
    if (rows.length < PAGE) return
    const last = sql.join(key.map(column => rows.at(-1)![column]))
    after = sql`where (${columns}) > (${last})`
  }
}
