/** FIG. 7: the duplication process of the second embodiment, steps S11 to S17. */
import { randomBytes } from 'node:crypto'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { concat, hex } from '../../formats/bytes.js'
import { SALT_BYTES, sealPayload } from '../../formats/cobblestone.js'
import { filesBelow, jsonOf } from '../helpers/site.js'
import { contextOf, encryptKa } from './arithmetic.js'
import {
  bytesOf,
  contentsOf,
  conversionOf,
  holds,
  openedPayload,
  refused,
  sealedTitle,
  stepsOf,
  titlePath,
  type Copy,
  type Pressed,
  type TwoSites,
  withTwoSites
} from './sites.js'

let sites: TwoSites
let title: Pressed
let copy: Copy
/** The same central site, as a backup has it that was made before anything was registered there. */
let earlier: Awaited<ReturnType<TwoSites['backup']>>
withTwoSites(test, async opened => {
  sites = opened
  earlier = await sites.backup()
  title = await sites.press('org.example.figure-7', 'conversion')
  copy = await sites.copy(title)
})
test.after(() => earlier?.close())

const openedWith = (from: Copy) => [sites.sentKu(from), sites.sentKa(from)] as const

test('FIG. 7: a copy goes through S11 to S17: S12 and S13 at the center, S17 together with S16', () => {
  assert.equal(copy.steps, ['S11', 'S14', 'S15', 'S16'])
})

test('S11: Mid recorded in the target and DID of the software are sent to the software license center', () => {
  assert.ok(holds(copy.request, copy.mediumId))
  assert.ok(holds(copy.request, title.id))
  assert.equal([hex(copy.opened.mediumId), copy.opened.titleId], [hex(copy.mediumId), title.id])
})

test('S12: a DID that is not registered at the center is refused, and nothing is copied', async () => {
  const medium = await sites.site.prepared()
  const ran = await sites.order(title, medium, earlier.url)
  refused(ran, 77, 'COFFER_TITLE_UNKNOWN')
  assert.equal(stepsOf(ran), ['S11'])
  assert.equal(filesBelow(medium), [join('.coffer', 'identity')])
  // The same order where it is registered.
  assert.equal((await sites.copy(title, medium)).steps, ['S11', 'S14', 'S15', 'S16'])
})

test('S13: Mid and DID are encrypted with KM into Ku and Ka', () => {
  const [mediumKey, masterMediumKey] = openedWith(copy)
  assert.equal(mediumKey, sites.mediumKey(copy.opened.mediumId))
  assert.equal(masterMediumKey, sites.masterMediumKey(copy.opened.titleId))
})

test('S14: EMid(Ku,Ka) is sent to the end user site as the response to the request', () => {
  assert.equal(copy.verified.requestHash, copy.opened.requestHash)
  for (const wrapped of [conversionOf(copy.grant).wrappedMediumKey, copy.verified.wrappedMasterMediumKey!])
    assert.ok(holds(copy.answer, wrapped))
  for (const key of openedWith(copy)) assert.not.ok(holds(copy.answer, key))
})

test('S15: EMid(Ku) is stored as it came; EMid(Ka), and both keys as they are decrypted, are not', () => {
  const having = (part: Uint8Array) =>
    filesBelow(copy.medium).filter(path => holds(bytesOf(join(copy.medium, path)), part))
  const region = join('.coffer', 'grants', `${title.id}.grant`)
  assert.equal(having(conversionOf(copy.grant).wrappedMediumKey), [region])
  for (const part of [copy.verified.wrappedMasterMediumKey!, ...openedWith(copy)])
    assert.equal(having(part), [])
})

test('S15: an EMid(Ka) that Mid does not open ends the process: the old copy stays', async () => {
  const before = contentsOf(copy.medium)
  const ran = await sites.line.altered(
    answer => sites.reanswered(answer, () => ({ wrappedMasterMediumKey: new Uint8Array(40).fill(5) })),
    () => sites.order(title, copy.medium)
  )
  refused(ran, 65, 'COFFER_KEY_UNWRAP')
  assert.equal(contentsOf(copy.medium), before)
})

