/** Claim 4: the method of the first embodiment, step by step as `coffer copy` goes it, and once more by hand. */
import { writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { encodeCollection } from '../../formats/records/revocations.js'
import { openGrant } from '../../formats/records/grant.js'
import { jsonOf } from '../helpers/site.js'
import { certificateCode, decryptKeyc } from './arithmetic.js'
import {
  bytesOf,
  certificateOf,
  contentsOf,
  grantPath,
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
  title = await sites.press('org.example.method', 'certificate')
  copy = await sites.copy(title)
})

test('claim 4: sending IDk and SIDi to the central site, together with a message requesting a software license', () => {
  assert.equal([copy.opened.kind, copy.opened.titleId], ['order', title.id])
  assert.equal(copy.opened.mediumId, copy.mediumId)
  assert.equal(copy.opened.signKey, sites.user.signKey)
})

test('claim 4: generating CS at the central site from IDk and SIDi as received, with KEYc', async () => {
  const mediumId = new Uint8Array(randomBytes(32))
  const { grant, binding } = await sites.orderByHand(copy, { titleId: title.id, mediumId })
  assert.equal(grant.mediumId, mediumId)
  assert.equal(certificateOf(grant).certificate, certificateCode(sites.certificationKey(mediumId), binding))
})

test('claim 4: generating EKU(KEYc) at the central site, encrypting KEYc with the user key', () => {
  assert.equal(sites.openedCertificationKey(copy), sites.certificationKey(copy.mediumId))
})

test('claim 4: sending CS and EKU(KEYc) from the central site to the end user site', () => {
  const sent = openGrant(copy.verified.grant!, [sites.center])!.grant
  const { certificate, sealedCertificationKey } = certificateOf(sent)
  assert.equal([certificate.length, sealedCertificationKey.length], [16, 80])
})

test('claim 4: writing CS and EKU(KEYc) into the target storage medium', () => {
  assert.equal(bytesOf(grantPath(copy.medium, title)), copy.verified.grant!)
})

test('claim 4: obtaining KEYc by decrypting the EKU(KEYc) that is stored in the target storage medium', () => {
  const stored = openGrant(bytesOf(grantPath(copy.medium, title)), [sites.center])!.grant
  const { certificate, sealedCertificationKey } = certificateOf(stored)
  const key = decryptKeyc(sites.user.recipient, copy.binding, certificate, sealedCertificationKey)
  assert.equal(key, sites.certificationKey(copy.mediumId))
})

test("claim 4: generating CS' at the end user site with the decrypted KEYc", () => {
  const own = certificateCode(sites.openedCertificationKey(copy), copy.binding)
  assert.is(copy.report.recomputedCertificate, hex(own))
})

test("claim 4: comparing the stored CS with CS'; the data file is written only if they coincide", async () => {
  assert.is(copy.report.certificate, hex(certificateOf(copy.grant).certificate))
  assert.is(copy.report.certificate, copy.report.recomputedCertificate)
  const medium = await sites.site.prepared()
  const ran = await sites.line.altered(
    answer => sites.reanswered(answer, () => ({ grant: copy.verified.grant! })),
    () => sites.order(title, medium)
  )
  refused(ran, 77, 'COFFER_CERTIFICATE_MISMATCH')
  const software = Object.keys(contentsOf(medium)).filter(path => /grants|titles/.test(path))
  assert.equal(software, [])
})

test('claim 4: reading out the data file from the master and writing it into the target', () => {
  assert.equal(bytesOf(titlePath(copy.medium, title)), bytesOf(title.path))
})

test('claim 4: the same steps, gone by hand with records alone, make a copy that runs', async () => {
  const medium = await sites.site.prepared()
  const mediumId = await sites.mediumId(medium)
  const { manifest } = sealedTitle(title.path)
  const { grant, verified, binding } = await sites.orderByHand(copy, { titleId: manifest.id, mediumId })
  const { certificate, sealedCertificationKey } = certificateOf(grant)
  const key = decryptKeyc(sites.user.recipient, binding, certificate, sealedCertificationKey)
  assert.equal(certificate, certificateCode(key, binding))

  writeFileSync(grantPath(medium, title), verified.grant!)
  writeFileSync(join(medium, '.coffer/revocations'), encodeCollection({ lists: [verified.revocations] }))
  writeFileSync(titlePath(medium, title), bytesOf(title.path))
  assert.is(jsonOf(await sites.site.coffer('verify', medium, '--json')).verdict, 'ok')
  const ran = await sites.site.coffer('run', medium)
  assert.equal([ran.code, ran.stdout], [0, `${title.marker}\n`])
})

test.run()
