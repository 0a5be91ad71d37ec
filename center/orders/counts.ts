/**
 * How many copies count towards a number of copies (center/orders/terms.ts), without counting them for each order. Of those that
 * never end there is a number, changed in the transaction that changes a copy. Those that end do so by themselves, at
 * whatever second: an index has them in that order, and those that still run are counted there.
 */
import { sql, type Compilable, type SqlBool } from 'kysely'
import { inOneGo, writing } from '../books/rows.js'
import type { AllTables, Books, CountTables, Store, Tables } from '../books/store.js'
import { isLive } from './terms.js'

export const COUNT_KEYS: Readonly<Record<keyof CountTables, readonly string[]>> = {
  counts: ['titleId', 'userId']
}

/** Stands for all users together. */
export const EVERYONE = ''

type Copy = Pick<
  Tables['grants'],
  'titleId' | 'userId' | 'kind' | 'revoked' | 'expires' | 'graceSeconds' | 'tried'
>

/** Whether a copy counts, as long as it runs. */
const isHeld = ({ revoked, kind }: Copy): boolean => revoked === 0 && kind !== 'trial'
/** The same in words of the database, as its indexes have them, of those that end. */
const IS_HELD_AND_ENDS = sql<SqlBool>`"revoked" = 0 and "kind" <> 'trial' and "expires" is not null`

const nameOf = ({ titleId, userId }: Pick<Copy, 'titleId' | 'userId'>): string => `${titleId} ${userId}`

/** What is counted for some titles and users, at one time, and what changes of it. */
export class Counts {
  readonly #now: number
  readonly #endless = new Map<string, AllTables['counts']>()
  readonly #running = new Map<string, number>()
  readonly #tried = new Set<string>()
  readonly #changed = new Set<AllTables['counts']>()

  /** @param now - Seconds since 1970: the copies that run then count. @param found - The rows of {@link countsOf}. */
  constructor(now: number, found: readonly Count[]) {
    this.#now = now
    for (const { what, titleId, userId, copies } of found) {
      const name = nameOf({ titleId, userId })
      if (what === 'endless') this.#endless.set(name, { titleId, userId, copies })
      else if (what === 'running') this.#running.set(name, copies)
      else this.#tried.add(name)
    }
  }

  copies(titleId: string, userId: string = EVERYONE): number {
    const name = nameOf({ titleId, userId })
    return (this.#endless.get(name)?.copies ?? 0) + (this.#running.get(name) ?? 0)
  }

  hasTried(titleId: string, userId: string): boolean {
    return this.#tried.has(nameOf({ titleId, userId }))
  }

  /** A copy was bought, or is another than before. */
  change(before: Copy | undefined, after: Copy): void {
    if (before !== undefined) this.#add(before, -1)
    this.#add(after, 1)
    if (after.tried === 1) this.#tried.add(nameOf(after))
  }

  /** What is to be written of it. */
  writing(books: Books): Compilable[] {
    return writing(books, 'counts', [...this.#changed], 'titleId', 'userId')
  }

  #add(copy: Copy, more: number): void {
    if (!isHeld(copy) || !isLive(copy, this.#now)) return
    for (const userId of [copy.userId, EVERYONE]) {
      const { titleId } = copy
      const name = nameOf({ titleId, userId })
      if (copy.expires !== null) {
        this.#running.set(name, (this.#running.get(name) ?? 0) + more)
        continue
      }
      let row = this.#endless.get(name)
      if (row === undefined) this.#endless.set(name, (row = { titleId, userId, copies: 0 }))
      row.copies += more
      this.#changed.add(row)
    }
  }
}

/** Copies that never end, copies that run until they end, or that there was a trial. */
type Count = AllTables['counts'] & { readonly what: 'endless' | 'running' | 'tried' }

/** What is counted, and when. */
export interface Counted {
  readonly titleIds: readonly string[]
  readonly userIds: readonly string[]
  /** The same and {@link EVERYONE}. */
  readonly usersAndAll: readonly string[]
  /** Seconds since 1970. */
  readonly now: number
}

/** The query for a {@link Counts}. All copies of a title are counted only where their number is bounded. */
export function countsOf(
  books: Books,
  oneOf: Store['oneOf'],
  { titleIds, userIds, usersAndAll, now }: Counted
) {
  const what = (of: Count['what']) => sql.lit(of).$castTo<Count['what']>().as('what')
  const running = books
    .selectFrom('grants')
    .where(IS_HELD_AND_ENDS)
    .where(sql`("expires" + "graceSeconds")`, '>', now)
  const bounded = books
    .selectFrom('titles')
    .select('titleId')
    .where(oneOf('titleId', titleIds))
    .where('titleCopies', 'is not', null)
  return books
    .selectFrom('counts')
    .select(['titleId', 'userId', 'copies', what('endless')])
    .where(oneOf('titleId', titleIds))
    .where(oneOf('userId', usersAndAll))
    .unionAll(
      running
        .select(({ fn }) => ['titleId', 'userId', fn.countAll<number>().as('copies'), what('running')])
        .where(oneOf('userId', userIds))
        .where(oneOf('titleId', titleIds))
        .groupBy(['titleId', 'userId'])
    )
    .unionAll(
      running
        .select(({ fn }) => [
          'titleId',
          sql.lit(EVERYONE).$castTo<string>().as('userId'),
          fn.countAll<number>().as('copies'),
          what('running')
        ])
        .where('titleId', 'in', bounded)
        .groupBy('titleId')
    )
    .unionAll(
      books
        .selectFrom('grants')
        .select(['titleId', 'userId', sql.lit(0).$castTo<number>().as('copies'), what('tried')])
        .distinct()
        .where('tried', '=', sql.lit(1))
        .where(oneOf('userId', userIds))
        .where(oneOf('titleId', titleIds))
    )
}

/** A copy was taken back, by itself: outside of a sheet. */
export async function countLess(books: Books, copy: Tables['grants']): Promise<void> {
  if (!isHeld(copy) || copy.expires !== null) return
  const { titleId, userId } = copy
  const less = books
    .updateTable('counts')
    .set(({ eb }) => ({ copies: eb('copies', '-', 1) }))
    .where('titleId', '=', titleId)
    .where('userId', 'in', [userId, EVERYONE])
  await inOneGo(books, [less])
}

/** What is not as the grants have it, a sentence each: numbers that were altered, or that something forgot to change. */
export async function miscounted(books: Books): Promise<string[]> {
  const { rows } = await sql<{ titleId: string; userId: string }>`
    with "held" as (
      select "titleId", "userId" from "grants" where "revoked" = 0 and "kind" <> 'trial' and "expires" is null)
    select "titleId", "userId" from (
      select "titleId", "userId", count(*) as "n" from "held" group by "titleId", "userId"
      union all select "titleId", ${EVERYONE}, count(*) from "held" group by "titleId"
      union all select "titleId", "userId", -"copies" from "counts") as "all"
    group by "titleId", "userId" having sum("n") <> 0 order by "titleId", "userId"
  `.execute(books)
  return rows.map(
    ({ titleId, userId }) =>
      `The number of copies of ${titleId} ${userId === EVERYONE ? 'in all' : `of user ${userId}`} is not that of its grants.`
  )
}
