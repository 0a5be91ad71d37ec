/** FIG. 6: executing a duplicated program, first embodiment. */
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { filesBelow, jsonOf } from '../helpers/site.js'
import { rejectsWith } from '../helpers/rejects.js'
import { certificateCode } from './arithmetic.js'
import {
  bytesOf,
  certificateOf,
  copyFiles,
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
/** The same files on another medium. */
let other: string
withTwoSites(test, async opened => {
  sites = opened
  title = await sites.press('org.example.figure-6', 'certificate')
  copy = await sites.copy(title)
  other = copyFiles(sites.site, copy.medium)
})

test('FIG. 6: the medium has CS, EKU(KEYc), SIDi and EKd(DATA), and what IDk is measured from', () => {
  const grant = bytesOf(grantPath(copy.medium, title))
  const { certificate, sealedCertificationKey } = certificateOf(copy.grant)
  for (const part of [certificate, sealedCertificationKey, title.id]) assert.ok(holds(grant, part))
  assert.equal(bytesOf(titlePath(copy.medium, title)), bytesOf(title.path))
})

test("FIG. 6: before a run KEYc is decrypted (16), CS' generated (17) and compared with CS (18)", async () => {
  const report = jsonOf(await sites.site.coffer('verify', copy.medium, '--json'))
  const own = hex(certificateCode(sites.openedCertificationKey(copy), copy.binding))
  assert.equal([report.certificate, report.recomputedCertificate], [own, own])
  assert.equal([report.match, report.verdict], [true, 'ok'])
  assert.equal([report.mediumId, report.centerId], [hex(copy.mediumId), hex(sites.center.centerId)])
})

test('FIG. 6: the decryption unit (25) restores DATA from EKd(DATA) with Kd', async () => {
  const onMedium = sealedTitle(titlePath(copy.medium, title))
  assert.ok(holds(openedPayload(sites.titleKey(copy), onMedium), title.marker))
  const wrong = sites.titleKey(copy)
  wrong[0]! ^= 1
  await rejectsWith('COFFER_PAYLOAD_FORGED', () => openedPayload(wrong, onMedium))
})

test('FIG. 6: Kd is one for all copies of a release, and no medium, master or program has it', async () => {
  const again = await sites.copy(title)
  const titleKey = sites.titleKey(copy)
  assert.equal(sites.titleKey(again), titleKey)
  for (const folder of [copy.medium, title.master, sites.site.home])
    for (const path of filesBelow(folder)) assert.not.ok(holds(bytesOf(join(folder, path)), titleKey), path)
})

test('FIG. 6: DATA is executed by the CPU/memory unit (26), and no file has it in clear afterwards', async () => {
  const ran = await sites.site.coffer('run', copy.medium)
  assert.equal([ran.code, ran.stdout, ran.stderr], [0, `${title.marker}\n`, ''])
  for (const folder of [copy.medium, sites.site.home])
    for (const path of filesBelow(folder))
      assert.not.ok(holds(bytesOf(join(folder, path)), title.marker), path)
})

test("FIG. 6: on another medium CS' is another, and nothing is executed", async () => {
  const verified = await sites.site.coffer('verify', other, '--json')
  const report = jsonOf(verified)
  assert.equal([verified.code, report.match, report.verdict], [77, false, 'COFFER_CERTIFICATE_MISMATCH'])
  assert.is(report.certificate, hex(certificateOf(copy.grant).certificate))
  assert.is.not(report.recomputedCertificate, report.certificate)
  const ran = await sites.site.coffer('run', other)
  assert.equal([ran.code, ran.stdout], [77, ''])
  refused(await sites.site.coffer('run', other, '--json'), 77, 'COFFER_CERTIFICATE_MISMATCH')
})

test("FIG. 6: the switch (19) is no branch: the CS' of another medium does not unwrap Kd", async () => {
  const mediumId = await sites.mediumId(other)
  assert.is(sites.titleKey(copy).length, 32)
  await rejectsWith('COFFER_KEY_UNWRAP', () => sites.titleKey(copy, { ...copy.binding, mediumId }))
})

test.run()
