/** What an order costs, asked before it is sent: told by the center of the order alone, and agreed to or not. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ed25519PublicKey } from '../../formats/primitives.js'
import { encodeQuote, type Quote } from '../../formats/records/quote.js'
import { openRequest } from '../../formats/records/request.js'
import { encodeRoot, openRoots } from '../../formats/records/root.js'
import { closeSites, librarySite } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

test.after(closeSites)

const site = await librarySite()
const live = async () => (await site.center.desk.grants()).filter(({ revoked }) => !revoked).length

test('copy() tells what the order will be charged, and orders nothing that is not agreed to', async () => {
  const { master } = await site.press('org.example.quoted')
  await site.center.desk.setTerms('org.example.quoted', { priceMinor: 900 })
  const root = site.prepare()
  const told: Quote[] = []
  const no = new Error('too much')
  const before = await live()
  const agree = (quote: Quote) => {
    told.push(quote)
    if (told.length === 1) throw no
  }
  const copying = () => site.copy(master, root, 'org.example.quoted', { agree })
  assert.is(await copying().catch((error: unknown) => error), no)
  assert.is(await live(), before)
  assert.is((await copying()).chargedMinor, 900)
  assert.is((await copying()).chargedMinor, 0)
  assert.equal(
    told.map(({ chargedMinor }) => chargedMinor),
    [900, 900, 0]
  )
})

test('what was agreed to is the most that is charged: a price that rises meanwhile buys nothing', async () => {
  const { master } = await site.press('org.example.rising')
  const root = site.prepare()
  const before = await live()
  for (const dearer of [{ priceMinor: 901 }, { priceMinor: 900, currency: 'KWD' }]) {
    await site.center.desk.setTerms('org.example.rising', { priceMinor: 900, currency: 'EUR' })
    const agree = async () => void (await site.center.desk.setTerms('org.example.rising', dearer))
    const error = await rejectsWith('COFFER_PRICE_REFUSED', () =>
      site.copy(master, root, 'org.example.rising', { agree })
    )
    assert.is(error.expected, 'at most 9.00 EUR')
  }
  assert.is(await live(), before)
  // Whoever agreed to more pays what it costs then.
  const agree = async () =>
    void (await site.center.desk.setTerms('org.example.rising', { priceMinor: 500, currency: 'KWD' }))
  assert.is((await site.copy(master, root, 'org.example.rising', { agree })).chargedMinor, 500)
})

test('no other center tells what an order costs, though it is trusted, nor does a quote for another order', async () => {
  const { master } = await site.press('org.example.misquoted')
  await site.center.desk.setTerms('org.example.misquoted', { priceMinor: 900 })
  const seed = new Uint8Array(32).fill(5)
  const other = encodeRoot(
    { created: site.clock.at, epoch: 1, keys: [ed25519PublicKey(seed)], name: 'Other', sequence: 0 },
    seed
  )
  site.home.pin([other])
  const { centerId } = openRoots([other])
  const free = { chargedMinor: 0, currency: 'EUR', quoted: site.clock.at }
  const quotes: ((order: ReturnType<typeof openRequest>) => Uint8Array)[] = [
    ({ requestHash }) => encodeQuote({ ...free, centerId, requestHash }, seed),
    order =>
      site.vault.sign(encodeQuote, { ...free, centerId: order.centerId, requestHash: new Uint8Array(32) })
  ]
  let forge = quotes[0]!
  let ordered = 0
  const server = createServer((request, response) => {
    void (async () => {
      const body = await buffer(request)
      if (request.url === '/v1/orders') ordered++
      if (request.url === '/v1/quotes') return response.end(forge(openRequest(body)))
      const answer = await fetch(site.url + request.url)
      return response.end(new Uint8Array(await answer.arrayBuffer()))
    })()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const centerUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (const [n, code] of (['COFFER_CENTER_UNTRUSTED', 'COFFER_ANSWER_MISMATCH'] as const).entries()) {
    forge = quotes[n]!
    const agree = () => assert.unreachable('nobody is told of it')
    await rejectsWith(code, () =>
      site.copy(master, site.prepare(), 'org.example.misquoted', { centerUrl, agree })
    )
  }
  assert.is(ordered, 0)
  server.close()
})

test.run()
