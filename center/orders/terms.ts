/**
 * Terms: what a copy of a title costs and allows. A title has terms for everyone; a user may have his own for one
 * title, and whatever those leave open is as for everyone. A gift is personal terms with the price 0; a title sold
 * only to chosen users allows everyone 0 copies and those users some.
 */
import { CofferError } from '../../formats/errors.js'
import { DAY_SECONDS } from '../../formats/limits.js'
import { moneyText, type Amount } from '../../formats/money.js'
import { areFeatures, type GrantKind } from '../../formats/records/fields.js'
import type { RequestKind } from '../../formats/records/request.js'
import { isoTime } from './requests.js'
import type { Tables, Transfer } from '../books/store.js'

/** What one user pays and gets. */
export interface Terms {
  readonly priceMinor: number
  readonly currency: string
  /** Media that one user may hold the title on; null: no bound. */
  readonly copies: number | null
  /** null: bought for good. */
  readonly expiresDays: number | null
  /** What a copy has beyond the title itself. */
  readonly features: readonly string[]
  /** Those that were given to this user alone: a copy that he holds gets them when it is issued again. */
  readonly gifts?: readonly string[]
}

/** What holds for a title, whoever buys it. */
export interface TitleTerms extends Terms {
  /** Copies that all users together may hold; null: no bound. */
  readonly titleCopies: number | null
  /** null: what ends is not renewed, but bought anew. */
  readonly renewPriceMinor: number | null
  /** How long a lease that ended goes on running and can still be renewed. */
  readonly graceDays: number
  /** null: no trial. */
  readonly trialDays: number | null
  /** How long after a payment a return is paid back; null: never. */
  readonly refundDays: number | null
  readonly transfer: Transfer
}

export const splitFeatures = (features: string): string[] => features.split(' ').filter(name => name !== '')
export const joinFeatures = (features: readonly string[]): string => [...new Set(features)].sort().join(' ')

/** @param own - What the user was given for this title, if anything. */
export const termsFor = (title: Tables['titles'], own: Tables['personalTerms'] | undefined): Terms => ({
  priceMinor: own?.priceMinor ?? title.priceMinor,
  currency: title.currency,
  copies: own?.copies ?? title.copies,
  expiresDays: own?.expiresDays ?? title.expiresDays,
  features: splitFeatures(own?.features ?? title.features),
  ...(own?.features && { gifts: splitFeatures(own.features) })
})

/** Answers hold no more (formats/records/answer.ts). */
export const MAX_PRICE_MINOR = 2 ** 48
/** 27 years: the end of a copy sold today still fits its field. */
export const MAX_EXPIRES_DAYS = 10_000
export const MAX_COPIES = 0xffffffff

/** @throws RangeError for terms that no answer or grant could carry. */
export function checkTerms(terms: Partial<TitleTerms>): void {
  const check = (what: keyof TitleTerms, min: number, max: number) => {
    const value = terms[what] as number | null | undefined
    if (value === undefined || value === null) return
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw new RangeError(`${what} must be a whole number from ${min} to ${max}`)
    }
  }
  check('priceMinor', 0, MAX_PRICE_MINOR)
  check('copies', 0, MAX_COPIES)
  check('titleCopies', 0, MAX_COPIES)
  check('expiresDays', 1, MAX_EXPIRES_DAYS)
  check('renewPriceMinor', 0, MAX_PRICE_MINOR)
  check('graceDays', 0, MAX_EXPIRES_DAYS)
  check('trialDays', 1, MAX_EXPIRES_DAYS)
  check('refundDays', 0, MAX_EXPIRES_DAYS)
  const { currency, features, transfer } = terms
  if (currency !== undefined && !/^[A-Z]{3}$/.test(currency)) {
    throw new RangeError('currency must be three capital letters')
  }
  if (features !== undefined && !areFeatures(features)) {
    throw new RangeError('features must be at most 32 names of a-z, 0-9, "." and "-"')
  }
  if (transfer !== undefined && !['no', 'media', 'users'].includes(transfer)) {
    throw new RangeError('transfer must be no, media or users')
  }
}

