/** Sales: what each title earned, by day. */
import { DAY_SECONDS } from '../../formats/limits.js'
import { sql } from 'kysely'
import { sumOf } from '../books/balances.js'
import type { Books } from '../books/store.js'

export interface Sold {
  /** YYYY-MM-DD, in UTC. */
  readonly day: string
  readonly titleId: string
  readonly currency: string
  /** Refunds are subtracted. */
  readonly amountMinor: number
}

/** What a title earned on a day. */
export interface DaySales {
  /** YYYY-MM-DD, in UTC. */
  readonly day: string
  readonly amountMinor: number
}

/** @param publisher - Sign key; undefined: the titles of all. @returns Days on which something was posted, oldest first. */
export async function sold(books: Books, now: number, days: number, publisher?: string): Promise<Sold[]> {
  const first = (Math.floor(now / DAY_SECONDS) - days + 1) * DAY_SECONDS
  const ofPublisher = publisher === undefined ? sql`` : sql`and ${sql.ref('titles.publisher')} = ${publisher}`
  const { rows } = await sql<{ day: number; titleId: string; currency: string; amountMinor: number }>`
    select posted / ${sql.lit(DAY_SECONDS)} as day, ${sql.ref('titles.titleId')}, ledger.currency,
      ${sumOf('amountMinor', '-')} as ${sql.ref('amountMinor')}
    from ledger join titles on account = 'sales/' || ${sql.ref('titles.titleId')}
    where posted >= ${first} ${ofPublisher}
    group by 1, 2, 3 order by 1, 2, 3
  `.execute(books)
  return rows.map(row => ({
    ...row,
    day: new Date(row.day * DAY_SECONDS * 1000).toISOString().slice(0, 10)
  }))
}
