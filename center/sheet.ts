/**
 * What a group of orders has to do with in the books, read at once for all of them; and what they change there, seen by
 * those that come after and written at once. So an order costs no query of its own.
 */
import { sql } from 'kysely'
import { hex } from '../formats/bytes.js'
import type { VerifiedRequest } from '../formats/records/request.js'
import { left, type Change } from './journal.js'
import { inOneGo, overwrite, writing } from './rows.js'
import type { Books, Store, Tables } from './store.js'
import { isCounted, termsFor, type Standing } from './terms.js'

/** Who and what an order is about. */
export type About = Pick<VerifiedRequest, 'requestId' | 'userId' | 'titleId' | 'mediumId'>

/** A row that is new, or that takes the place of the one with its key. */
export type Write = {
  readonly [T in Written]: { readonly table: T; readonly row: Tables[T] }
}[Written]

/** Each after those that it refers to. */
const WRITTEN = ['users', 'grants', 'requests', 'ledger'] as const
type Written = (typeof WRITTEN)[number]

/** What the journal keeps of it. */
export const changeOf = ({ table, row }: Write): Change => left(table, row)

/** Write one of them by itself, under the journal of its work. */
export async function keep(books: Books, { table, row }: Write): Promise<void> {
  const insert = books.insertInto(table).values(row)
  await (table === 'grants' ? insert.onConflict(overwrite('grantId', Object.keys(row))) : insert).execute()
}

export class Sheet {
  readonly #now: number
  readonly center: Tables['center']
  /** Every root record, first to newest. */
  readonly roots: readonly Uint8Array[]
  readonly #found: Found
  readonly #users: Map<string, Tables['users']>
  readonly #requests: Map<string, Answered>
  /** By user, title and medium. */
  readonly #copies = new Map<string, Tables['grants'][]>()
  /** Copies that count, by user and title, and by title. */
  readonly #counts: Map<string, Count>
  readonly #writes: Write[] = []

  /** @param now - Seconds since 1970: the copies that run then count. */
  static async read(
    { oneOf }: Pick<Store, 'oneOf'>,
    books: Books,
    orders: readonly About[],
    now: number
  ): Promise<Sheet> {
    const each = (of: (order: About) => string) => [...new Set(orders.map(of))]
    const requestIds = each(({ requestId }) => hex(requestId))
    const userIds = each(({ userId }) => hex(userId))
    const mediumIds = each(({ mediumId }) => hex(mediumId))
    const titleIds = each(({ titleId }) => titleId)

    const [[center], roots, requests, titles, releases, users, personalTerms, grants] = await inOneGo(books, [
      books.selectFrom('center').selectAll(),
      books.selectFrom('roots').select('record').orderBy('sequence'),
      books
        .selectFrom('requests')
        .select(['requestId', 'kind', 'requestHash', 'sealedAnswer'])
        .where(oneOf('requestId', requestIds)),
      books.selectFrom('titles').selectAll().where(oneOf('titleId', titleIds)),
      books.selectFrom('releases').selectAll().where(oneOf('titleId', titleIds)),
      books.selectFrom('users').selectAll().where(oneOf('userId', userIds)),
      books
        .selectFrom('personalTerms')
        .selectAll()
        .where(oneOf('userId', userIds))
        .where(oneOf('titleId', titleIds)),
      books.selectFrom('grants').selectAll().where(oneOf('mediumId', mediumIds)).orderBy('issued')
    ])
    const publishers = titles.map(({ publisher }) => publisher)
    const bounded = titles.filter(({ titleCopies }) => titleCopies !== null).map(({ titleId }) => titleId)
    const [revocations, counts, inAll = []] = await inOneGo(books, [
      books
        .selectFrom('revocations')
        .selectAll()
        .where('kind', 'in', ['title', 'publisher', 'medium', 'user'])
        .where(oneOf('id', [...titleIds, ...publishers, ...mediumIds, ...userIds]))
        .orderBy('sequence'),
      countsOf(books, now)
        .select('userId')
        .where(oneOf('userId', userIds))
        .where(oneOf('titleId', titleIds))
        .groupBy(['userId', 'titleId']),
      ...(bounded.length === 0
        ? []
        : [countsOf(books, now).where(oneOf('titleId', bounded)).groupBy('titleId')])
    ])
    const found = { titles, releases, personalTerms, revocations }
    const records = roots.map(({ record }) => record)
    return new Sheet(now, center!, records, found, users, requests, grants, [...counts, ...inAll])
  }

  private constructor(
    now: number,
    center: Tables['center'],
    roots: readonly Uint8Array[],
    found: Found,
    users: readonly Tables['users'][],
    requests: readonly Answered[],
    grants: readonly Tables['grants'][],
    counts: readonly Count[]
  ) {
    this.#now = now
    this.center = center
    this.roots = roots
    this.#found = found
    this.#users = new Map(users.map(row => [row.userId, row]))
    this.#requests = new Map(requests.map(row => [row.requestId, row]))
    for (const row of grants) this.#copiesAt(row).push(row)
    this.#counts = new Map(counts.map(row => [nameOf(row), { ...row }]))
  }

