/**
 * A title that was taken back ran on after the center itself had refused to issue it again: only answers brought the
 * revocation list, and what is revoked gets none.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { expectSuccess, HELLO, newSite, type Ran } from '../helpers/site.js'

const codeOf = ({ stdout }: Ran): string => JSON.parse(stdout).error.code

test('an order that is refused as revoked brings the list that says so', async () => {
  const site = await newSite()
  try {
    const [master, medium] = await Promise.all([site.master('certificate'), site.medium('certificate')])
    expectSuccess(await site.center('revoke', 'shop', 'title', HELLO))
    const copied = await site.coffer('copy', master, medium, '--json')
    assert.equal([copied.code, codeOf(copied)], [77, 'COFFER_REVOKED'])
    const ran = await site.coffer('run', medium, '--json')
    assert.equal([ran.code, codeOf(ran)], [77, 'COFFER_REVOKED'])
  } finally {
    await site.close()
  }
})

test.run()