/** What a grant says of its terms. */
export interface Granted {
  readonly kind: GrantKind
  /** null: never. */
  readonly expires: number | null
  readonly graceSeconds: number
  readonly features: readonly string[]
}

/** What one order comes to. */
export interface Sale extends Granted {
  /** The copy that the user holds already, on this very medium. */
  readonly held: Tables['grants'] | undefined
  /** Epoch to derive its keys in: that of an earlier copy there, so that its saves stay readable; null: today's. */
  readonly epoch: number | null
  readonly chargedMinor: number
  readonly currency: string
  /** Of a transfer: the last payment for the copy, as it goes with it; nothing for another user, who paid nothing here. */
  readonly payment?: Payment
}

/** What a return may pay back. */
export type Payment = Pick<Tables['grants'], 'paidMinor' | 'currency' | 'paid'>

/** Whether a copy still runs. */
export const isLive = (
  { expires, graceSeconds }: Pick<Tables['grants'], 'expires' | 'graceSeconds'>,
  now: number
): boolean => expires === null || expires + graceSeconds > now

/** How a user stands to a title, on one medium. */
export interface Standing {
  readonly terms: Terms
  /** The copy that he holds on this medium. */
  readonly held: Tables['grants'] | undefined
  /** Epoch of his newest copy there, held or not. */
  readonly epoch: number | null
  /** Whether he has tried it on any. */
  readonly tried: boolean
  /** Copies that count: those that run and are no trial, his and everyone's. */
  readonly copies: number
  readonly copiesInAll: number
}

/**
 * Decide what an order comes to. A copy that was paid for is issued again for nothing, in any release, until it
 * has ended; then the order buys it anew, on today's terms.
 *
 * @throws CofferError COFFER_QUOTA, COFFER_GRANT_MISSING, COFFER_REQUEST_REFUSED.
 */
export function decideSale(
  kind: RequestKind,
  title: Tables['titles'],
  { terms, held, epoch, tried, copies, copiesInAll }: Standing,
  now: number
): Sale {
  const { currency } = terms
  const asHeld = (copy: Tables['grants']): Sale => ({
    held: copy,
    epoch,
    chargedMinor: 0,
    currency,
    kind: copy.kind,
    expires: copy.expires,
    graceSeconds: copy.graceSeconds,
    features: [...splitFeatures(copy.features), ...(terms.gifts ?? [])]
  })
  const live = held !== undefined && isLive(held, now)

  switch (kind) {
    case 'renew': {
      if (held === undefined) throw nothingToRenew(title.titleId)
      if (held.kind !== 'lease') {
        if (!live) throw notRenewable(title.titleId)
        return asHeld(held) // a fresh record of the same copy
      }
      return { ...asHeld(held), ...renewed(title, held, terms, now) }
    }
    case 'trial': {
      if (live) return asHeld(held)
      if (title.trialDays === null) throw noTrial(title.titleId)
      if (tried) throw triedBefore(title.titleId)
      const expires = now + title.trialDays * DAY_SECONDS
      const { features } = terms
      return { held, epoch, chargedMinor: 0, currency, kind: 'trial', expires, graceSeconds: 0, features }
    }
    case 'transfer':
      throw noReturn()
    case 'order': {
      if (live && held.kind !== 'trial') return asHeld(held)
      if (terms.copies !== null && copies >= terms.copies)
        throw quotaReached(title.titleId, copies, terms.copies)
      if (title.titleCopies !== null && copiesInAll >= title.titleCopies)
        throw soldOut(title.titleId, copiesInAll, title.titleCopies)
      return { held, epoch, chargedMinor: terms.priceMinor, currency, ...bought(title, terms, now) }
    }
  }
}

/** @throws CofferError COFFER_PRICE_REFUSED for what costs more than the buyer agreed to, perhaps since he did. */
export function refuseMore(atMost: Amount | undefined, { chargedMinor, currency }: Sale): void {
  if (atMost === undefined || chargedMinor === 0) return
  if (chargedMinor <= atMost.minor && currency === atMost.currency) return
  throw new CofferError('COFFER_PRICE_REFUSED', 'Nothing was ordered: it costs more than was agreed to.', {
    expected: `at most ${moneyText(atMost.minor, atMost.currency)}`,
    found: moneyText(chargedMinor, currency),
    hint: 'The price has changed meanwhile; repeat the command to see what it is now.'
  })
}

