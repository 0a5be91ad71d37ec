/** The books, on either database: transactions, what they keep apart, what they share, and what survives. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { join } from 'node:path'
import { createCenter, openCenter } from '../../center/center.js'
import { logWith } from '../../center/audit/log.js'
import { openStore, type Store } from '../../center/books/store.js'
import { newBooks, tamper, untilUnused } from '../helpers/databases.js'
import { rejectsWith } from '../helpers/rejects.js'
import { hex } from '../../formats/bytes.js'
import { userIdOf } from '../../formats/keys.js'
import {
  newCenter,
  newRequestId,
  openAsBuyer,
  pressed,
  requestBytes,
  temporaryFolder,
  testPowers,
  TITLE,
  userKeys
} from './parties.js'

/** Empty books, and where they are. */
async function emptyBooks(): Promise<{ place: string; store: Store }> {
  const place = (await newBooks()) ?? join(temporaryFolder(), 'books.db')
  return {
    place,
    store: await openStore(
      place,
      logWith(() => new Uint8Array(1))
    )
  }
}

const root = (sequence: number, bytes = new Uint8Array([sequence])) => ({ sequence, record: bytes })
const sequences = async ({ books }: Pick<Store, 'books'>) =>
  (await books.selectFrom('roots').select('sequence').orderBy('sequence').execute()).map(row => row.sequence)

test('openStore() by several at once makes the books once', async () => {
  const { place, store } = await emptyBooks()
  await store.close()
  const stores = await Promise.all(Array.from({ length: 4 }, () => openStore(place)))
  for (const one of stores) assert.equal(await sequences(one), [])
  await Promise.all(stores.map(one => one.close()))
})

test('what is written comes back as it was: bytes, large numbers, nothing, any text', async () => {
  const { store } = await emptyBooks()
  const record = Uint8Array.from({ length: 256 }, (_, n) => n)
  const name = 'Ä "quoted" \\ \u{1f600} %_'
  const publisher = { signKey: 'aa', sealKey: 'bb', name, added: 2 ** 48 }
  await store.transaction(async books => {
    await books
      .insertInto('roots')
      .values(root(2 ** 40, record))
      .execute()
    await books.insertInto('publishers').values(publisher).execute()
    await books
      .insertInto('users')
      .values({ userId: 'u', signKey: 's', sealKey: 'e', name: null, enrolled: 0, blocked: 1 })
      .execute()
  })
  assert.equal(await store.books.selectFrom('roots').selectAll().execute(), [root(2 ** 40, record)])
  assert.equal(await store.books.selectFrom('publishers').selectAll().execute(), [publisher])
  assert.is((await store.books.selectFrom('users').selectAll().executeTakeFirstOrThrow()).name, null)
  await store.close()
})

test('text is ordered byte by byte, on every database', async () => {
  const { store } = await emptyBooks()
  const keys = ['a.b', 'a-b', 'A', 'ab', 'Z', 'é', '0', '.']
  await store.transaction(books =>
    books
      .insertInto('publishers')
      .values(keys.map(signKey => ({ signKey, sealKey: '', name: '', added: 0 })))
      .execute()
  )
  const rows = await store.books.selectFrom('publishers').select('signKey').orderBy('signKey').execute()
  assert.equal(
    rows.map(({ signKey }) => signKey),
    [...keys].sort()
  )
  await store.close()
})

test('books can be read outside of a transaction, and not written', async () => {
  const { store } = await emptyBooks()
  let refused = ''
  await store.books
    .insertInto('roots')
    .values(root(1))
    .execute()
    .catch((error: Error) => (refused = error.message))
  assert.match(refused, /read/)
  assert.equal(await sequences(store), [])
  await store.close()
})

test('transaction() undoes the work that fails, alone, whatever was done beside it', async () => {
  const { store } = await emptyBooks()
  const works = Array.from({ length: 200 }, (_, n) =>
    store.transaction(async books => {
      await books.insertInto('roots').values(root(n)).execute()
      if (n % 3 === 1) throw new RangeError(`work ${n}`)
      // What the database itself refuses, too.
      if (n % 3 === 2) await books.insertInto('roots').values(root(n)).execute()
      return n
    })
  )
  const outcomes = await Promise.allSettled(works)
  for (const [n, outcome] of outcomes.entries()) {
    assert.is(outcome.status, n % 3 === 0 ? 'fulfilled' : 'rejected', `work ${n}`)
    if (outcome.status === 'fulfilled') assert.is(outcome.value, n)
    else if (n % 3 === 1) assert.is(outcome.reason.message, `work ${n}`)
  }
  const kept = Array.from({ length: 200 }, (_, n) => n).filter(n => n % 3 === 0)
  assert.equal(await sequences(store), kept)
  await store.close()
})

test('transaction() does works in the order in which they came, each seeing those before it', async () => {
  const { store } = await emptyBooks()
  const seen = await Promise.all(
    Array.from({ length: 150 }, (_, n) =>
      store.transaction(async books => {
        await books.insertInto('roots').values(root(n)).execute()
        const { count } = await books
          .selectFrom('roots')
          .select(({ fn }) => fn.countAll<number>().as('count'))
          .executeTakeFirstOrThrow()
        return count
      })
    )
  )
  assert.equal(
    seen,
    Array.from({ length: 150 }, (_, n) => n + 1)
  )
  await store.close()
})

