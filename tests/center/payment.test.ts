/** Payment with the provider's own library: its API faked on loopback, its webhooks really signed. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Stripe from 'stripe'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { serve } from '../../center/http/http.js'
import { keepPayment, stripeProvider } from '../../center/payment.js'
import { hex } from '../../formats/bytes.js'
import { userIdOf } from '../../formats/keys.js'
import { rejectsWith } from '../helpers/rejects.js'
import { newCenter, pressed, requestBytes, TITLE, userKeys } from './parties.js'

const SECRET = 'whsec_for_tests'
const ANN = hex(userIdOf(userKeys()))
const CENTER = 'ce'.repeat(32)

/** What the provider is asked, and its answers: a checkout, or the metadata of a payment, where it has them. */
async function fakeStripe() {
  const asked: { path: string; form: URLSearchParams; key: string }[] = []
  const payments = new Map<string, Record<string, string>>()
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => (body += chunk))
    request.on('end', () => {
      const key = request.headers.authorization ?? ''
      asked.push({ path: request.url!, form: new URLSearchParams(body), key })
      response.setHeader('content-type', 'application/json')
      const [, id] = /^\/v1\/payment_intents\/(.+)$/.exec(request.url!) ?? []
      const metadata = payments.get(id ?? '')
      if (id !== undefined && metadata === undefined) response.statusCode = 403
      response.end(
        JSON.stringify(
          id === undefined
            ? { id: 'cs_1', object: 'checkout.session', url: 'https://pay.example/cs_1' }
            : metadata === undefined
              ? { error: { type: 'invalid_request_error', message: 'this key may not read it' } }
              : { id, object: 'payment_intent', metadata }
        )
      )
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { asked, payments, api, close: () => new Promise(resolve => server.close(resolve)) }
}

const event = (session: object, type = 'checkout.session.completed') =>
  JSON.stringify({ id: 'evt_1', object: 'event', type, data: { object: session } })
const paidSession = (centerId: string, change: object = {}) => ({
  id: 'cs_1',
  object: 'checkout.session',
  amount_total: 900,
  client_reference_id: ANN,
  metadata: { coffer_center: centerId, coffer_user: ANN },
  currency: 'eur',
  payment_status: 'paid',
  ...change
})
const refund = (change: object = {}) => ({
  ...{
    id: 're_1',
    object: 'refund',
    payment_intent: 'pi_1',
    amount: 900,
    currency: 'eur',
    status: 'succeeded'
  },
  ...change
})
const dispute = (change: object = {}) => ({
  ...{ id: 'du_1', object: 'dispute', payment_intent: 'pi_1', amount: 900, currency: 'eur', status: 'lost' },
  ...change
})
const signatureOf = (payload: string, secret = SECRET, timestamp?: number) =>
  Stripe.webhooks.generateTestHeaderString({ payload, secret, ...(timestamp !== undefined && { timestamp }) })

async function soldShop(api: string) {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { priceMinor: 900 })
  await shop.center.issue(requestBytes(shop.pinned.centerId))
  const provider = await stripeProvider({ secretKey: 'sk_test_1', webhookSecret: SECRET, api })
  const serving = await serve(shop.center, { payment: provider })
  const tell = async (payload: string, signature: string) => {
    const response = await fetch(`${serving.url}/payments/stripe`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'stripe-signature': signature },
      body: payload
    })
    await response.arrayBuffer()
    return response.status
  }
  const balanceOf = async (name: string) =>
    (await shop.center.desk.balances()).find(({ account }) => account === name)?.balanceMinor
  const owed = () => balanceOf(`receivable/${ANN}`)
  const cash = () => balanceOf('cash/stripe')
  const session = (change?: object) => paidSession(shop.center.centerId, change)
  return { ...shop, provider, serving, session, tell, owed, cash }
}

