/** Returns without end: the list stays short, and what was taken back stays taken back. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MAX_NAMED } from '../../center/orders/ended.js'
import { openStore } from '../../center/books/store.js'
import { equalBytes, hex } from '../../formats/bytes.js'
import { MAX_ENDED } from '../../formats/limits.js'
import { ID_BYTES, isEnded, openEnded, endedRecordLength } from '../../formats/records/ended.js'
import { findRevocation, openRevocations } from '../../formats/records/revocations.js'
import { openRoots } from '../../formats/records/root.js'
import { decode } from '../../formats/msgpack.js'
import {
  named,
  newCenter,
  NOW,
  openAsBuyer,
  pressed,
  requestBytes,
  TITLE,
  type TestCenter
} from './parties.js'

const DAY = 86_400

async function published({ center }: TestCenter) {
  const { roots } = decode(await center.roots()) as { roots: Uint8Array[] }
  const pinned = openRoots(roots)
  const { revocations } = openRevocations(await center.revocations(), [pinned])!
  const file = await center.ended()
  const opened = file && openEnded(file.subarray(0, endedRecordLength(file.subarray(0, 20))), [pinned])
  const inParts = (id: Uint8Array): boolean => {
    if (file === undefined) return false
    const { ended } = opened!
    assert.is(file.length, ended.totalBytes)
    const { offsetBytes, lengthBytes } = ended.part(id[0]!)
    return isEnded(ended, file.subarray(offsetBytes, offsetBytes + lengthBytes), id)
  }
  const inList = (id: Uint8Array) => revocations.entries.some(entry => equalBytes(entry.id, id))
  return { revocations, ended: opened?.ended, inParts, inList }
}

const revokeAll = (shop: TestCenter, ids: readonly Uint8Array[]) =>
  Promise.all(ids.map(id => shop.center.desk.revoke('grant', hex(id))))

test('more copies than a reader takes stay in the list', async () => {
  const shop = await newCenter()
  const store = await openStore(shop.place, async () => ({
    begun: Promise.resolve(),
    writeDown: async () => {}
  }))
  const ids = new Uint8Array(MAX_ENDED * ID_BYTES)
  await store.transaction(books => books.insertInto('endedParts').values({ first: 0, ids }).execute())
  await store.close()
  const [one, two] = [named('one', 16), named('two', 16)]
  await shop.center.desk.revoke('grant', hex(one))
  await shop.center.desk.foldRevocations()
  await shop.center.desk.revoke('grant', hex(two))
  const { inList, ended } = await published(shop)
  assert.equal([inList(one), inList(two), ended], [true, true, undefined])
  await shop.center.close()
})

test('copies beyond a thousand go over into the parts: none is lost, and the list stays short', async () => {
  const shop = await newCenter()
  const ids = Array.from({ length: MAX_NAMED + 1 }, (_, n) => named(`grant ${n}`, 16))
  await revokeAll(shop, ids.slice(0, MAX_NAMED))
  const before = await published(shop)
  assert.equal([before.revocations.entries.length, before.ended], [MAX_NAMED, undefined])
  assert.is(before.revocations.ended, undefined)
  const medium = hex(named('medium'))
  await shop.center.desk.revoke('grant', hex(ids.at(-1)!))
  await shop.center.desk.revoke('medium', medium)
  const after = await published(shop)
  assert.equal(
    after.revocations.entries.map(({ kind, id }) => [kind, hex(id)]),
    [['medium', medium]]
  )
  assert.is(after.revocations.ended, after.ended!.sequence)
  for (const id of ids) assert.ok(after.inParts(id))
  assert.not.ok(after.inParts(named('another', 16)))
  // The next ones are named again until they are many, or until the seller says so.
  const more = [named('one more', 16), named('two more', 16)]
  await revokeAll(shop, more)
  const named2 = await published(shop)
  assert.ok(more.every(id => named2.inList(id) && !named2.inParts(id)))
  assert.is(await shop.center.desk.foldRevocations(), 2)
  const folded = await published(shop)
  assert.ok([...ids, ...more].every(id => folded.inParts(id) && !folded.inList(id)))
  assert.ok(folded.ended!.sequence > after.ended!.sequence)
  // Taking it back again changes nothing.
  const number = folded.revocations.sequence
  await shop.center.desk.revoke('grant', hex(ids[0]!))
  assert.is((await published(shop)).revocations.sequence, number)
  assert.equal((await shop.center.desk.verifyLedger()).problems, [])
  await shop.center.close()
})

test('a copy that ends by itself is let go once that time is past in what the list itself says, and not before', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, {
    priceMinor: 1,
    expiresDays: 10,
    renewPriceMinor: 1,
    graceDays: 30
  })
  const order = async (medium: string, kind: 'order' | 'renew' = 'order') =>
    openAsBuyer(
      shop.pinned,
      await shop.center.issue(requestBytes(shop.pinned.centerId, { medium, kind, created: shop.powers.at })),
      {
        medium
      }
    ).grant
  const renewed = await order('renewed')
  const plain = await order('plain')
  const inParts = await order('parts')
  // Renewed on shorter terms: the grant that was there before runs longest, 40 days.
  shop.powers.at = NOW + 5 * DAY
  await shop.center.desk.setTerms(TITLE, { graceDays: 0 })
  await order('renewed', 'renew')
  for (const { grantId } of [renewed, plain, inParts]) await shop.center.desk.revoke('grant', hex(grantId))
  await shop.center.desk.setTerms(TITLE, { expiresDays: null, renewPriceMinor: null })
  const forEver = await order('for ever')
  await shop.center.desk.revoke('grant', hex(forEver.grantId))

  const publish = async (at: number) => {
    shop.powers.at = at
    await shop.center.desk.revoke('medium', hex(named(`medium ${at}`)))
    return published(shop)
  }
  const exact = await publish(NOW + 40 * DAY)
  for (const grant of [renewed, plain, inParts, forEver]) assert.ok(findRevocation(exact.revocations, grant))
  assert.is(exact.revocations.issued, NOW + 40 * DAY)
  const after = await publish(NOW + 40 * DAY + 1)
  for (const grant of [renewed, plain, inParts])
    assert.is(findRevocation(after.revocations, grant), undefined)
  assert.ok(after.revocations.issued > plain.expires! + plain.grace!, 'loaders take no earlier time')
  assert.ok(findRevocation(after.revocations, forEver))
  // A clock that was ahead is put right.
  const right = await publish(NOW + 39 * DAY)
  for (const grant of [renewed, plain, inParts, forEver]) assert.ok(findRevocation(right.revocations, grant))
  const again = await publish(NOW + 40 * DAY + 2)
  for (const grant of [renewed, plain, inParts])
    assert.is(findRevocation(again.revocations, grant), undefined)

  // The same for what is in the parts: they let go of it when they are made again.
  await shop.center.desk.setTerms(TITLE, { expiresDays: 10 })
  shop.powers.at += DAY
  const late = await order('late')
  await shop.center.desk.revoke('grant', hex(late.grantId))
  await shop.center.desk.foldRevocations()
  assert.ok((await published(shop)).inParts(late.grantId))
  shop.powers.at += 11 * DAY
  await shop.center.desk.revoke('grant', hex(named('another', 16)))
  await shop.center.desk.foldRevocations()
  const last = await published(shop)
  assert.equal([last.inParts(late.grantId), last.inParts(forEver.grantId)], [false, true])
  assert.equal((await shop.center.desk.verifyLedger()).problems, [])
  await shop.center.close()
})

test('a new signing key signs the parts again, so that revoking the old one loses none', async () => {
  const shop = await newCenter()
  const id = named('grant', 16)
  await shop.center.desk.revoke('grant', hex(id))
  await shop.center.desk.foldRevocations()
  const { publicKey } = (await shop.center.keys.ring()).keys[0]!
  const before = await published(shop)
  await shop.center.keys.revoke(publicKey)
  const after = await published(shop)
  assert.is(await shop.center.ended(), await shop.center.ended(), 'made once, however many ask')
  assert.ok(after.inParts(id))
  assert.ok(after.ended!.sequence > before.ended!.sequence)
  assert.is(after.revocations.ended, after.ended!.sequence)
  await shop.center.close()
})

test.run()