test('what a transaction has read stays true until it is done, whoever else writes', async () => {
  const { place, store } = await emptyBooks()
  const others = await Promise.all(
    [1, 2].map(() =>
      openStore(
        place,
        logWith(() => new Uint8Array(1))
      )
    )
  )
  await store.transaction(books => books.insertInto('roots').values(root(0)).execute())
  const increments = [store, ...others].flatMap(one =>
    Array.from({ length: 40 }, () =>
      one.transaction(async books => {
        const { sequence } = await books.selectFrom('roots').select('sequence').executeTakeFirstOrThrow()
        await books
          .updateTable('roots')
          .set({ sequence: sequence + 1 })
          .execute()
      })
    )
  )
  await Promise.all(increments)
  assert.equal(await sequences(store), [120])
  await Promise.all([store, ...others].map(one => one.close()))
})

test('createCenter() refuses a database that has the books of a center', async () => {
  const shop = await newCenter()
  await shop.center.close()
  const database = await newBooks()
  if (database === undefined) return // a folder is empty, or refused before
  const folder = join(temporaryFolder(), 'second')
  await rejectsWith('COFFER_EXISTS', () =>
    createCenter(folder, { database: shop.place }, testPowers('second'))
  )
  await untilUnused(shop.place)
  const other = await createCenter(folder, { database }, testPowers('second'))
  await other.close()
  const again = await openCenter(shop.folder, shop.powers)
  assert.is(again.name, 'Shop')
  await again.close()
})

test('a title key stored for one release does not open as another', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await pressed(shop, { release: 2 })
  await tamper(
    shop.place,
    `update releases set "storedTitleKey" = (select "storedTitleKey" from releases where release = 1)
     where release = 2`
  )
  await shop.center.issue(requestBytes(shop.pinned.centerId))
  let message = ''
  await shop.center
    .issue(requestBytes(shop.pinned.centerId, { release: 2 }))
    .catch((error: Error) => (message = error.message))
  assert.match(message, 'internal: the stored key')
  await shop.center.close()
})

test('verifyLedger() notices a charge changed, removed or made up, and a grant made up', async () => {
  const tamperings = {
    'an amount': `update ledger set "amountMinor" = 1 where account like 'receivable/%'`,
    'both amounts': `update ledger set "amountMinor" = "amountMinor" + case when "amountMinor" > 0 then 1 else -1 end`,
    'a posting removed': 'delete from ledger',
    'a posting made up': `update ledger set posting = '${'ff'.repeat(16)}'`,
    'a grant removed': 'delete from grants',
    'a grant moved': `update grants set "mediumId" = '${'ff'.repeat(32)}'`,
    'an answer overwritten': `update requests set "sealedAnswer" = record where kind = 'order'`
  }
  for (const [what, sql] of Object.entries(tamperings)) {
    const shop = await newCenter()
    await pressed(shop)
    await shop.center.desk.setTerms(TITLE, { priceMinor: 900 })
    await shop.center.issue(requestBytes(shop.pinned.centerId))
    assert.equal((await shop.center.desk.verifyLedger()).problems, [])
    await tamper(shop.place, sql)
    assert.ok((await shop.center.desk.verifyLedger()).problems.length > 0, what)
    await shop.center.close()
  }
})

test('two instances have the same center open: what one writes the other sees', async () => {
  const shop = await newCenter()
  const second = await openCenter(shop.folder, testPowers('second'))
  await pressed(shop)
  const answers = await Promise.all(
    [shop.center, second].flatMap((center, n) =>
      Array.from({ length: 4 }, (_, at) =>
        center.issue(requestBytes(shop.pinned.centerId, { medium: `stick ${n} ${at}` }))
      )
    )
  )
  assert.is(answers.length, 8)
  assert.is((await second.desk.grants()).length, 8)
  await shop.center.desk.revoke('title', TITLE)
  await rejectsWith('COFFER_REVOKED', () => second.issue(requestBytes(shop.pinned.centerId)))
  await second.close()
  await shop.center.close()
})

test('12 orders at once to two instances, for a title of 5 copies, give exactly 5', async () => {
  const shop = await newCenter()
  const second = await openCenter(shop.folder, testPowers('second'))
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { copies: 5, priceMinor: 100 })
  const outcomes = await Promise.allSettled(
    Array.from({ length: 12 }, (_, n) =>
      [shop.center, second][n % 2]!.issue(requestBytes(shop.pinned.centerId, { medium: `stick ${n}` }))
    )
  )
  const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
  assert.equal(
    refused.map(({ reason }) => reason.code),
    Array(7).fill('COFFER_QUOTA')
  )
  assert.equal(await second.desk.verifyLedger(), { orders: 5, copies: 5, postings: 5, problems: [] })
  await second.close()
  await shop.center.close()
})

