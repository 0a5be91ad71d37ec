/** A save whose index was in its place, and only its folder could not be flushed, lost the files that the index named. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import type { CofferError } from '../../formats/errors.js'
import { ownGrant, savesOf } from '../../loader/copier/held.js'
import { closeSites, librarySite } from '../helpers/library-site.js'

const site = await librarySite()
test.after(closeSites)

test('a commit that fails at any flush leaves the old save or the new one, never none', async () => {
  const { root, id } = await site.copied('org.unflushed', { fields: { permissions: ['save'] } })
  using store = savesOf(root, id, ownGrant(root, id, site.home), site.home, site.powers)
  const write = (text: string) => store.commit([{ slot: 'slot', bytes: utf8(text) }])
  await write('old')
  const flush = fs.fsyncSync
  let failures = 0
  for (let done = false; !done;) {
    let calls = 0
    fs.fsyncSync = descriptor => {
      if (++calls === failures + 1) throw Object.assign(new Error('made to fail'), { code: 'EIO' })
      flush(descriptor)
    }
    syncBuiltinESMExports()
    try {
      await write('new')
      done = true
    } catch (error) {
      assert.is((error as CofferError).code, 'COFFER_IO')
      failures++
    } finally {
      fs.fsyncSync = flush
      syncBuiltinESMExports()
    }
    const text = new TextDecoder().decode(store.read('slot'))
    assert.ok(['old', 'new'].includes(text), `found "${text}" after flush ${failures} failed`)
    await write('old')
  }
  assert.is(failures, 4, 'one of each flush: file, folder, index, folder')
})

test.run()
