/** Claim 1: the system of FIG. 1. Two sites, six means, and a copy only where both signatures are the same. */
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { jsonOf } from '../helpers/site.js'
import { certificateCode } from './arithmetic.js'
import {
  bytesOf,
  certificateOf,
  contentsOf,
  copyFiles,
  grantPath,
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
let beside: Pressed
let copy: Copy
withTwoSites(test, async opened => {
  sites = opened
  title = await sites.press('org.example.claimed', 'certificate')
  beside = await sites.press('org.example.beside', 'certificate', title.master)
  copy = await sites.copy(title)
})

test('FIG. 1: two sites and a line: one message goes to the central site (5), and one comes back', () => {
  assert.equal(
    sites.line.exchanges.map(({ path, status }) => [path, status]),
    [['/v1/orders', 200]]
  )
  assert.equal(copy.verified.requestHash, copy.opened.requestHash)
})

test('claim 1: contents identifier reading means (2) reads SIDi of the selected software from the master (1)', async () => {
  assert.is(copy.opened.titleId, title.id)
  // From what is recorded there, not from the name of a file.
  const renamed = join(title.master, 'renamed.title')
  renameSync(beside.path, renamed)
  const other = await sites.copy(beside, copy.medium)
  renameSync(renamed, beside.path)
  assert.is(other.opened.titleId, beside.id)
  assert.is.not(hex(certificateOf(other.grant).certificate), hex(certificateOf(copy.grant).certificate))
})

test('claim 1: storage medium identifier reading means (4) reads IDk, which each target (3) has of its own', async () => {
  assert.equal(copy.opened.mediumId, copy.mediumId)
  const ids = await Promise.all([
    sites.mediumId(copy.medium),
    sites.site.prepared().then(medium => sites.mediumId(medium)),
    sites.mediumId(copyFiles(sites.site, copy.medium))
  ])
  assert.equal(ids[0], copy.mediumId)
  assert.is(new Set(ids.map(hex)).size, 3)
})

test('claim 1: signature generating means (6) makes the first signature from SIDi and IDk, at the central site alone', () => {
  const { certificate } = certificateOf(copy.grant)
  assert.equal(certificate, certificateCode(sites.certificationKey(copy.mediumId), copy.binding))
  assert.not.ok(holds(copy.request, certificate))
  assert.ok(holds(copy.answer, certificate))
})

test('claim 1: signature writing means (7) writes the first signature into the target (3)', () => {
  const written = bytesOf(grantPath(copy.medium, title))
  assert.equal(written, copy.verified.grant)
  assert.ok(holds(written, certificateOf(copy.grant).certificate))
  assert.not.ok(holds(bytesOf(title.path), certificateOf(copy.grant).certificate))
})

test('claim 1: signature generating/comparing means (8) makes a second signature and compares it with the stored one', async () => {
  const own = hex(certificateCode(sites.openedCertificationKey(copy), copy.binding))
  assert.equal([copy.report.recomputedCertificate, copy.report.certificate], [own, own])
  // The stored one stays what it was elsewhere; the one that is made there is another.
  const other = copyFiles(sites.site, copy.medium)
  const report = jsonOf(await sites.site.coffer('verify', other, title.id, '--json'))
  assert.equal([report.match, report.certificate], [false, own])
  assert.match(report.recomputedCertificate, /^[0-9a-f]{32}$/)
  assert.is.not(report.recomputedCertificate, own)
})

test('claim 1: data copying means (9) writes the software into the target (3) when the signatures are identical', async () => {
  assert.equal(bytesOf(titlePath(copy.medium, title)), bytesOf(title.path))
  const plaintext = openedPayload(sites.titleKey(copy), sealedTitle(titlePath(copy.medium, title)))
  assert.ok(holds(plaintext, title.marker))
  const ran = await sites.site.coffer('run', copy.medium, title.id)
  assert.equal([ran.code, ran.stdout], [0, `${title.marker}\n`])
})

// The last element the other way round, each on an empty medium and on one that has a copy already.
const faults = {
  'the first signature was altered on the line': {
    tamper: (answer: Uint8Array) => {
      const { certificate } = certificateOf(sites.observed({ ...copy, answer }).grant)
      const altered = answer.slice()
      altered[Buffer.from(answer).indexOf(certificate)]! ^= 1
      return altered
    },
    refusal: [65, 'COFFER_RECORD_FORGED'],
    steps: ['S1']
  },
  'the answer is that to an order for another medium': {
    tamper: () => copy.answer,
    refusal: [77, 'COFFER_ANSWER_MISMATCH'],
    steps: ['S1']
  },
  // Genuine in every signature of the center: only CS and CS' differ.
  'the center certified another medium': {
    tamper: (answer: Uint8Array) => sites.reanswered(answer, () => ({ grant: copy.verified.grant })),
    refusal: [77, 'COFFER_CERTIFICATE_MISMATCH'],
    steps: ['S1', 'S2', 'S3']
  }
} as const
const targets = remembered(() => Promise.all([sites.site.prepared(), sites.copy(title).then(c => c.medium)]))

for (const [when, { tamper, refusal, steps }] of Object.entries(faults)) {
  test(`claim 1: nothing is copied when ${when}`, async () => {
    const media = await targets()
    const before = media.map(softwareOn)
    const ended = await sites.line.altered(tamper, () =>
      Promise.all(media.map(medium => sites.order(title, medium)))
    )
    for (const ran of ended) {
      refused(ran, refusal[0], refusal[1])
      assert.equal(stepsOf(ran), steps)
    }
    assert.equal(media.map(softwareOn), before)
  })
}

test('claim 1: ... and what was there before runs as before, while nothing new does', async () => {
  const [empty, full] = await targets()
  const ends = await Promise.all([empty, full].map(medium => sites.site.coffer('run', medium, title.id)))
  assert.equal(
    ends.map(({ code, stdout }) => [code, stdout]),
    [
      [66, ''],
      [0, `${title.marker}\n`]
    ]
  )
})

/** All of a medium but the revocation lists, which may be newer. */
function softwareOn(medium: string): Record<string, string> {
  const { [join('.coffer', 'revocations')]: _lists, ...software } = contentsOf(medium)
  return software
}

function remembered<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}

test.run()
