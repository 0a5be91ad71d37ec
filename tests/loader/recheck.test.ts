/** Every refusal of the path, by code, with nothing of the title run; both schemes wherever both can be refused. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fromHex, hex, utf8 } from '../../formats/bytes.js'
import { deriveKeys, formatPublicKeys, parsePublicKeys } from '../../formats/keys.js'
import {
  encodeGrant,
  encodeGrantBody,
  openGrant,
  type Grant,
  type VerifiedGrant
} from '../../formats/records/grant.js'
import { encodeManifest, type Manifest } from '../../formats/records/manifest.js'
import { encodePublisher } from '../../formats/records/publisher.js'
import {
  decodeCollection,
  encodeCollection,
  encodeRevocations,
  openRevocations,
  type Revocation
} from '../../formats/records/revocations.js'
import { encodeTitleHead } from '../../formats/title.js'
import { BIND_BEARER, Home } from '../../loader/copier/index.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { openTitleFile } from '../../loader/read.js'
import { clone } from '../helpers/clone.js'
import { closeSites, librarySite, SCHEMES } from '../helpers/library-site.js'

const site = await librarySite()
test.after(closeSites)

const media = Object.fromEntries(
  await Promise.all(
    SCHEMES.map(async scheme => [scheme, await site.copied(`org.${scheme}`, { scheme })] as const)
  )
) as Record<(typeof SCHEMES)[number], { root: string; master: string; id: string }>

const MISMATCH = { certificate: 'COFFER_CERTIFICATE_MISMATCH', conversion: 'COFFER_MEDIUM_MISMATCH' } as const

/** The grant on a medium. */
const grantOn = (root: string, id: string): VerifiedGrant =>
  openGrant(readFileSync(mediumPaths(root).grant(id)), site.home.centers())!.grant

/** The same person at another home, so that what one test makes it remember does not reach the next. */
const homeOfItsOwn = (): Home => new Home(clone(site.home.folder, site.path('home')))

// ---------------------------------------------------------------- medium and user

for (const scheme of SCHEMES) {
  const { root, id } = media[scheme]

  test(`a copied ${scheme} title runs, again and again`, async () => {
    await site.runs(root, id)
    await site.runs(root, id)
  })

  test(`a ${scheme} title does not run from a copy of its medium`, async () => {
    const other = clone(root, site.path('other'))
    const error = await site.refuses(MISMATCH[scheme], other, id)
    assert.match(error.message, /a folder whose .*place on the volume.* not the same/)
    assert.is.not(error.expected, error.found)
    await site.runs(root, id)
  })

  test(`a ${scheme} title does not run with another user's key, nor without one`, async () => {
    await site.refuses('COFFER_USER_MISMATCH', root, id, await site.newHome())
    await site.refuses('COFFER_USER_KEY_MISSING', root, id, await site.newHome({ withKey: false }))
  })

  test(`a ${scheme} title does not run where its center is not pinned`, async () => {
    await site.refuses('COFFER_CENTER_UNTRUSTED', root, id, await site.newHome({ pinned: false }))
  })

  test(`the ${scheme} grant of one medium does not serve another that has a grant of its own`, async () => {
    const second = site.prepare()
    await site.copy(media[scheme].master, second, id)
    cpSync(mediumPaths(root).grant(id), mediumPaths(second).grant(id))
    await site.refuses(MISMATCH[scheme], second, id)
  })
}

// ---------------------------------------------------------------- title, release, publisher

test('the grant of one title does not serve another', async () => {
  const root = site.prepare()
  for (const { master, id } of Object.values(media)) await site.copy(master, root, id)
  const [a, b] = [media.certificate.id, media.conversion.id]
  cpSync(mediumPaths(root).grant(a), mediumPaths(root).grant(b))
  const error = await site.refuses('COFFER_TITLE_MISMATCH', root, b)
  assert.equal([error.expected, error.found], [b, a])
})

