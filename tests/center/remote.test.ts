/** `coffer-center` with the URL of a running center in place of its folder: processes, files and sockets as they are. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatPublicKeys, formatSecretKey } from '../../formats/keys.js'
import { decode } from '../../formats/msgpack.js'
import { openRoots } from '../../formats/records/root.js'
import { json, post, seconds, serving, type } from './command-line.js'
import {
  named,
  publisherKeys,
  registrationBytes,
  requestBytes,
  temporaryFolder,
  TITLE,
  userKeys
} from './parties.js'

const PUBLISHER = formatPublicKeys('publisher', publisherKeys())
const USER = formatPublicKeys('user', userKeys())

test('from another machine: an admin and a publisher sign what they ask, with nothing but a key file', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  await json(cwd, `publisher add shop ${PUBLISHER}`)
  const admin = formatPublicKeys('publisher', publisherKeys('admin'))
  await json(cwd, `admin shop add ${admin} --name ann`)
  writeFileSync(join(cwd, 'admin.key'), formatSecretKey('publisher', named('admin')))
  writeFileSync(join(cwd, 'pub.key'), formatSecretKey('publisher', named('press')))
  const server = await serving(cwd)
  const { url } = server
  try {
    await asks(cwd, url)
  } finally {
    await server.end('SIGTERM')
  }
})

async function asks(cwd: string, url: string) {
  const { roots } = decode(new Uint8Array(await (await fetch(`${url}/v1/roots`)).arrayBuffer())) as {
    roots: Uint8Array[]
  }
  const { centerId } = openRoots(roots)
  await post(url, '/v1/releases', registrationBytes(centerId, { created: seconds() }))
  const by = async (key: string, line: string) => {
    process.env['COFFER_CENTER_KEY'] = key
    try {
      return await type(cwd, `${line} --json`)
    } finally {
      delete process.env['COFFER_CENTER_KEY']
    }
  }
  const asked = async (key: string, line: string) => {
    const { code, stdout, stderr } = await by(key, line)
    assert.equal([code, stderr], [0, ''], `${line}: ${stdout}`)
    return JSON.parse(stdout)
  }
  const { title } = await asked('pub.key', `title ${url} set ${TITLE} --price 900 --expires-days never`)
  assert.equal([title.priceMinor, title.expiresDays], [900, null])
  const order = requestBytes(centerId, { created: seconds() })
  await post(url, '/v1/orders', order)
  const [{ amountMinor }] = (await asked('pub.key', `sales ${url}`)).sales
  assert.is(amountMinor, 900)
  const { grants } = await asked('pub.key', `grant ${url} list`)
  await asked('admin.key', `user ${url} enrolment closed`)
  await asked('admin.key', `grant ${url} give ${TITLE} ${USER} --price 0 --copies 2`)
  assert.is((await asked('admin.key', `ledger ${url} paid ${USER} 9.00EUR invoice-17`)).balanceMinor, 0)
  assert.is((await asked('admin.key', `ledger ${url} verify`)).orders, 1)
  assert.is(
    (await asked('pub.key', `grant ${url} refund ${grants[0].grantId.slice(0, 8)}`)).refundedMinor,
    900
  )
  assert.match((await asked('admin.key', `login ${url}`)).link, new RegExp(`^${url}/login/`))
  assert.is((await asked('admin.key', `revoke ${url} list`)).revocations.length, 1)
  await asked('admin.key', `revoke ${url} export lists`)
  assert.ok(existsSync(join(cwd, 'lists')))

  const refusals: readonly (readonly [string, string, number, string])[] = [
    ['', `title ${url} list`, 64, 'COFFER_USAGE'],
    ['missing.key', `title ${url} list`, 66, 'COFFER_FILE_MISSING'],
    ['lists', `title ${url} list`, 65, 'COFFER_'],
    ['pub.key', `user ${url} list`, 77, 'COFFER_NOT_AUTHORIZED'],
    ['admin.key', `rotate ${url} key`, 64, 'COFFER_USAGE'],
    ['admin.key', `admin ${url} list`, 64, 'COFFER_USAGE'],
    ['admin.key', 'title http://shop.example list', 64, 'COFFER_USAGE'],
    ['admin.key', 'title http://127.0.0.1:9 list', 69, 'COFFER_CENTER_UNREACHABLE']
  ]
  for (const [key, line, code, error] of refusals) {
    const refused = await by(key, line)
    assert.equal([line, refused.code], [line, code], refused.stdout)
    assert.ok(JSON.parse(refused.stdout).error.code.startsWith(error))
    assert.ok(JSON.parse(refused.stdout).error.hint)
  }
  const [{ admin: id }] = (await json(cwd, 'admin shop list')).admins
  assert.equal(
    await json(cwd, `admin shop remove ${formatPublicKeys('publisher', publisherKeys('admin'))}`),
    { admin: id }
  )
  assert.match(
    (await type(cwd, `admin shop remove ${id.slice(0, 8)}`)).stderr,
    `There is no admin ${id.slice(0, 8)}.`
  )
  assert.is((await by('admin.key', `title ${url} list`)).code, 77)
}

test.run()
