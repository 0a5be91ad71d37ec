/** The vault on a PKCS#11 token: SoftHSM, where it and a compiler for the binding are there. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createCenter, openCenter } from '../../center/center.js'
import { openToken } from '../../center/keys/pkcs11.js'
import { decode } from '../../formats/msgpack.js'
import { ed25519Verify } from '../../formats/primitives.js'
import { openRoots } from '../../formats/records/root.js'
import { rejectsWith } from '../helpers/rejects.js'
import { ROOT } from '../helpers/tree.js'
import { openAsBuyer, pressed, requestBytes, temporaryFolder, testPowers } from './parties.js'

const MODULES = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so']
const module = MODULES.find(path => existsSync(path))
const LABEL = 'shop'
const PIN = '987654'

/** Compile the binding once, with the node-gyp that npm has and the headers that lie beside Node. */
function compiledBinding(): string {
  const folder = join(ROOT, 'build/pkcs11js')
  const compiled = join(folder, 'build/Release/pkcs11.node')
  if (existsSync(compiled)) return folder
  const prefix = dirname(dirname(process.execPath))
  const gyp = join(prefix, 'lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js')
  const headers = join(prefix, 'include/node/node_api.h')
  for (const needed of [gyp, headers]) if (!existsSync(needed)) throw new Error(`there is no ${needed}`)
  cpSync(join(ROOT, 'node_modules/pkcs11js'), folder, { recursive: true })
  const { status, stderr } = spawnSync(process.execPath, [gyp, 'rebuild', `--nodedir=${prefix}`], {
    cwd: folder,
    encoding: 'utf8'
  })
  if (status !== 0) throw new Error(`pkcs11js does not compile here: ${stderr.slice(-300)}`)
  return folder
}

function reasonToSkip(): string | undefined {
  if (module === undefined) return 'there is no SoftHSM (Debian: softhsm2)'
  try {
    compiledBinding()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

const reason = reasonToSkip()
if (reason !== undefined) console.log(`skipped: the vault on a token: ${reason}`)

const load = async (): Promise<unknown> => createRequire(import.meta.url)(compiledBinding())

/** A token of its own, in a temporary folder. */
function newToken() {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'tokens'))
  writeFileSync(
    join(folder, 'softhsm2.conf'),
    `directories.tokendir = ${join(folder, 'tokens')}\nlog.level = ERROR\n`
  )
  process.env['SOFTHSM2_CONF'] = join(folder, 'softhsm2.conf')
  const words = ['--init-token', '--free', '--label', LABEL, '--so-pin', '12345678', '--pin', PIN]
  const { status, stderr } = spawnSync('softhsm2-util', words, { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return { module: module!, label: LABEL }
}

const unlock = { kind: 'pin', pin: PIN } as const
const tokenTest = reason === undefined ? test : test.skip

tokenTest(
  'a center whose keys are in a token sells, rotates, and opens again with the PIN alone',
  async () => {
    const token = newToken()
    const folder = join(temporaryFolder(), 'shop')
    const powers = testPowers()
    const center = await createCenter(folder, { name: 'Shop', token: { ...token, load }, unlock }, powers)
    const rootsOf = async (from: typeof center) =>
      openRoots((decode(await from.roots()) as { roots: Uint8Array[] }).roots)
    const pinned = await rootsOf(center)
    const titleKey = await pressed({ center, pinned })
    const masterKey = await pressed(
      { center, pinned },
      { titleId: 'org.example.converted', scheme: 'conversion' }
    )
    const first = openAsBuyer(pinned, await center.issue(requestBytes(pinned.centerId)))
    assert.equal(
      first.recomputedCertificate,
      first.grant.scheme === 'certificate' && first.grant.license.certificate
    )
    assert.equal(first.titleKey, titleKey)
    const converted = openAsBuyer(
      pinned,
      await center.issue(
        requestBytes(pinned.centerId, { titleId: 'org.example.converted', scheme: 'conversion' })
      )
    )
    assert.equal(converted.masterMediumKey, masterKey)
    await center.keys.rotateKey()
    await center.keys.rotateEpoch()
    assert.equal((await center.desk.verifyLedger()).problems, [])
    await center.close()

    await rejectsWith('COFFER_VAULT_LOCKED', () => openCenter(folder, powers, undefined, load))
    await rejectsWith('COFFER_VAULT_LOCKED', () =>
      openCenter(folder, powers, { kind: 'pin', pin: '111111' }, load)
    )
    const again = await openCenter(folder, powers, unlock, load)
    const followed = await rootsOf(again)
    assert.equal([followed.sequence, followed.epoch], [2, 2])
    const second = openAsBuyer(followed, await again.issue(requestBytes(pinned.centerId)))
    assert.equal(second.certificationKey, first.certificationKey)
    await again.keys.revoke(Buffer.from(pinned.keys[0]!).toString('hex'))
    await again.close()
    // No key is in the folder.
    assert.equal(Object.keys(JSON.parse(readFileSync(join(folder, 'vault/token'), 'utf8'))), [
      'module',
      'label',
      'prefix'
    ])
  }
)

tokenTest('a token computes what files would, for its own names, and shares itself', async () => {
  const token = newToken()
  const one = await openToken({ ...token, prefix: 'one/' }, PIN, load)
  await one.make('signing', 'sign', () => new Uint8Array(0))
  await one.make('storage', 'mac', () => new Uint8Array(0))
  const message = new TextEncoder().encode('a message')
  assert.ok(ed25519Verify(one.publicKey('signing'), message, one.sign('signing', message)))
  assert.is(one.mac('storage', message).length, 64)
  assert.equal(one.mac('storage', message), one.mac('storage', message))
  assert.equal(one.names(), ['signing', 'storage'])
  await one.remove('signing')
  assert.equal(one.names(), ['storage'])
  one.close()
  const two = await openToken({ ...token, prefix: 'two/' }, PIN, load)
  assert.equal(two.names(), [])
  two.close()
})

test('what is missing is named: the binding, the module, the token', async () => {
  const nowhere = { module: join(temporaryFolder(), 'none.so'), label: LABEL, prefix: '' }
  const missing = async () => {
    throw new Error('Cannot find package')
  }
  const error = await rejectsWith('COFFER_FILE_MISSING', () => openToken(nowhere, PIN, missing))
  assert.match(error.message, 'pkcs11js')
  if (reason !== undefined) return
  await rejectsWith('COFFER_FILE_MISSING', () => openToken(nowhere, PIN, load))
  const token = newToken()
  await rejectsWith('COFFER_FILE_MISSING', () =>
    openToken({ ...token, label: 'other', prefix: '' }, PIN, load)
  )
})

test.run()