/** A shop whose only order is paid, by the payment `pi_1`. */
async function paidShop() {
  const fake = await fakeStripe()
  const shop = await soldShop(fake.api)
  const { centerId, desk } = shop.center
  fake.payments.set('pi_1', { coffer_center: centerId, coffer_user: ANN })
  /** Signed by the provider. */
  const told = async (what: object, type: string) => {
    const payload = event(what, type)
    assert.is(await shop.tell(payload, signatureOf(payload)), 200, type)
  }
  await told(shop.session(), 'checkout.session.completed')
  assert.equal([await shop.owed(), await shop.cash()], [0, 900])
  const close = async () => {
    assert.equal((await desk.verifyLedger()).problems, [])
    await shop.serving.close()
    await shop.center.close()
    await fake.close()
  }
  return { ...shop, fake, told, close }
}

test('checkout() asks the provider for what is owed, and gives the address to pay at', async () => {
  const fake = await fakeStripe()
  const provider = await stripeProvider({ secretKey: 'sk_test_1', webhookSecret: SECRET, api: fake.api })
  const due = { centerId: CENTER, userId: ANN, amountMinor: 1250, currency: 'CHF' }
  assert.is(await provider.checkout(due, 'https://shop.example/mine'), 'https://pay.example/cs_1')
  const [{ path, form, key }] = fake.asked as [(typeof fake.asked)[0]]
  assert.is(path, '/v1/checkout/sessions')
  assert.match(key, 'sk_test_1')
  assert.is(form.get('client_reference_id'), ANN)
  assert.is(form.get('metadata[coffer_center]'), CENTER)
  assert.is(form.get('metadata[coffer_user]'), ANN)
  assert.is(form.get('payment_intent_data[metadata][coffer_center]'), CENTER)
  assert.is(form.get('payment_intent_data[metadata][coffer_user]'), ANN)
  assert.is(form.get('line_items[0][price_data][unit_amount]'), '1250')
  assert.is(form.get('line_items[0][price_data][currency]'), 'chf')
  assert.is(form.get('success_url'), 'https://shop.example/mine')
  await fake.close()
})

test('a webhook that the provider signed is a payment, once however often it comes', async () => {
  const fake = await fakeStripe()
  const shop = await soldShop(fake.api)
  assert.is(await shop.owed(), 900)
  const payload = event(shop.session())
  const statuses = await Promise.all(
    Array.from({ length: 6 }, () => shop.tell(payload, signatureOf(payload)))
  )
  assert.equal(statuses, Array(6).fill(200))
  assert.is(await shop.owed(), 0)
  assert.equal((await shop.center.desk.verifyLedger()).problems, [])
  await shop.serving.close()
  await shop.center.close()
  await fake.close()
})

test('a webhook that is forged, old, altered or about something else moves no money', async () => {
  const fake = await fakeStripe()
  const shop = await soldShop(fake.api)
  const payload = event(shop.session())
  const hourAgo = Math.floor(Date.now() / 1000) - 3600
  const refused: [string, string, string][] = [
    ['signed by another', payload, signatureOf(payload, 'whsec_other')],
    ['an hour old', payload, signatureOf(payload, SECRET, hourAgo)],
    ['altered', payload.replace('900', '901'), signatureOf(payload)],
    ['without a signature', payload, ''],
    ['nonsense', '{', 't=1,v1=00']
  ]
  for (const [what, body, signature] of refused) assert.is(await shop.tell(body, signature), 400, what)
  for (const other of [
    event(shop.session({ payment_status: 'unpaid' })),
    event(shop.session({ metadata: null })),
    event(shop.session(), 'charge.refunded')
  ]) {
    assert.is(await shop.tell(other, signatureOf(other)), 200)
  }
  assert.is(await shop.owed(), 900)
  await shop.serving.close()
  await shop.center.close()
  await fake.close()
})

