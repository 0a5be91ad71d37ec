/** The center's keys over time, and the vault they are in. */
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import fsPromises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openCenter } from '../../center/center.js'
import { serve } from '../../center/http/http.js'
import { createVaultKeyFile, lockOf, openKeyFiles, relockKeyFiles } from '../../center/keys/keyfiles.js'
import { isUrl } from '../../center/books/store.js'
import { hex } from '../../formats/bytes.js'
import { decode } from '../../formats/msgpack.js'
import { openAnswer } from '../../formats/records/answer.js'
import { openGrant } from '../../formats/records/grant.js'
import { openRevocations } from '../../formats/records/revocations.js'
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
  TITLE,
  type TestCenter
} from './parties.js'

const rootsOf = async ({ center }: Pick<TestCenter, 'center'>) =>
  openRoots((decode(await center.roots()) as { roots: Uint8Array[] }).roots)
const order = (shop: TestCenter, medium = 'stick') =>
  shop.center.issue(requestBytes(shop.pinned.centerId, { medium, created: shop.powers.at }))

test('rotateKey() signs with a new key from then on, and what the old one signed goes on counting', async () => {
  const shop = await newCenter()
  await pressed(shop)
  const before = await order(shop)
  const [old] = shop.pinned.keys
  const key = await shop.center.keys.rotateKey()
  const now = await rootsOf(shop)
  assert.equal([now.sequence, now.keys.map(hex), now.former], [1, [key, hex(old!)], []])
  assert.equal(now.centerId, shop.pinned.centerId)

  const after = await order(shop, 'card')
  assert.is(openAnswer(after, [shop.pinned]), undefined, 'who has not followed does not know it')
  assert.ok(openAnswer(before, [now]))
  const { answer } = openAnswer(after, [now])!
  const { grant } = openGrant(answer.grant!, [now])!
  assert.is(hex(grant.frame.signer), key)
  assert.is(answer.roots.length, 2)
  // The list is published anew under the new key, so that list and roots arrive together.
  assert.is(openRevocations(answer.revocations, [shop.pinned]), undefined)
  assert.is(openRevocations(answer.revocations, [now])!.revocations.sequence, 2)
  assert.equal(readFileSync(join(shop.folder, 'center.roots')), Buffer.from(await shop.center.roots()))
  await shop.center.close()
})

test('a center that is open elsewhere signs with the new key at once', async () => {
  const shop = await newCenter()
  await pressed(shop)
  const other = await openCenter(shop.folder, testPowers('other'))
  const key = await other.keys.rotateKey()
  const epoch = await other.keys.rotateEpoch()
  await other.close()
  const now = await rootsOf(shop)
  const { answer } = openAnswer(await order(shop), [now])!
  const { grant } = openGrant(answer.grant!, [now])!
  assert.equal([hex(grant.frame.signer), grant.epoch], [key, epoch])
  await shop.center.close()
})

test('rotateEpoch() gives new media new keys, and those that have a copy, or had one, keep theirs', async () => {
  const shop = await newCenter()
  await pressed(shop)
  const first = openAsBuyer(shop.pinned, await order(shop))
  assert.is(await shop.center.keys.rotateEpoch(), 2)
  assert.is((await rootsOf(shop)).epoch, 2)
  const again = openAsBuyer(shop.pinned, await order(shop))
  assert.equal([again.grant.epoch, again.certificationKey], [1, first.certificationKey])
  await shop.center.desk.revoke('grant', hex(first.grant.grantId))
  const anew = openAsBuyer(shop.pinned, await order(shop))
  assert.not.equal(anew.grant.grantId, first.grant.grantId)
  assert.equal(anew.certificationKey, first.certificationKey)
  assert.is(openAsBuyer(shop.pinned, await order(shop, 'card'), { medium: 'card' }).grant.epoch, 2)
  // A release that was pressed before keeps its key.
  const titleKey = await pressed(shop)
  assert.equal(openAsBuyer(shop.pinned, await order(shop)).titleKey, titleKey)
  await shop.center.close()
})

test('retire() destroys the private half of an older key alone; revoke() ends what it signed', async () => {
  const shop = await newCenter()
  await pressed(shop)
  const before = await order(shop)
  const old = hex(shop.pinned.keys[0]!)
  await rejectsWith('COFFER_REQUEST_REFUSED', () => shop.center.keys.retire(old))
  await rejectsWith('COFFER_USAGE', () => shop.center.keys.retire('00'.repeat(32)))
  await shop.center.keys.rotateKey()
  await shop.center.keys.retire(old)
  const ring = async () => (await shop.center.keys.ring()).keys.map(({ state, held }) => [state, held])
  assert.equal(await ring(), [
    ['in use', true],
    ['counting', false]
  ])
  assert.ok(openAnswer(before, [await rootsOf(shop)]))

  assert.is(await shop.center.keys.revoke(old), 2)
  assert.is(await shop.center.keys.revoke(old), 2, 'once is enough')
  const now = await rootsOf(shop)
  assert.is(openAnswer(before, [now]), undefined)
  assert.equal(now.former.map(hex), [old])
  // The ledger still holds against what that key signed.
  assert.equal((await shop.center.desk.verifyLedger()).problems, [])
  await shop.center.close()
})

