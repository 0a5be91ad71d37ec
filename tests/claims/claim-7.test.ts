/** Claim 7: the method of the second embodiment, step by step as `coffer copy` goes it, and once more by hand. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sealPayload } from '../../formats/cobblestone.js'
import {
  deriveBindingKey,
  openBindingSecret,
  payloadContext,
  unwrapConversionKey
} from '../../formats/derive.js'
import { encodeCollection } from '../../formats/records/revocations.js'
import { openGrant } from '../../formats/records/grant.js'
import { jsonOf } from '../helpers/site.js'
import {
  bytesOf,
  conversionOf,
  grantPath,
  hex,
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
  // An order that this test makes, for a medium that does not exist: only what it says can have gone into Ku.
  const mediumId = new Uint8Array(randomBytes(32))
  const request = sites.requestLike(copy.opened, { mediumId, requestId: new Uint8Array(randomBytes(16)) })
  const { status, body } = await sites.post(request)
  const observed = sites.observed({ path: '/v1/orders', request, answer: body, status })
  const { wrappedMediumKey, sealedBindingSecret } = conversionOf(observed.grant)
  const binding = { ...copy.binding, mediumId, grantHash: observed.grant.grantHash }
  const secret = openBindingSecret(sites.user.recipient, binding, sealedBindingSecret!)
  const bindingKey = deriveBindingKey(binding, secret)
  assert.equal(unwrapConversionKey(bindingKey, 'medium-key', wrappedMediumKey), sites.mediumKey(mediumId))
  const { wrappedMasterMediumKey } = observed.verified
  assert.equal(
    unwrapConversionKey(bindingKey, 'master-medium-key', wrappedMasterMediumKey!),
    sites.masterMediumKey(title.id)
  )
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
  const bindingKey = sites.bindingKey(copy)
  const { wrappedMediumKey } = conversionOf(copy.grant)
  const mediumKey = unwrapConversionKey(bindingKey, 'medium-key', wrappedMediumKey)
  const masterMediumKey = unwrapConversionKey(
    bindingKey,
    'master-medium-key',
    copy.verified.wrappedMasterMediumKey!
  )
  assert.equal(
    openedPayload(mediumKey, sealedTitle(titlePath(copy.medium, title))),
    openedPayload(masterMediumKey, sealedTitle(title.path))
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
  const requestId = new Uint8Array(randomBytes(16))
  const request = sites.requestLike(copy.opened, { titleId: id, mediumId, requestId })
  const { status, body } = await sites.post(request)
  const { grant, verified } = sites.observed({ path: '/v1/orders', request, answer: body, status })

  const { centerId, grantHash } = grant
  const binding = { centerId, titleId: id, mediumId, grantHash }
  const { sealedBindingSecret, wrappedMediumKey } = conversionOf(grant)
  const secret = openBindingSecret(sites.user.recipient, binding, sealedBindingSecret!)
  const bindingKey = deriveBindingKey(binding, secret)
  const mediumKey = unwrapConversionKey(bindingKey, 'medium-key', wrappedMediumKey)
  const wrappedKa = verified.wrappedMasterMediumKey!
  const data = openedPayload(unwrapConversionKey(bindingKey, 'master-medium-key', wrappedKa), onMaster)
  const salt = new Uint8Array(randomBytes(24))
  const converted = sealPayload(mediumKey, payloadContext(id, release), salt, data)

  const head = bytesOf(title.path).subarray(0, onMaster.payloadOffset)
  writeFileSync(grantPath(medium, title), verified.grant)
  writeFileSync(join(medium, '.coffer/revocations'), encodeCollection([verified.revocations]))
  writeFileSync(titlePath(medium, title), Buffer.concat([head, converted]))
  assert.is(jsonOf(await sites.site.coffer('verify', medium, '--json')).verdict, 'ok')
  const ran = await sites.site.coffer('run', medium)
  assert.equal([ran.code, ran.stdout], [0, `${title.marker}\n`])
})

test.run()
