/** Commands that write to a medium made `.coffer` and its folders in any folder that they were given, before they looked. */
import { mkdirSync, readdirSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HELLO, jsonOf, newSite } from '../helpers/site.js'

test('commands that write to a medium make nothing in a folder that is none', async () => {
  const site = await newSite()
  try {
    const [master, medium] = await Promise.all([site.master('certificate'), site.medium('certificate')])
    const folder = site.path('photos')
    mkdirSync(folder)
    for (const line of [
      ['copy', master, folder],
      ['renew', folder, HELLO],
      ['return', folder, HELLO],
      ['transfer', folder, HELLO, '--to', medium],
      ['transfer', medium, HELLO, '--to', folder]
    ]) {
      const ran = await site.coffer(...line, '--json')
      assert.equal([ran.code, jsonOf(ran).error.code], [66, 'COFFER_MEDIUM_MISSING'], line.join(' '))
      assert.equal(readdirSync(folder), [], line.join(' '))
    }
  } finally {
    await site.close()
  }
})

test.run()