function bought(title: Tables['titles'], { expiresDays, features }: Terms, now: number): Granted {
  if (expiresDays === null) return { kind: 'perpetual', expires: null, graceSeconds: 0, features }
  const expires = now + expiresDays * DAY_SECONDS
  if (title.renewPriceMinor === null) return { kind: 'expiring', expires, graceSeconds: 0, features }
  return { kind: 'lease', expires, graceSeconds: title.graceDays * DAY_SECONDS, features }
}

/** Another term after the running one. Only one at a time: a lease that is free to renew is not to become for ever. */
function renewed(
  title: Tables['titles'],
  held: Tables['grants'],
  { expiresDays, features }: Terms,
  now: number
): Granted & { readonly chargedMinor: number } {
  if (title.renewPriceMinor === null || !isLive(held, now)) throw notRenewable(title.titleId)
  const chargedMinor = title.renewPriceMinor
  // The seller has made it one that is bought for good.
  if (expiresDays === null)
    return { kind: 'perpetual', expires: null, graceSeconds: 0, features, chargedMinor }
  const term = expiresDays * DAY_SECONDS
  const end = held.expires ?? now
  if (end - now > term) throw renewedAlready(title.titleId, end, end - term)
  const graceSeconds = title.graceDays * DAY_SECONDS
  return { kind: 'lease', expires: Math.max(end, now) + term, graceSeconds, features, chargedMinor }
}

const soldOut = (titleId: string, live: number, copies: number) =>
  new CofferError('COFFER_QUOTA', `${titleId} is sold out.`, {
    expected: `at most ${copies} copies of it in all`,
    found: `${live} held, one more asked for`,
    hint: 'Ask the seller when there will be more.'
  })

const quotaReached = (titleId: string, live: number, copies: number) =>
  new CofferError('COFFER_QUOTA', `This user may hold no further copy of ${titleId}.`, {
    expected: `at most ${copies} ${copies === 1 ? 'copy' : 'copies'}`,
    found: `${live} held, one more asked for`,
    hint: 'Use a medium that has the title, return the copy on one, or ask the seller for another.'
  })

const triedBefore = (titleId: string) =>
  new CofferError('COFFER_QUOTA', `This user has tried ${titleId} before.`, {
    expected: 'one trial per user',
    found: 'a second one asked for',
    hint: 'Order it without --trial.'
  })

const noReturn = () =>
  new CofferError('COFFER_REQUEST_REFUSED', 'A copy is not transferred without its return.', {
    expected: 'a return record that carries this order',
    found: 'the order alone',
    hint: 'Give the order to whoever hands the copy on: "coffer transfer <medium> <title> --order <file>".'
  })

const noTrial = (titleId: string) =>
  new CofferError('COFFER_REQUEST_REFUSED', `${titleId} cannot be tried for nothing.`, {
    expected: 'a title that its seller offers as a trial',
    found: 'one that he does not',
    hint: 'Order it without --trial.'
  })

const nothingToRenew = (titleId: string) =>
  new CofferError('COFFER_GRANT_MISSING', `This user holds no copy of ${titleId} on this medium.`, {
    expected: 'a copy to renew',
    found: 'none',
    hint: 'Order it with "coffer copy".'
  })

const notRenewable = (titleId: string) =>
  new CofferError(
    'COFFER_REQUEST_REFUSED',
    `The copy of ${titleId} has ended and cannot be renewed any more.`,
    {
      expected: 'a copy that runs, or a lease within its time of grace',
      found: 'one that has ended',
      hint: 'Order it again with "coffer copy".'
    }
  )

const renewedAlready = (titleId: string, expires: number, from: number) =>
  new CofferError(
    'COFFER_REQUEST_REFUSED',
    `The lease of ${titleId} is renewed until ${isoTime(expires)} already.`,
    {
      expected: `a renewal from ${isoTime(from)} on`,
      found: 'one more before that',
      hint: `Nothing was charged. Renew it again after ${isoTime(from)}.`
    }
  )
