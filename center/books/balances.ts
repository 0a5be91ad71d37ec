/** What the entries of the ledger add up to. */
import { sql, type RawBuilder } from 'kysely'
import type { Books } from './store.js'

export interface Balance {
  readonly account: string
  readonly currency: string
  readonly balanceMinor: number
}

/** @param account - undefined: all of them. */
export function balances(books: Books, account?: string): Promise<Balance[]> {
  const entries = books.selectFrom('ledger')
  return (account === undefined ? entries : entries.where('account', '=', account))
    .select(['account', 'currency', sumOf('amountMinor').as('balanceMinor')])
    .groupBy(['account', 'currency'])
    .orderBy('account')
    .orderBy('currency')
    .execute()
}

/** Half of the bits of the largest amount. */
const HALF = sql.lit(2 ** 24)

/**
 * The sum of a column of amounts. It cannot fail, whatever prices publishers set and however often they are charged: the halves are
 * added up apart, exactly, and put together as a number of double precision, which is exact up to 2^53 and rounded beyond.
 *
 * @param column - Whole numbers to 2^48.
 * @param sign - `-`: of what was sold, which is negative in the books.
 */
export function sumOf(column: string, sign: '' | '-' = ''): RawBuilder<number> {
  const amount = sql`(${sql.raw(sign)}${sql.ref(column)})`
  return sql<number>`cast(sum(${amount} / ${HALF}) * ${HALF}.0 + sum(${amount} % ${HALF}) as double precision)`
}
