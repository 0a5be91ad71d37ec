/**
 * Orders that came together on PostgreSQL while another machine held the lock of the books for longer than anyone waits were told so
 * after twice that time: that the lock was not had was taken for a fault of one of them, and they were tried again one by one.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import pg from 'pg'
import type { Kind } from '../../center/books/group.js'
import { ahead } from '../../center/books/rows.js'
import { openStore, type AllTables } from '../../center/books/store.js'
import { emptyPostgres } from '../helpers/databases.js'

const found = await emptyPostgres()
if ('missing' in found) console.log(`skip: no PostgreSQL: ${found.missing}`)
const onPostgres = 'missing' in found ? test.skip : test

/** Of the books, as center/books/postgres.ts has it, and how long a writer waits for it. */
const WRITE_LOCK = 0x636f_6666
const WAIT_MS = 10_000

onPostgres(
  'works of one kind that do not get the lock are told so after one wait, and are done when it is free',
  async () => {
    const { url } = found as { url: string }
    // As the log begins, but for what it writes.
    const store = await openStore(url, async books => ({
      begun: (await ahead(books, [books.selectFrom('logHead').select('size')])).rows,
      writeDown: async () => {}
    }))
    const kind: Kind<AllTables, number, number> = {
      async perform(books, inputs) {
        await books.selectFrom('users').select('userId').execute()
        return inputs.map(value => ({ value, entry: undefined }))
      }
    }
    const all = () => Promise.allSettled([1, 2, 3].map(n => store.together(kind, n)))

    const other = new pg.Client({ connectionString: url })
    await other.connect()
    await other.query(`begin; select pg_advisory_xact_lock(${WRITE_LOCK})`)
    const started = performance.now()
    const refused = await all()
    const waited = performance.now() - started
    assert.equal(
      refused.map(one => one.status === 'rejected' && (one.reason as { code?: string }).code),
      Array(3).fill('COFFER_BUSY')
    )
    assert.ok(waited > 0.9 * WAIT_MS && waited < 1.8 * WAIT_MS, `${waited.toFixed(0)} ms`)
    await other.query('rollback')
    await other.end()
    assert.equal(
      (await all()).map(one => one.status === 'fulfilled' && one.value),
      [1, 2, 3]
    )
    await store.close()
  }
)

test.run()
