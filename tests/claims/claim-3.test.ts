/** Claim 3: the signature generating/comparing means (8) comprises decrypting (16), generating (17) and comparing means (18). */
import { writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { rejectsWith } from '../helpers/rejects.js'
import { expectSuccess, jsonOf } from '../helpers/site.js'
import { certificateCode, encryptKeyc, decryptKd } from './arithmetic.js'
import {
  bytesOf,
  certificateOf,
  copyFiles,
  grantPath,
  refused,
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
  title = await sites.press('org.example.compared', 'certificate')
  copy = await sites.copy(title)
})

const verify = (medium: string) => sites.site.coffer('verify', medium, title.id, '--json')

test('claim 3: decrypting means (16) decrypts EKU(KEYc) with the user key KU, and with no other', async () => {
  const good = jsonOf(await verify(copy.medium))
  assert.equal([good.verdict, good.match], ['ok', true])
  const env = { COFFER_HOME: sites.site.fresh('home') }
  expectSuccess(await sites.site.cofferWith({ env }, 'keygen'))
  expectSuccess(await sites.site.cofferWith({ env }, 'trust', sites.site.url))
  const ran = await sites.site.cofferWith({ env }, 'verify', copy.medium, title.id, '--json')
  const report = jsonOf(ran)
  assert.equal([ran.code, report.verdict, report.recomputedCertificate], [77, 'COFFER_USER_MISMATCH', null])
})

test("claim 3: certificate code generating means (17) makes CS' from SIDi, from IDk as it is read, and KEYc", async () => {
  const key = sites.certificationKey(copy.mediumId)
  const here = jsonOf(await verify(copy.medium))
  assert.is(here.recomputedCertificate, hex(certificateCode(key, copy.binding)))
  // On another medium the same KEYc gives the CS' of that medium, not of the one that the files name.
  const other = copyFiles(sites.site, copy.medium)
  const mediumId = await sites.mediumId(other)
  const there = jsonOf(await verify(other))
  assert.is(there.mediumId, hex(mediumId))
  assert.is(there.recomputedCertificate, hex(certificateCode(key, { ...copy.binding, mediumId })))
  assert.is(there.certificate, here.certificate)
})

test("claim 3: comparing means (18) compares CS' with the CS stored in the target", async () => {
  const good = await verify(copy.medium)
  assert.equal([good.code, jsonOf(good).match], [0, true])
  const other = await verify(copyFiles(sites.site, copy.medium))
  const report = jsonOf(other)
  assert.equal([other.code, report.match, report.verdict], [77, false, 'COFFER_CERTIFICATE_MISMATCH'])
})

test('claim 3: a stored CS that is not this one is found, even with the signature of the center on it', async () => {
  const path = grantPath(copy.medium, title)
  const before = bytesOf(path)
  const { certificate, wrappedTitleKey } = certificateOf(copy.grant)
  const key = sites.certificationKey(copy.mediumId)
  const wrong = certificate.slice()
  wrong[0]! ^= 1
  const { sealKey } = sites.user
  const sealed = encryptKeyc(sealKey, copy.binding, wrong, key, new Uint8Array(32).fill(7))
  const license = { certificate: wrong, sealedCertificationKey: sealed, wrappedTitleKey }
  try {
    writeFileSync(path, sites.regranted(copy.grant, license))
    const ran = await verify(copy.medium)
    const report = jsonOf(ran)
    assert.equal([ran.code, report.verdict, report.match], [77, 'COFFER_CERTIFICATE_MISMATCH', false])
    assert.equal([report.certificate, report.recomputedCertificate], [hex(wrong), hex(certificate)])
    refused(
      await sites.site.coffer('run', copy.medium, title.id, '--json'),
      77,
      'COFFER_CERTIFICATE_MISMATCH'
    )
  } finally {
    writeFileSync(path, before)
  }
  assert.is((await verify(copy.medium)).code, 0)
})

test("claim 3: with the comparator (18) taken out, a CS' that differs still opens nothing", async () => {
  const key = sites.openedCertificationKey(copy)
  const { certificate, wrappedTitleKey } = certificateOf(copy.grant)
  const mediumId = await sites.mediumId(copyFiles(sites.site, copy.medium))
  const there = { ...copy.binding, mediumId }
  const unwrap = (binding: typeof there, recomputed: Uint8Array) =>
    decryptKd(key, binding, recomputed, wrappedTitleKey)
  assert.is(unwrap(copy.binding, certificateCode(key, copy.binding)).length, 32)
  await rejectsWith('COFFER_KEY_UNWRAP', () => unwrap(there, certificateCode(key, there)))
  await rejectsWith('COFFER_KEY_UNWRAP', () => unwrap(there, certificate))
  await rejectsWith('COFFER_KEY_UNWRAP', () => unwrap(copy.binding, certificateCode(key, there)))
})

test.run()
