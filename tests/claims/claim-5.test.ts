/** Claim 5: the system of the second embodiment. Conversion keys (31, 35, 36) there; 51, 52 and 53 here. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { rejectsWith } from '../helpers/rejects.js'
import {
  bytesOf,
  contentsOf,
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
withTwoSites(test, async opened => {
  sites = opened
  title = await sites.press('org.example.converted', 'conversion')
  copy = await sites.copy(title)
})

test('claim 5: contents identifier reading means (2) reads DID, recorded in the master (60) with the software', () => {
  assert.is(copy.opened.titleId, title.id)
  assert.is(sealedTitle(title.path).manifest.id, title.id)
})

test('claim 5: storage medium identifier reading means (4) reads Mid of the target (40)', () => {
  assert.equal(copy.opened.mediumId, copy.mediumId)
})

test('claim 5: conversion key generating means (31, 35, 36) make EMid(Ku) and EMid(Ka) at the central site', () => {
  assert.equal(sites.sentKu(copy), sites.mediumKey(copy.mediumId))
  assert.equal(sites.sentKa(copy), sites.masterMediumKey(title.id))
})

test('claim 5: conversion key writing means write EMid(Ku) into the target (40), and EMid(Ka) nowhere', () => {
  assert.equal(bytesOf(grantPath(copy.medium, title)), copy.verified.grant)
  assert.ok(holds(copy.verified.grant!, conversionOf(copy.grant).wrappedMediumKey))
  for (const path of Object.keys(contentsOf(copy.medium))) {
    const bytes = bytesOf(`${copy.medium}/${path}`)
    assert.not.ok(holds(bytes, copy.verified.wrappedMasterMediumKey!), path)
    for (const key of [sites.mediumKey(copy.mediumId), sites.masterMediumKey(title.id)])
      assert.not.ok(holds(bytes, key), path)
  }
})

test('claim 5: conversion key decrypting means (51) open Ku and Ka with Mid as it is read, and no other Mid', async () => {
  const elsewhere = await sites.mediumId(copyFiles(sites.site, copy.medium))
  assert.equal([sites.sentKu(copy).length, sites.sentKa(copy).length], [32, 32])
  await rejectsWith('COFFER_KEY_UNWRAP', () => sites.sentKu(copy, elsewhere))
  await rejectsWith('COFFER_KEY_UNWRAP', () => sites.sentKa(copy, elsewhere))
})

test('claim 5: data decrypting means (52) open EKa(Data) of the master (60) with Ka', async () => {
  const onMaster = sealedTitle(title.path)
  assert.not.ok(holds(onMaster.payload, title.marker))
  assert.ok(holds(openedPayload(sites.masterMediumKey(title.id), onMaster), title.marker))
  await rejectsWith('COFFER_PAYLOAD_FORGED', () => openedPayload(sites.mediumKey(copy.mediumId), onMaster))
})

test('claim 5: data writing means (53) encrypt Data with Ku and write EKu(Data) into the target (40)', async () => {
  const [onMaster, onMedium] = [sealedTitle(title.path), sealedTitle(titlePath(copy.medium, title))]
  const mediumKey = sites.mediumKey(copy.mediumId)
  assert.equal(
    hex(openedPayload(mediumKey, onMedium)),
    hex(openedPayload(sites.masterMediumKey(title.id), onMaster))
  )
  assert.is.not(hex(onMedium.payload), hex(onMaster.payload))
  assert.not.ok(holds(onMedium.payload, title.marker))
  await rejectsWith('COFFER_PAYLOAD_FORGED', () => openedPayload(sites.masterMediumKey(title.id), onMedium))
  const ran = await sites.site.coffer('run', copy.medium)
  assert.equal([ran.code, ran.stdout], [0, `${title.marker}\n`])
})

test('claim 5: keys that the center made for another medium copy nothing', async () => {
  const medium = await sites.site.prepared()
  const ran = await sites.line.altered(
    answer => sites.reanswered(answer, () => ({ grant: copy.verified.grant })),
    () => sites.order(title, medium)
  )
  refused(ran, 77, 'COFFER_MEDIUM_MISMATCH')
  const software = Object.keys(contentsOf(medium)).filter(path => /grants|titles/.test(path))
  assert.equal(software, [])
})

test.run()
