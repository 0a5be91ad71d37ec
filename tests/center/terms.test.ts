/** Kinds of grant: what is sold, tried, leased and renewed on which terms, and how many of it. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { openAnswer } from '../../formats/records/answer.js'
import { openQuote } from '../../formats/records/quote.js'
import { openRequest } from '../../formats/records/request.js'
import { tamper } from '../helpers/databases.js'
import { rejectsWith } from '../helpers/rejects.js'
import { summaries, type TermsChange } from '../../center/desk.js'
import {
  newCenter,
  newRequestId,
  NOW,
  openAsBuyer,
  pressed,
  requestBytes,
  TITLE,
  userKeys,
  type OrderOptions
} from './parties.js'

const DAY = 86_400

/** A center with one title on these terms, and a way to order it. */
async function shopWith(terms: TermsChange) {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, terms)
  const order = async (options: OrderOptions = {}) => {
    const { at } = shop.powers
    const answer = await shop.center.issue(requestBytes(shop.pinned.centerId, { created: at, ...options }))
    const { grant, answer: said } = openAsBuyer(shop.pinned, answer, options)
    return { ...grant, chargedMinor: said.chargedMinor, answered: said.answered }
  }
  return { ...shop, order }
}

test('a quote is what the order is charged then, for this user and medium, and buys nothing', async () => {
  const { center, pinned, order, powers } = await shopWith({
    priceMinor: 900,
    expiresDays: 30,
    renewPriceMinor: 300
  })
  const asked = (options: OrderOptions) => requestBytes(pinned.centerId, { created: powers.at, ...options })
  const quoted = async (record: Uint8Array) => {
    const { quote } = openQuote(await center.quote(record), [pinned])!
    assert.equal(quote.requestHash, openRequest(record).requestHash)
    return [quote.chargedMinor, quote.currency, quote.kind, quote.expires]
  }
  const ends = NOW + 30 * DAY
  const record = asked({})
  assert.equal(await quoted(record), [900, 'EUR', 'lease', ends])
  assert.equal(await quoted(record), [900, 'EUR', 'lease', ends])
  assert.equal(await center.desk.verifyLedger(), { orders: 0, copies: 0, postings: 0, problems: [] })
  await rejectsWith('COFFER_GRANT_MISSING', () => center.quote(asked({ kind: 'renew' })))
  await rejectsWith('COFFER_REQUEST_REFUSED', () => center.quote(asked({ kind: 'trial' })))

  assert.is(openAnswer(await center.issue(record), [pinned])!.answer.chargedMinor, 900)
  // The same order gets the same answer, and another for the copy that he holds costs nothing.
  assert.equal(await quoted(record), [0, 'EUR', undefined, undefined])
  assert.equal(await quoted(asked({})), [0, 'EUR', 'lease', ends])
  assert.equal(await quoted(asked({ kind: 'renew' })), [300, 'EUR', 'lease', ends + 30 * DAY])
  const { userId } = await order({ medium: 'another' })
  await center.desk.give(TITLE, hex(userId), { priceMinor: 100 })
  assert.equal(await quoted(asked({ medium: 'a third' })), [100, 'EUR', 'lease', ends])
  await center.desk.setTerms(TITLE, { copies: 2 })
  await center.desk.give(TITLE, hex(userId), { priceMinor: 100, copies: 2 })
  await rejectsWith('COFFER_QUOTA', () => center.quote(asked({ medium: 'a third' })))
  await rejectsWith('COFFER_REQUEST_STALE', () => center.quote(asked({ created: NOW - 40 * DAY })))
  await rejectsWith('COFFER_RECORD_FORGED', () => center.quote(flippedAt(record, 40)))
  await center.close()
})

const flippedAt = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))

test('an answer carries the time of the center', async () => {
  const { order, powers, center } = await shopWith({})
  powers.at += 100
  assert.is((await order()).answered, NOW + 100)
  await center.close()
})

test('a copy has the features it was sold with, until it is sold anew', async () => {
  const { order, center } = await shopWith({ features: ['pro', 'export', 'pro'] })
  assert.equal((await order()).features, ['export', 'pro'])
  await center.desk.setTerms(TITLE, { features: ['basic'] })
  assert.equal((await order()).features, ['export', 'pro'])
  assert.equal((await order({ medium: 'card' })).features, ['basic'])
  await center.close()
})

