/**
 * Terms: what a copy of a title costs and allows. A title has terms for everyone; a user may have his own for one
 * title, and whatever those leave open is as for everyone. A gift is personal terms with the price 0; a title sold
 * only to chosen users allows everyone 0 copies and those users some.
 */
import { hex } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import type { VerifiedRequest } from '../formats/records/request.js'
import type { Books, Tables } from './store.js'

export interface Terms {
  readonly priceMinor: number
  readonly currency: string
  /** Media that one user may hold the title on; null: no bound. */
  readonly copies: number | null
  /** null: bought for good. */
  readonly expiresDays: number | null
}

export async function termsFor(books: Books, title: Tables['titles'], userId: string): Promise<Terms> {
  const own = await books
    .selectFrom('personalTerms')
    .select(['priceMinor', 'copies', 'expiresDays'])
    .where('userId', '=', userId)
    .where('titleId', '=', title.titleId)
    .executeTakeFirst()
  return {
    priceMinor: own?.priceMinor ?? title.priceMinor,
    currency: title.currency,
    copies: own?.copies ?? title.copies,
    expiresDays: own?.expiresDays ?? title.expiresDays
  }
}

/** Answers hold no more (formats/records/answer.ts). */
export const MAX_PRICE_MINOR = 2 ** 48
/** 27 years: the end of a copy sold today still fits its field. */
export const MAX_EXPIRES_DAYS = 10_000
export const MAX_COPIES = 0xffffffff

/** @throws RangeError for terms that no answer or grant could carry. */
export function checkTerms({ priceMinor, currency, copies, expiresDays }: Partial<Terms>): void {
  const check = (what: string, value: number | null | undefined, min: number, max: number) => {
    if (value === undefined || value === null) return
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw new RangeError(`${what} must be a whole number from ${min} to ${max}`)
    }
  }
  check('priceMinor', priceMinor, 0, MAX_PRICE_MINOR)
  check('copies', copies, 0, MAX_COPIES)
  check('expiresDays', expiresDays, 1, MAX_EXPIRES_DAYS)
  if (currency !== undefined && !/^[A-Z]{3}$/.test(currency)) {
    throw new RangeError('currency must be three capital letters')
  }
}

/** What one order comes to. */
export interface Sale {
  /** The copy that the user holds already, on this very medium. */
  readonly held: Tables['grants'] | undefined
  readonly chargedMinor: number
  readonly currency: string
  /** null: never. */
  readonly expires: number | null
}

const DAY_SECONDS = 86_400

/**
 * Decide what an order comes to. A copy that was paid for is issued again for nothing, in any release, until it
 * expires; then the order buys it anew, on today's terms.
 *
 * @throws CofferError COFFER_QUOTA.
 */
export async function decideSale(
  books: Books,
  title: Tables['titles'],
  request: VerifiedRequest,
  now: number
): Promise<Sale> {
  const { titleId } = title
  const userId = hex(request.userId)
  const mediumId = hex(request.mediumId)
  const terms = await termsFor(books, title, userId)
  const { currency } = terms
  const isLive = (copy: Tables['grants']) => copy.expires === null || copy.expires > now

  const copies = await books
    .selectFrom('grants')
    .selectAll()
    .where('userId', '=', userId)
    .where('titleId', '=', titleId)
    .where('revoked', '=', 0)
    .execute()
  const held = copies.find(copy => copy.mediumId === mediumId)
  if (held !== undefined && isLive(held)) return { held, chargedMinor: 0, currency, expires: held.expires }

  const live = copies.filter(isLive).length
  if (terms.copies !== null && live >= terms.copies) throw quotaReached(titleId, live, terms.copies)
  const expires = terms.expiresDays === null ? null : now + terms.expiresDays * DAY_SECONDS
  return { held, chargedMinor: terms.priceMinor, currency, expires }
}

const quotaReached = (titleId: string, live: number, copies: number) =>
  new CofferError('COFFER_QUOTA', `This user may hold no further copy of ${titleId}.`, {
    expected: `at most ${copies} ${copies === 1 ? 'copy' : 'copies'}`,
    found: `${live} held, one more asked for`,
    hint: 'Use a medium that has the title, or ask the seller for another copy.'
  })
