/**
 * PostgreSQL keeps a plan that it made while a table was empty: until somebody counted the rows anew, each group of orders read all
 * the grants that there were, and a new center on it sold the slower the more it had sold.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { join } from 'node:path'
import { createCenter, openCenter } from '../../center/center.js'
import { decode } from '../../formats/msgpack.js'
import { openRoots } from '../../formats/records/root.js'
import { query } from '../../scripts/postgres.js'
import { emptyPostgres, untilUnused } from '../helpers/databases.js'
import { pressed, requestBytes, temporaryFolder, testPowers } from '../center/parties.js'

const found = await emptyPostgres()
if ('missing' in found) console.log(`skip: no PostgreSQL: ${found.missing}`)

const onPostgres = 'missing' in found ? test.skip : test

onPostgres('an order reads no table as a whole, however few rows it had at first', async () => {
  const { url } = found as { url: string }
  const wholeReads = async () => {
    await untilUnused(url) // the server counts what a connection did when it ends
    const [row] = await query(
      url,
      `select sum(seq_scan) as n from pg_stat_user_tables where relname in ('grants', 'requests', 'ledger', 'log', 'users')`
    )
    return Number(row!['n'])
  }
  const folder = join(temporaryFolder(), 'shop')
  const created = await createCenter(folder, { database: url }, testPowers())
  const pinned = openRoots((decode(await created.roots()) as { roots: Uint8Array[] }).roots)
  await pressed({ center: created, pinned })
  await created.close()
  const before = await wholeReads()

  const center = await openCenter(folder, testPowers('later'))
  for (let group = 0; group < 12; group++) {
    const orders = Array.from({ length: 32 }, (_, n) =>
      requestBytes(pinned.centerId, { medium: `stick ${group} ${n}` })
    )
    await Promise.all(orders.map(order => center.issue(order)))
  }
  await center.close()
  const reads = (await wholeReads()) - before
  assert.ok(reads <= 2, `${reads} reads of whole tables for 12 groups of orders`)
})

test.run()
