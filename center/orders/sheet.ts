/**
 * What a group of orders has to do with in the books, read at once for all of them; and what they change there, seen by
 * those that come after and written at once. So an order costs no query of its own.
 */
import { hex } from '../../formats/bytes.js'
import type { VerifiedRequest } from '../../formats/records/request.js'
import { Counts, countsOf, EVERYONE, type Counted } from './counts.js'
import { ahead, inOneGo, overwrite, prepared, writing } from '../books/rows.js'
import type { Books, Store, Tables } from '../books/store.js'
import { termsFor, type Standing } from './terms.js'

/** Who and what an order is about. */
export type About = Pick<VerifiedRequest, 'requestId' | 'userId' | 'titleId' | 'mediumId'>

/** A row that is new, or that takes the place of the one with its key. */
export type Write = {
  readonly [T in Written]: { readonly table: T; readonly row: Tables[T] }
}[Written]

/** Each after those that it refers to. */
const WRITTEN = ['users', 'grants', 'requests', 'ledger'] as const
type Written = (typeof WRITTEN)[number]

/** Write some of them by themselves, under the journal of their work. */
export async function keep(books: Books, sheet: Sheet, writes: readonly Write[]): Promise<void> {
  for (const { table, row } of writes) {
    const insert = books.insertInto(table).values(row)
    await (
      table === 'grants' ? insert.onConflict(overwrite(['grantId'], Object.keys(row))) : insert
    ).execute()
  }
  sheet.put(writes)
  await inOneGo(books, sheet.counts.writing(books))
}

export class Sheet {
  readonly center: Tables['center']
  /** Every root record, first to newest. */
  readonly roots: readonly Uint8Array[]
  readonly #found: Found
  readonly #users: Map<string, Tables['users']>
  readonly #requests: Map<string, Answered>
  /** By medium, user and title. */
  readonly #copies = new Map<string, Tables['grants'][]>()
  readonly counts: Counts
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

    const [[center], roots, requests, titles, releases, users, personalTerms, grants, revocations, counts] =
      await inOneGo(
        books,
        statements(books, oneOf, {
          requestIds,
          userIds,
          mediumIds,
          titleIds,
          allIds: [...titleIds, ...mediumIds, ...userIds],
          usersAndAll: [EVERYONE, ...userIds],
          now
        })
      )
    return new Sheet(
      center!,
      roots.map(({ record }) => record),
      { titles, releases, personalTerms, revocations },
      users,
      requests,
      grants,
      new Counts(now, counts)
    )
  }

  private constructor(
    center: Tables['center'],
    roots: readonly Uint8Array[],
    found: Found,
    users: readonly Tables['users'][],
    requests: readonly Answered[],
    grants: readonly Tables['grants'][],
    counts: Counts
  ) {
    this.center = center
    this.roots = roots
    this.#found = found
    this.#users = new Map(users.map(row => [row.userId, row]))
    this.#requests = new Map(requests.map(row => [row.requestId, row]))
    for (const row of grants) this.#copiesAt(row).push(row)
    this.counts = counts
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
    return this.releases(titleId).find(row => row.release === release && row.scheme === scheme)
  }
  releases(titleId: string): readonly Tables['releases'][] {
    return this.#found.releases.filter(row => row.titleId === titleId)
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
    return {
      terms: termsFor(title, own),
      held,
      epoch: (held ?? copies.at(-1))?.epoch ?? null,
      tried: this.counts.hasTried(titleId, userId),
      copies: this.counts.copies(titleId, userId),
      copiesInAll: this.counts.copies(titleId)
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

  /** Write down what all orders changed: it is there when their transaction is committed. */
  async write(books: Books): Promise<void> {
    const rowsOf = <T extends Written>(table: T) =>
      this.#writes.flatMap(write => (write.table === table ? [write.row as Tables[T]] : []))
    // A copy that was issued twice is written as it was left.
    const grants = [...new Map(rowsOf('grants').map(row => [row.grantId, row])).values()]
    await ahead(books, [
      ...writing(books, 'users', rowsOf('users')),
      ...writing(books, 'grants', grants, 'grantId'),
      ...writing(books, 'requests', rowsOf('requests')),
      ...writing(books, 'ledger', rowsOf('ledger')),
      ...this.counts.writing(books)
    ])
  }

  #copiesAt(copy: Pick<Tables['grants'], 'mediumId' | 'userId' | 'titleId'>): Tables['grants'][] {
    const name = `${copy.mediumId} ${copy.userId} ${copy.titleId}`
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
    this.counts.change(before, row)
  }
}

const statements = prepared((books, oneOf, asked: Asked) => {
  const { requestIds, userIds, mediumIds, titleIds, allIds } = asked
  const named = books.selectFrom('titles').where(oneOf('titleId', titleIds))
  const revoked = books.selectFrom('revocations').selectAll()
  return [
    books.selectFrom('center').selectAll(),
    books.selectFrom('roots').select('record').orderBy('sequence'),
    books
      .selectFrom('requests')
      .select(['requestId', 'kind', 'requestHash', 'sealedAnswer'])
      .where(oneOf('requestId', requestIds)),
    named.selectAll(),
    books.selectFrom('releases').selectAll().where(oneOf('titleId', titleIds)),
    books.selectFrom('users').selectAll().where(oneOf('userId', userIds)),
    books
      .selectFrom('personalTerms')
      .selectAll()
      .where(oneOf('userId', userIds))
      .where(oneOf('titleId', titleIds)),
    books.selectFrom('grants').selectAll().where(oneOf('mediumId', mediumIds)).orderBy('issued'),
    revoked
      .where('kind', 'in', ['title', 'medium', 'user'])
      .where(oneOf('id', allIds))
      .unionAll(revoked.where('kind', '=', 'publisher').where('id', 'in', named.select('publisher')))
      .orderBy('sequence'),
    countsOf(books, oneOf, asked)
  ] as const
})

interface Asked extends Counted {
  readonly requestIds: readonly string[]
  readonly mediumIds: readonly string[]
  /** Whatever can be taken back by its id alone. */
  readonly allIds: readonly string[]
}

type Answered = Pick<Tables['requests'], 'requestId' | 'kind' | 'requestHash' | 'sealedAnswer'>

interface Found {
  readonly titles: readonly Tables['titles'][]
  readonly releases: readonly Tables['releases'][]
  readonly personalTerms: readonly Tables['personalTerms'][]
  readonly revocations: readonly Tables['revocations'][]
}
