/** The move from the embedded database to PostgreSQL, and a second machine that joins. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DatabaseSync } from '@photostructure/sqlite'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { openCenter } from '../../center/center.js'
import { useDatabase } from '../../center/books/move.js'
import { findBooks } from '../../center/books/place.js'
import { formatPublicKeys } from '../../formats/keys.js'
import { decode } from '../../formats/msgpack.js'
import { openRoots } from '../../formats/records/root.js'
import { emptyPostgres } from '../helpers/databases.js'
import { clone } from '../helpers/clone.js'
import { collectGarbage } from '../helpers/garbage.js'
import { rejectsWith } from '../helpers/rejects.js'
import { json, post, seconds, serving } from './command-line.js'
import {
  newCenter,
  pressed,
  publisherKeys,
  registrationBytes,
  requestBytes,
  temporaryFolder,
  testPowers,
  TITLE
} from './parties.js'

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

onPostgres('a server that runs on after the move sells nothing more into the old file', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  await json(cwd, `publisher shop add ${formatPublicKeys('publisher', publisherKeys())}`)
  const server = await serving(cwd)
  const { roots } = decode(new Uint8Array(readFileSync(join(cwd, 'shop', 'center.roots')))) as {
    roots: Uint8Array[]
  }
  const { centerId } = openRoots(roots)
  const created = seconds()
  await post(server.url, '/v1/releases', registrationBytes(centerId, { created }))
  const order = (medium: string) => requestBytes(centerId, { created, medium })
  await post(server.url, '/v1/orders', order('before'))

  const url = await newUrl()
  const second = await serving(cwd, `serve shop --port 0 --database ${url}`)
  const kept = join('shop', 'center.db.moved')
  assert.is(
    second.stderr(),
    `The books have moved to ${new URL(url).host}/${new URL(url).pathname.slice(1)}. The old file is kept as ${kept}.\n`
  )
  const refused = await fetch(`${server.url}/v1/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.coffer' },
    body: order('after') as Uint8Array<ArrayBuffer>
  })
  const { code, detail, found, expected } = (await refused.json()) as Record<string, string>
  assert.equal([refused.status, code], [503, 'COFFER_BUSY'])
  assert.match(detail!, 'moved')
  assert.match(expected!, new URL(url).pathname.slice(1))
  assert.not.match(`${detail} ${expected} ${found}`, /:[^ ]*@/, 'no password')

  await post(second.url, '/v1/orders', order('after'))
  assert.is((await json(cwd, 'grant shop list'))['grants'].length, 2)
  await server.end('SIGTERM')
  await second.end('SIGTERM')
})

onPostgres('useDatabase() leaves one file of the old books, which can be read', async () => {
  const shop = await soldShop()
  await shop.center.close()
  // The driver lets go of the file when its statements are collected; while it is open, what is beside it stays.
  const deadline = performance.now() + 20_000
  while (existsSync(join(shop.folder, 'center.db-shm')) && performance.now() < deadline) {
    collectGarbage()
    await setTimeout(1)
  }
  const before = new Set(readdirSync(shop.folder))
  const kept = await useDatabase(shop.folder, await newUrl())
  assert.is(kept, join(shop.folder, 'center.db.moved'))
  for (const name of readdirSync(shop.folder)) {
    if (name !== 'database' && name !== 'center.db.moved') assert.ok(before.has(name), name)
  }
  const old = new DatabaseSync(kept!)
  assert.is(old.prepare('select count(*) as n from grants').all()[0]!['n'], 1)
  assert.throws(() => old.exec('delete from grants'), /moved to/)
  old.close()
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
