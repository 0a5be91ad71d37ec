/** What was seen of a center is read again when another program has changed it, and only then. */
import { cpSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Home } from '../../loader/home.js'
import { rejectsWith } from '../helpers/rejects.js'
import { closeSites, librarySite } from '../helpers/library-site.js'

test.after(closeSites)
const site = await librarySite()
const { centerId } = site.home.centers()[0]!
const other = new Home(site.home.folder)
const idOf = (n: number) => new Uint8Array(16).fill(n)
const returnedOf = (home: Home) => home.seen(centerId).marks.returned

test('Seen notices each of many changes that another program makes within one tick of the clock', () => {
  for (let n = 1; n <= 100; n++) {
    other.seen(centerId).rememberReturned(idOf(n))
    assert.is(returnedOf(site.home).length, n)
    assert.equal(returnedOf(site.home).at(-1), idOf(n))
  }
})

test('Seen reads nothing again while nothing has come, and what comes then at once', async () => {
  const { now } = Date
  // Of what was changed just now it is not said that nothing has come since.
  Date.now = () => now() + 2100
  try {
    assert.is(returnedOf(site.home).length, 100)
  } finally {
    Date.now = now
  }
  // Not as our programs write, who rename a whole file into its place.
  writeFileSync(join(dirname(site.home.seen(centerId).endedFile), 'marks'), 'damaged')
  assert.is(returnedOf(site.home).length, 100)
  assert.is(returnedOf(new Home(site.home.folder)).length, 0)
  other.seen(centerId).rememberReturned(idOf(7))
  assert.is(returnedOf(site.home).length, returnedOf(new Home(site.home.folder)).length)
})

test('Seen knows no marks before there is a user key, and marks once there is one', async () => {
  const home = await site.newHome({ withKey: false })
  home.seen(centerId).rememberReturned(idOf(1))
  assert.equal(returnedOf(home), [])
  cpSync(site.home.userKeyFile, home.userKeyFile)
  home.seen(centerId).rememberReturned(idOf(1))
  assert.equal(returnedOf(home), [idOf(1)])
})

test('Seen asks for the user key where marks are, and nowhere else', async () => {
  const home = await site.newHome({ withKey: false })
  writeFileSync(home.userKeyFile, 'damaged')
  assert.is(home.seen(centerId).revocations(home.centers()[0]!), undefined)
  await rejectsWith('COFFER_ENCODING', () => home.seen(centerId).marks)
})

test.run()
