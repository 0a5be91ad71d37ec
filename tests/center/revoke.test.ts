/** What is taken back is listed, numbered, carried by answers, and not issued again. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromHex, hex, utf8 } from '../../formats/bytes.js'
import { userIdOf } from '../../formats/keys.js'
import { findRevocation, openRevocations } from '../../formats/records/revocations.js'
import { rejectsWith } from '../helpers/rejects.js'
import {
  mediumNamed,
  newCenter,
  NOW,
  openAsBuyer,
  pressed,
  publisherKeys,
  requestBytes,
  TITLE,
  userKeys,
  type TestCenter
} from './parties.js'

const currentList = async ({ center, pinned }: TestCenter) =>
  openRevocations(await center.revocations(), [pinned])!.revocations

test('revoke() numbers each list one higher, from an empty list 1, and repeats nothing', async () => {
  const shop = await newCenter()
  const { desk } = shop.center
  await pressed(shop)
  assert.is((await currentList(shop)).sequence, 1)
  assert.is(await desk.revoke('title', TITLE, 1), 2)
  assert.is(await desk.revoke('medium', hex(mediumNamed())), 3)
  assert.is(await desk.revoke('medium', hex(mediumNamed())), 3)
  assert.is(await desk.revoke('title', TITLE), 4)
  assert.is(await desk.revoke('title', TITLE, 7), 4, 'the whole title covers it')
  const list = await currentList(shop)
  assert.is(list.sequence, 4)
  assert.equal(list.entries, [
    { id: utf8(TITLE), kind: 'title', release: 1 },
    { id: mediumNamed(), kind: 'medium' },
    { id: utf8(TITLE), kind: 'title' }
  ])
  await shop.center.close()
})

test('issue() refuses whatever is revoked, and serves the rest', async () => {
  const subjects = {
    user: hex(userIdOf(userKeys())),
    medium: hex(mediumNamed()),
    title: TITLE,
    publisher: hex(publisherKeys().signKey)
  }
  for (const [kind, id] of Object.entries(subjects) as [keyof typeof subjects, string][]) {
    const shop = await newCenter()
    await pressed(shop)
    await pressed(shop, { titleId: 'org.example.other', publisher: 'other press' })
    await shop.center.desk.revoke(kind, id)
    await rejectsWith('COFFER_REVOKED', () => shop.center.issue(requestBytes(shop.pinned.centerId)))
    const other = { user: 'bob', medium: 'card', titleId: 'org.example.other' }
    const { answer, grant } = openAsBuyer(
      shop.pinned,
      await shop.center.issue(requestBytes(shop.pinned.centerId, other)),
      other
    )
    assert.is(grant.revocations, 2, 'a medium must carry at least this list')
    assert.is(openRevocations(answer.revocations, [shop.pinned])!.revocations.sequence, 2)
    await shop.center.close()
  }
})

test('revoke() of one release leaves the other on sale', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await pressed(shop, { release: 2 })
  await shop.center.desk.revoke('title', TITLE, 1)
  await rejectsWith('COFFER_REVOKED', () => shop.center.issue(requestBytes(shop.pinned.centerId)))
  await shop.center.issue(requestBytes(shop.pinned.centerId, { release: 2 }))
  await shop.center.close()
})

test('revoke() of a grant takes back every issue of that copy; ordering it again is buying it again', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { priceMinor: 900, copies: 1 })
  const order = async () =>
    openAsBuyer(shop.pinned, await shop.center.issue(requestBytes(shop.pinned.centerId)))
  const first = await order()
  const again = await order()
  await shop.center.desk.revoke('grant', hex(first.grant.grantId))
  const list = await currentList(shop)
  assert.ok(findRevocation(list, first.grant))
  assert.ok(findRevocation(list, again.grant))

  const bought = await order()
  assert.is(bought.answer.chargedMinor, 900)
  assert.is(findRevocation(list, bought.grant), undefined)
  assert.equal((await shop.center.desk.verifyLedger()).problems, [])
  await shop.center.close()
})

test('a blocked user gets no new grants, is in no list, and can be let in again', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.issue(requestBytes(shop.pinned.centerId))
  const [user] = await shop.center.desk.users()
  await shop.center.desk.setBlocked(user!.userId, true)
  await rejectsWith('COFFER_REVOKED', () =>
    shop.center.issue(requestBytes(shop.pinned.centerId, { medium: 'card' }))
  )
  assert.equal((await currentList(shop)).entries, [])
  await shop.center.desk.setBlocked(user!.userId, false)
  await shop.center.issue(requestBytes(shop.pinned.centerId, { medium: 'card' }))
  await shop.center.close()
})

test('find() takes the beginning of an id, and a full one that is not known yet', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.issue(requestBytes(shop.pinned.centerId))
  const { desk } = shop.center
  const [grant] = await desk.grants()
  assert.is(await desk.find('grant', grant!.grantId.slice(0, 6)), grant!.grantId)
  assert.is(await desk.find('user', grant!.userId.slice(0, 6)), grant!.userId)
  assert.is(await desk.find('medium', grant!.mediumId.slice(0, 9)), grant!.mediumId)
  assert.is(await desk.find('medium', 'ab'.repeat(32), true), 'ab'.repeat(32))
  await rejectsWith('COFFER_USAGE', () => desk.find('medium', 'ab'.repeat(32)))
  await rejectsWith('COFFER_USAGE', () => desk.find('grant', 'ab'.repeat(16)))
  await rejectsWith('COFFER_USAGE', () => desk.find('user', grant!.userId.slice(0, 5)))
  await rejectsWith('COFFER_USAGE', () => desk.find('user', '%%%%%%'))
  await rejectsWith('COFFER_USAGE', () => desk.find('user', ''))
  assert.is(fromHex(grant!.grantId).length, 16)
  await shop.center.close()
})

test('renumber() goes past every list that a lost database gave, and past its ended copies', async () => {
  const shop = await newCenter()
  const { desk } = shop.center
  await pressed(shop)
  const { grant } = openAsBuyer(
    shop.pinned,
    await shop.center.issue(requestBytes(shop.pinned.centerId, { user: 'ann' })),
    { user: 'ann' }
  )
  await desk.revoke('grant', hex(grant.grantId))
  await desk.foldRevocations()
  await desk.revoke('medium', hex(mediumNamed()))
  const before = await currentList(shop)
  assert.is(await shop.center.renumber(), NOW)
  const after = await currentList(shop)
  assert.equal([after.sequence, after.ended, after.entries], [NOW, NOW, before.entries])
  assert.is(await shop.center.renumber(), NOW + 1)
  assert.is(await desk.revoke('title', TITLE), NOW + 2)
  await shop.center.close()
})

test('what was never pressed is not taken back: it would be for ever, and what was meant would go on', async () => {
  const shop = await newCenter()
  const { desk } = shop.center
  await pressed(shop)
  await rejectsWith('COFFER_TITLE_MISSING', () => desk.revoke('title', `${TITLE}s`))
  await rejectsWith('COFFER_TITLE_MISSING', () => desk.revoke('title', `${TITLE}s`, 1))
  await rejectsWith('COFFER_TITLE_UNKNOWN', () => desk.revoke('title', TITLE, 9))
  assert.is((await currentList(shop)).sequence, 1)
  assert.is(await desk.revoke('title', TITLE, 1), 2)
  await shop.center.close()
})

test.run()
