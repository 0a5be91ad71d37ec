/** FIG. 10: executing a duplicated program, second embodiment. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { openGrant } from '../../formats/records/grant.js'
import { rejectsWith } from '../helpers/rejects.js'
import { expectSuccess, filesBelow, jsonOf } from '../helpers/site.js'
import { bindingKeyOf, decryptKu } from './arithmetic.js'
import {
  bytesOf,
  conversionOf,
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
  title = await sites.press('org.example.figure-10', 'conversion')
  copy = await sites.copy(title)
  other = copyFiles(sites.site, copy.medium)
})

test('FIG. 10: EMid(Ku) is in a rewritable section (41); Mid is of a region (42) that is not', () => {
  const stored = openGrant(bytesOf(grantPath(copy.medium, title)), [sites.center])!.grant
  assert.equal(conversionOf(stored), conversionOf(copy.grant))
  assert.not.ok(holds(bytesOf(join(copy.medium, '.coffer/identity')), copy.mediumId))
})

test('FIG. 10: the decryption unit (54) restores Ku from EMid(Ku) with Mid', async () => {
  const report = jsonOf(await sites.site.coffer('verify', copy.medium, '--json'))
  assert.equal(
    [report.unwrapped, report.match, report.verdict, report.mediumId],
    [true, true, 'ok', hex(copy.mediumId)]
  )
  assert.not.ok('certificate' in report || 'recomputedCertificate' in report)
  assert.equal(sites.sentKu(copy), sites.mediumKey(copy.mediumId))
})

test('FIG. 10: the decryption unit (55) decrypts EKu(Data) with Ku', async () => {
  const onMedium = sealedTitle(titlePath(copy.medium, title))
  assert.ok(holds(openedPayload(sites.mediumKey(copy.mediumId), onMedium), title.marker))
  const elsewhere = sites.mediumKey(await sites.mediumId(other))
  await rejectsWith('COFFER_PAYLOAD_FORGED', () => openedPayload(elsewhere, onMedium))
})

test('FIG. 10: Data is executed after being loaded to memory, and no file has it in clear afterwards', async () => {
  const ran = await sites.site.coffer('run', copy.medium)
  assert.equal([ran.code, ran.stdout, ran.stderr], [0, `${title.marker}\n`, ''])
  for (const folder of [copy.medium, sites.site.home])
    for (const path of filesBelow(folder))
      assert.not.ok(holds(bytesOf(join(folder, path)), title.marker), path)
})

test('FIG. 10: on another medium Mid is another: Ku does not come out, and nothing is executed', async () => {
  const verified = await sites.site.coffer('verify', other, '--json')
  const report = jsonOf(verified)
  assert.equal(
    [verified.code, report.unwrapped, report.match, report.verdict],
    [77, false, false, 'COFFER_MEDIUM_MISMATCH']
  )
  assert.is.not(report.mediumId, hex(copy.mediumId))
  const ran = await sites.site.coffer('run', other)
  assert.equal([ran.code, ran.stdout], [77, ''])
  // Not for the comparison's sake: the key that the other Mid gives opens nothing.
  const elsewhere = await sites.mediumId(other)
  await rejectsWith('COFFER_KEY_UNWRAP', () => sites.sentKu(copy, elsewhere))
})

test('FIG. 10: an altered EMid(Ku) is found, with the signature of the center on it too', async () => {
  const path = grantPath(copy.medium, title)
  const before = bytesOf(path)
  const license = conversionOf(copy.grant)
  const wrappedMediumKey = license.wrappedMediumKey.slice()
  wrappedMediumKey[0]! ^= 1
  const at = Buffer.from(before).indexOf(license.wrappedMediumKey)
  const altered = before.slice()
  altered.set(wrappedMediumKey, at)
  try {
    writeFileSync(path, altered)
    refused(await sites.site.coffer('run', copy.medium, '--json'), 65, 'COFFER_RECORD_FORGED')
    writeFileSync(path, sites.regranted(copy.grant, { ...license, wrappedMediumKey }))
    refused(await sites.site.coffer('run', copy.medium, '--json'), 65, 'COFFER_KEY_UNWRAP')
  } finally {
    writeFileSync(path, before)
  }
  assert.is((await sites.site.coffer('run', copy.medium)).code, 0)
})

test('FIG. 10: as drawn, Mid alone is the key: a bearer grant runs for whoever holds the medium, and on it alone', async () => {
  expectSuccess(await sites.site.center('title', 'shop', 'set', title.id, '--bearer', 'yes'))
  const medium = await sites.site.prepared()
  const words = ['copy', title.master, medium, '--bearer', '--center', sites.line.url]
  expectSuccess(await sites.site.coffer(...words))
  const { grant } = sites.observed(sites.line.last())
  assert.is(conversionOf(grant).sealedBindingSecret, undefined)
  const mediumId = await sites.mediumId(medium)
  const binding = { ...copy.binding, mediumId, grantHash: grant.grantHash }
  const bindingKey = bindingKeyOf(binding, new Uint8Array(0))
  const mediumKey = decryptKu(bindingKey, conversionOf(grant).wrappedMediumKey)
  assert.ok(holds(openedPayload(mediumKey, sealedTitle(titlePath(medium, title))), title.marker))

  const env = { COFFER_HOME: sites.site.fresh('home') }
  expectSuccess(await sites.site.cofferWith({ env }, 'trust', sites.site.url))
  const ran = await sites.site.cofferWith({ env }, 'run', medium)
  assert.equal([ran.code, ran.stdout], [0, `${title.marker}\n`])
  const elsewhere = await sites.site.cofferWith({ env }, 'run', copyFiles(sites.site, medium))
  assert.equal([elsewhere.code, elsewhere.stdout], [77, ''])
})

test.run()
