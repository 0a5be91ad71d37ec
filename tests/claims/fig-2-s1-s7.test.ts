/** FIG. 2: the duplication process of the first embodiment, steps S1 to S7. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { openGrant, type VerifiedGrant } from '../../formats/records/grant.js'
import { filesBelow } from '../helpers/site.js'
import { certificateCode, encryptKeyc } from './arithmetic.js'
import {
  bytesOf,
  certificateOf,
  contentsOf,
  grantPath,
  holds,
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
withTwoSites(test, async opened => {
  sites = opened
  title = await sites.press('org.example.figure-2', 'certificate')
  copy = await sites.copy(title)
})

test('FIG. 2: a copy goes through S1, S2, S3, S4, S5, S6 and S7, in this order', () => {
  assert.equal(copy.steps, ['S1', 'S2', 'S3', 'S4', 'S5', 'S6', 'S7'])
})

test('S1: IDk recorded in the medium and SIDi of the software are sent to the central site', () => {
  const { request, opened } = copy
  assert.ok(holds(request, copy.mediumId))
  assert.ok(holds(request, title.id))
  assert.equal([hex(opened.mediumId), opened.titleId, opened.release], [hex(copy.mediumId), title.id, 1])
})

test('S2: the central site generates CS from IDk and SIDi as received and sends it back', () => {
  const { certificate } = certificateOf(copy.grant)
  assert.equal(certificate, certificateCode(sites.certificationKey(copy.opened.mediumId), copy.binding))
  assert.ok(holds(copy.answer, certificate))
})

test('S3: CS is written into a predetermined storage region of the medium', async () => {
  const { certificate } = certificateOf(copy.grant)
  const having = (medium: string, part: Uint8Array) =>
    filesBelow(medium).filter(path => holds(bytesOf(join(medium, path)), part))
  const region = join('.coffer', 'grants', `${title.id}.grant`)
  assert.equal(having(copy.medium, certificate), [region])
  const again = await sites.copy(title)
  assert.equal(having(again.medium, certificateOf(again.grant).certificate), [region])
})

test("S4: CS' is generated locally from IDk and SIDi that were sent to the central site", () => {
  const { centerId } = sites.center
  const { mediumId, titleId } = copy.opened
  const sent = { centerId, titleId, mediumId, grantHash: copy.grant.grantHash }
  const own = certificateCode(sites.openedCertificationKey(copy), sent)
  assert.is(copy.report.recomputedCertificate, hex(own))
})

test("S5: CS' is compared with the CS that is stored in the medium", () => {
  const stored = openGrant(bytesOf(grantPath(copy.medium, title)), [sites.center])!.grant
  assert.is(copy.report.certificate, hex(certificateOf(stored).certificate))
  assert.is(copy.report.recomputedCertificate, copy.report.certificate)
})

/** The grant with a CS of which only one bit is wrong, and with everything else right, signatures included. */
function withWrongCertificate(grant: VerifiedGrant): Uint8Array {
  const { certificate, wrappedTitleKey } = certificateOf(grant)
  const wrong = certificate.slice()
  wrong[15]! ^= 1
  const { centerId } = sites.center
  const { titleId, mediumId, grantHash } = grant
  const sealedCertificationKey = encryptKeyc(
    sites.user.sealKey,
    { centerId, titleId, mediumId, grantHash },
    wrong,
    sites.certificationKey(mediumId),
    new Uint8Array(32).fill(2)
  )
  return sites.regranted(grant, { certificate: wrong, sealedCertificationKey, wrappedTitleKey })
}

test('S6: otherwise the process is terminated without copying the software: an old copy stays and runs', async () => {
  const before = contentsOf(copy.medium)
  const ran = await sites.line.altered(
    answer => sites.reanswered(answer, grant => ({ grant: withWrongCertificate(grant) })),
    () => sites.order(title, copy.medium)
  )
  refused(ran, 77, 'COFFER_CERTIFICATE_MISMATCH')
  assert.equal(stepsOf(ran), ['S1', 'S2', 'S3'])
  assert.equal(contentsOf(copy.medium), before)
  const old = await sites.site.coffer('run', copy.medium)
  assert.equal([old.code, old.stdout], [0, `${title.marker}\n`])
})

test('S6: otherwise the process is terminated without copying the software: an empty medium stays empty', async () => {
  const medium = await sites.site.prepared()
  const ran = await sites.line.altered(
    answer => sites.reanswered(answer, grant => ({ grant: withWrongCertificate(grant) })),
    () => sites.order(title, medium)
  )
  refused(ran, 77, 'COFFER_CERTIFICATE_MISMATCH')
  assert.equal(filesBelow(medium), [join('.coffer', 'identity'), join('.coffer', 'revocations')])
  // Nothing stands in the way of the next order, which the central site answers as it should.
  assert.is((await sites.copy(title, medium)).steps.at(-1), 'S7')
})

test('S7: the encrypted file that has SIDi is copied from the master to the medium, as it is', () => {
  const target = titlePath(copy.medium, title)
  assert.equal(bytesOf(target), bytesOf(title.path))
  assert.is(copy.report.bytes, statSync(title.path).size)
  const { manifest, payload } = sealedTitle(target)
  assert.is(manifest.id, title.id)
  assert.not.ok(holds(payload, title.marker))
})

test.run()