test('a feature that is given to one user reaches the copy he holds, and nobody else', async () => {
  const { order, center } = await shopWith({})
  const { userId } = await order()
  await order({ user: 'bob' })
  await center.desk.give(TITLE, hex(userId), { priceMinor: 0, features: ['pro'] })
  assert.equal((await order()).features, ['pro'])
  assert.equal((await order({ user: 'bob' })).features, [])
  await center.close()
})

test('a trial is free, once per user, ends, and is bought without losing its place', async () => {
  const { order, powers, center } = await shopWith({ priceMinor: 900, trialDays: 14, copies: 1 })
  const trial = await order({ kind: 'trial' })
  assert.equal([trial.kind, trial.expires, trial.chargedMinor], ['trial', NOW + 14 * DAY, 0])
  powers.at += DAY
  const again = await order({ kind: 'trial' })
  assert.equal([again.expires, again.grantId], [trial.expires, trial.grantId])
  await rejectsWith('COFFER_QUOTA', () => order({ kind: 'trial', medium: 'card' }))
  powers.at += 14 * DAY
  await rejectsWith('COFFER_QUOTA', () => order({ kind: 'trial' }))

  const bought = await order()
  assert.equal([bought.kind, bought.expires, bought.chargedMinor], ['perpetual', undefined, 900])
  assert.equal(bought.grantId, trial.grantId)
  assert.is((await order({ kind: 'trial' })).kind, 'perpetual')
  await rejectsWith('COFFER_QUOTA', () => order({ kind: 'trial', medium: 'card' }))
  await center.close()
})

test('a title without a trial refuses one', async () => {
  const { order, center } = await shopWith({})
  await rejectsWith('COFFER_REQUEST_REFUSED', () => order({ kind: 'trial' }))
  await rejectsWith('COFFER_REQUEST_REFUSED', () => order({ kind: 'transfer' }))
  await center.close()
})

test('a lease is renewed one term at a time, at its own price, until its grace has passed', async () => {
  const terms = { priceMinor: 900, expiresDays: 30, renewPriceMinor: 200, graceDays: 7 }
  const { order, powers, center } = await shopWith(terms)
  const renew = () => order({ kind: 'renew' })
  await rejectsWith('COFFER_GRANT_MISSING', renew)
  const lease = await order()
  assert.equal(
    [lease.kind, lease.expires, lease.grace, lease.chargedMinor],
    ['lease', NOW + 30 * DAY, 7 * DAY, 900]
  )
  // Early: the new term follows the running one.
  powers.at += 10 * DAY
  const early = await renew()
  assert.equal([early.expires, early.chargedMinor, early.grantId], [NOW + 60 * DAY, 200, lease.grantId])
  await rejectsWith('COFFER_REQUEST_REFUSED', renew)
  assert.is((await order()).chargedMinor, 0)
  // Late: it begins when it is renewed.
  powers.at = NOW + 66 * DAY
  assert.is((await order()).expires, NOW + 60 * DAY)
  assert.is((await renew()).expires, powers.at + 30 * DAY)
  // Too late: bought anew.
  powers.at += 37 * DAY
  await rejectsWith('COFFER_REQUEST_REFUSED', renew)
  const anew = await order()
  assert.equal([anew.chargedMinor, anew.grantId], [900, lease.grantId])
  assert.equal((await center.desk.verifyLedger()).problems, [])
  await center.close()
})

test('renewing what does not end gives a fresh record of the same copy for nothing', async () => {
  const { order, powers, center } = await shopWith({ priceMinor: 900 })
  const bought = await order()
  powers.at += DAY
  const fresh = await order({ kind: 'renew' })
  assert.equal([fresh.kind, fresh.chargedMinor, fresh.grantId], ['perpetual', 0, bought.grantId])
  assert.is(fresh.issued, NOW + DAY)
  await center.desk.setTerms(TITLE, { expiresDays: 3 })
  const ending = await order({ medium: 'card' })
  assert.is((await order({ medium: 'card', kind: 'renew' })).expires, ending.expires)
  powers.at += 3 * DAY
  await rejectsWith('COFFER_REQUEST_REFUSED', () => order({ medium: 'card', kind: 'renew' }))
  await center.close()
})

