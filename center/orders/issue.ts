/**
 * The issue of a copy: the central site's half of FIG. 4 (scheme certificate) and FIG. 8 (scheme conversion).
 * Request in, answer out, all of it in one transaction (docs/spec.md §8.4).
 */
import { setImmediate } from 'node:timers/promises'
import { hex } from '../../formats/bytes.js'
import type { Amount } from '../../formats/money.js'
import { openRequestAside } from '../../formats/records/request.js'
import { gather, inOrder } from '../books/gather.js'
import type { Kind, Outcome } from '../books/group.js'
import type { AllTables, Books } from '../books/store.js'
import { refuseOtherCenter, type Site } from '../site.js'
import type { Aside } from './aside.js'
import { decide } from './decide.js'
import { basisOf, draftAhead, draftOf, entryFor, type Decided, type Draft } from './draft.js'
import { orderOf, type Order as Received } from './make.js'
import { answeredBefore, type Admit } from './requests.js'
import { Sheet, type Write } from './sheet.js'
import { Shelf } from './shelf.js'
import { refuseMore } from './terms.js'

interface Order extends Received {
  /** The buyer agreed to no more. */
  readonly atMost: Amount | undefined
  /** What came of it before the lock was taken, and what that follows from. */
  draft?: (Draft & { readonly basis: string }) | undefined
}

/** Orders that are handed to the other thread together: the fewer, the sooner they are back and the next ones there. */
const MAX_DRAFTS = 8
/** As many as a group may have, so that the other thread always has some, also while this one commits. */
const BATCHES = 8
/** One by itself is made sooner under the lock than another thread is asked. */
const MIN_ASIDE = 2

/**
 * @param record - A request record as received: what S1 and S11 sent.
 * @param atMost - Refused is what would be charged more, or in another currency.
 * @returns The answer record. The same bytes for the same request, whenever it comes again.
 * @throws CofferError COFFER_RECORD_*, COFFER_ENCODING, and every refusal of the center.
 */
export type Issue = (record: Uint8Array, admit?: Admit, atMost?: Amount) => Promise<Uint8Array>

/**
 * Orders that come together are decided one after the other, and read, written and committed as one.
 *
 * @param aside - Another thread that drafts them; undefined: there is none.
 * @param open - Opens and verifies each, in whatever order.
 */
export function openIssue(site: Site, aside: Aside | undefined, open = openRequestAside): Issue {
  const { store, powers } = site
  const read = (books: Books, orders: readonly Order[]) =>
    Sheet.read(
      store,
      books,
      orders.map(({ request }) => request),
      powers.now()
    )
  const shelf = new Shelf()
  const kind: Kind<AllTables, Order, Uint8Array> = {
    async perform(books, orders) {
      const sheet = await read(books, orders)
      shelf.restock(sheet, orders)
      const outcomes = orders.map(order => answerTo(site, sheet, order))
      await sheet.write(books)
      for (const [n, order] of orders.entries()) {
        if ('value' in outcomes[n]!) shelf.answered(order)
        else shelf.refused(order)
      }
      return outcomes
    }
  }
  /** What orders will come to, by what was read of their titles last; by the books where that does not tell. */
  const foreseeAll = async (orders: readonly Order[]): Promise<readonly Foreseen[]> => {
    const unforeseen = orders.filter(order => !shelf.foresees(order))
    const sheet = unforeseen.length === 0 ? undefined : await read(store.books, unforeseen)
    if (sheet !== undefined) shelf.restock(sheet, unforeseen)
    const isRead = new Set(unforeseen)
    return orders.flatMap(order => {
      try {
        if (sheet === undefined || !isRead.has(order)) {
          const decision = shelf.foresee(order)
          return decision === undefined ? [] : [{ order, decision }]
        }
        if (sheet.answered(hex(order.requestId)) !== undefined) return []
        return [{ order, decision: decide(sheet, order).decision }]
      } catch {
        return [] // a refusal is told by the books as they stand under the lock
      }
    })
  }
  // What takes long, keys and signatures, while a group of ours or others' has the lock.
  const draftAll = async (orders: readonly Order[]) => {
    const isAside = orders.length >= MIN_ASIDE && aside?.isReady() === true
    // Whoever else wants the lock waits the shorter for it; where nobody does, nothing is gained.
    if (!isAside && !store.isShared) return
    const decided = await foreseeAll(orders)
    const { ground } = shelf
    if (ground === undefined) return
    const keep = ({ order, decision }: Foreseen, draft: Draft | undefined) =>
      (order.draft = draft && { ...draft, basis: basisOf(ground, decision) })
    if (isAside) {
      const drafts = await aside.draft({ ground, decided })
      for (const [n, one] of decided.entries()) keep(one, drafts[n])
      return
    }
    for (const one of decided) {
      // Answers of the database come in between, and those to a group that has the lock come first.
      await setImmediate()
      await store.unlocked()
      keep(one, draftAhead(site, ground, one))
    }
  }
  const draft = inOrder(gather(MAX_DRAFTS, draftAll, BATCHES))
  const opened = inOrder(open)
  return async (record, admit, atMost) => {
    const request = await opened(record)
    const order: Order = { ...orderOf(record, request, powers.now()), atMost }
    admit?.(order.signer)
    refuseOtherCenter(site, request.centerId)
    await draft(order)
    return store.together(kind, order)
  }
}

interface Foreseen extends Decided {
  readonly order: Order
}

/** One order, after those before it. */
function answerTo(site: Site, sheet: Sheet, order: Order): Outcome<Uint8Array> {
  try {
    const known = answeredBefore(site, order, sheet.answered(hex(order.requestId)), order.received)
    if (known !== undefined) return { value: known, entry: undefined }
    const { user, decision } = decide(sheet, order)
    refuseMore(order.atMost, decision.sale)
    const basis = basisOf(sheet, decision)
    if (order.draft?.basis !== basis) order.draft = { ...draftOf(site, sheet, { order, decision }), basis }
    const { answer, writes, entry } = order.draft
    if (user === undefined) {
      sheet.put(writes)
      return { value: answer, entry }
    }
    const all: Write[] = [{ table: 'users', row: user }, ...writes]
    sheet.put(all)
    return { value: answer, entry: entryFor(all) }
  } catch (reason) {
    return { reason, entry: undefined }
  }
}