test('revoke() of the key in use makes another first', async () => {
  const shop = await newCenter()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { priceMinor: 700 })
  await order(shop)
  const old = hex(shop.pinned.keys[0]!)
  await shop.center.keys.revoke(old)
  const now = await rootsOf(shop)
  assert.not.equal(hex(now.keys[0]!), old)
  assert.is(openAnswer(await order(shop), [now])!.answer.chargedMinor, 0, 'issued again for nothing')
  await shop.center.close()
})

test('a root record that another than the key before it signed is no successor', async () => {
  const shop = await newCenter()
  const { roots } = decode(await shop.center.roots()) as { roots: Uint8Array[] }
  const stranger = await newCenter()
  await stranger.center.keys.rotateKey()
  const { roots: others } = decode(await stranger.center.roots()) as { roots: Uint8Array[] }
  if (hex(roots[0]!) !== hex(others[0]!))
    await rejectsWith('COFFER_CENTER_UNTRUSTED', () => openRoots([roots[0]!, others[1]!]))
  await rejectsWith('COFFER_CENTER_UNTRUSTED', () => openRoots([others[1]!]))
  await Promise.all([shop.center.close(), stranger.center.close()])
})

// ---------------------------------------------------------------- the vault's lock

async function lockedShop(kind: 'passphrase' | 'key-file') {
  const shop = await newCenter()
  await pressed(shop)
  const first = openAsBuyer(shop.pinned, await order(shop))
  await shop.center.close()
  const keyFile = join(temporaryFolder(), 'shop.key')
  if (kind === 'key-file') await createVaultKeyFile(keyFile, shop.powers.random)
  const unlock =
    kind === 'key-file'
      ? ({ kind, path: keyFile } as const)
      : ({ kind, passphrase: 'correct horse battery' } as const)
  const vault = join(shop.folder, 'vault')
  const plain = new Map(
    ['signing', 'storage', 'epoch-1/master', 'epoch-1/certification'].map(name => [
      name,
      readFileSync(join(vault, name))
    ])
  )
  await relockKeyFiles(vault, undefined, unlock, shop.powers.random)
  return { ...shop, first, unlock, vault, plain }
}

for (const kind of ['passphrase', 'key-file'] as const)
  test(`a vault locked by a ${kind} opens with it alone, and holds no key in the clear`, async () => {
    const { folder, powers, pinned, first, unlock, vault, plain } = await lockedShop(kind)
    assert.is(lockOf(vault), kind)
    for (const [name, key] of plain)
      for (const file of [name, 'lock']) assert.not.ok(readFileSync(join(vault, file)).includes(key), name)
    await rejectsWith('COFFER_VAULT_LOCKED', () => openCenter(folder, powers))
    const otherFile = join(temporaryFolder(), 'other.key')
    await createVaultKeyFile(otherFile, powers.random)
    await rejectsWith('COFFER_VAULT_LOCKED', () =>
      openCenter(folder, powers, { kind: 'key-file', path: otherFile })
    )
    await rejectsWith('COFFER_VAULT_LOCKED', () =>
      openCenter(folder, powers, { kind: 'passphrase', passphrase: 'correct horse batterz' })
    )
    const center = await openCenter(folder, powers, unlock)
    const again = openAsBuyer(pinned, await center.issue(requestBytes(pinned.centerId)))
    assert.equal(again.certificationKey, first.certificationKey)
    // What is made while it is locked is locked too.
    await center.keys.rotateKey()
    assert.is(readFileSync(join(vault, 'signing-2')).length, 40)
    await center.close()
    // And back.
    await relockKeyFiles(vault, unlock, undefined, powers.random)
    assert.is(lockOf(vault), undefined)
    assert.equal(readFileSync(join(vault, 'storage')), plain.get('storage'))
    await (await openCenter(folder, powers)).close()
  })

test('a key file of a vault is never readable by others, also while it is written and where there are no links', async () => {
  const modes: unknown[] = []
  const { open, link } = fsPromises
  const umask = process.umask(0)
  try {
    fsPromises.open = (async (path: string, flags?: string, mode?: number) => {
      if (flags === 'wx') modes.push(mode)
      return open(path, flags, mode)
    }) as typeof open
    fsPromises.link = () => Promise.reject(Object.assign(new Error('no links'), { code: 'EPERM' }))
    syncBuiltinESMExports()
    const folder = temporaryFolder()
    const path = join(folder, 'shop.key')
    // Left by one that was killed while it wrote.
    writeFileSync(`${path}.0123456789ab.part`, 'a key')
    writeFileSync(`${path}.part`, 'of somebody else')
    await createVaultKeyFile(path, testPowers('keys').random)
    assert.equal(modes, [0o600, 0o600])
    assert.equal(readdirSync(folder).sort(), ['shop.key', 'shop.key.part'])
    if (process.platform !== 'win32') assert.is(statSync(path).mode & 0o777, 0o600)
  } finally {
    process.umask(umask)
    Object.assign(fsPromises, { open, link })
    syncBuiltinESMExports()
  }
})

