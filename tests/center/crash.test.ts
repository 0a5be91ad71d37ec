/** A sample of `npm run crash`: a dozen kills while it is selling, on each database. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { crash } from '../../scripts/crash.js'
import { emptyPostgres } from '../helpers/databases.js'

const KILLS = 6

test('a center that is killed while it sells loses no sale, doubles none, and starts again by itself', async () => {
  const { kills, answered } = await crash(KILLS, undefined)
  assert.is(kills, KILLS)
  assert.ok(answered > 0)
})

test('the same on PostgreSQL', async () => {
  const found = await emptyPostgres()
  if ('missing' in found) {
    console.log(`skip: no PostgreSQL: ${found.missing}`)
    return
  }
  const { kills, answered } = await crash(KILLS, found.url)
  assert.is(kills, KILLS)
  assert.ok(answered > 0)
})

test.run()
