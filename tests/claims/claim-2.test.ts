/** Claim 2: the signature generating means (6) comprises signature processing means (14) and encrypting means (15). */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { formatPublicKeys } from '../../formats/keys.js'
import { rejectsWith } from '../helpers/rejects.js'
import { expectSuccess, jsonOf } from '../helpers/site.js'
import { certificateCode, decryptKeyc } from './arithmetic.js'
import { certificateOf, holds, type Copy, type Pressed, type TwoSites, withTwoSites } from './sites.js'

let sites: TwoSites
let title: Pressed
let copy: Copy
withTwoSites(test, async opened => {
  sites = opened
  title = await sites.press('org.example.signed', 'certificate')
  copy = await sites.copy(title)
})

test('claim 2: signature processing means (14) encrypts SIDi and IDk with KEYc to produce CS', async () => {
  const { certificate } = certificateOf(copy.grant)
  const key = sites.certificationKey(copy.mediumId)
  assert.equal(certificate, certificateCode(key, copy.binding))
  // Each of the three enters it.
  const elsewhere = await sites.mediumId(await sites.site.prepared())
  const others = [
    certificateCode(key, { ...copy.binding, titleId: 'org.example.signee' }),
    certificateCode(key, { ...copy.binding, mediumId: elsewhere }),
    certificateCode(sites.certificationKey(elsewhere), copy.binding)
  ]
  assert.is(new Set([certificate, ...others].map(hex)).size, 4)
})

test('claim 2: KEYc is managed at the central site: it crosses the line only as EKU(KEYc)', () => {
  const key = sites.certificationKey(copy.mediumId)
  for (const secret of [key, sites.vault.certificationMaster]) {
    assert.not.ok(holds(copy.request, secret))
    assert.not.ok(holds(copy.answer, secret))
  }
  assert.ok(holds(copy.answer, certificateOf(copy.grant).sealedCertificationKey))
})

test('claim 2: encrypting means (15) encrypts KEYc with the user key KU', async () => {
  assert.equal(sites.openedCertificationKey(copy), sites.certificationKey(copy.mediumId))
  // With nothing but that key, and only as it was sent.
  const home = sites.site.fresh('home')
  expectSuccess(await sites.site.cofferWith({ env: { COFFER_HOME: home } }, 'keygen'))
  const stranger = sites.keysIn(home)
  await rejectsWith('COFFER_KEY_UNWRAP', () => sites.openedCertificationKey(copy, stranger))
  const { certificate, sealedCertificationKey } = certificateOf(copy.grant)
  const altered = sealedCertificationKey.slice()
  altered[40]! ^= 1
  await rejectsWith('COFFER_KEY_UNWRAP', () =>
    decryptKeyc(sites.user.recipient, copy.binding, certificate, altered)
  )
})

test('claim 2: KU is registered at the central site: the half that encrypts, and not the half that decrypts', async () => {
  const users = await sites.books(books => books.selectFrom('users').selectAll().execute())
  assert.equal(
    users.map(({ userId, signKey, sealKey }) => [userId, signKey, sealKey]),
    [[hex(sites.userId), hex(sites.user.signKey), hex(sites.user.sealKey)]]
  )
  const shown = await sites.site.center(
    'user',
    'show',
    'shop',
    formatPublicKeys('user', sites.user),
    '--json'
  )
  assert.is(jsonOf(shown).grants.length, 1)
  for (const half of [sites.user.sealSecret, sites.user.signSeed]) assert.not.ok(holds(copy.request, half))
})

test('claim 2: EKU(KEYc) is sent for use in the signature generating/comparing means (8): its key makes CS again', () => {
  const second = certificateCode(sites.openedCertificationKey(copy), copy.binding)
  assert.equal(second, certificateOf(copy.grant).certificate)
  assert.is(copy.report.recomputedCertificate, hex(second))
})

test.run()
