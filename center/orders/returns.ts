/**
 * The return of a copy: a medium has given it up, provably, and the center credits it (docs/spec.md §8.7). With an
 * order in it, it is a transfer: the copy ends here and begins there in one transaction, so that it never lives twice.
 */
import { DAY_SECONDS } from '../../formats/limits.js'
import { equalBytes, fromHex, hex } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { encodeAnswer } from '../../formats/records/answer.js'
import { openRequest, type VerifiedRequest } from '../../formats/records/request.js'
import { openReturn, type VerifiedReturn } from '../../formats/records/return.js'
import { decodeTransferQuestion } from '../../formats/records/transfer.js'
import { registeredRelease, refuseBinding } from './decide.js'
import { makeGrant } from './make.js'
import { ofRequest, postCharge } from '../books/ledger.js'
import { answerOnce, refuseCarried, type Admit } from './requests.js'
import { endGrant, refuseRevoked } from './revoke.js'
import { keep, Sheet } from './sheet.js'
import { centerRow, refuseOtherCenter, rootRecords, signerNow, type Site } from '../site.js'
import type { Books, Tables } from '../books/store.js'
import { isLive, splitFeatures, type Sale } from './terms.js'
import { enrol } from './users.js'

/**
 * @param record - A return record as received.
 * @returns The answer record: what is paid back, and for a transfer the grant. The same bytes whenever it comes again.
 * @throws CofferError COFFER_RECORD_*, COFFER_ENCODING, and every refusal of the center.
 */
export async function takeReturn(site: Site, record: Uint8Array, admit?: Admit): Promise<Uint8Array> {
  const given = openReturn(record)
  admit?.(hex(given.userId))
  refuseOtherCenter(site, given.centerId)
  const order = given.order && openRequest(given.order)
  if (order !== undefined) refuseOtherOrder(site, order, given.titleId)
  const incoming = { ...given, kind: 'return' as const, signer: hex(given.userId), record }
  const carried = order && {
    ...order,
    kind: 'transfer' as const,
    signer: hex(order.userId),
    record: given.order!
  }
  return answerOnce(
    site,
    incoming,
    async (books, now) => {
      const copy = await copyOf(books, given)
      const title = await titleOf(books, given)
      return order === undefined
        ? credit(site, books, given, copy, title, now)
        : handOn(site, books, given, copy, title, order, now)
    },
    carried
  )
}

/** A copy that has gone already, returned by a record that was lost meanwhile, is gone: nothing more to pay back. */
async function credit(
  site: Site,
  books: Books,
  given: VerifiedReturn,
  copy: Tables['grants'],
  title: Tables['titles'],
  now: number
): Promise<Uint8Array> {
  const wasHeld = copy.revoked === 0
  const refundedMinor = wasHeld ? refundOf(copy, title, now) : 0
  const { currency } = copy
  if (wasHeld) {
    await endGrant(site, books, copy.grantId, 'returned', now)
    const { requestId, userId, titleId } = given
    const posting = ofRequest(requestId)
    await postCharge(books, { posting, userId, titleId, amountMinor: -refundedMinor, currency }, now)
  }
  const center = await centerRow(books)
  return encodeAnswer(
    {
      answered: now,
      centerId: site.centerId,
      chargedMinor: 0,
      currency,
      refundedMinor,
      requestHash: given.requestHash,
      requestId: given.requestId
    },
    { revocations: center.revocationList, roots: await rootRecords(books) },
    await signerNow(site, books)
  )
}

/** What was paid last, if that was not too long ago, and the copy runs: one that has run out was used to its end. */
function refundOf(copy: Tables['grants'], { refundDays }: Tables['titles'], now: number): number {
  if (refundDays === null || !isLive(copy, now)) return 0
  return now - copy.paid <= refundDays * DAY_SECONDS ? copy.paidMinor : 0
}

