/** FIG. 9: the procedure at the end user's site, second embodiment. */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { rejectsWith } from '../helpers/rejects.js'
import { filesBelow } from '../helpers/site.js'
import {
  bytesOf,
  conversionOf,
  grantPath,
  holds,
  openedPayload,
  refused,
  sealedTitle,
  titlePath,
  type Copy,
  type Pressed,
  type TwoSites,
  withTwoSites
} from './sites.js'

let sites: TwoSites
let title: Pressed
let copy: Copy
/** The same title on another medium of the same user. */
let second: Copy
withTwoSites(test, async opened => {
  sites = opened
  title = await sites.press('org.example.figure-9', 'conversion')
  await sites.press('org.example.figure-9.beside', 'conversion', title.master)
  copy = await sites.copy(title)
  second = await sites.copy(title)
})

test('FIG. 9: EMid(Ku), a part of what was received, is written into a predetermined region (41)', () => {
  for (const from of [copy, second]) {
    const region = bytesOf(grantPath(from.medium, title))
    assert.ok(holds(region, conversionOf(from.grant).wrappedMediumKey))
    assert.not.ok(holds(region, from.verified.wrappedMasterMediumKey!))
  }
})

test('FIG. 9: the decryption unit (51) restores Ku and Ka with Mid as extracted from this target (40)', async () => {
  assert.equal(sites.sentKu(copy), sites.mediumKey(copy.mediumId))
  assert.equal(sites.sentKa(copy), sites.masterMediumKey(title.id))
  // Mid of the other medium, with all else of the first.
  await rejectsWith('COFFER_KEY_UNWRAP', () => sites.sentKu(copy, second.mediumId))
  await rejectsWith('COFFER_KEY_UNWRAP', () => sites.sentKa(copy, second.mediumId))
})

test('FIG. 9: the decryption unit (52) takes the file that corresponds to DID from the master (60), of several', () => {
  const onMaster = sealedTitle(title.path)
  const data = openedPayload(sites.masterMediumKey(title.id), onMaster)
  assert.ok(holds(data, `licensed plaintext of ${title.id}"`))
  assert.equal(
    openedPayload(sites.mediumKey(copy.mediumId), sealedTitle(titlePath(copy.medium, title))),
    data
  )
})

test('FIG. 9: the encryption unit (53) encrypts Data with the Ku of each target: no two are alike', async () => {
  const payloads = [
    sealedTitle(title.path),
    ...[copy, second].map(({ medium }) => sealedTitle(titlePath(medium, title)))
  ]
  assert.is(new Set(payloads.map(({ payload }) => hex(payload))).size, 3)
  const mediumKey = sites.mediumKey(second.mediumId)
  await rejectsWith('COFFER_PAYLOAD_FORGED', () => openedPayload(mediumKey, payloads[1]!))
  assert.ok(holds(openedPayload(mediumKey, payloads[2]!), title.marker))
})

test('FIG. 9: EKu(Data) of one target is nothing on another, even beside its own grant', async () => {
  const [from, to] = [titlePath(copy.medium, title), titlePath(second.medium, title)]
  const before = bytesOf(to)
  copyFileSync(from, to)
  refused(await sites.site.coffer('run', second.medium, '--json'), 65, 'COFFER_PAYLOAD_FORGED')
  assert.is((await sites.copy(title, second.medium)).verified.chargedMinor, 0)
  assert.is.not(hex(bytesOf(to)), hex(before))
  const ran = await sites.site.coffer('run', second.medium)
  assert.equal([ran.code, ran.stdout], [0, `${title.marker}\n`])
})

test('FIG. 9: Data is in no file of the target, and no conversion key is', () => {
  const secrets = [
    sites.mediumKey(copy.mediumId),
    sites.masterMediumKey(title.id),
    copy.verified.wrappedMasterMediumKey!,
    title.marker
  ]
  for (const folder of [copy.medium, sites.site.home])
    for (const path of filesBelow(folder))
      for (const secret of secrets) assert.not.ok(holds(bytesOf(join(folder, path)), secret), path)
})

test.run()