test('the sealed title of another title, or of an older release, does not pass under a grant', async () => {
  for (const scheme of SCHEMES) {
    const id = `org.two-releases.${scheme}`
    const old = await site.copied(id, { scheme })
    const oldTitle = readFileSync(mediumPaths(old.root).title(id, 1))
    const { master } = await site.press(id, { scheme, release: 2 })
    await site.copy(master, old.root, id)
    await site.runs(old.root, id)
    writeFileSync(mediumPaths(old.root).title(id, 2), oldTitle)
    const error = await site.refuses('COFFER_TITLE_MISMATCH', old.root, id)
    assert.match(error.expected!, /release 2/)
    assert.match(error.found!, /release 1/)
    cpSync(mediumPaths(media[scheme].root).title(media[scheme].id, 1), mediumPaths(old.root).title(id, 2))
    await site.refuses('COFFER_TITLE_MISMATCH', old.root, id)
  }
})

/** The same payload under a manifest with other fields or another signer. */
function resign(
  path: string,
  change: Partial<Manifest>,
  signSeed: Uint8Array,
  certificate?: Uint8Array
): void {
  using title = openTitleFile(path)
  const { frame: _frame, publisherCertificate, ...manifest } = title.manifest
  const payload = title.file.read(title.payloadOffset, manifest.payloadBytes)
  const changed = encodeManifest({ ...manifest, ...change }, certificate ?? publisherCertificate, signSeed)
  writeFileSync(path, Buffer.concat([encodeTitleHead(changed), payload]))
}

test('a title does not run with the manifest of another publisher, certified or not', async () => {
  for (const scheme of SCHEMES) {
    const { id, root } = await site.copied(`org.publisher.${scheme}`, { scheme })
    const path = mediumPaths(root).title(id, 1)
    const stranger = deriveKeys('publisher', new Uint8Array(32).fill(1))
    resign(path, {}, stranger.signSeed)
    const error = await site.refuses('COFFER_PUBLISHER_UNTRUSTED', root, id)
    assert.is(error.found, hex(stranger.signKey))

    await site.center.desk.addPublisher(
      parsePublicKeys('publisher', formatPublicKeys('publisher', stranger)),
      'Rival'
    )
    const certificate = site.vault.sign(encodePublisher, {
      centerId: fromHex(site.center.centerId),
      issued: site.clock.at,
      name: 'Rival',
      sealKey: stranger.sealKey,
      signKey: stranger.signKey
    })
    resign(path, {}, stranger.signSeed, certificate)
    await site.refuses('COFFER_PUBLISHER_UNTRUSTED', root, id)
  }
})

test('a title that asks for a newer loader is refused', async () => {
  const { id, root } = await site.copied('org.newer-loader')
  const { signSeed } = site.keysIn('publisher', site.publisherKeyFile)
  resign(mediumPaths(root).title(id, 1), { loaderLevel: 2 }, signSeed)
  await site.refuses('COFFER_LOADER_TOO_OLD', root, id)
})

// ---------------------------------------------------------------- time

test('a grant that ends runs until its last second, and not on a clock of before it', async () => {
  for (const scheme of SCHEMES) {
    const id = `org.expiring.${scheme}`
    const { master } = await site.press(id, { scheme })
    await site.center.desk.setTerms(id, { expiresDays: 1 })
    const root = site.prepare()
    await site.copy(master, root, id)
    const issued = site.clock.at
    site.clock.at = issued - 86_400
    await site.runs(root, id)
    site.clock.at = issued - 86_400 - 1
    await site.refuses('COFFER_NOT_YET_VALID', root, id)
    site.clock.at = issued + 86_400 - 1
    await site.runs(root, id)
    site.clock.at = issued + 86_400
    const expired = await site.refuses('COFFER_EXPIRED', root, id)
    assert.match(expired.message, /ended on 2027-01-1\d/)
  }
})

// ---------------------------------------------------------------- revocation

const listOn = (root: string) => decodeCollection(readFileSync(mediumPaths(root).revocations)).lists
const writeLists = (root: string, ...lists: Uint8Array[]) =>
  writeFileSync(mediumPaths(root).revocations, encodeCollection({ lists }))
const signList = (sequence: number, entries: readonly Revocation[]): Uint8Array =>
  site.vault.sign(encodeRevocations, {
    centerId: fromHex(site.center.centerId),
    entries,
    issued: site.clock.at,
    sequence
  })

