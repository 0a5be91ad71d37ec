/** Claim 7: the method of the second embodiment, step by step as `coffer copy` goes it, and once more by hand. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { sealPayload } from '../../formats/cobblestone.js'
import { encodeCollection } from '../../formats/records/revocations.js'
import { openGrant } from '../../formats/records/grant.js'
import { jsonOf } from '../helpers/site.js'
import { contextOf } from './arithmetic.js'
import {
  bytesOf,
  conversionOf,
  grantPath,
  holds,
  openedPayload,
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
withTwoSites(test, async opened => {
  sites = opened
  title = await sites.press('org.example.seventh', 'conversion')
  copy = await sites.copy(title)
})

test('claim 7: sending DID and Mid from the end user site to the central site', () => {
  assert.equal([copy.opened.titleId, hex(copy.opened.mediumId)], [title.id, hex(copy.mediumId)])
})

test('claim 7: producing Ka and Ku at the central site from DID and Mid with KM', async () => {
  const mediumId = new Uint8Array(randomBytes(32))
  const license = await sites.orderByHand(copy, { titleId: title.id, mediumId })
  assert.equal(sites.sentKu(license), sites.mediumKey(mediumId))
  assert.equal(sites.sentKa(license), sites.masterMediumKey(title.id))
})

test('claim 7: generating EMid(Ku) and EMid(Ka) with Mid, and sending both to the end user site', () => {
  assert.ok(holds(copy.answer, conversionOf(copy.grant).wrappedMediumKey))
  assert.ok(holds(copy.answer, copy.verified.wrappedMasterMediumKey!))
  for (const key of [sites.mediumKey(copy.mediumId), sites.masterMediumKey(title.id)])
    assert.not.ok(holds(copy.answer, key))
})

test('claim 7: writing EMid(Ku) into the target storage medium', () => {
  const stored = openGrant(bytesOf(grantPath(copy.medium, title)), [sites.center])!.grant
  assert.equal(conversionOf(stored).wrappedMediumKey, conversionOf(copy.grant).wrappedMediumKey)
})

test('claim 7: generating decrypted Ku and Ka with Mid, which is what opens both files', () => {
  assert.equal(
    openedPayload(sites.sentKu(copy), sealedTitle(titlePath(copy.medium, title))),
    openedPayload(sites.sentKa(copy), sealedTitle(title.path))
  )
})

test('claim 7: decrypting EKa(Data), producing EKu(Data) and writing it: the master stays, the target runs', async () => {
  const [onMaster, onMedium] = [sealedTitle(title.path), sealedTitle(titlePath(copy.medium, title))]
  assert.equal(onMedium.manifest.frame.bytes, onMaster.manifest.frame.bytes)
  assert.is(onMedium.payload.length, onMaster.payload.length)
  assert.is.not(hex(onMedium.payload), hex(onMaster.payload))
  const verified = jsonOf(await sites.site.coffer('verify', copy.medium, '--json'))
  assert.equal([verified.verdict, verified.unwrapped], ['ok', true])
})

test('claim 7: the same steps, gone by hand with records alone, make a copy that runs', async () => {
  const medium = await sites.site.prepared()
  const mediumId = await sites.mediumId(medium)
  const onMaster = sealedTitle(title.path)
  const { id, release } = onMaster.manifest
  const license = await sites.orderByHand(copy, { titleId: id, mediumId })
  const { verified } = license
  const data = openedPayload(sites.sentKa(license), onMaster)
  const salt = new Uint8Array(randomBytes(24))
  const converted = sealPayload(sites.sentKu(license), contextOf(id, release), salt, data)

  const head = bytesOf(title.path).subarray(0, onMaster.payloadOffset)
  writeFileSync(grantPath(medium, title), verified.grant!)
  writeFileSync(join(medium, '.coffer/revocations'), encodeCollection({ lists: [verified.revocations] }))
  writeFileSync(titlePath(medium, title), Buffer.concat([head, converted]))
  assert.is(jsonOf(await sites.site.coffer('verify', medium, '--json')).verdict, 'ok')
  const ran = await sites.site.coffer('run', medium)
  assert.equal([ran.code, ran.stdout], [0, `${title.marker}\n`])
})

test.run()
