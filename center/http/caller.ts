/** Who asks the desk, and what of the books is his: all of it an admin's, his own titles and their copies a publisher's. */
import { CofferError } from '../../formats/errors.js'
import { sumOf } from '../books/balances.js'
import type { Books } from '../books/store.js'
import { grantSummary } from '../desk.js'
import { checkId, notOneText, titleMissing } from '../names.js'
import type { RevocationKind } from '../orders/revoke.js'
import { unsigned } from './message-signature.js'

/** Who asks. */
export interface Caller {
  readonly kind: 'admin' | 'publisher'
  readonly signKey: string
}

/** @throws CofferError COFFER_NOT_AUTHORIZED for a key that is neither an admin's nor a publisher's that counts. */
export async function callerOf(books: Books, signKey: string): Promise<Caller> {
  const one = (table: 'admins' | 'publishers') =>
    books.selectFrom(table).select('signKey').where('signKey', '=', signKey).executeTakeFirst()
  if ((await one('admins')) !== undefined) return { kind: 'admin', signKey }
  const revoked = await books
    .selectFrom('revocations')
    .select('sequence')
    .where('kind', '=', 'publisher')
    .where('id', '=', signKey)
    .executeTakeFirst()
  if (revoked === undefined && (await one('publishers')) !== undefined) return { kind: 'publisher', signKey }
  // Its signature fitted: this tells only whoever has the key that the center does not know it.
  throw unsigned('the signature of a key that is not known there')
}

export const ownKey = (caller: Caller): string | undefined =>
  caller.kind === 'admin' ? undefined : caller.signKey

export function requireAdmin(caller: Caller): void {
  if (caller.kind === 'admin') return
  throw new CofferError('COFFER_NOT_AUTHORIZED', 'Only an admin may do this.', {
    expected: 'the key of an admin',
    found: "a publisher's",
    hint: 'Ask the seller. A publisher has titles, their terms, grants and sales.'
  })
}

/** @throws CofferError COFFER_TITLE_MISSING, also for a title that is another publisher's. */
export async function refuseOthersTitle(books: Books, titleId: string, caller: Caller): Promise<void> {
  if (caller.kind === 'admin') return
  const own = await books
    .selectFrom('titles')
    .select('titleId')
    .where('titleId', '=', titleId)
    .where('publisher', '=', caller.signKey)
    .executeTakeFirst()
  if (own === undefined) throw titleMissing(titleId)
}

/** Of the revocation list, which all publishers of a center share, as much as the titles of one may fill. */
const MAX_TITLES_REVOKED = 1000

/**
 * What a publisher takes back travels to every medium, and a full list would keep all others' copies from ending.
 *
 * @throws CofferError COFFER_QUOTA
 */
export async function refuseFlood(books: Books, caller: Caller): Promise<void> {
  if (caller.kind === 'admin') return
  const { count } = await books
    .selectFrom('revocations')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('kind', '=', 'title')
    .where('id', 'in', ownTitles(books, caller.signKey))
    .executeTakeFirstOrThrow()
  if (count >= MAX_TITLES_REVOKED) throw floods(count)
}

const floods = (count: number) =>
  new CofferError('COFFER_QUOTA', 'The revocation list has no room for more releases of one publisher.', {
    expected: `at most ${MAX_TITLES_REVOKED}`,
    found: `${count}, one more asked for`,
    hint: 'Take back whole titles in place of releases, or ask the seller.'
  })

/** @throws CofferError COFFER_USAGE, also for a copy of another publisher's title. */
export async function refuseOthersGrant(books: Books, grantId: string, caller: Caller): Promise<void> {
  let query = books
    .selectFrom('grants')
    .innerJoin('titles', 'titles.titleId', 'grants.titleId')
    .select('grantId')
    .where('grantId', '=', grantId)
  if (caller.kind !== 'admin') query = query.where('publisher', '=', caller.signKey)
  if ((await query.executeTakeFirst()) === undefined) throw noneLike('grant', grantId)
}

export function refuseNoId(kind: RevocationKind, id: string): void {
  try {
    checkId(kind, id)
  } catch {
    throw noneLike(kind, id)
  }
}

/** Among the copies of a publisher's titles, and whoever holds one. */
export async function findOwn(
  books: Books,
  kind: 'user' | 'grant',
  typed: string,
  signKey: string
): Promise<string> {
  if (typed.length < 6) throw noneLike(kind, typed)
  const column = kind === 'user' ? 'userId' : 'grantId'
  const found = await books
    .selectFrom('grants')
    .select(`${column} as id`)
    .distinct()
    .where('titleId', 'in', ownTitles(books, signKey))
    .where(column, 'like', `${typed}%`)
    .limit(2)
    .execute()
  if (found.length !== 1) throw noneLike(kind, typed, found.length)
  return found[0]!.id
}

const noneLike = (kind: string, typed: string, found = 0) =>
  new CofferError('COFFER_USAGE', notOneText(kind, typed, found), {
    expected: `the id of a ${kind}, or its first digits, at least 6`,
    hint: 'List the copies with "coffer-center grant <URL> list".'
  })

/** A part of the books: ask again with `after` while there is a `next`. */
export interface Page<T> {
  readonly rows: readonly T[]
  readonly next: string | number | null
}

/** Of one page. */
export const ROWS = 1000

/** Copies that were granted, by their ids. */
export async function grants(
  books: Books,
  { userId, grantId, after }: { userId?: string; grantId?: string; after?: string },
  caller: Caller
) {
  let query = books
    .selectFrom('grants')
    .selectAll('grants')
    .where('grantId', '>', after ?? '')
  if (userId !== undefined) query = query.where('userId', '=', userId)
  if (grantId !== undefined) query = query.where('grantId', '=', grantId)
  if (caller.kind !== 'admin') query = query.where('titleId', 'in', ownTitles(books, caller.signKey))
  const rows = await query
    .orderBy('grantId')
    .limit(ROWS + 1)
    .execute()
  return pageOf(rows.map(grantSummary), row => row.grantId)
}

const ownTitles = (books: Books, signKey: string) =>
  books.selectFrom('titles').select('titleId').where('publisher', '=', signKey)

/** Pages end between accounts: one may have several currencies. */
export async function balances(books: Books, { after = '' }: { after?: string }, caller: Caller) {
  const accounts = books
    .selectFrom('ledger')
    .select('account')
    .distinct()
    .where('account', '>', after)
    .orderBy('account')
    .limit(ROWS + 1)
  const own =
    caller.kind === 'admin'
      ? undefined
      : (await ownTitles(books, caller.signKey).execute()).map(({ titleId }) => `sales/${titleId}`)
  if (own?.length === 0) return { rows: [], next: null }
  const named = (await (own === undefined ? accounts : accounts.where('account', 'in', own)).execute()).map(
    ({ account }) => account
  )
  const page = pageOf(named, account => account)
  if (page.rows.length === 0) return page
  const rows = await books
    .selectFrom('ledger')
    .select(['account', 'currency', sumOf('amountMinor').as('balanceMinor')])
    .where('account', 'in', page.rows)
    .groupBy(['account', 'currency'])
    .orderBy('account')
    .orderBy('currency')
    .execute()
  return { rows, next: page.next }
}

/** @param rows - One more than a page, where there are more. */
export function pageOf<T>(rows: readonly T[], keyOf: (row: T) => string | number): Page<T> {
  const page = rows.slice(0, ROWS)
  return { rows: page, next: rows.length > ROWS ? keyOf(page.at(-1)!) : null }
}
