/** FIG. 4 and FIG. 8, left side: an order becomes a copy, as the buyer sees it. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes, fromHex, hex } from '../../formats/bytes.js'
import { deriveKeys, userIdOf } from '../../formats/keys.js'
import { openRevocations } from '../../formats/records/revocations.js'
import { rejectsWith } from '../helpers/rejects.js'
import {
  mediumNamed,
  named,
  newCenter,
  newRequestId,
  NOW,
  openAsBuyer,
  pressed,
  publisherKeys,
  requestBytes,
  TITLE,
  userKeys
} from './parties.js'

const DAY_SECONDS = 86_400

test("issue() gives a certificate that the buyer's own computation matches, and the publisher's title key", async () => {
  const shop = await newCenter()
  const titleKey = await pressed(shop)
  const bought = openAsBuyer(shop.pinned, await shop.center.issue(requestBytes(shop.pinned.centerId)))

  assert.is(bought.grant.scheme, 'certificate')
  if (bought.grant.scheme !== 'certificate') return
  assert.equal(bought.recomputedCertificate, bought.grant.license.certificate)
  assert.equal(bought.titleKey, titleKey)
  assert.equal(bought.grant.publisher, publisherKeys().signKey)
  assert.equal(bought.grant.userId, userIdOf(userKeys()))
  assert.equal(bought.grant.mediumId, mediumNamed())
  assert.is(bought.grant.kind, 'perpetual')
  assert.is(bought.grant.issued, NOW)
  assert.is(bought.answer.chargedMinor, 0)
  assert.equal(openRevocations(bought.answer.revocations, [shop.pinned])!.revocations.entries, [])
  await shop.center.close()
})

test('issue() gives Ku and Ka, and Ka is the key that the publisher sealed with', async () => {
  const shop = await newCenter()
  const masterMediumKey = await pressed(shop, { scheme: 'conversion' })
  const first = openAsBuyer(
    shop.pinned,
    await shop.center.issue(requestBytes(shop.pinned.centerId, { scheme: 'conversion' }))
  )
  const other = openAsBuyer(
    shop.pinned,
    await shop.center.issue(requestBytes(shop.pinned.centerId, { medium: 'card', scheme: 'conversion' })),
    { medium: 'card' }
  )
  assert.equal(first.masterMediumKey, masterMediumKey)
  assert.equal(other.masterMediumKey, masterMediumKey)
  assert.not.equal(first.mediumKey, other.mediumKey)
  await shop.center.close()
})

test('issue() gives a grant that opens on no other medium and for no other user', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await pressed(shop, { titleId: 'org.example.converted', scheme: 'conversion' })
  for (const order of [
    { titleId: TITLE },
    { titleId: 'org.example.converted', scheme: 'conversion' as const }
  ]) {
    const answer = await shop.center.issue(requestBytes(shop.pinned.centerId, order))
    await rejectsWith('COFFER_KEY_UNWRAP', () => openAsBuyer(shop.pinned, answer, { medium: 'clone' }))
    await rejectsWith('COFFER_KEY_UNWRAP', () => openAsBuyer(shop.pinned, answer, { user: 'bob' }))
  }
  await shop.center.close()
})

test('issue() gives no two users or media the same certification key', async () => {
  const shop = await newCenter()
  await pressed(shop)
  const keys = new Set<string>()
  for (const user of ['ann', 'bob']) {
    for (const medium of ['stick', 'card']) {
      const answer = await shop.center.issue(requestBytes(shop.pinned.centerId, { user, medium }))
      keys.add(hex(openAsBuyer(shop.pinned, answer, { user, medium }).certificationKey!))
    }
  }
  assert.is(keys.size, 4)
  await shop.center.close()
})

test('issue() gives a bearer grant only where the seller allows it and the scheme can', async () => {
  const shop = await newCenter()
  const masterMediumKey = await pressed(shop, { scheme: 'conversion' })
  await pressed(shop, { titleId: 'org.example.certified' })
  const order = (titleId: string) =>
    requestBytes(shop.pinned.centerId, {
      titleId,
      bind: ['medium'],
      scheme: titleId === TITLE ? 'conversion' : 'certificate'
    })
  await rejectsWith('COFFER_REQUEST_REFUSED', () => shop.center.issue(order(TITLE)))
  await shop.center.desk.setTerms(TITLE, { bearerAllowed: true })
  await shop.center.desk.setTerms('org.example.certified', { bearerAllowed: true })
  await rejectsWith('COFFER_REQUEST_REFUSED', () => shop.center.issue(order('org.example.certified')))

  // Another user's key: the medium alone is the license.
  const bearer = openAsBuyer(shop.pinned, await shop.center.issue(order(TITLE)), { user: 'bob' })
  assert.equal(bearer.grant.bind, ['medium'])
  assert.equal(bearer.masterMediumKey, masterMediumKey)
  await shop.center.close()
})

test('issue() refuses a grant bound to the user alone', async () => {
  const shop = await newCenter()
  await pressed(shop, { scheme: 'conversion' })
  for (const bind of [['user'], ['user', 'user']] as const) {
    await rejectsWith('COFFER_REQUEST_REFUSED', () =>
      shop.center.issue(requestBytes(shop.pinned.centerId, { bind, scheme: 'conversion' }))
    )
  }
  await shop.center.close()
})

test('issue() refuses a title or release that no publisher registered, and leaves no trace', async () => {
  const shop = await newCenter()
  await pressed(shop)
  for (const order of [
    { titleId: 'org.example.nothing' },
    { release: 2 },
    { scheme: 'conversion' as const }
  ]) {
    await rejectsWith('COFFER_TITLE_UNKNOWN', () =>
      shop.center.issue(requestBytes(shop.pinned.centerId, order))
    )
  }
  assert.equal(await shop.center.desk.users(), [])
  assert.equal(await shop.center.desk.grants(), [])
  await shop.center.close()
})

test('issue() refuses an order for another center', async () => {
  const shop = await newCenter()
  await pressed(shop)
  const error = await rejectsWith('COFFER_REQUEST_REFUSED', () =>
    shop.center.issue(requestBytes(named('elsewhere')))
  )
  assert.match(error.expected!, shop.center.centerId)
  await shop.center.close()
})

test('issue() takes orders up to 30 days old and one day ahead, to the second', async () => {
  const shop = await newCenter()
  await pressed(shop)
  const order = (created: number) => shop.center.issue(requestBytes(shop.pinned.centerId, { created }))
  await order(NOW - 30 * DAY_SECONDS)
  await order(NOW + DAY_SECONDS)
  await rejectsWith('COFFER_REQUEST_STALE', () => order(NOW - 30 * DAY_SECONDS - 1))
  await rejectsWith('COFFER_REQUEST_STALE', () => order(NOW + DAY_SECONDS + 1))
  await shop.center.close()
})

test('issue() answers a repeated order with the same bytes, also after it grew stale', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { priceMinor: 900 })
  const request = requestBytes(shop.pinned.centerId)
  const answer = await shop.center.issue(request)
  assert.equal(await shop.center.issue(request), answer)
  shop.powers.at = NOW + 400 * DAY_SECONDS
  assert.equal(await shop.center.issue(request), answer)
  assert.is((await shop.center.desk.balances())[0]!.balanceMinor, 900)
  await shop.center.close()
})

test('issue() refuses another order under a known id, whoever signed it', async () => {
  const shop = await newCenter()
  await pressed(shop)
  const requestId = newRequestId()
  await shop.center.issue(requestBytes(shop.pinned.centerId, { requestId }))
  await rejectsWith('COFFER_REQUEST_ALTERED', () =>
    shop.center.issue(requestBytes(shop.pinned.centerId, { requestId, medium: 'card' }))
  )
  await rejectsWith('COFFER_REQUEST_ALTERED', () =>
    shop.center.issue(requestBytes(shop.pinned.centerId, { requestId, user: 'bob' }))
  )
  await shop.center.close()
})

test('issue() refuses an order with any one byte changed, and one signed by another than it names', async () => {
  const shop = await newCenter()
  await pressed(shop)
  const request = requestBytes(shop.pinned.centerId)
  let refused = 0
  for (let at = 0; at < request.length; at += 7) {
    const flipped = request.slice()
    flipped[at]! ^= 1
    try {
      await shop.center.issue(flipped)
      assert.unreachable(`byte ${at} was changed, and it was answered`)
    } catch (error) {
      assert.match((error as { code: string }).code, /^COFFER_(RECORD|VERSION|ENCODING)/)
      refused++
    }
  }
  assert.ok(refused > 50)

  // The frame re-signed by somebody else, its body untouched.
  const { ed25519PublicKey, Ed25519Signer } = await import('../../formats/primitives.js')
  const { enc } = await import('../../formats/encode.js')
  const { concat } = await import('../../formats/bytes.js')
  const { signSeed } = userKeys('mallory')
  const signed = request.subarray(0, request.length - 96)
  const resigned = concat(
    signed,
    ed25519PublicKey(signSeed),
    new Ed25519Signer(signSeed).sign(enc('signed/request', signed))
  )
  await rejectsWith('COFFER_RECORD_FORGED', () => shop.center.issue(resigned))
  assert.equal(await shop.center.desk.grants(), [])
  await shop.center.close()
})

test('issue() refuses a public key that nothing can be sealed to', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await rejectsWith('COFFER_KEY_UNWRAP', () =>
    shop.center.issue(requestBytes(shop.pinned.centerId, { sealKey: new Uint8Array(32) }))
  )
  assert.equal(await shop.center.desk.users(), [], 'the whole transaction was undone')
  await shop.center.close()
})

test('issue() charges a copy once: not again for a re-issue or a newer release on its medium', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await pressed(shop, { release: 2 })
  await shop.center.desk.setTerms(TITLE, { priceMinor: 900, currency: 'CHF' })
  const charged = async (order: object) =>
    openAsBuyer(shop.pinned, await shop.center.issue(requestBytes(shop.pinned.centerId, order)), order).answer
      .chargedMinor
  assert.is(await charged({}), 900)
  assert.is(await charged({}), 0)
  assert.is(await charged({ release: 2 }), 0)
  assert.is(await charged({ medium: 'card' }), 900)
  assert.is(await charged({ user: 'bob' }), 900)

  const userId = hex(userIdOf(userKeys()))
  const balances = await shop.center.desk.balances()
  assert.is(balances.find(({ account }) => account === `receivable/${userId}`)?.balanceMinor, 1800)
  assert.equal(
    balances.find(({ account }) => account === `sales/${TITLE}`),
    { account: `sales/${TITLE}`, currency: 'CHF', balanceMinor: -2700 }
  )
  assert.equal((await shop.center.desk.verifyLedger()).problems, [])
  const copies = await shop.center.desk.grants({ userId })
  assert.is(copies.length, 2)
  assert.is(copies.find(({ mediumId }) => mediumId === hex(mediumNamed()))?.release, 2)
  await shop.center.close()
})

test('issue() sells for a time: re-issued free until then, with the same end, and charged after', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { priceMinor: 500, expiresDays: 30 })
  const order = async () =>
    openAsBuyer(
      shop.pinned,
      await shop.center.issue(requestBytes(shop.pinned.centerId, { created: shop.powers.at }))
    )
  const first = await order()
  assert.is(first.grant.kind, 'expiring')
  assert.is(first.grant.expires, NOW + 30 * DAY_SECONDS)
  shop.powers.at = NOW + 30 * DAY_SECONDS - 1
  const again = await order()
  assert.is(again.answer.chargedMinor, 0)
  assert.is(again.grant.expires, NOW + 30 * DAY_SECONDS)
  shop.powers.at = NOW + 30 * DAY_SECONDS
  const renewed = await order()
  assert.is(renewed.answer.chargedMinor, 500)
  assert.is(renewed.grant.expires, NOW + 60 * DAY_SECONDS)
  assert.equal(renewed.grant.grantId, first.grant.grantId, 'one copy, one id')
  await shop.center.close()
})

test('issue() keeps to the quota, which 12 orders at once do not break', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { copies: 5, priceMinor: 100 })
  const orders = Array.from({ length: 12 }, (_, n) =>
    shop.center.issue(requestBytes(shop.pinned.centerId, { medium: `stick ${n}` }))
  )
  const outcomes = await Promise.allSettled(orders)
  const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
  assert.is(refused.length, 7)
  for (const { reason } of refused) assert.is(reason.code, 'COFFER_QUOTA')
  assert.is((await shop.center.desk.grants()).length, 5)
  const check = await shop.center.desk.verifyLedger()
  assert.equal(check, { orders: 5, copies: 5, postings: 5, problems: [] })
  // The medium that has it is served on, and so is another user.
  const [held] = await shop.center.desk.grants()
  const n = outcomes.findIndex(({ status }) => status === 'fulfilled')
  assert.ok(held)
  await shop.center.issue(requestBytes(shop.pinned.centerId, { medium: `stick ${n}` }))
  await shop.center.issue(requestBytes(shop.pinned.centerId, { user: 'bob', medium: 'new' }))
  await shop.center.close()
})

test('issue() does not keep a refusal: the same order succeeds after the seller gives a copy', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { copies: 0, priceMinor: 900 })
  const request = requestBytes(shop.pinned.centerId)
  await rejectsWith('COFFER_QUOTA', () => shop.center.issue(request))
  const userId = await shop.center.desk.addUser(userKeys(), 'Ann')
  await shop.center.desk.give(TITLE, userId, { priceMinor: 0, copies: 1 })
  const { answer } = openAsBuyer(shop.pinned, await shop.center.issue(request))
  assert.is(answer.chargedMinor, 0)
  await rejectsWith('COFFER_QUOTA', () =>
    shop.center.issue(requestBytes(shop.pinned.centerId, { medium: 'card' }))
  )
  await shop.center.close()
})

test('issue() enrols by a first order unless enrolment is closed', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.issue(requestBytes(shop.pinned.centerId))
  await shop.center.desk.setEnrolment(false)
  await rejectsWith('COFFER_ENROLMENT_CLOSED', () =>
    shop.center.issue(requestBytes(shop.pinned.centerId, { user: 'bob' }))
  )
  await shop.center.issue(requestBytes(shop.pinned.centerId, { medium: 'card' }))
  await shop.center.desk.addUser(userKeys('bob'), null)
  await shop.center.issue(requestBytes(shop.pinned.centerId, { user: 'bob' }))
  assert.is((await shop.center.desk.users()).length, 2)
  await shop.center.close()
})

test('issue() takes a user by both public keys: another seal key is another user', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.issue(requestBytes(shop.pinned.centerId))
  const { sealKey } = deriveKeys('user', named('eve'))
  await shop.center.issue(requestBytes(shop.pinned.centerId, { sealKey }))
  const users = await shop.center.desk.users()
  assert.is(users.length, 2)
  assert.ok(users.every(({ userId }) => !equalBytes(fromHex(userId), new Uint8Array(32))))
  await shop.center.close()
})

test.run()