test('a revoked title, release, user, medium, grant or publisher does not run; others do', async () => {
  for (const scheme of SCHEMES) {
    const { root, id } = media[scheme]
    const grant = grantOn(root, id)
    const before = readFileSync(mediumPaths(root).revocations)
    const entries: Revocation[] = [
      { kind: 'title', id: utf8(id) },
      { kind: 'title', id: utf8(id), release: 1 },
      { kind: 'user', id: grant.userId },
      { kind: 'medium', id: grant.mediumId },
      { kind: 'grant', id: grant.grantId },
      { kind: 'publisher', id: grant.publisher }
    ]
    for (const entry of entries) {
      writeLists(root, signList(900, [{ kind: 'title', id: utf8('org.unrelated') }, entry]))
      const error = await site.refuses('COFFER_REVOKED', root, id, homeOfItsOwn())
      assert.match(error.message, entry.kind)
    }
    const unrelated: Revocation[] = [
      { kind: 'title', id: utf8(id), release: 2 },
      { kind: 'title', id: utf8(`${id}x`) },
      { kind: 'user', id: grant.mediumId },
      { kind: 'medium', id: grant.userId },
      { kind: 'publisher', id: grant.userId }
    ]
    writeLists(root, signList(900, unrelated))
    await site.runs(root, id, homeOfItsOwn())
    writeFileSync(mediumPaths(root).revocations, before)
  }
})

test("a medium without the revocation list of its grant is refused: none, older, a stranger's", async () => {
  // The list moves on, so that the next grant asks for number 2 or later.
  await site.center.desk.revoke('medium', 'ab'.repeat(32))
  for (const scheme of SCHEMES) {
    const { root, id } = await site.copied(`org.listed.${scheme}`, { scheme })
    const [list] = listOn(root)
    const { revocations } = openRevocations(list!, site.home.centers())!
    assert.ok(revocations.sequence >= 2)
    assert.is(grantOn(root, id).revocations, revocations.sequence)

    const refused = async (found: RegExp) => {
      const error = await site.refuses('COFFER_REVOCATIONS_MISSING', root, id)
      assert.match(error.expected!, `number ${revocations.sequence} or newer`)
      assert.match(error.found!, found)
    }
    writeLists(root, signList(revocations.sequence - 1, []))
    await refused(/number \d+/)
    writeLists(root)
    await refused(/none/)
    writeLists(root, encodeRevocations({ ...revocations, sequence: 999 }, new Uint8Array(32).fill(3)))
    await refused(/none/)
    rmSync(mediumPaths(root).revocations)
    await refused(/none/)
    writeLists(root, encodeRevocations(revocations, new Uint8Array(32).fill(3)), list!)
    await site.runs(root, id)
  }
})

test("rolling a medium's list back does not undo a revocation that the home has seen", async () => {
  const { root, id } = media.certificate
  const home = homeOfItsOwn()
  const before = readFileSync(mediumPaths(root).revocations)
  writeLists(root, signList(900, [{ kind: 'title', id: utf8(id) }]))
  await site.refuses('COFFER_REVOKED', root, id, home)
  writeFileSync(mediumPaths(root).revocations, before)
  await site.refuses('COFFER_REVOKED', root, id, home)
  await site.refuses('COFFER_REVOKED', root, id, new Home(home.folder))
  await site.runs(root, id)
})

test('a torn revocation list at home is ignored, and replaced by the one that the medium carries', async () => {
  const { root, id } = media.certificate
  const home = homeOfItsOwn()
  await site.runs(root, id, home)
  const path = `${home.folder}/centers/${site.center.centerId}/revocations`
  const whole = readFileSync(path)
  for (const torn of [whole.subarray(0, 100), new Uint8Array(0), new Uint8Array(whole.length)]) {
    writeFileSync(path, torn)
    await site.runs(root, id, home)
    assert.ok(openRevocations(readFileSync(path), home.centers()))
  }
})

// ---------------------------------------------------------------- bearer grants

