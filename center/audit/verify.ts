/**
 * The check of the ledger: every answer opened as its buyer would, every posting held against the answer that it charges,
 * every copy against the order that it was granted to; then the log (center/audit/audit.ts). Answers and postings are read side
 * by side in the order of their ids, so that memory does not grow with the books. SQLite answers at once: without a turn of the event
 * loop before each page a server would serve nobody until all is checked.
 */
import { setImmediate } from 'node:timers/promises'
import { equalBytes, hex } from '../../formats/bytes.js'
import { openAnswer } from '../../formats/records/answer.js'
import { openRequest, type VerifiedRequest } from '../../formats/records/request.js'
import { openReturn } from '../../formats/records/return.js'
import { openRoots, type Center } from '../../formats/records/root.js'
import { auditLog } from './audit.js'
import { receivable, refundedBy } from '../books/ledger.js'
import { rowsOf } from '../books/tables.js'
import { PAYMENT } from '../payment.js'
import { rootRecords, type Site } from '../site.js'
import type { Books, Tables } from '../books/store.js'

export interface LedgerCheck {
  /** Orders and returns that were answered, copies they granted, each once however often, and postings that charged them. */
  readonly orders: number
  readonly copies: number
  readonly postings: number
  /** One sentence each; none: ledger, grants and answers agree. */
  readonly problems: readonly string[]
}

/** Each answer takes up to a millisecond to check, for which others wait. */
const PAGE = 25

/** @param books - At one moment: a snapshot. */
export async function verifyLedger({ vault, store }: Site, books: Books): Promise<LedgerCheck> {
  const problems: string[] = []
  let orders = 0
  let charged = 0
  const center = await everSigned(books)
  if (center === undefined) {
    return { orders, copies: 0, postings: 0, problems: ['A root record was altered or removed.'] }
  }
  const granted = new CopyCheck(books, store.oneOf, problems)
  for await (const [answered, posting] of sideBySide(answers(books), postings(books))) {
    if (posting !== undefined && !posting.id.startsWith(PAYMENT)) charged++
    if (answered === undefined) {
      problems.push(...(await problemsOfOther(books, posting!)))
      continue
    }
    orders++
    const opened = openedOr(() => openAsked(answered, vault.openStoredAnswer, center))
    if (opened === undefined) {
      problems.push(`The answer to request ${answered.id} is not one that this center signed.`)
      continue
    }
    if (opened.copy !== undefined) await granted.expect(opened.copy)
    problems.push(...problemsOf(answered.id, posting?.entries ?? [], opened))
  }
  await granted.flush()
  problems.push(...(await auditLog(books, center)))
  return { orders, copies: await countCopies(books), postings: charged, problems }
}

/** What a key signed was the center's word then, also where the key was revoked since. */
async function everSigned(books: Books): Promise<Center | undefined> {
  const roots = await rootRecords(books)
  const center = openedOr(() => openRoots(roots))
  return center && { ...center, keys: [...center.keys, ...center.former] }
}

/** @returns undefined for bytes that were changed since they were made. */
function openedOr<T>(open: () => T): T | undefined {
  try {
    return open()
  } catch {
    return undefined
  }
}

// ---------------------------------------------------------------- two streams

/** A request that was answered. */
interface Answered {
  readonly id: string
  readonly kind: string
  readonly record: Uint8Array
  readonly sealedAnswer: Uint8Array
}

interface Posting {
  readonly id: string
  readonly entries: readonly Tables['ledger'][]
}

/** A page at a time: each answer carries a revocation list. */
async function* answers(books: Books): AsyncGenerator<Answered> {
  for (let after = ''; ;) {
    await setImmediate()
    const page = await books
      .selectFrom('requests')
      .select(['requestId as id', 'kind', 'record', 'sealedAnswer'])
      .where('kind', 'in', ['order', 'return'])
      .where('requestId', '>', after)
      .orderBy('requestId')
      .limit(PAGE)
      .execute()
    yield* page
    if (page.length < PAGE) return
    after = page.at(-1)!.id
  }
}

async function* postings(books: Books): AsyncGenerator<Posting> {
  let entries: Tables['ledger'][] = []
  for await (const row of rowsOf(books, 'ledger')) {
    const entry = row as unknown as Tables['ledger']
    const [first] = entries
    if (first !== undefined && first.posting !== entry.posting) {
      yield { id: first.posting, entries }
      entries = []
    }
    entries.push(entry)
  }
  if (entries[0] !== undefined) yield { id: entries[0].posting, entries }
}

