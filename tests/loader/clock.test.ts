/** Time: a clock that is set back is noticed, refuses what ends and nothing else, and is put right by the center. */
import { chmodSync, cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { applyGrant, renewTitle, requestRenewal } from '../../loader/copier/renew.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { closeSites, librarySite } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

test.after(closeSites)

const HOUR = 3600
const DAY = 24 * HOUR

/** One title that ends and one that does not, each on a medium of its own. */
async function clockSite() {
  const site = await librarySite()
  const ending = await site.press('org.example.ending')
  await site.center.desk.setTerms('org.example.ending', { expiresDays: 30 })
  const [root, forGood] = [site.prepare(), await site.copied('org.example.for-good')]
  await site.copy(ending.master, root, 'org.example.ending')
  const start = site.clock.at
  const at = (seconds: number) => (site.clock.at = start + seconds)
  const home = site.home
  const marksFile = join(home.folder, 'centers', hex(home.centers()[0]!.centerId), 'marks')
  const onMedium = mediumPaths(root).marks(home.requireUserKeys().userId)
  return {
    site,
    root,
    id: 'org.example.ending',
    master: ending.master,
    forGood,
    start,
    at,
    marksFile,
    onMedium
  }
}

test('a clock a little behind runs on, and the later time counts; one far behind refuses what ends alone', async () => {
  const { site, root, id, forGood, at } = await clockSite()
  at(20 * DAY)
  await site.runs(root, id)
  at(19 * DAY + HOUR)
  await site.runs(root, id)
  at(18 * DAY)
  const error = await site.refuses('COFFER_CLOCK_SET_BACK', root, id)
  assert.match(error.hint!, 'coffer renew')
  await site.runs(forGood.root, forGood.id)
  at(20 * DAY)
  await site.runs(root, id)
})

test('time that has passed is not had again: not within the tolerance, and not after the end', async () => {
  const { site, root, id, at } = await clockSite()
  at(29 * DAY + 23 * HOUR)
  await site.runs(root, id)
  at(30 * DAY + HOUR)
  await site.refuses('COFFER_EXPIRED', root, id)
  at(29 * DAY + 20 * HOUR)
  const error = await site.refuses('COFFER_EXPIRED', root, id)
  assert.match(error.found!, 'passed already')
  at(10 * DAY)
  await site.refuses('COFFER_CLOCK_SET_BACK', root, id)
})

test('device and medium each notice it alone', async () => {
  const { site, root, id, at, marksFile, onMedium } = await clockSite()
  at(20 * DAY)
  await site.runs(root, id)
  const [home, medium] = [readFileSync(marksFile), readFileSync(onMedium)]
  at(5 * DAY)
  rmSync(marksFile)
  await site.refuses('COFFER_CLOCK_SET_BACK', root, id)
  writeFileSync(marksFile, home)
  rmSync(onMedium)
  await site.refuses('COFFER_CLOCK_SET_BACK', root, id)
  // Without both nothing is known but what the center signed: the honest limit.
  rmSync(marksFile)
  await site.runs(root, id)
  assert.ok(medium.length > 0)
})

test('the dates of lists and answers count without any mark', async () => {
  const { site, root, id, master, at, marksFile, onMedium } = await clockSite()
  at(15 * DAY)
  await site.center.desk.revoke('medium', '00'.repeat(32))
  await site.copy(master, root, id)
  for (const file of [marksFile, onMedium]) rmSync(file, { force: true })
  at(13 * DAY)
  const error = await site.failure(root, id)
  assert.ok(error?.code === 'COFFER_CLOCK_SET_BACK' || error?.code === 'COFFER_NOT_YET_VALID', error?.code)
})

test('marks that were altered, or are of another medium or person, count for nothing', async () => {
  const { site, root, id, at, marksFile, onMedium } = await clockSite()
  at(20 * DAY)
  await site.runs(root, id)
  const before = readFileSync(onMedium)
  // As far ahead as an attacker likes, to lock the owner out: altered in every byte.
  at(19 * DAY)
  for (let i = 0; i < before.length; i += 7) {
    const altered = new Uint8Array(before)
    altered[i]! ^= 0xff
    writeFileSync(onMedium, altered)
    await site.runs(root, id)
  }
  writeFileSync(onMedium, readFileSync(marksFile))
  await site.runs(root, id)
  writeFileSync(onMedium, new Uint8Array(100_000))
  await site.runs(root, id)
})

test('starting a title writes nothing while its marks are fresh, nor for a title that does not end', async () => {
  const { site, root, id, forGood, at, marksFile, onMedium } = await clockSite()
  at(2 * DAY)
  await site.runs(root, id)
  const written = [marksFile, onMedium].map(path => statSync(path, { bigint: true }).mtimeNs)
  at(2 * DAY + HOUR)
  await site.runs(root, id)
  assert.equal(
    [marksFile, onMedium].map(path => statSync(path, { bigint: true }).mtimeNs),
    written
  )
  at(2 * DAY + HOUR + 1)
  await site.runs(root, id)
  assert.not.equal(
    [marksFile, onMedium].map(path => statSync(path, { bigint: true }).mtimeNs),
    written
  )
  await site.runs(forGood.root, forGood.id)
  assert.not.ok(existsSync(mediumPaths(forGood.root).marks(site.home.requireUserKeys().userId)))
})

test('a medium and a home that cannot be written run what they have', async () => {
  if (process.getuid?.() === 0) return // root writes anywhere
  const { site, root, id, at } = await clockSite()
  chmodSync(mediumPaths(root).folder, 0o555)
  chmodSync(join(site.home.folder, 'centers'), 0o555)
  at(3 * DAY)
  await site.runs(root, id)
  chmodSync(mediumPaths(root).folder, 0o755)
  chmodSync(join(site.home.folder, 'centers'), 0o755)
})

test('a clock that was far ahead once locks nobody out: a fresh answer of the center puts it right', async () => {
  const { site, root, id, at } = await clockSite()
  const { clock } = site
  const options = { home: site.home, powers: site.powers }
  at(2 * DAY)
  await site.runs(root, id)
  at(10_000 * DAY)
  await site.refuses('COFFER_EXPIRED', root, id)
  at(3 * DAY)
  await site.refuses('COFFER_CLOCK_SET_BACK', root, id)
  const renewed = await renewTitle(root, id, options)
  assert.is(renewed.chargedMinor, 0)
  await site.runs(root, id)
  // And not by an answer from before: the one that counts is newer than any that was seen.
  at(25 * DAY)
  await site.runs(root, id)
  at(4 * DAY)
  await site.refuses('COFFER_CLOCK_SET_BACK', root, id)
  assert.ok(clock.at > 0)
})

test("a center's clock that was ahead locks nobody out once it is right: a renewal that is asked for then says so", async () => {
  const { site, root, id, master, at } = await clockSite()
  const options = { home: site.home, powers: site.powers }
  at(DAY)
  await site.runs(root, id)
  // The center is ahead, the buyer is not: his clock and its are one here, so he sets his right again at once.
  at(20 * DAY)
  await site.center.desk.revoke('medium', '00'.repeat(32))
  await site.copy(master, site.prepare(), id)
  at(DAY)
  await site.refuses('COFFER_CLOCK_SET_BACK', root, id)
  await site.center.renumber()
  // An answer by file may be of any age: it puts no clock back.
  const asked = requestRenewal(root, id, options)
  const byFile = await site.center.issue(asked.bytes)
  await rejectsWith('COFFER_CLOCK_SET_BACK', () => applyGrant(byFile, root, options))
  await renewTitle(root, id, options)
  await site.runs(root, id)
  at(2 * DAY)
  await site.runs(root, id)
})

test('another device of the same person learns of the time from the medium', async () => {
  const { site, root, id, at } = await clockSite()
  at(20 * DAY)
  await site.runs(root, id)
  const laptop = await site.newHome({ withKey: false })
  cpSync(site.home.userKeyFile, laptop.userKeyFile)
  at(10 * DAY)
  const error = await site.failure(root, id, laptop)
  assert.is(error?.code, 'COFFER_CLOCK_SET_BACK')
})

test.run()
