/**
 * The issue of a copy: the central site's half of FIG. 4 (scheme certificate) and FIG. 8 (scheme conversion).
 * Request in, answer out, all of it in one transaction (docs/spec.md §8.4).
 */
import { setImmediate } from 'node:timers/promises'
import { hex } from '../../formats/bytes.js'
import { openRequestAside } from '../../formats/records/request.js'
import { gather, inOrder } from '../books/gather.js'
import type { Kind, Outcome } from '../books/group.js'
import { entryOf } from '../books/journal.js'
import type { AllTables, Books } from '../books/store.js'
import { refuseOtherCenter, type Site } from '../site.js'
import type { Aside } from './aside.js'
import { decide, draftOf, type Draft } from './draft.js'
import type { Order as Received } from './make.js'
import { answeredBefore, type Admit } from './requests.js'
import { changeOf, Sheet, type Write } from './sheet.js'

interface Order extends Received {
  /** What came of it before the lock was taken, should nothing have changed since. */
  draft?: Draft | undefined
}

/**
 * Orders that are drafted on one reading of the books, and as a rule committed together. The fewer, the sooner the other thread
 * has something to do; the more, the less a reading and a commit take of each.
 */
const MAX_DRAFTS = 32
/** One more than is being made, so that the other thread waits for nobody. */
const BATCHES = 2
/** Fewer are made sooner under the lock than another thread is asked. */
const MIN_ASIDE = 4

/**
 * @param record - A request record as received: what S1 and S11 sent.
 * @returns The answer record. The same bytes for the same request, whenever it comes again.
 * @throws CofferError COFFER_RECORD_*, COFFER_ENCODING, and every refusal of the center.
 */
export type Issue = (record: Uint8Array, admit?: Admit) => Promise<Uint8Array>

/**
 * Orders that come together are decided one after the other, and read, written and committed as one.
 *
 * @param aside - Another thread that drafts them; undefined: there is none.
 */
export function openIssue(site: Site, aside: Aside | undefined): Issue {
  const { store, powers } = site
  const read = (books: Books, orders: readonly Order[]) =>
    Sheet.read(
      store,
      books,
      orders.map(({ request }) => request),
      powers.now()
    )
  const kind: Kind<AllTables, Order, Uint8Array> = {
    async perform(books, orders) {
      const sheet = await read(books, orders)
      const outcomes = orders.map(order => answerTo(site, sheet, order))
      await sheet.write(books)
      return outcomes
    }
  }
  // What takes long, keys and signatures, on the books as they stand, while a group of ours or others' has the lock.
  const draftAll = async (orders: readonly Order[]) => {
    if (orders.length >= MIN_ASIDE && aside?.isReady() === true) {
      const drafts = await aside.draft(orders)
      for (const [n, order] of orders.entries()) order.draft = drafts[n]
      return
    }
    // Whoever else wants the lock waits the shorter for it; where nobody does, nothing is gained.
    if (!store.isShared) return
    const sheet = await read(store.books, orders)
    for (const order of orders) {
      // Answers of the database come in between, and those to a group that has the lock come first.
      await setImmediate()
      await store.unlocked()
      answerTo(site, sheet, order)
    }
  }
  const draft = inOrder(gather(MAX_DRAFTS, draftAll, BATCHES))
  const opened = inOrder(openRequestAside)
  return async (record, admit) => {
    const request = await opened(record)
    const signer = hex(request.userId)
    admit?.(signer)
    refuseOtherCenter(site, request.centerId)
    const { requestId, requestHash, created } = request
    const received = powers.now()
    const order: Order = { kind: 'order', requestId, requestHash, signer, created, record, request, received }
    await draft(order)
    return store.together(kind, order)
  }
}

/** One order, after those before it. */
function answerTo(site: Site, sheet: Sheet, order: Order): Outcome<Uint8Array> {
  try {
    const known = answeredBefore(site, order, sheet.answered(hex(order.requestId)), order.received)
    if (known !== undefined) return { value: known, entry: undefined }
    const { user, decision } = decide(sheet, order)
    const draft = (order.draft = draftOf(site, sheet, order, decision, order.draft))
    if (user === undefined) {
      sheet.put(draft.writes)
      return { value: draft.answer, entry: draft.entry }
    }
    const writes: Write[] = [{ table: 'users', row: user }, ...draft.writes]
    sheet.put(writes)
    return { value: draft.answer, entry: entryOf(writes.map(changeOf)) }
  } catch (reason) {
    return { reason, entry: undefined }
  }
}