/** What has the same id together; both come in ascending order. */
async function* sideBySide<A extends { id: string }, B extends { id: string }>(
  left: AsyncGenerator<A>,
  right: AsyncGenerator<B>
): AsyncGenerator<[A | undefined, B | undefined]> {
  let [a, b] = [await left.next(), await right.next()]
  while (a.done !== true || b.done !== true) {
    const hasLeft = a.done !== true && (b.done === true || a.value.id <= b.value.id)
    const hasRight = b.done !== true && (a.done === true || b.value.id <= a.value.id)
    yield [hasLeft ? (a.value as A) : undefined, hasRight ? (b.value as B) : undefined]
    if (hasLeft) a = await left.next()
    if (hasRight) b = await right.next()
  }
}

// ---------------------------------------------------------------- what each must say

type Copy = Pick<VerifiedRequest, 'userId' | 'titleId' | 'mediumId'>

/** A request and its answer, as they were signed. */
interface Opened {
  readonly userId: Uint8Array
  /** The copy that it may have made. */
  readonly copy: Copy | undefined
  /** Negative: paid back. */
  readonly chargedMinor: number
  readonly currency: string
}

/** @throws CofferError or Error for what was altered. */
function openAsked(
  { kind, record, sealedAnswer }: Answered,
  openStored: (requestId: Uint8Array, stored: Uint8Array) => Uint8Array,
  center: Center
): Opened | undefined {
  const { request, copy } = kind === 'return' ? returnAsked(record) : orderAsked(record)
  const answer = openAnswer(openStored(request.requestId, sealedAnswer), [center])?.answer
  if (answer === undefined || !equalBytes(answer.requestHash, request.requestHash)) return undefined
  const { chargedMinor, refundedMinor = 0, currency } = answer
  return { userId: request.userId, copy, chargedMinor: chargedMinor - refundedMinor, currency }
}

function orderAsked(record: Uint8Array) {
  const request = openRequest(record)
  return { request, copy: request }
}

function returnAsked(record: Uint8Array) {
  const request = openReturn(record)
  return { request, copy: request.order && openRequest(request.order) }
}

const totalOf = (entries: readonly Tables['ledger'][]): number =>
  entries.reduce((sum, { amountMinor }) => sum + amountMinor, 0)

function problemsOf(
  requestId: string,
  entries: readonly Tables['ledger'][],
  { userId, chargedMinor, currency }: Opened
): string[] {
  const owed = entries.find(({ account }) => account === receivable(hex(userId)))
  const isSaid =
    (owed?.amountMinor ?? 0) === chargedMinor && entries.every(entry => entry.currency === currency)
  return [
    ...(totalOf(entries) === 0 ? [] : [`The posting of request ${requestId} does not add up to 0.`]),
    ...(isSaid ? [] : [`The posting of request ${requestId} is not what its answer says was charged.`])
  ]
}

/** A posting of no request: a payment, or what the seller paid back by himself, filed under the grant. */
async function problemsOfOther(books: Books, { id, entries }: Posting): Promise<string[]> {
  const isEven = totalOf(entries) === 0
  if (id.startsWith(PAYMENT)) return isEven ? [] : [`The ${id} does not add up to 0.`]
  const grantId = refundedBy(id)
  const grant = await books
    .selectFrom('grants')
    .select(['userId', 'paidMinor'])
    .where('grantId', '=', grantId)
    .where('ending', '=', 'refunded')
    .executeTakeFirst()
  if (grant === undefined) return [`The posting ${id} belongs to no answered request.`]
  const owed = entries.find(({ account }) => account === receivable(grant.userId))
  if (isEven && owed?.amountMinor === -grant.paidMinor) return []
  return [`The refund of grant ${grantId} is not what was paid for it.`]
}

/** Whether a grant is kept for each copy, asked for many at once. */
class CopyCheck {
  readonly #books: Books
  readonly #oneOf: Site['store']['oneOf']
  readonly #problems: string[]
  #expected = new Map<string, string>()

  constructor(books: Books, oneOf: Site['store']['oneOf'], problems: string[]) {
    this.#books = books
    this.#oneOf = oneOf
    this.#problems = problems
  }

  async expect({ userId, titleId, mediumId }: Copy): Promise<void> {
    this.#expected.set(`${hex(userId)} ${titleId} ${hex(mediumId)}`, hex(mediumId))
    if (this.#expected.size >= PAGE) await this.flush()
  }

  async flush(): Promise<void> {
    const held = await this.#books
      .selectFrom('grants')
      .select(['userId', 'titleId', 'mediumId'])
      .where(this.#oneOf('mediumId', [...this.#expected.values()]))
      .execute()
    const found = new Set(held.map(({ userId, titleId, mediumId }) => `${userId} ${titleId} ${mediumId}`))
    for (const copy of this.#expected.keys()) {
      if (!found.has(copy)) this.#problems.push(`No grant is kept for the copy ${copy}.`)
    }
    this.#expected = new Map()
  }
}

async function countCopies(books: Books): Promise<number> {
  const { count } = await books
    .selectFrom(books.selectFrom('grants').select(['userId', 'titleId', 'mediumId']).distinct().as('copies'))
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}
