/**
 * Payment. A charge is what a user owes (center/books/ledger.ts); a payment is another posting on the same account. A title that
 * costs nothing owes nothing; without a provider the seller writes an invoice and collects it himself.
 *
 *     cash/<provider>         what came in: positive
 *     receivable/<userId>     the same amount, negative
 */
import type { Site } from './site.js'
import type { StripeSettings } from './services.js'

export interface Due {
  readonly userId: string
  readonly amountMinor: number
  /** Three capital letters. */
  readonly currency: string
}

export interface Paid extends Due {
  /** The provider's own name of the payment: each counts once. */
  readonly id: string
}

export interface PaymentProvider {
  readonly name: string
  /** @param back - Where the buyer's browser goes after. @returns Where he pays. */
  checkout(due: Due, back: string): Promise<string>
  /**
   * What the provider tells over HTTP.
   *
   * @param signature - Of its header.
   * @returns undefined for what is no payment. @throws Error when the provider did not say it.
   */
  told(body: Uint8Array, signature: string): Promise<Paid | undefined>
}

const REQUEST_LIMIT_MS = 15_000

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
  return {
    name: 'stripe',
    async checkout({ userId, amountMinor, currency }, back) {
      const session = await stripe.checkout.sessions.create({
        mode: 'payment',
        client_reference_id: userId,
        line_items: [
          {
            quantity: 1,
            price_data: {
              currency: currency.toLowerCase(),
              unit_amount: amountMinor,
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
      const event = stripe.webhooks.constructEvent(Buffer.from(body), signature, webhookSecret)
      if (
        event.type !== 'checkout.session.completed' &&
        event.type !== 'checkout.session.async_payment_succeeded'
      ) {
        return undefined
      }
      const {
        id,
        client_reference_id: userId,
        amount_total: amountMinor,
        currency,
        payment_status
      } = event.data.object
      if (payment_status !== 'paid' || userId === null || amountMinor === null || currency === null)
        return undefined
      return { id, userId, amountMinor, currency: currency.toUpperCase() }
    }
  }
}

/** Post a payment, once however often it is told. @returns Whether it was new. */
export function keepPayment({ store, powers }: Site, provider: string, paid: Paid): Promise<boolean> {
  const { id, userId, amountMinor, currency } = paid
  const posting = `${PAYMENT}${provider}/${id}`
  return store.transaction(async books => {
    const before = await books
      .selectFrom('ledger')
      .select('posting')
      .where('posting', '=', posting)
      .executeTakeFirst()
    if (before !== undefined || amountMinor <= 0) return false
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

/** What the posting of a payment begins with, which no requestId does. */
export const PAYMENT = 'payment/'