test('S16: the encrypted file on the master that corresponds to DID is decrypted with Ka to Data', () => {
  const [, masterMediumKey] = openedWith(copy)
  assert.ok(holds(openedPayload(masterMediumKey, sealedTitle(title.path)), title.marker))
})

test('S16: with another Ka than that of DID there is no Data: the old copy stays and runs', async () => {
  const before = contentsOf(copy.medium)
  const another = sites.masterMediumKey('org.example.figure-8')
  const ran = await sites.line.altered(
    answer =>
      sites.reanswered(answer, grant => {
        const binding = { ...copy.binding, grantHash: grant.grantHash }
        const bindingKey = sites.bindingKey({ ...copy, grant, binding })
        return { wrappedMasterMediumKey: encryptKa(bindingKey, another) }
      }),
    () => sites.order(title, copy.medium)
  )
  refused(ran, 65, 'COFFER_PAYLOAD_FORGED')
  assert.equal(contentsOf(copy.medium), before)
  const old = await sites.site.coffer('run', copy.medium)
  assert.equal([old.code, old.stdout], [0, `${title.marker}\n`])
})

test('S16: an altered file on the master is not copied', async () => {
  const medium = await sites.site.prepared()
  const whole = bytesOf(title.path)
  const altered = whole.slice()
  altered[altered.length - 20]! ^= 1
  writeFileSync(title.path, altered)
  const ran = await sites.order(title, medium)
  writeFileSync(title.path, whole)
  refused(ran, 65, 'COFFER_PAYLOAD_FORGED')
  for (const folder of ['grants', 'titles']) assert.equal(readdirSync(join(medium, '.coffer', folder)), [])
})

test("S16: what somebody else encrypted with Ka in place of the publisher's Data is not copied", async () => {
  const whole = bytesOf(title.path)
  const onMaster = sealedTitle(title.path)
  const [, masterMediumKey] = openedWith(copy)
  const [fresh, before] = [await sites.site.prepared(), contentsOf(copy.medium)]
  // In the index, which is looked at before anything passes, and in the last entry, which is looked at on the medium.
  for (const [place, passes] of [
    [8, false],
    [-1, true]
  ] as const) {
    const contents = openedPayload(masterMediumKey, onMaster)
    contents[(place + contents.length) % contents.length]! ^= 1
    const { id, release } = onMaster.manifest
    const forged = sealPayload(masterMediumKey, contextOf(id, release), randomBytes(SALT_BYTES), contents)
    writeFileSync(title.path, concat(whole.subarray(0, onMaster.payloadOffset), forged))
    for (const medium of [fresh, copy.medium]) {
      const ordered = await sites.order(title, medium)
      refused(ordered, 65, 'COFFER_PACKAGE_DAMAGED')
      assert.is(ordered.stderr.includes('S16'), passes)
    }
  }
  writeFileSync(title.path, whole)
  for (const folder of ['grants', 'titles']) assert.equal(readdirSync(join(fresh, '.coffer', folder)), [])
  assert.equal(contentsOf(copy.medium), before)
})

test('S17: Data is encrypted again with Ku and stored into the target, which finalizes the process', async () => {
  const [mediumKey, masterMediumKey] = openedWith(copy)
  const [onMaster, onMedium] = [sealedTitle(title.path), sealedTitle(titlePath(copy.medium, title))]
  assert.equal(openedPayload(mediumKey, onMedium), openedPayload(masterMediumKey, onMaster))
  assert.is.not(hex(onMedium.payload), hex(onMaster.payload))
  const report = jsonOf(await sites.site.coffer('verify', copy.medium, '--json'))
  assert.equal([report.verdict, report.unwrapped], ['ok', true])
})

test.run()
