/** What was taken back and is named by the list no longer: it travels on answers, masters and media, and no copy runs again. */
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromHex } from '../../formats/bytes.js'
import { applyAnswer, requestCopy } from '../../loader/copier/copy.js'
import { renewTitle } from '../../loader/copier/renew.js'
import { returnTitle } from '../../loader/copier/returns.js'
import { endedName, endedSequence, lookUp } from '../../loader/ended.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { closeSites, librarySite } from '../helpers/library-site.js'

test.after(closeSites)
const site = await librarySite()
const options = { home: site.home, powers: site.powers }
const [center] = site.home.centers()
const name = endedName(center!.centerId)
const onMedium = (root: string) => join(mediumPaths(root).folder, name)

test('a copy that was returned, and is in the parts alone, runs nowhere that has seen them', async () => {
  const { root, id, master } = await site.copied('org.example.gone')
  const backup = site.path('backup')
  cpSync(mediumPaths(root).folder, backup, { recursive: true })
  await returnTitle(root, id, options)
  await site.center.desk.foldRevocations()
  const putBack = () => {
    for (const part of ['grants', 'titles', 'revocations'])
      cpSync(join(backup, part), join(mediumPaths(root).folder, part), { recursive: true })
  }
  // Another copy, ordered over the network, brings list and parts home and onto its medium.
  const other = await site.copied('org.example.stays')
  assert.ok(existsSync(onMedium(other.root)))
  assert.ok(endedSequence(site.home.seen(center!.centerId).endedFile, center!) > 0)
  putBack()
  await site.refuses('COFFER_REVOKED', root, id)
  await site.runs(other.root, other.id)
  // Another machine of his: it learns of it by running a medium that was there, without a network.
  const elsewhere = await site.newHome({ withKey: false })
  cpSync(site.home.userKeyFile, elsewhere.userKeyFile)
  await site.runs(root, id, elsewhere)
  await site.runs(other.root, other.id, elsewhere)
  await site.refuses('COFFER_REVOKED', root, id, elsewhere)
  // An older file does not replace the newer one, neither here nor there.
  const old = readFileSync(onMedium(other.root))
  await site.center.desk.revoke('grant', 'ab'.repeat(16))
  await site.center.desk.foldRevocations()
  await site.copy(other.master, other.root, other.id)
  const newer = readFileSync(onMedium(other.root))
  assert.not.equal(newer, old)
  writeFileSync(onMedium(other.root), old)
  await site.runs(other.root, other.id)
  await site.copy(other.master, other.root, other.id)
  assert.equal(readFileSync(onMedium(other.root)), newer)
  // Ordered again it is bought again, under another id.
  rmSync(mediumPaths(root).grant(id))
  await site.copy(master, root, id)
  await site.runs(root, id)
})

test('a file that is damaged is refused on a medium, not believed at home, and mended by the next answer', async () => {
  const { root, id } = await site.copied('org.example.damaged')
  const path = onMedium(root)
  const whole = readFileSync(path)
  const grantId = fromHex((await site.center.desk.grants()).find(({ titleId }) => titleId === id)!.grantId)
  assert.is(lookUp(path, center!, grantId)!.isEnded, false)
  for (const bytes of [
    whole.subarray(0, 10),
    whole.subarray(0, -1),
    Buffer.concat([whole, Buffer.alloc(7)])
  ]) {
    writeFileSync(path, bytes)
    await site.refuses('COFFER_RECORD_DAMAGED', root, id)
    assert.is(endedSequence(path, center!), 0)
  }
  writeFileSync(site.home.seen(center!.centerId).endedFile, whole.subarray(0, 100))
  await renewTitle(root, id, options)
  assert.equal(readFileSync(path), whole)
  assert.equal(readFileSync(site.home.seen(center!.centerId).endedFile), whole)
  await site.runs(root, id)
})

test('a master carries it to a medium that orders by files', async () => {
  const { root, id, master } = await site.copied('org.example.files')
  rmSync(onMedium(root))
  const elsewhere = await site.newHome({ withKey: false })
  cpSync(site.home.userKeyFile, elsewhere.userKeyFile)
  await site.runs(root, id, elsewhere)
  assert.is(endedSequence(elsewhere.seen(center!.centerId).endedFile, center!), 0)
  assert.ok(existsSync(join(master, name)), 'press put it there')
  const order = requestCopy(master, root, id, { ...options, home: elsewhere })
  await applyAnswer(await site.center.issue(order.bytes), master, root, { ...options, home: elsewhere })
  assert.ok(endedSequence(elsewhere.seen(center!.centerId).endedFile, center!) > 0)
  assert.ok(existsSync(onMedium(root)))
})

test.run()