test('a payment at the same account that is not for this center moves no money here', async () => {
  const fake = await fakeStripe()
  const shop = await soldShop(fake.api)
  const others: Record<string, string>[] = [
    { coffer_center: CENTER, coffer_user: ANN },
    // What the account sells elsewhere, by a link whose reference the buyer writes himself.
    {},
    { coffer_user: ANN },
    { coffer_center: shop.center.centerId }
  ]
  for (const [n, metadata] of others.entries()) {
    const other = event(shop.session({ id: `cs_other_${n}`, metadata }))
    assert.is(await shop.tell(other, signatureOf(other)), 200)
    assert.is(await shop.owed(), 900, JSON.stringify(metadata))
  }
  await shop.serving.close()
  await shop.center.close()
  await fake.close()
})

test('a refund in full is owed again, once however often and in whatever order it is told', async () => {
  const { told, owed, cash, fake, close } = await paidShop()
  await told(refund({ status: 'pending' }), 'refund.created')
  assert.equal([await owed(), await cash()], [900, 0])
  await Promise.all(Array.from({ length: 4 }, () => told(refund(), 'refund.updated')))
  await told(refund({ status: 'pending' }), 'refund.created')
  await told(
    { id: 'ch_1', object: 'charge', payment_intent: 'pi_1', amount_refunded: 900 },
    'charge.refunded'
  )
  assert.equal([await owed(), await cash()], [900, 0])
  assert.is(fake.asked.at(-1)!.path, '/v1/payment_intents/pi_1')
  await close()
})

test('refunds of parts are owed each', async () => {
  const { told, owed, cash, close } = await paidShop()
  await told(refund({ amount: 300 }), 'refund.created')
  await told(refund({ id: 're_2', amount: 250 }), 'refund.created')
  await told(refund({ amount: 300 }), 'refund.created')
  assert.equal([await owed(), await cash()], [550, 350])
  await close()
})

test('a refund that failed or was canceled is paid as before, also where that is told first', async () => {
  const { told, owed, cash, close } = await paidShop()
  await told(refund(), 'refund.created')
  await told(refund({ status: 'failed' }), 'refund.failed')
  await told(refund({ status: 'failed' }), 'refund.updated')
  await told(refund({ id: 're_2', status: 'canceled' }), 'refund.updated')
  await told(refund({ id: 're_2', status: 'requires_action' }), 'refund.created')
  assert.equal([await owed(), await cash()], [0, 900])
  await close()
})

test('a refund that comes before its payment is none the less right', async () => {
  const { told, owed, cash, session, close } = await paidShop()
  await told(refund(), 'refund.created')
  await told(refund({ id: 're_2' }), 'refund.created')
  await told(session({ id: 'cs_2' }), 'checkout.session.async_payment_succeeded')
  assert.equal([await owed(), await cash()], [900, 0])
  await close()
})

test('a dispute is owed again, and not when it is won; an inquiry takes nothing', async () => {
  const { told, owed, cash, close } = await paidShop()
  await told(dispute({ status: 'warning_needs_response' }), 'charge.dispute.created')
  assert.is(await owed(), 0)
  await told(dispute({ amount: 400, status: 'needs_response' }), 'charge.dispute.created')
  await told(dispute({ amount: 400, status: 'needs_response' }), 'charge.dispute.funds_withdrawn')
  await told(dispute({ amount: 400, status: 'needs_response' }), 'charge.dispute.funds_withdrawn')
  assert.equal([await owed(), await cash()], [400, 500])
  for (let time = 0; time < 2; time++) {
    await told(dispute({ amount: 400, status: 'won' }), 'charge.dispute.funds_reinstated')
    assert.equal([await owed(), await cash()], [0, 900])
  }
  await told(dispute({ id: 'du_2', status: 'won' }), 'charge.dispute.funds_reinstated')
  await told(dispute({ id: 'du_2', status: 'needs_response' }), 'charge.dispute.funds_withdrawn')
  assert.equal([await owed(), await cash()], [0, 900])
  await close()
})

