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
import { newCenter, pressed, requestBytes, TITLE, userKeys } from './parties.js'

const SECRET = 'whsec_for_tests'
const ANN = hex(userIdOf(userKeys()))

/** What the provider is asked, and one answer for it. */
async function fakeStripe() {
  const asked: { path: string; form: URLSearchParams; key: string }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => (body += chunk))
    request.on('end', () => {
      const key = request.headers.authorization ?? ''
      asked.push({ path: request.url!, form: new URLSearchParams(body), key })
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({ id: 'cs_1', object: 'checkout.session', url: 'https://pay.example/cs_1' })
      )
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { asked, api, close: () => new Promise(resolve => server.close(resolve)) }
}

const event = (session: object, type = 'checkout.session.completed') =>
  JSON.stringify({ id: 'evt_1', object: 'event', type, data: { object: session } })
const session = (change: object = {}) => ({
  id: 'cs_1',
  object: 'checkout.session',
  amount_total: 900,
  client_reference_id: ANN,
  currency: 'eur',
  payment_status: 'paid',
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
  const owed = async () =>
    (await shop.center.desk.balances()).find(({ account }) => account === `receivable/${ANN}`)?.balanceMinor
  return { ...shop, provider, serving, tell, owed }
}

test('checkout() asks the provider for what is owed, and gives the address to pay at', async () => {
  const fake = await fakeStripe()
  const provider = await stripeProvider({ secretKey: 'sk_test_1', webhookSecret: SECRET, api: fake.api })
  const due = { userId: ANN, amountMinor: 1250, currency: 'CHF' }
  assert.is(await provider.checkout(due, 'https://shop.example/mine'), 'https://pay.example/cs_1')
  const [{ path, form, key }] = fake.asked as [(typeof fake.asked)[0]]
  assert.is(path, '/v1/checkout/sessions')
  assert.match(key, 'sk_test_1')
  assert.is(form.get('client_reference_id'), ANN)
  assert.is(form.get('line_items[0][price_data][unit_amount]'), '1250')
  assert.is(form.get('line_items[0][price_data][currency]'), 'chf')
  assert.is(form.get('success_url'), 'https://shop.example/mine')
  await fake.close()
})

test('a webhook that the provider signed is a payment, once however often it comes', async () => {
  const fake = await fakeStripe()
  const shop = await soldShop(fake.api)
  assert.is(await shop.owed(), 900)
  const payload = event(session())
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
  const payload = event(session())
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
    event(session({ payment_status: 'unpaid' })),
    event(session({ client_reference_id: null })),
    event(session(), 'charge.refunded')
  ]) {
    assert.is(await shop.tell(other, signatureOf(other)), 200)
  }
  assert.is(await shop.owed(), 900)
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