  answered(requestId: string): Answered | undefined {
    return this.#requests.get(requestId)
  }
  user(userId: string): Tables['users'] | undefined {
    return this.#users.get(userId)
  }
  title(titleId: string): Tables['titles'] | undefined {
    return this.#found.titles.find(row => row.titleId === titleId)
  }
  release(titleId: string, release: number, scheme: string): Tables['releases'] | undefined {
    return this.#found.releases.find(
      row => row.titleId === titleId && row.release === release && row.scheme === scheme
    )
  }
  /** What was taken back under this id, oldest first. */
  revoked(kind: Tables['revocations']['kind'], id: string): readonly Tables['revocations'][] {
    return this.#found.revocations.filter(row => row.kind === kind && row.id === id)
  }

  standing(title: Tables['titles'], about: About): Standing {
    const [userId, mediumId] = [hex(about.userId), hex(about.mediumId)]
    const { titleId } = title
    const own = this.#found.personalTerms.find(row => row.userId === userId && row.titleId === titleId)
    const copies = this.#copiesAt({ userId, titleId, mediumId })
    const held = copies.find(({ revoked }) => revoked === 0)
    const count = this.#counts.get(nameOf({ userId, titleId }))
    return {
      terms: termsFor(title, own),
      held,
      epoch: (held ?? copies.at(-1))?.epoch ?? null,
      tried: count?.tried === 1,
      copies: count?.copies ?? 0,
      copiesInAll: this.#counts.get(nameOf({ titleId }))?.copies ?? 0
    }
  }

  /** What one order changes: all of it, once nothing can refuse the order any more. */
  put(writes: readonly Write[]): void {
    for (const write of writes) {
      if (write.table === 'users') this.#users.set(write.row.userId, write.row)
      if (write.table === 'requests') this.#requests.set(write.row.requestId, write.row)
      if (write.table === 'grants') this.#putCopy(write.row)
      this.#writes.push(write)
    }
  }

  /** Write down what all orders changed. */
  async write(books: Books): Promise<void> {
    const rowsOf = <T extends Written>(table: T) =>
      this.#writes.flatMap(write => (write.table === table ? [write.row as Tables[T]] : []))
    // A copy that was issued twice is written as it was left.
    const grants = [...new Map(rowsOf('grants').map(row => [row.grantId, row])).values()]
    await inOneGo(books, [
      ...writing(books, 'users', rowsOf('users')),
      ...writing(books, 'grants', grants, 'grantId'),
      ...writing(books, 'requests', rowsOf('requests')),
      ...writing(books, 'ledger', rowsOf('ledger'))
    ])
  }

  #copiesAt(copy: Pick<Tables['grants'], 'userId' | 'titleId' | 'mediumId'>): Tables['grants'][] {
    const name = `${nameOf(copy)} ${copy.mediumId}`
    let copies = this.#copies.get(name)
    if (copies === undefined) this.#copies.set(name, (copies = []))
    return copies
  }

  #putCopy(row: Tables['grants']): void {
    const copies = this.#copiesAt(row)
    const at = copies.findIndex(({ grantId }) => grantId === row.grantId)
    const before = copies[at]
    if (before !== undefined) copies.splice(at, 1)
    copies.push(row)
    const more =
      Number(isCounted(row, this.#now)) - Number(before !== undefined && isCounted(before, this.#now))
    for (const of of [{ userId: row.userId, titleId: row.titleId }, { titleId: row.titleId }]) {
      const name = nameOf(of)
      const { copies = 0, tried = 0 } = this.#counts.get(name) ?? {}
      this.#counts.set(name, { ...of, copies: copies + more, tried: Math.max(tried, row.tried) })
    }
  }
}

type Answered = Pick<Tables['requests'], 'requestId' | 'kind' | 'requestHash' | 'sealedAnswer'>

interface Found {
  readonly titles: readonly Tables['titles'][]
  readonly releases: readonly Tables['releases'][]
  readonly personalTerms: readonly Tables['personalTerms'][]
  readonly revocations: readonly Tables['revocations'][]
}

interface Count {
  /** Absent: of all users together. */
  readonly userId?: string
  readonly titleId: string
  readonly copies: number
  readonly tried: number
}

const nameOf = ({ userId = '', titleId }: Pick<Count, 'userId' | 'titleId'>): string => `${userId} ${titleId}`

/** What {@link isCounted} says, in words of the database. */
const countsOf = (books: Books, now: number) =>
  books.selectFrom('grants').select(({ ref, fn }) => [
    'titleId',
    sql<number>`sum(case when ${ref('revoked')} = 0 and ${ref('kind')} <> 'trial'
      and (${ref('expires')} is null or ${ref('expires')} + ${ref('graceSeconds')} > ${sql.lit(now)})
      then 1 else 0 end)`.as('copies'),
    fn.max('tried').as('tried')
  ])