async function handOn(
  site: Site,
  books: Books,
  given: VerifiedReturn,
  copy: Tables['grants'],
  title: Tables['titles'],
  order: VerifiedRequest,
  now: number
): Promise<Uint8Array> {
  await refuseCarried(books, order, given, now)
  refuseGiving(copy, title, order, now)
  await endGrant(site, books, copy.grantId, 'transferred', now)
  const sheet = await Sheet.read(site.store, books, [order, given], now)
  const { release, user, held, epoch } = decideReceiving(sheet, given, title, order, now)
  const toItself = equalBytes(order.userId, given.userId)
  const { kind, expires, graceSeconds, features, currency, paidMinor, paid } = copy
  const sale: Sale = {
    held,
    epoch: held === undefined ? null : epoch,
    chargedMinor: 0,
    currency,
    payment: toItself ? { paidMinor, currency, paid } : { paidMinor: 0, currency, paid: now },
    kind,
    expires,
    graceSeconds,
    features: splitFeatures(features)
  }
  const decision = { request: order, answered: given, title, release, sale }
  const { answer, writes } = makeGrant(site, sheet, decision, now)
  await keep(books, sheet, [
    ...(user === undefined ? [] : [{ table: 'users' as const, row: user }]),
    ...writes
  ])
  return answer
}

/**
 * Whether a copy would be handed on for an order, by the books as they are: asked before the medium gives it up. It
 * promises nothing; the return decides. Ids of copies that have ended are published: of those, strangers hear nothing here.
 *
 * @param asked - A transfer question as received.
 * @throws CofferError what {@link takeReturn} would.
 */
export async function mayTransfer(site: Site, asked: Uint8Array, admit?: Admit): Promise<void> {
  const question = decodeTransferQuestion(asked)
  const order = openRequest(question.order)
  const { titleId, userId } = order
  admit?.(hex(userId))
  refuseOtherOrder(site, order, titleId)
  const { books } = site.store
  const now = site.powers.now()
  const copy = await copyNamed(books, question.grantId)
  const isTold = copy?.titleId === titleId && (copy.revoked === 0 || copy.userId === hex(userId))
  if (copy === undefined || !isTold) throw noSuchCopy()
  const from = { ...order, userId: fromHex(copy.userId), mediumId: fromHex(copy.mediumId) }
  const sheet = await Sheet.read(site.store, books, [order, from], now)
  const title = await titleOf(books, copy)
  await refuseCarried(books, order, undefined, now)
  refuseGiving(copy, title, order, now)
  decideReceiving(sheet, from, title, order, now, copy.userId === hex(order.userId) ? 1 : 0)
}

/** @throws CofferError for a copy that is not, or not like this, to be handed on. */
function refuseGiving(
  copy: Tables['grants'],
  title: Tables['titles'],
  order: VerifiedRequest,
  now: number
): void {
  if (copy.revoked === 1) throw goneAlready(title.titleId, copy.ending ?? 'revoked')
  if (!isLive(copy, now)) throw ended(title.titleId)
  const toItself = copy.userId === hex(order.userId)
  if (title.transfer === 'no' || (title.transfer === 'media' && !toItself) || copy.kind === 'trial')
    throw notTransferable(title, copy)
}

/**
 * @param leaving - Copies among those that the receiver is counted to hold which this transfer takes from him.
 * @throws CofferError for a receiver who may not have it, or anything that was taken back.
 */
function decideReceiving(
  sheet: Sheet,
  from: Pick<VerifiedRequest, 'userId' | 'mediumId'>,
  title: Tables['titles'],
  order: VerifiedRequest,
  now: number,
  leaving = 0
) {
  const revoked: Sheet['revoked'] = (kind, id) => sheet.revoked(kind, id)
  const { release } = registeredRelease(sheet, order)
  refuseRevoked(revoked, { ...order, userId: from.userId, mediumId: from.mediumId }, title.publisher)
  refuseRevoked(revoked, order, title.publisher)
  refuseBinding(order, title, release)
  const user = enrol(order, sheet.user(hex(order.userId)), sheet.center, now)
  const { terms, held, epoch, ...standing } = sheet.standing(title, order)
  const copies = standing.copies - leaving
  if (held !== undefined && isLive(held, now)) throw hasOne(title.titleId)
  if (terms.copies !== null && copies >= Math.max(terms.copies, 1))
    throw quotaReached(title.titleId, copies, terms.copies)
  return { release, user, held, epoch }
}

