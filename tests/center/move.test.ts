/** The move from the embedded database to PostgreSQL, and a second machine that joins. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { openCenter } from '../../center/center.js'
import { useDatabase } from '../../center/books/move.js'
import { findBooks } from '../../center/books/place.js'
import { emptyPostgres } from '../helpers/databases.js'
import { clone } from '../helpers/clone.js'
import { rejectsWith } from '../helpers/rejects.js'
import { newCenter, pressed, requestBytes, temporaryFolder, testPowers, TITLE } from './parties.js'

const found = await emptyPostgres()
if ('missing' in found) console.log(`skip: no PostgreSQL: ${found.missing}`)
const onPostgres = 'missing' in found ? test.skip : test
const newUrl = async () => {
  const one = await emptyPostgres()
  if ('missing' in one) throw new Error(one.missing)
  return one.url
}

async function soldShop() {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { priceMinor: 900 })
  const order = requestBytes(shop.pinned.centerId)
  const answer = await shop.center.issue(order)
  return { ...shop, order, answer }
}

onPostgres('useDatabase() takes all books along, once, and they go on where they were', async () => {
  const shop = await soldShop()
  const copy = join(temporaryFolder(), 'copy')
  clone(shop.folder, copy)
  await shop.center.close()
  const url = await newUrl()
  await useDatabase(shop.folder, url)
  assert.is(await findBooks(shop.folder), url)
  assert.not.ok(existsSync(join(shop.folder, 'center.db')))
  assert.ok(existsSync(join(shop.folder, 'center.db.moved')))
  if (process.platform !== 'win32') assert.is(statSync(join(shop.folder, 'database')).mode & 0o777, 0o600)
  await useDatabase(shop.folder, url) // as each start of the server says it

  const center = await openCenter(shop.folder, shop.powers)
  assert.equal(await center.issue(shop.order), shop.answer)
  await center.issue(requestBytes(shop.pinned.centerId, { medium: 'card' }))
  assert.equal(await center.desk.verifyLedger(), { orders: 2, copies: 2, postings: 2, problems: [] })

  // A second machine, which has the folder as it was.
  await useDatabase(copy, url)
  const second = await openCenter(copy, testPowers('second'))
  assert.equal(await second.issue(shop.order), shop.answer)
  assert.is((await second.desk.grants()).length, 2)
  await second.close()
  await center.close()
})

onPostgres('useDatabase() refuses books that it would lose, and another center', async () => {
  const shop = await soldShop()
  const copy = join(temporaryFolder(), 'copy')
  clone(shop.folder, copy)
  await shop.center.close()
  const url = await newUrl()
  await useDatabase(copy, url)
  // Meanwhile the first folder sold on by itself.
  const center = await openCenter(shop.folder, shop.powers)
  await center.issue(requestBytes(shop.pinned.centerId, { medium: 'card' }))
  await center.close()
  await rejectsWith('COFFER_EXISTS', () => useDatabase(shop.folder, url))
  assert.is(await findBooks(shop.folder), join(shop.folder, 'center.db'))

  await rejectsWith('COFFER_USAGE', () => useDatabase(copy, `${url}2`))
  await rejectsWith('COFFER_USAGE', () => useDatabase(shop.folder, 'mysql://here/there'))
  assert.ok(readFileSync(join(shop.folder, 'center.db')).length > 0)
})

test.run()