test('one order sent 12 times at once to two instances gives one answer and one charge', async () => {
  const shop = await newCenter()
  const second = await openCenter(shop.folder, testPowers('second'))
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { priceMinor: 900 })
  const request = requestBytes(shop.pinned.centerId)
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, n) => [shop.center, second][n % 2]!.issue(request))
  )
  assert.is(new Set(answers.map(answer => Buffer.from(answer).toString('hex'))).size, 1)
  assert.equal(await second.desk.verifyLedger(), { orders: 1, copies: 1, postings: 1, problems: [] })
  await second.close()
  await shop.center.close()
})

test('an order that the database refuses half-way leaves nothing behind', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await tamper(shop.place, 'drop table ledger')
  await shop.center.desk.setTerms(TITLE, { priceMinor: 900 })
  await shop.center.issue(requestBytes(shop.pinned.centerId)).then(
    () => assert.unreachable('it was answered'),
    (error: Error) => assert.match(error.message, 'ledger')
  )
  assert.equal(await shop.center.desk.users(), [])
  assert.equal(await shop.center.desk.grants(), [])
  // The others in its group are served.
  const works = await Promise.allSettled([
    shop.center.issue(requestBytes(shop.pinned.centerId)),
    shop.center.desk.addUser(userKeys('bob'), 'Bob')
  ])
  assert.equal(
    works.map(({ status }) => status),
    ['rejected', 'fulfilled']
  )
  await shop.center.close()
})

test('orders in one group see those before them, and one that is refused changes nothing for the others', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { copies: 2, priceMinor: 900 })
  const { centerId } = shop.pinned
  const requestId = newRequestId()
  const first = requestBytes(centerId, { medium: 'a', requestId })
  // A key of small order: keys cannot be sealed to it, which shows only when the copy is being made.
  const weak = requestBytes(centerId, { medium: 'b', user: 'eve', sealKey: new Uint8Array(32) })
  const orders = [
    first,
    weak,
    requestBytes(centerId, { medium: 'b', requestId }), // the same id, another order
    requestBytes(centerId, { medium: 'a' }), // the same copy once more
    first,
    requestBytes(centerId, { medium: 'c' }),
    requestBytes(centerId, { medium: 'd' }), // a third copy
    requestBytes(centerId, { medium: 'd', user: 'bob' })
  ]
  const outcomes = await Promise.allSettled(orders.map(order => shop.center.issue(order)))
  assert.equal(
    outcomes.map(outcome => (outcome.status === 'fulfilled' ? 'answered' : outcome.reason.code)),
    [
      'answered',
      'COFFER_KEY_UNWRAP',
      'COFFER_REQUEST_ALTERED',
      'answered',
      'answered',
      'answered',
      'COFFER_QUOTA',
      'answered'
    ]
  )
  const answers = outcomes.map(outcome => (outcome.status === 'fulfilled' ? outcome.value : undefined))
  assert.equal(answers[4], answers[0])
  const bought = [0, 3].map(n => openAsBuyer(shop.pinned, answers[n]!, { medium: 'a' }))
  assert.equal(bought[1]!.grant.grantId, bought[0]!.grant.grantId)
  assert.equal(
    bought.map(({ answer }) => answer.chargedMinor),
    [900, 0]
  )
  assert.equal(
    (await shop.center.desk.users()).map(({ userId }) => userId).sort(),
    ['ann', 'bob'].map(name => hex(userIdOf(userKeys(name)))).sort()
  )
  assert.equal(await shop.center.desk.verifyLedger(), { orders: 4, copies: 3, postings: 3, problems: [] })
  await shop.center.close()
})

test('an order that the database itself refuses fails alone, whatever came in its group', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { priceMinor: 900 })
  const requestId = newRequestId()
  // A charge that was posted before: what no order may do twice, even if the code above it were wrong.
  await tamper(
    shop.place,
    `insert into ledger (posting, account, "amountMinor", currency, posted)
     values ('${hex(requestId)}', 'receivable/${hex(userIdOf(userKeys()))}', 900, 'EUR', 1)`
  )
  const outcomes = await Promise.allSettled(
    ['a', 'b', 'c', 'd'].map(medium =>
      shop.center.issue(requestBytes(shop.pinned.centerId, { medium, ...(medium === 'b' && { requestId }) }))
    )
  )
  assert.equal(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled']
  )
  assert.is((await shop.center.desk.grants()).length, 3)
  await shop.center.close()
})

test('snapshot() keeps nobody from writing and does not see what they write', async () => {
  const shop = await newCenter()
  await pressed(shop)
  const store = await openStore(shop.place)
  const users = await store.snapshot(async books => {
    const before = await books.selectFrom('users').select('userId').execute()
    await shop.center.issue(requestBytes(shop.pinned.centerId))
    const after = await books.selectFrom('users').select('userId').execute()
    return [before.length, after.length]
  })
  assert.equal(users, [0, 0])
  assert.is((await shop.center.desk.users()).length, 1)
  await store.close()
  await shop.center.close()
})

test.run()
