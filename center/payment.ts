/**
 * Payment. A charge is what a user owes (center/books/ledger.ts); a payment is another posting on the same account. A title that
 * costs nothing owes nothing; without a provider the seller writes an invoice and collects it himself.
 *
 *     cash/<provider>         what came in: positive; what went back to the buyer: negative
 *     receivable/<userId>     the same amount, the other way
 *
 * What no provider moved stands under `cash/hand`.
 */
import { hex } from '../formats/bytes.js'
import { CofferError } from '../formats/errors.js'
import { currencyDigits } from '../formats/money.js'
import type { Site } from './site.js'
import type { StripeSettings } from './services.js'

export interface Due {
  /** Whom it is owed: several centers may have one account at a provider, which tells each of them of all payments. */
  readonly centerId: string
  readonly userId: string
  readonly amountMinor: number
  /** Three capital letters. */
  readonly currency: string
}

/** Of a negative amount: it went back to the buyer, so that he owes it again. */
export interface Paid extends Due {
  /** The provider's own name of the payment: each counts once. */
  readonly id: string
}

export interface PaymentProvider {
  readonly name: string
  /** What it moves of a currency: multiples of so many minor units. */
  stepOf(currency: string): number
  /**
   * @param due - Its amount is a multiple of the step.
   * @param back - Where the buyer's browser goes after.
   * @returns Where he pays.
   */
  checkout(due: Due, back: string): Promise<string>
  /**
   * What the provider tells over HTTP.
   *
   * @param signature - Of its header.
   * @returns What moved of a payment that a center's checkout() began; nothing for all else.
   * @throws CofferError COFFER_RECORD_FORGED when the provider did not say it; Error when it cannot be asked whose it was.
   */
  told(body: Uint8Array, signature: string): Promise<readonly Paid[]>
}

const REQUEST_LIMIT_MS = 15_000

/**
 * Digits behind the point in amounts of Stripe's API, where they are not those of ISO 4217: two that are always 00 for currencies
 * that had cents once, none for the ariary, whose fifths nobody pays.
 */
const STRIPE_DIGITS: Readonly<Record<string, number>> = { ISK: 2, UGX: 2, MGA: 0 }
/** The last digit of three must be 0 there. */
const STRIPE_THREE_DIGITS_STEP = 10

/** How many of Stripe's units one minor unit is: 1, or 100, or 1/100. */
const stripeUnits = (currency: string): number => {
  const digits = currencyDigits(currency)
  return 10 ** ((STRIPE_DIGITS[currency] ?? digits) - digits)
}
const toStripe = (minor: number, currency: string) => Math.round(minor * stripeUnits(currency))
const fromStripe = (units: number, currency: string) => Math.round(units / stripeUnits(currency))

/** Metadata of a checkout of ours, and of what was paid by it. A buyer can write a reference into a payment link of the same account; these he cannot. */
const CENTER = 'coffer_center'
const USER = 'coffer_user'

type Metadata = Readonly<Record<string, string>> | null

/** A refund or a dispute: money that went back. */
interface Reversal {
  readonly id: string
  readonly amount: number
  readonly currency: string
  readonly payment_intent: string | { readonly metadata: Metadata } | null
}

/** @returns The one payment; none when no checkout of a center began it. */
function paidBy(
  metadata: Metadata,
  { id, amount, currency }: Pick<Reversal, 'id' | 'amount' | 'currency'>
): Paid[] {
  const { [CENTER]: centerId, [USER]: userId } = metadata ?? {}
  if (centerId === undefined || userId === undefined) return []
  const code = currency.toUpperCase()
  return [{ id, centerId, userId, amountMinor: fromStripe(amount, code), currency: code }]
}

/**
 * Events come in any order. So one by which the money is here again says both, that it went and that it came back: the event that it
 * went, should it come after, is then known.
 */
const wentBack = (paid: Paid, isHereAgain: boolean): Paid[] => [
  { ...paid, amountMinor: -paid.amountMinor },
  ...(isHereAgain ? [{ ...paid, id: `${paid.id}/back` }] : [])
]