test('what was paid back by the seller and then in money buys no second copy', async () => {
  const { center, told, owed, cash, close } = await paidShop()
  const [copy] = await center.desk.grants()
  await center.desk.refund(copy!.grantId)
  assert.is(await owed(), -900)
  await told(refund(), 'refund.created')
  assert.equal([await owed(), await cash()], [0, 0])
  await close()
})

test('refunds and disputes that are of other shops, or forged, move no money here', async () => {
  const { center, told, tell, owed, cash, fake, close } = await paidShop()
  const others: [string, Record<string, string>][] = [
    ['pi_center', { coffer_center: CENTER, coffer_user: ANN }],
    ['pi_other', {}],
    ['pi_half', { coffer_center: center.centerId }]
  ]
  for (const [payment_intent, metadata] of others) {
    fake.payments.set(payment_intent, metadata)
    const id = `re_${payment_intent}`
    await told(refund({ id, payment_intent }), 'refund.created')
    await told(dispute({ id: `du_${payment_intent}`, payment_intent }), 'charge.dispute.funds_withdrawn')
  }
  await told(refund({ id: 're_none', payment_intent: null }), 'refund.created')
  const asked = fake.asked.length
  for (const [what, type] of [
    [refund(), 'refund.created'],
    [dispute(), 'charge.dispute.funds_withdrawn']
  ] as const) {
    const payload = event(what, type)
    assert.is(await tell(payload, signatureOf(payload, 'whsec_other')), 400, type)
    assert.is(await tell(payload.replace('900', '1'), signatureOf(payload)), 400, type)
  }
  assert.is(fake.asked.length, asked, 'the provider is asked nothing for a forger')
  assert.equal([await owed(), await cash()], [0, 900])
  await close()
})

test('a refund whose payment cannot be asked for is not taken, so that it is told again', async () => {
  const { tell, owed, cash, center, fake, close } = await paidShop()
  fake.payments.delete('pi_1')
  const payload = event(refund(), 'refund.created')
  assert.is(await tell(payload, signatureOf(payload)), 500)
  assert.equal([await owed(), await cash()], [0, 900])
  fake.payments.set('pi_1', { coffer_center: center.centerId, coffer_user: ANN })
  assert.is(await tell(payload, signatureOf(payload)), 200)
  assert.equal([await owed(), await cash()], [900, 0])
  await close()
})

test('postPayment() posts what no provider told of, each reference once, and what a provider tells of after all once too', async () => {
  const { center, told, owed, cash, close } = await paidShop()
  const { desk } = center
  const invoice = { userId: ANN, amountMinor: 500, currency: 'EUR', isBack: false, reference: 'invoice-17' }
  assert.is((await desk.postPayment(invoice)).balanceMinor, -500)
  await rejectsWith('COFFER_USAGE', () => desk.postPayment({ ...invoice, amountMinor: 400 }))
  await rejectsWith('COFFER_USAGE', () => desk.postPayment({ ...invoice, userId: CENTER, reference: 'a' }))
  assert.is(
    (await desk.postPayment({ ...invoice, isBack: true, reference: 'invoice-17-back' })).balanceMinor,
    0
  )
  const lost = { ...invoice, amountMinor: 900, isBack: true, reference: 're_1', provider: 'stripe' }
  assert.is((await desk.postPayment(lost)).balanceMinor, 900)
  await told(refund(), 'refund.created')
  assert.equal([await owed(), await cash()], [900, 0])
  for (const wrong of [
    { amountMinor: 0 },
    { amountMinor: -1 },
    { amountMinor: 0.5 },
    { currency: 'eur' },
    { reference: '' },
    { reference: 'a/back' },
    { provider: 'stripe/x' }
  ]) {
    const error = await desk.postPayment({ ...invoice, reference: 'new', ...wrong }).catch(cause => cause)
    assert.instance(error, RangeError, JSON.stringify(wrong))
  }
  await close()
})

