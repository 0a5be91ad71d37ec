/** FIG. 8: the procedure at the central site, second embodiment. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { rejectsWith } from '../helpers/rejects.js'
import { expectSuccess, jsonOf } from '../helpers/site.js'
import { bindingKeyOf, decryptKu, decryptSecret } from './arithmetic.js'
import { conversionOf, PRICE, type Copy, type Pressed, type TwoSites, withTwoSites } from './sites.js'

let sites: TwoSites
let title: Pressed
let copy: Copy
withTwoSites(test, async opened => {
  sites = opened
  title = await sites.press('org.example.figure-8', 'conversion')
  copy = await sites.copy(title)
})

const grants = async (): Promise<any[]> =>
  jsonOf(await sites.site.center('grant', 'list', 'shop', '--json')).grants
const owed = () => sites.balance(`receivable/${hex(sites.userId)}`)
let requests = 0
/** An order that only this test makes, like the one of the program but for some fields. */
const order = (changes: Parameters<TwoSites['requestLike']>[1]) =>
  sites.post(sites.requestLike(copy.opened, { requestId: new Uint8Array(16).fill(++requests), ...changes }))

test('FIG. 8: the encryption unit (31) encrypts Mid with KM to produce Ku', () => {
  assert.equal(sites.sentKu(copy), sites.mediumKey(copy.mediumId))
})

test('FIG. 8: the comparator (32) searches the contents identifier file (33) for DID', async () => {
  const { titles } = jsonOf(await sites.site.center('title', 'list', 'shop', '--json'))
  assert.equal(
    titles.map(({ titleId }: any) => titleId),
    [title.id]
  )
  assert.is((await order({})).status, 200)
})

test('FIG. 8: what is not in the contents identifier file (33) leaves the switch (34) open: no key, grant, user or charge', async () => {
  const before = [await grants(), await owed()]
  // Whoever asks; the users of before are no exception.
  const nearly = [{ titleId: 'org.example.figure-80' }, { titleId: 'org.example.figure' }, { release: 2 }]
  for (const changes of nearly) {
    const { status, body } = await order(changes)
    const problem = JSON.parse(new TextDecoder().decode(body))
    assert.equal([status, problem.code], [404, 'COFFER_TITLE_UNKNOWN'])
  }
  assert.equal([await grants(), await owed()], before)
})

test('FIG. 8: the encryption unit (35) encrypts DID with KM to create Ka', () => {
  assert.equal(sites.sentKa(copy), sites.masterMediumKey(title.id))
})

test('FIG. 8: the encryption unit (36) encrypts Ku and Ka with Mid, for the requesting end user alone', async () => {
  const elsewhere = new Uint8Array(32).fill(36)
  await rejectsWith('COFFER_KEY_UNWRAP', () => sites.sentKu(copy, elsewhere))
  await rejectsWith('COFFER_KEY_UNWRAP', () => sites.sentKa(copy, elsewhere))
  const home = sites.site.fresh('home')
  expectSuccess(await sites.site.cofferWith({ env: { COFFER_HOME: home } }, 'keygen'))
  const stranger = sites.keysIn(home)
  await rejectsWith('COFFER_KEY_UNWRAP', () => sites.bindingKey(copy, copy.mediumId, stranger))
})

test('FIG. 8: Mid is no secret: a random one, new for each order, is the other half of the key of unit (36)', async () => {
  const { wrappedMediumKey, sealedBindingSecret } = conversionOf(copy.grant)
  await rejectsWith('COFFER_KEY_UNWRAP', () => decryptKu(bindingKeyOf(copy.binding), wrappedMediumKey))
  const again = await sites.orderByHand(copy, copy.binding)
  const { recipient } = sites.user
  const secrets = [
    decryptSecret(recipient, copy.binding, sealedBindingSecret!),
    decryptSecret(recipient, again.binding, conversionOf(again.grant).sealedBindingSecret!)
  ]
  assert.is(new Set(secrets.map(hex)).size, 2)
  assert.equal(sites.sentKu(again), sites.sentKu(copy))
})

test('FIG. 8: the user profile database (37) has the user, and the cost is charged to him', async () => {
  const shown = jsonOf(await sites.site.center('user', 'show', 'shop', hex(sites.userId), '--json'))
  assert.is(shown.user.userId, hex(sites.userId))
  assert.equal(shown.balances, [{ currency: PRICE.currency, balanceMinor: PRICE.minor }])
  assert.equal([copy.verified.chargedMinor, copy.verified.currency], [PRICE.minor, PRICE.currency])
  assert.is(await sites.balance(`sales/${title.id}`), -PRICE.minor)
})

test('FIG. 8: the same request again gets the same bytes, and is not charged again', async () => {
  const before = await owed()
  for (let time = 0; time < 2; time++) {
    const { status, body } = await sites.post(copy.request)
    assert.equal([status, hex(body)], [200, hex(copy.answer)])
  }
  assert.is(await owed(), before)
  const postings = await sites.books(books =>
    books
      .selectFrom('ledger')
      .select(['account', 'amountMinor'])
      .where('posting', '=', hex(copy.opened.requestId))
      .orderBy('account')
      .execute()
  )
  assert.equal(
    postings.map(({ account, amountMinor }) => [account, amountMinor]),
    [
      [`receivable/${hex(sites.userId)}`, PRICE.minor],
      [`sales/${title.id}`, -PRICE.minor]
    ]
  )
})

test('FIG. 8: a copy to another medium is another license: charged again', async () => {
  const before = await owed()
  const again = await sites.copy(title)
  assert.equal([again.verified.chargedMinor, await owed()], [PRICE.minor, before + PRICE.minor])
  // And a new order for the medium that has one is not.
  const same = await sites.copy(title, again.medium)
  assert.equal([same.verified.chargedMinor, await owed()], [0, before + PRICE.minor])
  expectSuccess(await sites.site.center('ledger', 'verify', 'shop'))
})

test.run()
