/** The second thread of an instance that sells much: what it makes, and that nothing depends on it. */
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { logWith } from '../../center/audit/log.js'
import { findBooks } from '../../center/books/place.js'
import { openStore } from '../../center/books/store.js'
import { createCenter } from '../../center/center.js'
import { openKeys } from '../../center/keys/keyplace.js'
import { openVault } from '../../center/keys/vault.js'
import { openAside, type Aside, type Asked } from '../../center/orders/aside.js'
import { openIssue } from '../../center/orders/issue.js'
import { SYSTEM_POWERS } from '../../center/powers.js'
import { signerBy } from '../../center/site.js'
import { hex } from '../../formats/bytes.js'
import { decode } from '../../formats/msgpack.js'
import { openAnswer } from '../../formats/records/answer.js'
import { encodeCheckpoint } from '../../formats/records/checkpoint.js'
import { openRequest } from '../../formats/records/request.js'
import { openRevocations } from '../../formats/records/revocations.js'
import { openRoots } from '../../formats/records/root.js'
import { newBooks } from '../helpers/databases.js'
import { rejectsWith } from '../helpers/rejects.js'
import { openAsBuyer, pressed, requestBytes, temporaryFolder, TITLE } from './parties.js'

const { now } = SYSTEM_POWERS

/** A center that sells a title, and an instance of it whose second thread is told of: by the clock of this machine. */
async function newShop() {
  const folder = join(temporaryFolder(), 'shop')
  const center = await createCenter(folder, { name: 'Shop', database: await newBooks() })
  const pinned = openRoots((decode(await center.roots()) as { roots: Uint8Array[] }).roots)
  const { centerId } = pinned
  await pressed({ center, pinned }, { created: now() })
  await center.desk.setTerms(TITLE, { priceMinor: 900 })

  const vault = openVault(await openKeys(join(folder, 'vault')))
  const place = await findBooks(folder)
  const store = await openStore(
    place,
    logWith((roots, size, root) =>
      encodeCheckpoint({ centerId, issued: now(), root, size }, signerBy(vault, roots))
    )
  )
  const data = { centerId, folder: join(folder, 'vault'), unlock: undefined }
  const thread = openAside(data)
  let made = 0
  let asked = () => {}
  /** Of the second thread, until `then` is done. */
  let then = async (_asked: Asked) => {}
  const aside: Aside = {
    ...thread,
    async draft(all) {
      asked()
      const drafts = await thread.draft(all)
      made += drafts.filter(one => one !== undefined).length
      await then(all)
      return drafts
    }
  }
  while (!thread.isReady()) await setTimeout(5)
  return {
    center,
    pinned,
    thread,
    data,
    // Orders of one turn are verified in that turn: on threads one may be late, and alone, which nothing is made aside for.
    issue: openIssue({ centerId, vault, store, powers: SYSTEM_POWERS }, aside, async record =>
      openRequest(record)
    ),
    made: () => made,
    whenAsked: (work: () => void) => (asked = work),
    afterMaking: (work: typeof then) => (then = work),
    order: (n: number) =>
      requestBytes(centerId, { created: now(), user: `user ${n % 5}`, medium: `stick ${n}` }),
    async close() {
      await thread.close()
      await store.close()
      vault.close()
      await center.close()
    }
  }
}

test('orders at once are made on the second thread: each opens for its buyer, charged once, and again the same', async () => {
  const shop = await newShop()
  const orders = Array.from({ length: 40 }, (_, n) => shop.order(n))
  const answers = await Promise.all([...orders, ...orders].map(order => shop.issue(order)))
  for (const [n, answer] of answers.slice(0, 40).entries()) {
    const { grant, recomputedCertificate } = openAsBuyer(shop.pinned, answer, {
      user: `user ${n % 5}`,
      medium: `stick ${n}`
    })
    assert.equal(recomputedCertificate, (grant.license as { certificate: Uint8Array }).certificate)
    assert.equal(answers[40 + n], answer)
  }
  assert.ok(shop.made() > 0)
  assert.equal(await shop.center.desk.verifyLedger(), { orders: 40, copies: 40, postings: 40, problems: [] })
  await shop.close()
})

test('of orders that were made aside, no more count than the title has copies', async () => {
  const shop = await newShop()
  await shop.center.desk.setTerms(TITLE, { titleCopies: 7 })
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => shop.issue(shop.order(n))))
  assert.ok(shop.made() > 7)
  assert.is(outcomes.filter(({ status }) => status === 'fulfilled').length, 7)
  assert.equal(await shop.center.desk.verifyLedger(), { orders: 7, copies: 7, postings: 7, problems: [] })
  await rejectsWith('COFFER_QUOTA', () => shop.issue(shop.order(21)))
  await shop.close()
})

test('what was made aside on books that have changed since is made anew', async () => {
  const shop = await newShop()
  let outdated: readonly Uint8Array[] = []
  shop.afterMaking(async ({ decided }) => {
    shop.afterMaking(async () => {})
    outdated = decided.map(({ order }) => order.requestId)
    await shop.center.desk.revoke('medium', 'ab'.repeat(32))
  })
  const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => shop.issue(shop.order(n))))
  const sequences = new Map(
    answers.map(record => {
      const { requestId, revocations } = openAnswer(record, [shop.pinned])!.answer
      return [hex(requestId), openRevocations(revocations, [shop.pinned])!.revocations.sequence]
    })
  )
  assert.ok(outdated.length > 0)
  assert.equal(
    outdated.map(requestId => sequences.get(hex(requestId))),
    outdated.map(() => 2)
  )
  await shop.close()
})

