/** What the pages show: a bounded part of the books each, whatever their size. */
import { sql } from 'kysely'
import { DAY_SECONDS } from '../../formats/limits.js'
import { fromHex } from '../../formats/bytes.js'
import type { DaySales } from './sales.js'
import type { Site } from '../site.js'
import { sumOf } from '../books/balances.js'
import type { Books } from '../books/store.js'

export interface CopyRow {
  readonly grantId: string
  readonly userId: string
  readonly titleId: string
  readonly mediumId: string
  readonly release: number
  readonly bought: number
  readonly expires: number | null
  readonly revoked: number
}

export interface AnsweredRequest {
  /** userId, or the publisher's sign key. */
  readonly signer: string
  readonly answered: number
  readonly record: Uint8Array
  readonly answer: Uint8Array
}

export interface Figures {
  readonly copies: number
  readonly users: number
  readonly logged: number
}

export interface Reports {
  figures(): Promise<Figures>
  /** One list of days, oldest first, for each currency in which something was sold. */
  sales(days: number): Promise<ReadonlyMap<string, readonly DaySales[]>>
  /** Newest first. @param before - The last row of the page before. */
  copies(limit: number, before?: { bought: number; grantId: string }): Promise<CopyRow[]>
  /** @returns What was signed, and its answer; undefined for a request that was not answered. */
  answeredRequest(requestId: string): Promise<AnsweredRequest | undefined>
}

const COPY = ['grantId', 'userId', 'titleId', 'mediumId', 'release', 'bought', 'expires', 'revoked'] as const

export function openReports({ store: { books }, vault, powers }: Site): Reports {
  return {
    async figures() {
      const [copies, users, head] = await Promise.all([
        countOf(books, 'grants'),
        countOf(books, 'users'),
        books.selectFrom('logHead').select('size').executeTakeFirst()
      ])
      return { copies, users, logged: head?.size ?? 0 }
    },
    async sales(days) {
      const today = Math.floor(powers.now() / DAY_SECONDS)
      const first = today - days + 1
      const { rows } = await sql<{ day: number; currency: string; sold: number }>`
        select posted / ${sql.lit(DAY_SECONDS)} as day, currency, ${sumOf('amountMinor', '-')} as sold
        from ledger where account like 'sales/%' and posted >= ${first * DAY_SECONDS}
        group by 1, 2
      `.execute(books)
      const found = new Map<string, Map<number, number>>()
      for (const { day, currency, sold } of rows) {
        if (!found.has(currency)) found.set(currency, new Map())
        found.get(currency)!.set(day, sold)
      }
      const dayName = (day: number) => new Date(day * DAY_SECONDS * 1000).toISOString().slice(0, 10)
      return new Map(
        [...found].map(([currency, sold]) => [
          currency,
          Array.from({ length: days }, (_, n) => ({
            day: dayName(first + n),
            amountMinor: sold.get(first + n) ?? 0
          }))
        ])
      )
    },
    copies(limit, before) {
      let query = books.selectFrom('grants').select(COPY)
      if (before !== undefined) {
        const { bought, grantId } = before
        query = query.where(({ eb, and, or }) =>
          or([eb('bought', '<', bought), and([eb('bought', '=', bought), eb('grantId', '<', grantId)])])
        )
      }
      return query.orderBy('bought', 'desc').orderBy('grantId', 'desc').limit(limit).execute()
    },
    async answeredRequest(requestId) {
      const row = await books
        .selectFrom('requests')
        .select(['signer', 'answered', 'record', 'sealedAnswer'])
        .where('requestId', '=', requestId)
        .executeTakeFirst()
      if (row === undefined) return undefined
      const { sealedAnswer, ...asked } = row
      return { ...asked, answer: vault.openStoredAnswer(fromHex(requestId), sealedAnswer) }
    }
  }
}

async function countOf(books: Books, table: 'grants' | 'users'): Promise<number> {
  const { count } = await books
    .selectFrom(table)
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}