test('amounts go to the provider and come back in its own units, in steps that it moves', async () => {
  const fake = await fakeStripe()
  const provider = await stripeProvider({ secretKey: 'sk_test_1', webhookSecret: SECRET, api: fake.api })
  fake.payments.set('pi_1', { coffer_center: CENTER, coffer_user: ANN })
  const cases = [
    // currency, our minor units, theirs, step
    ['EUR', 1250, 1250, 1],
    ['JPY', 1250, 1250, 1],
    ['IDR', 1250, 1250, 1],
    ['HUF', 1250, 1250, 1],
    ['ISK', 1250, 125_000, 1],
    ['UGX', 1250, 125_000, 1],
    ['MGA', 1300, 13, 100],
    ['KWD', 1250, 1250, 10]
  ] as const
  for (const [currency, amountMinor, units, step] of cases) {
    assert.is(provider.stepOf(currency), step, currency)
    await provider.checkout({ centerId: CENTER, userId: ANN, amountMinor, currency }, 'https://shop.example/')
    assert.is(fake.asked.at(-1)!.form.get('line_items[0][price_data][unit_amount]'), String(units), currency)
    const told = event(paidSession(CENTER, { amount_total: units, currency: currency.toLowerCase() }))
    const [paid] = await provider.told(Buffer.from(told), signatureOf(told))
    assert.equal(paid, {
      ...{ id: 'cs_1', centerId: CENTER, userId: ANN },
      ...{ amountMinor, currency }
    })
    const refunded = event(refund({ amount: units, currency: currency.toLowerCase() }), 'refund.created')
    const [back] = await provider.told(Buffer.from(refunded), signatureOf(refunded))
    assert.equal([back!.amountMinor, back!.currency], [-amountMinor, currency])
  }
  await fake.close()
})

test('what is owed and cannot be paid in the steps of the provider stays owed', async () => {
  const fake = await fakeStripe()
  const shop = await soldShop(fake.api)
  await shop.center.desk.setTerms(TITLE, { priceMinor: 1255, currency: 'KWD' })
  const buyer = async (record: Uint8Array) => {
    const form = new FormData()
    form.set('request', new Blob([record as Uint8Array<ArrayBuffer>]), 'order.request')
    const answered = await fetch(`${shop.serving.url}/order`, {
      method: 'POST',
      body: form,
      redirect: 'manual'
    })
    const cookie = answered.headers.get('set-cookie')!.split(';')[0]!
    return (path: string, body?: string) =>
      fetch(`${shop.serving.url}${path}`, {
        headers: { cookie, ...(body && { 'content-type': 'application/x-www-form-urlencoded' }) },
        ...(body && { method: 'POST', body })
      }).then(async response => [response.status, await response.text()] as const)
  }
  const at = await buyer(requestBytes(shop.pinned.centerId, { user: 'kay', medium: 'kay' }))
  assert.match((await at('/mine'))[1], 'You owe 1.255 KWD')
  const [status, page] = await at('/mine/pay', 'currency=KWD')
  assert.is(status, 200)
  assert.match(page, 'Pay 1.250 KWD')
  assert.match(page, 'do not pay it twice')
  assert.is(fake.asked.at(-1)!.form.get('line_items[0][price_data][unit_amount]'), '1250')
  assert.is((await at('/mine/pay', 'currency=EUR'))[0], 400)

  await shop.center.desk.setTerms(TITLE, { priceMinor: 9 })
  const lee = await buyer(requestBytes(shop.pinned.centerId, { user: 'lee', medium: 'lee' }))
  assert.match((await lee('/mine'))[1], 'The seller sends you an invoice')
  assert.is((await lee('/mine/pay', 'currency=KWD'))[0], 400)
  await shop.serving.close()
  await shop.center.close()
  await fake.close()
})

test('verifyLedger() takes payments for what they are', async () => {
  const fake = await fakeStripe()
  const shop = await soldShop(fake.api)
  assert.type(keepPayment, 'function')
  assert.equal((await shop.center.desk.verifyLedger()).postings, 1)
  await shop.serving.close()
  await shop.center.close()
  await fake.close()
})

test.run()