test('what was foreseen of an order and is otherwise counts for nothing', async () => {
  const shop = await newShop()
  const charged = (answer: Uint8Array) => openAnswer(answer, [shop.pinned])!.answer.chargedMinor
  const orders = (from: number) => Array.from({ length: 10 }, (_, n) => shop.order(from + n))
  const first = await Promise.all(orders(0).map(order => shop.issue(order)))
  assert.equal(first.map(charged), Array(10).fill(900))

  const { userId } = openAsBuyer(shop.pinned, first[1]!, { user: 'user 1', medium: 'stick 1' }).grant
  await shop.center.desk.give(TITLE, hex(userId), { priceMinor: 100 })
  const made = shop.made()
  // Five copies that are held, and five new ones, one of them for user 1.
  const second = await Promise.all(orders(5).map(order => shop.issue(order)))
  assert.equal(second.slice(0, 5).map(charged), Array(5).fill(0))
  assert.equal(second.slice(5).map(charged), [900, 100, 900, 900, 900])
  const third = await Promise.all(orders(20).map(order => shop.issue(order)))
  assert.equal(
    third.map(charged),
    third.map((_, n) => (n % 5 === 1 ? 100 : 900))
  )
  assert.ok(shop.made() > made)

  await shop.center.desk.setTerms(TITLE, { priceMinor: 500 })
  const fourth = await Promise.all(orders(30).map(order => shop.issue(order)))
  assert.equal(
    fourth.map(charged),
    fourth.map((_, n) => (n % 5 === 1 ? 100 : 500))
  )
  assert.equal((await shop.center.desk.verifyLedger()).problems, [])
  await shop.close()
})

test('orders that come again are not made again', async () => {
  const shop = await newShop()
  const orders = Array.from({ length: 20 }, (_, n) => shop.order(n))
  const answers = await Promise.all(orders.map(order => shop.issue(order)))
  const made = shop.made()
  assert.ok(made > 0)
  assert.equal(await Promise.all(orders.map(order => shop.issue(order))), answers)
  assert.is(shop.made(), made)
  await shop.close()
})

test('of a title that is sold out no more is made, until it is sold again', async () => {
  const shop = await newShop()
  await shop.center.desk.setTerms(TITLE, { titleCopies: 4 })
  const outcomes = (from: number) =>
    Promise.allSettled(Array.from({ length: 10 }, (_, n) => shop.issue(shop.order(from + n))))
  const sold = (all: Awaited<ReturnType<typeof outcomes>>) =>
    all.filter(({ status }) => status === 'fulfilled').length
  assert.is(sold(await outcomes(0)), 4)
  const made = shop.made()
  assert.is(sold(await outcomes(10)), 0)
  assert.is(sold(await outcomes(20)), 0)
  assert.is(shop.made(), made)
  await shop.center.desk.setTerms(TITLE, { titleCopies: null })
  assert.is(sold(await outcomes(30)), 10)
  assert.is(sold(await outcomes(40)), 10)
  assert.ok(shop.made() > made)
  await shop.close()
})

test('renewals are made aside on the books as they are, since a title alone does not tell what they come to', async () => {
  const shop = await newShop()
  await shop.center.desk.setTerms(TITLE, { expiresDays: 30, renewPriceMinor: 300 })
  const order = (n: number, kind: 'order' | 'renew') =>
    requestBytes(shop.pinned.centerId, { created: now(), user: `user ${n}`, medium: `stick ${n}`, kind })
  const all = (kind: 'order' | 'renew') =>
    Promise.all(Array.from({ length: 8 }, (_, n) => shop.issue(order(n, kind))))
  await all('order')
  const made = shop.made()
  const renewed = await all('renew')
  assert.ok(shop.made() > made)
  for (const answer of renewed) assert.is(openAnswer(answer, [shop.pinned])!.answer.chargedMinor, 300)
  await rejectsWith('COFFER_GRANT_MISSING', () => shop.issue(order(9, 'renew')))
  await shop.close()
})

test('a thread that ends in the midst, or never comes, keeps no order from being answered', async () => {
  const shop = await newShop()
  shop.whenAsked(() => void shop.thread.close())
  const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => shop.issue(shop.order(n))))
  for (const [n, answer] of answers.entries())
    openAsBuyer(shop.pinned, answer, { user: `user ${n % 5}`, medium: `stick ${n}` })
  assert.equal(await shop.center.desk.verifyLedger(), { orders: 30, copies: 30, postings: 30, problems: [] })
  await shop.close()

  const none = openAside({ ...shop.data, folder: join(temporaryFolder(), 'nothing') })
  for (let n = 0; n < 20; n++) {
    assert.not(none.isReady())
    await setTimeout(10)
  }
  assert.equal(await none.draft({ ground: { center: {} as never, roots: [] }, decided: [] }), [])
  await none.close()
})

test('close() waits for a thread that was starting, though nothing else keeps the process: it once was gone before', async () => {
  const shop = await newShop()
  await shop.close()
  for (const data of [shop.data, { ...shop.data, folder: join(temporaryFolder(), 'nothing') }]) {
    const starting = openAside(data)
    assert.not(starting.isReady())
    await starting.close()
  }
})

test.run()
