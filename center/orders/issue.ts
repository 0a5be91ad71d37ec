/**
 * The issue of a copy: the central site's half of FIG. 4 (scheme certificate) and FIG. 8 (scheme conversion).
 * Request in, answer out, all of it in one transaction (docs/spec.md §8.4).
 */
import { setImmediate } from 'node:timers/promises'
import { hex } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { isBearer } from '../../formats/records/fields.js'
import { openRequestAside, type VerifiedRequest } from '../../formats/records/request.js'
import { gather, inOrder } from '../books/gather.js'
import type { Kind, Outcome } from '../books/group.js'
import type { Change } from '../books/journal.js'
import type { AllTables, Books, Tables } from '../books/store.js'
import { refuseOtherCenter, type Site } from '../site.js'
import type { Aside } from './aside.js'
import { makeAnswer, type Decision, type Ground, type Made, type Order as Received } from './make.js'
import { answeredBefore, type Admit } from './requests.js'
import { refuseRevoked } from './revoke.js'
import { changeOf, Sheet, type Write } from './sheet.js'
import { decideSale } from './terms.js'
import { enrol } from './users.js'

interface Order extends Received {
  /** What came of it before the lock was taken, should nothing have changed since. */
  draft?: Draft
}

interface Draft extends Made {
  /** All that it follows from, beside the order. */
  readonly basis: string
  readonly changes: readonly Change[]
}

/** Orders that are drafted on one reading of the books: the fewer, the sooner the other thread has something to do. */
const MAX_DRAFTS = 16
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
 * @param aside - Another thread that makes what was decided; undefined: there is none.
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
    if (orders.length >= MIN_ASIDE && aside?.isReady() === true)
      return draftAside(aside, await read(store.books, orders), orders)
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
    if (known !== undefined) return { value: known, changes: [] }
    const { user, decision } = decide(sheet, order)
    const draft = drafted(sheet, order, decision, () => makeAnswer(site, sheet, order, decision))
    const first: Write[] = user === undefined ? [] : [{ table: 'users', row: user }]
    sheet.put([...first, ...draft.writes])
    return { value: draft.answer, changes: [...first.map(changeOf), ...draft.changes] }
  } catch (reason) {
    return { reason, changes: [] }
  }
}

/** What an order comes to, and its user, if he is new. @throws CofferError for every refusal of the center. */
function decide(
  sheet: Sheet,
  { request, received }: Order
): { readonly user: Tables['users'] | undefined; readonly decision: Decision } {
  const { title, release } = registeredRelease(sheet, request) // S12: FIG. 8, 32 to 34
  refuseRevoked((kind, id) => sheet.revoked(kind, id), request, title.publisher)
  refuseBinding(request, title, release)
  // FIG. 4, 13: the user profile database
  const user = enrol(request, sheet.user(hex(request.userId)), sheet.center, received)
  const sale = decideSale(request.kind, title, sheet.standing(title, request), received)
  return { user, decision: { request, answered: request, title, release, sale } }
}

/** Drafts of orders that nothing refuses as the books stand; each as if it were alone, which most are. */
async function draftAside(aside: Aside, sheet: Sheet, orders: readonly Order[]): Promise<void> {
  const decided = orders.flatMap(order => {
    if (sheet.answered(hex(order.requestId)) !== undefined) return []
    try {
      return [{ order, decision: decide(sheet, order).decision }]
    } catch {
      return [] // told by the books as they stand under the lock
    }
  })
  const { center, roots } = sheet
  const made = await aside.make({ center, roots }, decided)
  for (const [n, { order, decision }] of decided.entries()) {
    const one = made[n]
    if (one !== undefined) drafted(sheet, order, decision, () => one)
  }
}

/** Made once, as long as it follows from the same. */
function drafted(
  { center, roots }: Ground,
  order: Order,
  { title, sale }: Decision,
  make: () => Made
): Draft {
  const basis = JSON.stringify([center.revocationSequence, center.epoch, roots.length, title.publisher, sale])
  if (order.draft?.basis !== basis) {
    const made = make()
    order.draft = { ...made, basis, changes: made.writes.map(changeOf) }
  }
  return order.draft
}

/** S12: is what the request names in the contents identifier file? @throws CofferError COFFER_TITLE_UNKNOWN. */
export function registeredRelease(sheet: Sheet, request: VerifiedRequest) {
  const { titleId } = request
  const title = sheet.title(titleId)
  const release = sheet.release(titleId, request.release, request.scheme)
  if (title !== undefined && release !== undefined) return { title, release }
  throw new CofferError(
    'COFFER_TITLE_UNKNOWN',
    `The center does not sell ${titleId} release ${request.release} under the scheme ${request.scheme}.`,
    {
      expected: 'a title, release and scheme that a publisher registered',
      found: title === undefined ? 'no such title' : 'no such release of this title under this scheme',
      hint: 'Get the master from its seller again, or ask which center sells it.'
    }
  )
}

/** @throws CofferError COFFER_REQUEST_REFUSED for a binding that the seller or the scheme does not allow. */
export function refuseBinding(
  { bind }: VerifiedRequest,
  title: Tables['titles'],
  release: Tables['releases']
): void {
  const refused = (found: string, hint: string) =>
    new CofferError('COFFER_REQUEST_REFUSED', `${title.titleId} is not issued bound like this.`, {
      expected: 'a grant bound to the medium and the user',
      found,
      hint
    })
  const hint = 'Order it bound to your user key.'
  if (!bind.includes('medium')) throw refused('a grant bound to no medium', hint)
  if (!isBearer(bind)) return
  if (release.scheme === 'certificate') {
    throw refused('a bearer grant of a title whose scheme seals its key to the user', hint)
  }
  if (title.bearerAllowed !== 1) {
    throw refused('a bearer grant', `${hint} The seller can allow bearer grants of a title.`)
  }
}
