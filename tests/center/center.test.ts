/** The center's folder: what init makes, what opening refuses, and what the database must not hold. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCenter, openCenter } from '../../center/center.js'
import { base64url, hex } from '../../formats/bytes.js'
import { decode } from '../../formats/msgpack.js'
import { openRoots } from '../../formats/records/root.js'
import { clone } from '../helpers/clone.js'
import { rejectsWith } from '../helpers/rejects.js'
import {
  newCenter,
  openAsBuyer,
  pressed,
  requestBytes,
  temporaryFolder,
  testPowers,
  TITLE
} from './parties.js'

test('createCenter() makes a vault for its owner alone and a root record whose hash is the fingerprint', async () => {
  const { center, folder } = await newCenter()
  const { roots } = decode(new Uint8Array(readFileSync(join(folder, 'center.roots')))) as {
    roots: Uint8Array[]
  }
  const known = openRoots(roots)
  assert.is(hex(known.centerId), center.centerId)
  assert.is(known.name, 'Shop')
  assert.is(center.name, 'Shop')
  if (process.platform !== 'win32') {
    assert.is(statSync(join(folder, 'vault')).mode & 0o777, 0o700)
    assert.is(statSync(join(folder, 'center.db')).mode & 0o777, 0o600)
    for (const file of ['signing', 'storage', 'epoch-1/master', 'epoch-1/certification']) {
      const { mode, size } = statSync(join(folder, 'vault', file))
      assert.is(mode & 0o777, 0o600)
      assert.is(size, 32)
    }
  }
  await center.close()
})

test('createCenter() refuses a folder with something in it and touches nothing', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'note'), 'mine')
  await rejectsWith('COFFER_EXISTS', () => createCenter(folder))
  assert.equal(readdirSync(folder), ['note'])
  await rejectsWith('COFFER_EXISTS', () => createCenter(join(folder, 'note')))
  await rejectsWith('COFFER_USAGE', () => createCenter(join(folder, 'new'), { name: 'a\u0007b' }))
})

test('createCenter() that fails half-way leaves an empty folder behind, fit for another try', async () => {
  const folder = join(temporaryFolder(), 'shop')
  const powers = testPowers()
  let draws = 0
  const failing = {
    ...powers,
    random(lengthBytes: number) {
      if (++draws === 3) throw Object.assign(new Error('no entropy'), { code: 'ENOSPC' })
      return powers.random(lengthBytes)
    }
  }
  await rejectsWith('COFFER_DISK_FULL', () => createCenter(folder, {}, failing))
  assert.equal(readdirSync(folder), [])
  await (await createCenter(folder, {}, powers)).close()
})

test('openCenter() refuses a folder without a center, one that others may read, and a vault of another center', async () => {
  await rejectsWith('COFFER_FILE_MISSING', () => openCenter(join(temporaryFolder(), 'nothing')))
  const one = await newCenter()
  const other = await newCenter()
  await one.center.close()
  await other.center.close()

  if (process.platform !== 'win32') {
    chmodSync(join(one.folder, 'vault'), 0o750)
    const error = await rejectsWith('COFFER_HOST_UNSAFE', () => openCenter(one.folder))
    assert.match(error.hint!, 'chmod')
    chmodSync(join(one.folder, 'vault'), 0o700)
  }
  writeFileSync(join(one.folder, 'vault', 'storage'), new Uint8Array(31))
  await rejectsWith('COFFER_FILE_MISSING', () => openCenter(one.folder))

  // Same powers, so the keys are equal: draw the vault of a third center from other bytes.
  const third = join(temporaryFolder(), 'third')
  await (await createCenter(third, {}, testPowers('third'))).close()
  rmSync(join(one.folder, 'vault'), { recursive: true })
  clone(join(third, 'vault'), join(one.folder, 'vault'))
  await rejectsWith('COFFER_CENTER_UNTRUSTED', () => openCenter(one.folder))
})

test('openCenter() says that a database is damaged', async () => {
  const { center, folder } = await newCenter()
  await center.close()
  writeFileSync(
    join(folder, 'center.db'),
    'this is no database, but it is long enough to be taken for one'.repeat(99)
  )
  const error = await rejectsWith('COFFER_IO', () => openCenter(folder))
  assert.match(error.message, 'damaged')
})

test('a center opened again gives the same keys and knows its copies', async () => {
  const shop = await newCenter()
  const titleKey = await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { priceMinor: 100 })
  const first = openAsBuyer(shop.pinned, await shop.center.issue(requestBytes(shop.pinned.centerId)))
  await shop.center.close()

  const center = await openCenter(shop.folder, shop.powers)
  assert.equal(await pressed({ center, pinned: shop.pinned }), titleKey)
  const again = openAsBuyer(shop.pinned, await center.issue(requestBytes(shop.pinned.centerId)))
  assert.equal(again.certificationKey, first.certificationKey)
  assert.is(again.answer.chargedMinor, 0)
  await center.close()
})

test('the database holds no usable key: not Kd, Ka, Ku, KEYc, KM, nor anything else that was secret', async () => {
  const shop = await newCenter()
  const secrets: [string, Uint8Array][] = [
    ['Kd', await pressed(shop)],
    ['Ka', await pressed(shop, { titleId: 'org.example.converted', scheme: 'conversion' })]
  ]
  const certified = openAsBuyer(shop.pinned, await shop.center.issue(requestBytes(shop.pinned.centerId)))
  const converted = openAsBuyer(
    shop.pinned,
    await shop.center.issue(
      requestBytes(shop.pinned.centerId, { titleId: 'org.example.converted', scheme: 'conversion' })
    )
  )
  // A bearer grant opens with the medium's id alone, which the database knows: so it must not know the grant.
  await shop.center.desk.setTerms('org.example.converted', { bearerAllowed: true })
  const bearer = openAsBuyer(
    shop.pinned,
    await shop.center.issue(
      requestBytes(shop.pinned.centerId, {
        titleId: 'org.example.converted',
        scheme: 'conversion',
        medium: 'card',
        bind: ['medium']
      })
    ),
    { medium: 'card' }
  )
  if (bearer.grant.scheme === 'conversion') {
    secrets.push(['EMid(Ku)', bearer.grant.license.wrappedMediumKey])
    secrets.push(['EMid(Ka)', bearer.answer.wrappedMasterMediumKey!])
  }
  assert.is(secrets.length, 4)
  secrets.push(['KEYc', certified.certificationKey!], ['Ku', converted.mediumKey!])
  for (const file of ['signing', 'storage', 'epoch-1/master', 'epoch-1/certification']) {
    secrets.push([file, new Uint8Array(readFileSync(join(shop.folder, 'vault', file)))])
  }
  // Whatever the center drew was secret, except for the ids of grants: 16 bytes.
  const drawn = shop.powers.drawn.filter(({ length }) => length === 32)
  assert.ok(drawn.length > 8)
  for (const [n, bytes] of drawn.entries()) secrets.push([`drawn ${n}`, bytes])

  // While it is open, so that the write-ahead log counts too.
  const files = readdirSync(shop.folder).filter(name => name.startsWith('center.'))
  assert.ok(files.includes('center.db-wal'))
  for (const file of files) {
    const bytes = readFileSync(join(shop.folder, file))
    for (const [what, secret] of secrets) {
      assert.ok(secret.length >= 32)
      assert.not.ok(bytes.includes(Buffer.from(secret)), `${file} holds ${what}`)
      assert.not.ok(bytes.includes(hex(secret)), `${file} holds ${what} as text`)
      assert.not.ok(bytes.includes(base64url(secret).slice(0, 40)), `${file} holds ${what}`)
    }
  }
  // The search itself finds what is there.
  const [grant] = await shop.center.desk.grants()
  assert.ok(files.some(file => readFileSync(join(shop.folder, file)).includes(grant!.grantId)))
  await shop.center.close()
})

test('an empty folder that is there already is taken', async () => {
  const folder = join(temporaryFolder(), 'empty')
  mkdirSync(folder)
  const center = await createCenter(folder, {}, testPowers())
  assert.is(center.name, 'empty')
  await center.close()
})

test.run()
