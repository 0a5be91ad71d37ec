/** FIG. 4: the duplicating procedure of the first embodiment, element by element at both sites. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { equalBytes, hex } from '../../formats/bytes.js'
import { openGrant } from '../../formats/records/grant.js'
import { jsonOf } from '../helpers/site.js'
import { certificateCode } from './arithmetic.js'
import {
  bytesOf,
  certificateOf,
  grantPath,
  holds,
  openedPayload,
  PRICE,
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
  title = await sites.press('org.example.figure-4', 'certificate')
  copy = await sites.copy(title)
})

test('FIG. 4: the manager application sends SIDi and IDk with what is necessary for a license, and no key', () => {
  const { opened, request } = copy
  assert.equal([opened.titleId, hex(opened.mediumId)], [title.id, hex(copy.mediumId)])
  assert.equal(opened.centerId, sites.center.centerId)
  const { signSeed, sealSecret } = sites.user
  for (const secret of [signSeed, sealSecret, sites.certificationKey(copy.mediumId)])
    assert.not.ok(holds(request, secret))
})

test('FIG. 4: the central site saves the contents of the request into the user profile database (13)', async () => {
  const saved = await sites.books(books =>
    books.selectFrom('requests').selectAll().where('kind', '=', 'order').execute()
  )
  assert.equal(
    saved.map(({ requestId, signer }) => [requestId, signer]),
    [[hex(copy.opened.requestId), hex(sites.userId)]]
  )
  assert.ok(equalBytes(saved[0]!.record, copy.request))
  const { users } = jsonOf(await sites.site.center('user', 'list', 'shop', '--json'))
  assert.equal(
    users.map((user: any) => user.userId),
    [hex(sites.userId)]
  )
})

test('FIG. 4: the signature processor (14) compresses SIDi and IDk into CS, KEYc as its secret key', () => {
  const key = sites.certificationKey(copy.mediumId)
  assert.equal(certificateOf(copy.grant).certificate, certificateCode(key, copy.binding))
})

test('FIG. 4: the encryption unit (15) encrypts KEYc with KU into EKU(KEYc)', () => {
  const key = sites.openedCertificationKey(copy)
  assert.equal(key, sites.certificationKey(copy.mediumId))
  assert.not.ok(holds(copy.answer, key))
})

test('FIG. 4: CS and EKU(KEYc) are transmitted together with the central site identifier IDc', () => {
  const { certificate, sealedCertificationKey } = certificateOf(copy.grant)
  for (const part of [certificate, sealedCertificationKey, sites.center.centerId])
    assert.ok(holds(copy.answer, part))
  assert.equal(copy.verified.centerId, sites.center.centerId)
  assert.equal(copy.grant.centerId, sites.center.centerId)
})

test('FIG. 4: CS and EKU(KEYc) are written into the target (12) and retrieved from it', () => {
  const stored = openGrant(bytesOf(grantPath(copy.medium, title)), [sites.center])!.grant
  assert.equal(certificateOf(stored), certificateOf(copy.grant))
  assert.is(copy.report.certificate, hex(certificateOf(stored).certificate))
})

test("FIG. 4: the decryption unit (16), the signature processor (17) and the comparator (18) find CS and CS' the same", () => {
  const own = hex(certificateCode(sites.openedCertificationKey(copy), copy.binding))
  assert.equal([copy.report.recomputedCertificate, copy.report.certificate], [own, own])
})

test('FIG. 4: the switch (19) lets the software be written into the target (12) as encrypted data', () => {
  const onMedium = sealedTitle(titlePath(copy.medium, title))
  assert.equal(onMedium.payload, sealedTitle(title.path).payload)
  assert.not.ok(holds(onMedium.payload, title.marker))
  assert.ok(holds(openedPayload(sites.titleKey(copy), onMedium), title.marker))
})

test('FIG. 4: a license costs its price, once: the same request again gets the same bytes and no second charge', async () => {
  const account = `receivable/${hex(sites.userId)}`
  assert.equal([copy.verified.chargedMinor, copy.verified.currency], [PRICE.minor, PRICE.currency])
  assert.is(await sites.balance(account), PRICE.minor)
  const { status, body } = await sites.post(copy.request)
  assert.equal([status, hex(body)], [200, hex(copy.answer)])
  assert.is(await sites.balance(account), PRICE.minor)
})

test.run()
