/** A database that could only be read any more, as a primary that was demoted, was told as a fault of the center, and /readyz said "ok". */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { join } from 'node:path'
import { createCenter, openCenter } from '../../center/center.js'
import { serve } from '../../center/http/http.js'
import { openRoots } from '../../formats/records/root.js'
import { decode } from '../../formats/msgpack.js'
import { query } from '../../scripts/postgres.js'
import { emptyPostgres } from '../helpers/databases.js'
import { rejectsWith } from '../helpers/rejects.js'
import { pressed, requestBytes, temporaryFolder, testPowers, userKeys } from '../center/parties.js'

const found = await emptyPostgres()
if ('missing' in found) console.log(`skip: no PostgreSQL: ${found.missing}`)
const onPostgres = 'missing' in found ? test.skip : test

onPostgres(
  'a center whose database can only be read is busy, and goes on when another takes over',
  async () => {
    const { url } = found as { url: string }
    const name = new URL(url).pathname.slice(1)
    const folder = join(temporaryFolder(), 'shop')
    const powers = testPowers()
    const made = await createCenter(folder, { name: 'Shop', database: url }, powers)
    const pinned = openRoots((decode(await made.roots()) as { roots: Uint8Array[] }).roots)
    await pressed({ center: made, pinned })
    await made.close()

    // Of connections that are opened from now on.
    await query(url, `alter database ${name} set default_transaction_read_only = on`)
    const center = await openCenter(folder, powers)
    const serving = await serve(center, { onFault: () => {} })
    const status = async () => (await fetch(`${serving.url}/readyz`)).status
    const order = requestBytes(pinned.centerId)
    assert.is(await status(), 503)
    await rejectsWith('COFFER_BUSY', () => center.issue(order))
    await rejectsWith('COFFER_BUSY', () => center.desk.addUser(userKeys('bob'), 'Bob'))
    await Promise.all(
      ['a', 'b', 'c'].map(medium =>
        rejectsWith('COFFER_BUSY', () => center.issue(requestBytes(pinned.centerId, { medium })))
      )
    )

    // A connection that was refused is not kept: it may be the old server's.
    await query(url, `begin read write; alter database ${name} reset default_transaction_read_only; commit`)
    assert.is(await status(), 200)
    await center.issue(order)
    assert.is((await center.desk.grants()).length, 1)
    await serving.close()
    await center.close()
  }
)

test.run()