test('relockKeyFiles() keeps the old vault when the new one does not open as it was locked', async () => {
  const shop = await newCenter()
  await shop.center.close()
  const vault = join(shop.folder, 'vault')
  let reads = 0
  const next = {
    kind: 'passphrase',
    get passphrase() {
      return `correct horse ${reads++}`
    }
  } as const
  await rejectsWith('COFFER_VAULT_LOCKED', () => relockKeyFiles(vault, undefined, next, shop.powers.random))
  assert.is(lockOf(vault), undefined)
  ;(await openKeyFiles(vault)).close()
})

test('relockKeyFiles() takes no key file in the folder of the center', async () => {
  const { vault, unlock, powers } = await lockedShop('key-file')
  const inside = join(vault, 'k')
  await createVaultKeyFile(inside, powers.random)
  await rejectsWith('COFFER_USAGE', () =>
    relockKeyFiles(vault, unlock, { kind: 'key-file', path: inside }, powers.random)
  )
  ;(await openKeyFiles(vault, unlock)).close()
})

test('a wrapped key does not open in the place of another', async () => {
  const { folder, powers, unlock, vault } = await lockedShop('key-file')
  cpSync(join(vault, 'epoch-1/master'), join(vault, 'storage'))
  await rejectsWith('COFFER_VAULT_LOCKED', () => openCenter(folder, powers, unlock))
})

test('a vault whose relocking was interrupted opens, before and after the moment that counts', async () => {
  const { vault, unlock } = await lockedShop('key-file')
  clone(vault, `${vault}.next`)
  renameSync(vault, `${vault}.previous`)
  const store = await openKeyFiles(vault, unlock)
  assert.equal(store.names(), ['epoch-1/certification', 'epoch-1/master', 'signing', 'storage'])
  store.close()
  assert.not.ok(readdirSync(join(vault, '..')).some(name => name.startsWith('vault.')))
  // Half-written: the old one counts.
  mkdirSync(`${vault}.next`)
  ;(await openKeyFiles(vault, unlock)).close()
})

test('an altered lock is refused, and does not make us compute for ever', async () => {
  const { folder, powers, unlock, vault } = await lockedShop('passphrase')
  const lock = JSON.parse(readFileSync(join(vault, 'lock'), 'utf8'))
  chmodSync(join(vault, 'lock'), 0o600)
  for (const change of [{ log2N: 40 }, { r: 0 }, { salt: '' }, { kind: 'none' }, { p: 1.5 }]) {
    writeFileSync(join(vault, 'lock'), JSON.stringify({ ...lock, ...change }))
    await rejectsWith('COFFER_FILE_MISSING', () => openCenter(folder, powers, unlock))
  }
})

test('another machine whose vault is older says so, signs nothing, and goes on once the vault is copied', async () => {
  const shop = await newCenter()
  await pressed(shop)
  const other = join(temporaryFolder(), 'other')
  // The same books, by whichever database: what is copied is a folder, what is shared are the books.
  clone(shop.folder, other)
  for (const name of readdirSync(other)) if (name.startsWith('center.db')) rmSync(join(other, name))
  if (!isUrl(shop.place)) symlinkSync(shop.place, join(other, 'center.db'))
  const second = await openCenter(other, shop.powers)
  await second.ready()
  await shop.center.keys.rotateKey()
  const error = await rejectsWith('COFFER_CENTER_FAILED', () => second.ready())
  assert.match(error.hint!, 'vault')
  await rejectsWith('COFFER_CENTER_FAILED', () => second.issue(requestBytes(shop.pinned.centerId)))
  const serving = await serve(second, { onFault: () => {} })
  assert.is((await fetch(`${serving.url}/readyz`)).status, 500)
  assert.is((await fetch(`${serving.url}/healthz`)).status, 200)
  await rejectsWith('COFFER_CENTER_FAILED', () => openCenter(other, shop.powers))
  clone(join(shop.folder, 'vault'), join(other, 'vault'))
  assert.is((await fetch(`${serving.url}/readyz`)).status, 200)
  await second.issue(requestBytes(shop.pinned.centerId))
  assert.is((await shop.center.desk.grants()).length, 1)
  await serving.close()
  await second.close()
  await shop.center.close()
})

test.run()
