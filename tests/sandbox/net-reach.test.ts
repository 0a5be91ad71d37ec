/** Whom a title reaches through `coffer:net`: what was granted, and nothing else, whatever names, addresses and redirects say. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type NetGrant } from '../../sandbox/index.js'
import { parseAllowList } from '../../sandbox/net/allow.js'
import { permittedAddresses } from '../../sandbox/net/addresses.js'
import {
  attempt,
  grant,
  guestWith,
  origin,
  otherPort,
  paths,
  port,
  refused,
  seen,
  type Handler
} from './net-site.js'

test('hosts that were not granted are refused, whatever the URL looks like', async () => {
  for (const url of [
    `http://other.test:${port}/`,
    `http://127.0.0.1:${port}/`,
    `http://127.1:${port}/`,
    `http://2130706433:${port}/`,
    `http://[::ffff:127.0.0.1]:${port}/`,
    `http://localhost:${port}/`,
    `http://api.test:${otherPort}/`,
    `http://api.test/`,
    `https://api.test:${port}/`,
    `http://api.test.:${port}/`,
    `http://sub.api.test:${port}/`,
    `http://evilapi.test:${port}/`,
    'http://169.254.169.254/latest/meta-data/'
  ])
    await refused(/not among the hosts/, url)
  for (const url of ['file:///etc/passwd', 'data:text/plain,x', 'ftp://api.test/', 'blob:x', 'coffer:net'])
    await refused(/only URLs of http and https/, url)
  await refused(/credentials/, `http://user:secret@api.test:${port}/`)
  await refused(/only URLs/, `${origin}/${'x'.repeat(9000)}`)
  const { name } = await attempt('no url')
  assert.is(name, 'TypeError')
})

test('a name that leads to this machine, its network or a cloud is not followed', async () => {
  const public4 = '93.184.215.14'
  for (const addresses of [
    ['127.0.0.1'],
    ['127.8.8.8'],
    ['0.0.0.0'],
    ['10.1.2.3'],
    ['172.16.0.1'],
    ['192.168.1.1'],
    ['169.254.169.254'],
    ['100.64.0.1'],
    ['224.0.0.1'],
    ['255.255.255.255'],
    ['::1'],
    ['::'],
    ['fe80::1'],
    ['fe80::1%lo'],
    ['fd00:ec2::254'],
    ['::ffff:127.0.0.1'],
    ['::ffff:a9fe:a9fe'],
    ['64:ff9b::7f00:1'],
    ['2002:7f00:1::'],
    ['not an address'],
    []
  ]) {
    await refused(
      /leads to no address/,
      `${origin}/`,
      {},
      {
        allow: grant.allow,
        resolve: async () => addresses
      }
    )
  }
  const permitted = permittedAddresses([])
  for (const address of [public4, '2606:4700::1111', '::ffff:93.184.215.14', '64:ff9b::5db8:d70e'])
    assert.ok(permitted(address), address)
  const beyond = permittedAddresses(['10.0.0.0/8', '::1'])
  for (const address of ['10.9.9.9', '::1', '::ffff:10.0.0.1', public4]) assert.ok(beyond(address), address)
  for (const address of ['11.0.0.1', '192.168.0.1', '::2'])
    assert.is(beyond(address), address === '11.0.0.1', address)
  for (const range of ['', '10.0.0.0/33', '10.0.0.0/x', '10.0.0/8', '1.1.1.1/8/8', 'host'])
    assert.throws(() => permittedAddresses([range]), /no range/)
})

test('the connection goes where the check looked, even if the name has moved on', async () => {
  paths.set('/', (_request, response) => response.end('granted'))
  let asked = 0
  const rebinding: NetGrant = {
    ...grant,
    // What a rebinding server answers: a permitted address first, then the one that it is after.
    resolve: async () => (++asked === 1 ? ['127.0.0.1'] : ['127.0.0.2'])
  }
  const first = await attempt(`${origin}/`, {}, rebinding)
  assert.is(first.text, 'granted')
  assert.is(asked, 1, 'the name was looked up again')
  await refused(/leads to no address/, `${origin}/`, {}, rebinding)
  // Of several addresses only the permitted ones are tried.
  const mixed = await attempt(
    `${origin}/`,
    {},
    { ...grant, resolve: async () => ['127.0.0.2', '10.0.0.1', '127.0.0.1'] }
  )
  assert.is(mixed.text, 'granted')
})

test('each hop of a redirect is checked as the first request is', async () => {
  const to =
    (location: string, status = 302): Handler =>
    (_request, response) =>
      void response.writeHead(status, { location }).end('moved')
  paths.set('/end', (request, response) =>
    response.end(
      `${request.method} ${request.headers['authorization'] ?? 'bare'} ${request.headers['content-type'] ?? 'untyped'}`
    )
  )
  paths.set('/once', to('/end'))
  paths.set('/loop', to('/loop'))
  paths.set('/other', to(`http://other.test:${otherPort}/secret`))
  paths.set('/address', to(`http://127.0.0.1:${otherPort}/secret`))
  paths.set('/metadata', to('http://169.254.169.254/'))
  paths.set('/file', to('file:///etc/passwd'))
  paths.set('/credentials', to(`http://user:pass@api.test:${port}/end`))
  paths.set('/303', to('/end', 303))
  paths.set('/307', to('/end', 307))

  const once = await attempt(`${origin}/once`)
  assert.equal([once.status, once.redirected, once.url], [200, true, `${origin}/end`])
  const posted = { method: 'POST', body: 'x', headers: { authorization: 'mine' } }
  assert.is((await attempt(`${origin}/once`, posted)).text, 'GET mine untyped')
  assert.is((await attempt(`${origin}/303`, { ...posted, method: 'PUT' })).text, 'GET mine untyped')
  assert.is((await attempt(`${origin}/307`, posted)).text, 'POST mine text/plain;charset=UTF-8')

  const forbidden = seen.filter(({ url }) => url.startsWith('other')).length
  for (const [path, words] of [
    ['/other', /not among/],
    ['/address', /not among/],
    ['/metadata', /not among/],
    ['/file', /only URLs/],
    ['/credentials', /credentials/],
    ['/loop', /too many redirects/]
  ] as const) {
    const { name, message } = await attempt(`${origin}${path}`)
    assert.is(name, 'TypeError', path)
    assert.match(message!, words)
  }
  assert.is(seen.filter(({ url }) => url.startsWith('other')).length, forbidden)

  assert.match((await attempt(`${origin}/once`, { redirect: 'error' })).message!, /it redirects/)
  const manual = await attempt(`${origin}/once`, { redirect: 'manual' })
  assert.equal([manual.status, manual.text, manual.redirected], [302, 'moved', false])

  // To a granted host of another origin: its own secrets stay behind.
  const both = { ...grant, allow: [...grant.allow, `http://other.test:${otherPort}`] }
  const crossed = await attempt(
    `${origin}/other`,
    { headers: { authorization: 'mine', 'x-kept': '1' } },
    both
  )
  assert.is(crossed.text, 'other')
  const { headers } = seen.at(-1)!
  assert.equal(
    [headers.authorization, headers['x-kept'], headers.host],
    [undefined, '1', `other.test:${otherPort}`]
  )
})

test('a grant that does not mean what it seems to is refused', async () => {
  for (const entry of [
    '',
    '*',
    '*.',
    'https://',
    'api.test/path',
    'user@api.test',
    'api.test:99999',
    'ftp://api.test',
    'api test',
    '0x7f.1',
    '127.1',
    '*.0.0.1',
    '*.[::1]',
    'API.test/',
    'a?b',
    'a#b'
  ])
    assert.throws(() => parseAllowList([entry]), /is no host/, entry)
  const list = parseAllowList([
    'api.test',
    '*.wild.test',
    'http://[::1]:80',
    '127.0.0.1:8443',
    'API2.test:443'
  ])
  const allows = (url: string) => {
    try {
      list.check(new URL(url))
      return true
    } catch {
      return false
    }
  }
  for (const url of [
    'https://api.test/x',
    'https://api.test:443',
    'https://a.wild.test',
    'https://a.b.wild.test',
    'http://[::1]/',
    'https://127.0.0.1:8443',
    'https://api2.test'
  ])
    assert.ok(allows(url), url)
  for (const url of [
    'http://api.test',
    'https://wild.test',
    'https://awild.test',
    'https://a.wild.test:8443',
    'https://[::1]/',
    'https://127.0.0.1',
    'https://api.test.wild.test.evil'
  ])
    assert.not.ok(allows(url), url)
  await guestWith({ allow: ['*'] }).then(
    () => assert.unreachable(),
    (error: Error) => assert.instance(error, TypeError)
  )
})

// What may be sent

test.run()