/** Its library is loaded by those alone who use it. */
export async function stripeProvider({
  secretKey,
  webhookSecret,
  api
}: StripeSettings): Promise<PaymentProvider> {
  const { default: Stripe } = await import('stripe')
  const url = api === undefined ? undefined : new URL(api)
  const stripe = new Stripe(secretKey, {
    timeout: REQUEST_LIMIT_MS,
    maxNetworkRetries: 2,
    telemetry: false,
    ...(url && { host: url.hostname, port: url.port, protocol: url.protocol === 'http:' ? 'http' : 'https' })
  })
  const opened = (body: Uint8Array, signature: string) => {
    try {
      return stripe.webhooks.constructEvent(Buffer.from(body), signature, webhookSecret)
    } catch (cause) {
      throw new CofferError('COFFER_RECORD_FORGED', 'The payment provider did not send this.', {
        hint: 'Check that the secret that the center has is the one of this endpoint.',
        cause
      })
    }
  }
  /** What a refund or dispute is of: it says so by the payment alone, whose metadata are asked for. */
  const reversed = async (reversal: Reversal, isHereAgain: boolean): Promise<Paid[]> => {
    const { payment_intent: intent } = reversal
    if (intent === null) return []
    const { metadata } = typeof intent === 'string' ? await stripe.paymentIntents.retrieve(intent) : intent
    return paidBy(metadata, reversal).flatMap(paid => wentBack(paid, isHereAgain))
  }
  return {
    name: 'stripe',
    stepOf: currency =>
      currencyDigits(currency) === 3
        ? STRIPE_THREE_DIGITS_STEP
        : Math.max(1, Math.round(1 / stripeUnits(currency))),
    async checkout({ centerId, userId, amountMinor, currency }, back) {
      const metadata = { [CENTER]: centerId, [USER]: userId }
      const session = await stripe.checkout.sessions.create({
        mode: 'payment',
        client_reference_id: userId,
        metadata,
        payment_intent_data: { metadata },
        line_items: [
          {
            quantity: 1,
            price_data: {
              currency: currency.toLowerCase(),
              unit_amount: toStripe(amountMinor, currency),
              product_data: { name: 'Licensed copies' }
            }
          }
        ],
        success_url: back,
        cancel_url: back
      })
      if (session.url === null) throw new Error('the provider gave no address to pay at')
      return session.url
    },
    async told(body, signature) {
      const event = opened(body, signature)
      switch (event.type) {
        case 'checkout.session.completed':
        case 'checkout.session.async_payment_succeeded': {
          const { id, metadata, amount_total: amount, currency, payment_status } = event.data.object
          if (payment_status !== 'paid' || amount === null || currency === null) return []
          return paidBy(metadata, { id, amount, currency })
        }
        // Not charge.refunded, which tells what all refunds of a charge come to, but neither which they are nor that one failed.
        case 'refund.created':
        case 'refund.updated':
        case 'refund.failed': {
          const refund = event.data.object
          return reversed(refund, refund.status === 'failed' || refund.status === 'canceled')
        }
        // Not charge.dispute.created, which comes for a mere inquiry too: that takes nothing.
        case 'charge.dispute.funds_withdrawn':
          return reversed(event.data.object, false)
        case 'charge.dispute.funds_reinstated':
          return reversed(event.data.object, true)
        default:
          return []
      }
    }
  }
}

/** Post a payment to this center, or what went back of one, once however often it is told. @returns Whether it was one, and new. */
export async function keepPayment(
  { centerId, store, powers }: Site,
  provider: string,
  paid: Paid
): Promise<boolean> {
  const { id, userId, amountMinor, currency } = paid
  if (paid.centerId !== hex(centerId)) return false
  const posting = `${PAYMENT}${provider}/${id}`
  return store.transaction(async books => {
    const before = await books
      .selectFrom('ledger')
      .select('posting')
      .where('posting', '=', posting)
      .executeTakeFirst()
    if (before !== undefined || amountMinor === 0) return false
    const posted = powers.now()
    await books
      .insertInto('ledger')
      .values([
        { posting, account: `cash/${provider}`, amountMinor, currency, posted },
        { posting, account: `receivable/${userId}`, amountMinor: -amountMinor, currency, posted }
      ])
      .execute()
    return true
  })
}

/** In the place of a provider, of what the seller collected himself. */
export const BY_HAND = 'hand'
export const isProviderName = (text: string): boolean => /^[a-z]{1,20}$/.test(text)
/** What a payment is filed under: the number of an invoice, or what a provider calls it. */
export const isReference = (text: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(text)

/** What the posting of a payment begins with, which no requestId does. */
export const PAYMENT = 'payment/'