test('a bearer grant runs from its medium without any user key, and from no copy of it', async () => {
  const id = 'org.bearer'
  const { master } = await site.press(id, { scheme: 'conversion' })
  await site.center.desk.setTerms(id, { bearerAllowed: true })
  const root = site.prepare()
  await site.copy(master, root, id, { bind: BIND_BEARER })
  const keyless = await site.newHome({ withKey: false })
  await site.runs(root, id, keyless)
  await site.refuses('COFFER_MEDIUM_MISMATCH', clone(root, site.path('other')), id, keyless)
})

// ---------------------------------------------------------------- what is remembered between launches

test('a grant issued twice in one second has one body and two keys, and both run in one process', async () => {
  for (const scheme of SCHEMES) {
    const { root, master, id } = await site.copied(`org.twice.${scheme}`, { scheme })
    const first = readFileSync(mediumPaths(root).grant(id))
    await site.runs(root, id)
    await site.copy(master, root, id)
    const second = readFileSync(mediumPaths(root).grant(id))
    assert.is.not(hex(first), hex(second))
    assert.equal(grantOn(root, id).grantHash, openGrant(first, site.home.centers())!.grant.grantHash)
    for (const grant of [first, second, first]) {
      writeFileSync(mediumPaths(root).grant(id), grant)
      await site.runs(root, id)
    }
  }
})

test('a medium that ran a moment ago is refused as soon as it is not what it was', async () => {
  for (const scheme of SCHEMES) {
    const { root, id } = await site.copied(`org.fresh.${scheme}`, { scheme })
    const home = homeOfItsOwn()
    await site.runs(root, id, home)
    const grant = readFileSync(mediumPaths(root).grant(id))
    const changed = Uint8Array.from(grant)
    changed[grant.length - 1]! ^= 1
    writeFileSync(mediumPaths(root).grant(id), changed)
    await site.refuses('COFFER_RECORD_FORGED', root, id, home)
    writeFileSync(mediumPaths(root).grant(id), grant)
    const lists = readFileSync(mediumPaths(root).revocations)
    writeLists(root, signList(900, [{ kind: 'title', id: utf8(id) }]))
    await site.refuses('COFFER_REVOKED', root, id, home)
    writeFileSync(mediumPaths(root).revocations, lists)
    await site.refuses('COFFER_REVOKED', root, id, home)
  }
})

// ---------------------------------------------------------------- a center that is trusted and faulty

test("no field of a grant can be changed, not even under the center's signature", async () => {
  for (const scheme of SCHEMES) {
    const { root, id } = await site.copied(`org.regranted.${scheme}`, { scheme })
    const path = mediumPaths(root).grant(id)
    const { frame, grantHash: _hash, license, ...grant } = grantOn(root, id)
    const write = (change: Partial<Grant>) =>
      writeFileSync(
        path,
        site.vault.sign(encodeGrant, encodeGrantBody({ ...grant, ...change } as Grant), license)
      )
    write({})
    await site.runs(root, id)
    assert.equal(readFileSync(path), Buffer.from(frame.bytes))
    for (const change of [
      { issued: grant.issued + 1 },
      { features: ['pro'] },
      { grantId: new Uint8Array(16) }
    ]) {
      write(change)
      assert.is((await site.failure(root, id))?.code, 'COFFER_KEY_UNWRAP')
    }
  }
})

test('a grant whose scheme and keys do not belong together is refused', async () => {
  for (const scheme of SCHEMES) {
    const { root, id } = await site.copied(`org.misfit.${scheme}`, { scheme })
    const { frame: _frame, grantHash: _hash, license, ...grant } = grantOn(root, id)
    const write = (change: Partial<Grant>) =>
      writeFileSync(
        mediumPaths(root).grant(id),
        site.vault.sign(encodeGrant, encodeGrantBody({ ...grant, ...change } as Grant), license)
      )
    write({ scheme: scheme === 'certificate' ? 'conversion' : 'certificate' })
    assert.is((await site.failure(root, id))?.code, 'COFFER_ENCODING')
    // Without the user's key there is nothing that EKU(KEYc) could be sealed to; a binding secret of none is not.
    write({ bind: ['medium'] })
    assert.is(
      (await site.failure(root, id))?.code,
      scheme === 'certificate' ? 'COFFER_ENCODING' : 'COFFER_KEY_UNWRAP'
    )
    write({ bind: ['user'] })
    assert.ok(await site.failure(root, id))
  }
})

test.run()
