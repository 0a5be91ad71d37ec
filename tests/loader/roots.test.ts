/** A buyer follows a center's keys: over answers, masters and media, online and not; and never into a fork. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import type { Signer } from '../../formats/frame.js'
import { decode } from '../../formats/msgpack.js'
import { ed25519PublicKey } from '../../formats/primitives.js'
import { decodeCollection } from '../../formats/records/revocations.js'
import { encodeRoot, rootHash } from '../../formats/records/root.js'
import { Home } from '../../loader/home.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { masterRevocations } from '../../loader/copier/master.js'
import { named } from '../center/parties.js'
import { closeSites, librarySite } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

test.after(closeSites)

const TITLE = 'org.example.rotated'
const rootsOf = async ({ center }: { center: { roots(): Promise<Uint8Array> } }) =>
  (decode(await center.roots()) as { roots: Uint8Array[] }).roots
/** The same person as he was before: key and pinned centers. */
const copyOf = (home: Home, path: string) => {
  cpSync(home.folder, path, { recursive: true })
  return new Home(path)
}

test('old media run on after a rotation, new ones bring the new key along, without a network', async () => {
  const site = await librarySite()
  const old = await site.copied(TITLE)
  const behind = copyOf(site.home, site.path('behind'))
  await site.center.keys.rotateKey()

  const fresh = site.prepare()
  await site.copy(old.master, fresh, TITLE)
  assert.is(site.home.centers()[0]!.sequence, 1)
  await site.runs(old.root, TITLE)
  await site.runs(fresh, TITLE)
  // Another machine of his that was never online since: the medium itself carries the root records.
  assert.is(behind.centers()[0]!.sequence, 0)
  await site.runs(fresh, TITLE, behind)
  assert.is(new Home(behind.folder).centers()[0]!.sequence, 1)
  await site.runs(old.root, TITLE, behind)
})

test('a title pressed with the new key is bought by someone who only knows the old one', async () => {
  const site = await librarySite()
  const [byNetwork, byMaster] = [copyOf(site.home, site.path('a')), copyOf(site.home, site.path('b'))]
  await site.center.keys.rotateKey()
  const { master } = await site.press(TITLE)
  assert.is(decodeCollection(masterRevocations(master)!).roots!.length, 1)
  const root = site.prepare()
  await site.copy(master, root, TITLE, { home: byMaster })
  await site.runs(root, TITLE, byMaster)
  // A master that carries the title alone.
  const alone = site.path('alone')
  cpSync(master, alone, { recursive: true, filter: path => !path.endsWith('revocations') })
  const other = site.prepare()
  await site.copy(alone, other, TITLE, { home: byNetwork })
  await site.runs(other, TITLE, byNetwork)
})

test('a revoked key ends the grants it signed; ordering again is free, and saves stay', async () => {
  const site = await librarySite()
  const { root, master, id } = await site.copied(TITLE)
  const list = readFileSync(mediumPaths(root).revocations)
  await site.center.desk.setTerms(TITLE, { priceMinor: 900 })
  await site.center.keys.revoke(hex(site.home.centers()[0]!.keys[0]!))
  await site.runs(root, id) // nothing new has arrived yet
  site.home.follow(await rootsOf(site))
  const error = await site.refuses('COFFER_REVOKED', root, id)
  assert.match(error.hint!, 'coffer copy')
  // The master was pressed under the revoked key too.
  await rejectsWith('COFFER_PUBLISHER_UNTRUSTED', () => site.copy(master, root, id))
  const anew = await site.press(TITLE)
  const copied = await site.copy(anew.master, root, id)
  assert.is(copied.chargedMinor, 0)
  await site.runs(root, id)
  // The list that the revoked key signed is no list any more.
  writeFileSync(mediumPaths(root).revocations, list)
  await site.refuses('COFFER_REVOCATIONS_MISSING', root, id)
})

test('a chain that does not follow from the pinned one changes nothing, however long it is', async () => {
  const site = await librarySite()
  const { root, id } = await site.copied(TITLE)
  const [first] = await rootsOf(site)
  await site.center.keys.rotateKey()
  const good = await rootsOf(site)
  site.home.follow(good)
  // Whoever stole the first key writes two records of his own.
  const thief = named('thief')
  const { sign } = site.vault
  const body = { created: 1, epoch: 1, name: 'Shop' }
  const keys = [named('other')]
  const second = sign((signer: Signer) =>
    encodeRoot(
      { ...body, keys: [ed25519PublicKey(thief)], previous: rootHash(first!), sequence: 1 },
      thief,
      signer
    )
  )
  const third = encodeRoot(
    { ...body, keys: [ed25519PublicKey(keys[0]!)], previous: rootHash(second), sequence: 2 },
    keys[0]!,
    thief
  )
  await rejectsWith('COFFER_CENTER_UNTRUSTED', () => site.home.pin([first!, second, third]))
  site.home.follow([first!, second, third])
  assert.is(site.home.centers()[0]!.sequence, 1)
  assert.equal(new Home(site.home.folder).centers()[0]!.keys, site.home.centers()[0]!.keys)
  await site.runs(root, id)
  // An older chain never replaces a newer one.
  site.home.pin([first!])
  assert.is(new Home(site.home.folder).centers()[0]!.sequence, 1)
})

test('a center whose address cannot be read is pinned all the same, and asked for its address alone', async () => {
  const site = await librarySite()
  const { master, root, id } = await site.copied(TITLE)
  const home = copyOf(site.home, site.path('damaged'))
  const { centerId } = site.home.centers()[0]!
  writeFileSync(join(home.folder, 'centers', hex(centerId), 'url'), new Uint8Array([0xff, 0xfe]))
  await site.runs(root, id, home)
  await rejectsWith('COFFER_USAGE', () => site.copy(master, root, id, { home, centerUrl: undefined }))
})

test.run()
