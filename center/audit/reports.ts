/** What the pages show: a bounded part of the books each, whatever their size. */
import { sql } from 'kysely'
import { fromHex } from '../../formats/bytes.js'
import { sumOf } from '../books/balances.js'
import type { DaySales } from './sales.js'
import type { Site } from '../site.js'
import type { Books } from '../books/store.js'

const DAY_SECONDS = 86_400

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

export interface AnsweredRow {
  readonly requestId: string
  readonly kind: string
  readonly answered: number
}

export interface AnsweredRequest {
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
  copiesOf(userId: string, limit: number): Promise<CopyRow[]>
  answeredTo(userId: string, limit: number): Promise<AnsweredRow[]>
  /** @returns What this user signed, and its answer; undefined for a request of somebody else. */
  answeredRequest(userId: string, requestId: string): Promise<AnsweredRequest | undefined>
}

const COPY = ['grantId', 'userId', 'titleId', 'mediumId', 'release', 'bought', 'expires', 'revoked'] as const

export function openReports({ store: { books }, vault, powers }: Site): Reports {
  const ofUser = (userId: string) => books.selectFrom('requests').where('signer', '=', userId)
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
    copiesOf: (userId, limit) =>
      books
        .selectFrom('grants')
        .select(COPY)
        .where('userId', '=', userId)
        .orderBy('bought', 'desc')
        .orderBy('grantId', 'desc')
        .limit(limit)
        .execute(),
    answeredTo: (userId, limit) =>
      ofUser(userId)
        .select(['requestId', 'kind', 'answered'])
        .orderBy('answered', 'desc')
        .orderBy('requestId', 'desc')
        .limit(limit)
        .execute(),
    async answeredRequest(userId, requestId) {
      const row = await ofUser(userId)
        .select(['record', 'sealedAnswer'])
        .where('requestId', '=', requestId)
        .executeTakeFirst()
      if (row === undefined) return undefined
      return { record: row.record, answer: vault.openStoredAnswer(fromHex(requestId), row.sealedAnswer) }
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