/** @throws CofferError for an order that is not to take over a copy of this title. */
function refuseOtherOrder(site: Site, order: VerifiedRequest, titleId: string): void {
  refuseOtherCenter(site, order.centerId)
  if (order.kind === 'transfer' && order.titleId === titleId) return
  throw new CofferError('COFFER_REQUEST_REFUSED', 'The order in this return is not for what is given up.', {
    expected: `a request of kind "transfer" for ${titleId}`,
    found: `one of kind "${order.kind}" for ${order.titleId}`,
    hint: 'Make it with "coffer order --transfer", or let "coffer transfer" make both.'
  })
}

/** The copy that is given up. Whose it is, is not told to anybody else. */
async function copyOf(books: Books, given: VerifiedReturn): Promise<Tables['grants']> {
  const copy = await copyNamed(books, given.grantId)
  const fits =
    copy?.userId === hex(given.userId) &&
    copy.mediumId === hex(given.mediumId) &&
    copy.titleId === given.titleId
  if (fits) return copy
  throw noSuchCopy()
}

const copyNamed = (books: Books, grantId: Uint8Array): Promise<Tables['grants'] | undefined> =>
  books.selectFrom('grants').selectAll().where('grantId', '=', hex(grantId)).executeTakeFirst()

const noSuchCopy = () =>
  new CofferError('COFFER_GRANT_MISSING', 'The center knows no such copy of this user.', {
    expected: 'a copy that it granted to whoever signed this',
    found: 'none',
    hint: 'Return it with the user key that it was bought with.'
  })

const titleOf = (books: Books, { titleId }: { readonly titleId: string }): Promise<Tables['titles']> =>
  books.selectFrom('titles').selectAll().where('titleId', '=', titleId).executeTakeFirstOrThrow()

/** Whoever takes a copy over holds no more of them than the terms let him. */
const quotaReached = (titleId: string, live: number, copies: number) =>
  new CofferError('COFFER_QUOTA', `Whoever takes this copy over may hold no further one of ${titleId}.`, {
    expected: `at most ${copies}`,
    found: `${live} held, one more asked for`,
    hint: 'Return a copy first.'
  })

const goneAlready = (titleId: string, how: string) =>
  new CofferError('COFFER_REVOKED', `This copy of ${titleId} is held no longer.`, {
    expected: 'a copy that is held',
    found: `one that was ${how}`,
    hint: 'A copy is given up once. Order another with "coffer copy".'
  })

const ended = (titleId: string) =>
  new CofferError('COFFER_EXPIRED', `This copy of ${titleId} has ended: there is nothing to hand on.`, {
    expected: 'a copy that runs',
    found: 'one that has ended',
    hint: 'Order it for the other medium with "coffer copy".'
  })

const notTransferable = ({ titleId, transfer }: Tables['titles'], { kind }: Tables['grants']) =>
  new CofferError('COFFER_REQUEST_REFUSED', `This copy of ${titleId} may not be handed on like this.`, {
    expected: transfer === 'media' ? 'another medium of the same user' : 'a copy that may be handed on',
    found: kind === 'trial' ? 'a trial' : transfer === 'media' ? 'another user' : 'one that may not',
    hint: 'Return it and order it anew, or ask the seller.'
  })

const hasOne = (titleId: string) =>
  new CofferError('COFFER_REQUEST_REFUSED', `There is a copy of ${titleId} on the other medium already.`, {
    expected: 'a medium without one',
    found: 'a copy that is held',
    hint: 'Return one of the two instead.'
  })