test('the same renewal sent twice is charged once', async () => {
  const { order, powers, center } = await shopWith({ expiresDays: 30, renewPriceMinor: 200 })
  await order()
  const request = { kind: 'renew' as const, requestId: newRequestId(), created: powers.at }
  const [first, second] = [await order(request), await order(request)]
  assert.equal(second.grantHash, first.grantHash)
  const owed = (await center.desk.balances()).find(({ account }) => account.startsWith('receivable/'))
  assert.is(owed?.balanceMinor, 200)
  await center.close()
})

for (const bound of [{ copies: 5 }, { titleCopies: 5 }])
  test(`twelve parallel orders for five copies give exactly five: ${Object.keys(bound)}`, async () => {
    const { order, center } = await shopWith({ priceMinor: 100, ...bound })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 12 }, (_, index) =>
        order({ medium: `m${index}`, user: 'copies' in bound ? 'ann' : `user ${index}` })
      )
    )
    const granted = outcomes.filter(({ status }) => status === 'fulfilled')
    assert.is(granted.length, 5)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') assert.is(outcome.reason.code, 'COFFER_QUOTA')
    assert.is((await center.desk.grants()).length, 5)
    const { problems, postings } = await center.desk.verifyLedger()
    assert.equal([problems, postings], [[], 5])
    await center.close()
  })

test('copies that have ended and trials count for nobody', async () => {
  const { order, powers, center } = await shopWith({ titleCopies: 1, trialDays: 5, expiresDays: 2 })
  await order({ kind: 'trial' })
  await order({ user: 'bob' })
  await rejectsWith('COFFER_QUOTA', () => order({ user: 'eve' }))
  powers.at += 2 * DAY
  assert.is((await order({ user: 'eve' })).kind, 'expiring')
  assert.is(userKeys('eve').signKey.length, 32)
  await center.close()
})

test('terms that no grant could carry are refused before they are kept', async () => {
  const { center } = await shopWith({})
  const wrong: TermsChange[] = [
    { features: ['Pro'] },
    { features: Array.from({ length: 33 }, (_, index) => `f${index}`) },
    { graceDays: -1 },
    { trialDays: 0 },
    { refundDays: 1.5 },
    { transfer: 'anyone' as never }
  ]
  for (const change of wrong) {
    let refused: unknown
    await center.desk.setTerms(TITLE, change).catch((error: unknown) => (refused = error))
    assert.instance(refused, RangeError)
  }
  await center.close()
})

test('setTerms() reads the one title that it changes', async () => {
  const { center, pinned, place } = await shopWith({ priceMinor: 900 })
  const other = 'org.example.other'
  await pressed({ center, pinned }, { titleId: other })
  // No number of the books is so large: whoever reads it fails.
  await tamper(place, `update titles set registered = 9007199254740993 where "titleId" = '${other}'`)
  const title = await center.desk.setTerms(TITLE, { priceMinor: 800 })
  assert.equal([title.titleId, title.priceMinor], [TITLE, 800])
  assert.equal(title.releases, [{ release: 1, scheme: 'certificate' }])
  let isRead = false
  await center.desk.titles().catch(() => (isRead = true))
  assert.ok(isRead)
  await center.close()
})

test('summaries() looks at each release once, however many titles there are', () => {
  const title = { name: 'Hello', publisher: 'ab', registered: NOW, priceMinor: 0, currency: 'EUR' }
  const terms = { copies: null, titleCopies: null, expiresDays: null, renewPriceMinor: null, graceDays: 0 }
  const others = {
    trialDays: null,
    features: '',
    refundDays: null,
    transfer: 'no' as const,
    bearerAllowed: 0
  }
  const ids = Array.from({ length: 50 }, (_, n) => `org.example.t${n}`)
  let looks = 0
  const releases = [1, 2].flatMap(release =>
    ids.map(id => ({
      get titleId() {
        looks++
        return id
      },
      release,
      scheme: 'certificate' as const
    }))
  )
  const told = summaries(
    ids.map(titleId => ({ titleId, ...title, ...terms, ...others })),
    releases
  )
  assert.is(looks, releases.length)
  for (const [n, { titleId, releases }] of told.entries()) {
    assert.is(titleId, ids[n])
    assert.equal(
      releases,
      [1, 2].map(release => ({ release, scheme: 'certificate' }))
    )
  }
})

test.run()
