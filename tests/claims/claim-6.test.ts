/** Claim 6: the conversion key generating means comprise a first (31), second (35) and third (36) encrypting means. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex, utf8 } from '../../formats/bytes.js'
import { enc } from '../../formats/encode.js'
import { hkdfExpand512 } from '../../formats/primitives.js'
import { rejectsWith } from '../helpers/rejects.js'
import { decryptKa, decryptKu } from './arithmetic.js'
import { conversionOf, holds, openedPayload, sealedTitle, titlePath, withTwoSites } from './sites.js'
import type { Copy, Pressed, TwoSites } from './sites.js'

let sites: TwoSites
let title: Pressed
let beside: Pressed
let copy: Copy
/** The same title on another medium. */
let elsewhere: Copy
/** Another title on the first medium. */
let other: Copy
withTwoSites(test, async opened => {
  sites = opened
  title = await sites.press('org.example.first', 'conversion')
  beside = await sites.press('org.example.second-of-two-titles', 'conversion', title.master)
  copy = await sites.copy(title)
  elsewhere = await sites.copy(title)
  other = await sites.copy(beside, copy.medium)
})

const underMasterKey = (...info: Parameters<typeof enc>) => hkdfExpand512(sites.vault.masterKey, enc(...info))

test('claim 6: first encrypting means (31) make Ku from Mid under KM: one for each medium, whatever the title', () => {
  const { centerId } = sites.center
  for (const from of [copy, elsewhere, other])
    assert.equal(sites.sentKu(from), underMasterKey('medium-key', centerId, 1, from.mediumId))
  assert.equal(sites.sentKu(copy), sites.sentKu(other))
  assert.is.not(hex(sites.sentKu(copy)), hex(sites.sentKu(elsewhere)))
})

test('claim 6: second encrypting means (35) make Ka from DID under KM: one for each title, whatever the medium', () => {
  const { centerId } = sites.center
  for (const from of [copy, elsewhere, other])
    assert.equal(sites.sentKa(from), underMasterKey('master-medium-key', centerId, 1, from.title.id, 1))
  assert.equal(sites.sentKa(copy), sites.sentKa(elsewhere))
  assert.is.not(hex(sites.sentKa(copy)), hex(sites.sentKa(other)))
})

test('claim 6: Ka is the key that the master was encrypted with, Ku the one of the target', () => {
  assert.ok(holds(openedPayload(sites.sentKa(copy), sealedTitle(title.path)), title.marker))
  for (const from of [copy, elsewhere, other]) {
    const onMedium = sealedTitle(titlePath(from.medium, from.title))
    assert.ok(holds(openedPayload(sites.sentKu(from), onMedium), from.title.marker))
  }
})

test('claim 6: third encrypting means (36) encrypt Ku and Ka with Mid, each by itself', async () => {
  const { wrappedMediumKey } = conversionOf(copy.grant)
  const wrappedMasterMediumKey = copy.verified.wrappedMasterMediumKey!
  assert.equal([wrappedMediumKey.length, wrappedMasterMediumKey.length], [40, 40])
  assert.is.not(hex(wrappedMediumKey), hex(wrappedMasterMediumKey))
  // Neither opens as the other, nor with the Mid of another medium.
  const bindingKey = sites.bindingKey(copy)
  await rejectsWith('COFFER_KEY_UNWRAP', () => decryptKa(bindingKey, wrappedMediumKey))
  await rejectsWith('COFFER_KEY_UNWRAP', () => decryptKu(bindingKey, wrappedMasterMediumKey))
  await rejectsWith('COFFER_KEY_UNWRAP', () => sites.sentKu(copy, elsewhere.mediumId))
  await rejectsWith('COFFER_KEY_UNWRAP', () => sites.sentKa(copy, elsewhere.mediumId))
})

test('claim 6: KM is managed at the central site: neither it nor Ku and Ka cross the line in clear', () => {
  for (const from of [copy, elsewhere, other])
    for (const secret of [sites.vault.masterKey, sites.sentKu(from), sites.sentKa(from)])
      for (const crossed of [from.request, from.answer]) assert.not.ok(holds(crossed, secret))
})

test('claim 6: a medium whose Mid is the DID of a title is not sent the Ka of that title as its Ku', async () => {
  const license = await sites.orderByHand(copy, { titleId: title.id, mediumId: utf8(beside.id) })
  const sent = sites.sentKu(license)
  await rejectsWith('COFFER_PAYLOAD_FORGED', () => openedPayload(sent, sealedTitle(beside.path)))
  assert.ok(holds(openedPayload(sites.sentKa(other), sealedTitle(beside.path)), beside.marker))
})

test.run()
