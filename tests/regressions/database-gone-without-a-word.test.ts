/**
 * After a failover that left connections open whose other side was gone, a center waited on them without end: orders were never
 * answered, and /readyz, which asked readers alone, said "ok".
 */
import { Kysely, sql } from 'kysely'
import { setTimeout } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openPostgres } from '../../center/books/postgres.js'
import { createCenter, openCenter } from '../../center/center.js'
import { emptyPostgres } from '../helpers/databases.js'
import { openProxy } from '../helpers/proxy.js'
import { rejectsWith } from '../helpers/rejects.js'
import { temporaryFolder, testPowers, userKeys } from '../center/parties.js'

const found = await emptyPostgres()
if ('missing' in found) console.log(`skip: no PostgreSQL: ${found.missing}`)
const onPostgres = 'missing' in found ? test.skip : test

const LIMIT_MS = 2_000

/** Fails where it would wait without end. */
function inTime<T>(work: Promise<T>): Promise<T> {
  const late = setTimeout(10 * LIMIT_MS, undefined, { ref: false }).then(() => {
    throw new Error('waits without end')
  })
  return Promise.race([work, late])
}

onPostgres('writers and readers give up a connection that does not answer, and open another', async () => {
  const each = async (kind: 'writing' | 'reading') => {
    const proxy = await openProxy((found as { url: string }).url)
    const books = new Kysely<unknown>({ dialect: openPostgres(proxy.url, LIMIT_MS)[kind]() })
    const one = () => sql`select 1`.execute(books)
    const inside = () => books.transaction().execute(within => sql`select 1`.execute(within))
    for (const ask of [one, inside]) {
      await inTime(ask())
      proxy.swallow()
      await rejectsWith('COFFER_BUSY', () => inTime(ask()))
      await inTime(ask())
    }
    await books.destroy()
    await proxy.close()
  }
  await Promise.all([each('writing'), each('reading')])
})

onPostgres('a snapshot, and who makes tables, may take longer', async () => {
  const { making, readingWhole } = openPostgres((found as { url: string }).url, LIMIT_MS)
  const slowly = async (dialect: ReturnType<typeof readingWhole>) => {
    const books = new Kysely<unknown>({ dialect })
    await sql`select pg_sleep(${(LIMIT_MS + 500) / 1000})`.execute(books)
    await books.destroy()
  }
  await Promise.all([slowly(making!()), slowly(readingWhole())])
})

onPostgres('ready() says that the writer does not answer, also where readers do', async () => {
  const { url } = found as { url: string }
  const folder = join(temporaryFolder(), 'shop')
  const powers = testPowers()
  const made = await createCenter(folder, { name: 'Shop', database: url }, powers)
  await made.close()
  const proxy = await openProxy(url)
  writeFileSync(join(folder, 'database'), proxy.url)
  const center = await openCenter(folder, powers)
  await center.desk.addUser(userKeys(), 'Ann')
  await center.ready()
  proxy.swallow('ofWriters')
  assert.is((await center.desk.users()).length, 1)
  await rejectsWith('COFFER_BUSY', () => inTime(center.ready()))
  await proxy.close()
  await center.close()
})

test.run()
