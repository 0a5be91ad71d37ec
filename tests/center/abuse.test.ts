/**
 * What a center on the open network is sent: a table of requests, none of which may end in a failure of the center, a hang,
 * a second charge, a trace in the books or a word about what is inside.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { senderOf } from '../../center/http/limits.js'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { serve } from '../../center/http/http.js'
import { CONTENT_TYPE } from '../../center/http/interface.js'
import { concat, hex } from '../../formats/bytes.js'
import { enc } from '../../formats/encode.js'
import { NO_ATTACHMENTS, signFrame } from '../../formats/frame.js'
import { encode } from '../../formats/msgpack.js'
import type { Keys } from '../../formats/keys.js'
import { ed25519PublicKey, Ed25519Signer } from '../../formats/primitives.js'
import {
  named,
  newCenter,
  newRequestId,
  NOW,
  pressed,
  publisherKeys,
  registrationBytes,
  requestBytes,
  signedAct,
  TITLE,
  userKeys
} from './parties.js'

const LIMIT_MS = 15_000
const REQUEST_TIMEOUT_MS = 700

const shop = await newCenter()
await pressed(shop)
await shop.center.desk.setTerms(TITLE, { priceMinor: 900, copies: 3 })
const faults: string[] = []
const serving = await serve(shop.center, {
  requestTimeoutMs: REQUEST_TIMEOUT_MS,
  addressRate: null,
  signerRate: null,
  onFault: (_requestId, cause) => void faults.push(String((cause as Error).stack))
})
const { hostname, port, host } = new URL(serving.url)
const { centerId } = shop.pinned

/** An order that was answered and charged before the abuse begins. */
const bought = requestBytes(centerId, { medium: 'bought' })
const answer = await shop.center.issue(bought)

interface Reply {
  /** 0: the connection was closed without a word. */
  readonly status: number
  readonly body: string
}

/** Bytes onto a socket as they are; what comes back until the other side closes. */
function raw(...parts: readonly (string | Uint8Array)[]): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    let received = ''
    socket.on('connect', async () => {
      for (const part of parts) {
        if (socket.destroyed) return
        socket.write(part)
        await setTimeout(5)
      }
    })
    socket.on('data', chunk => (received += chunk.toString('latin1')))
    socket.on('error', () => {})
    socket.on('close', () =>
      resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(received)?.[1] ?? 0), body: received })
    )
    socket.setTimeout(LIMIT_MS, () => {
      socket.destroy()
      reject(new Error('a hang'))
    })
  })
}

async function send(path: string, init: RequestInit): Promise<Reply> {
  const response = await fetch(`${serving.url}${path}`, { signal: AbortSignal.timeout(LIMIT_MS), ...init })
  return { status: response.status, body: await response.text() }
}

const post = (body: Uint8Array | string, path = '/v1/orders', type: string | null = CONTENT_TYPE) =>
  send(path, {
    method: 'POST',
    ...(type !== null && { headers: { 'content-type': type } }),
    body: body as string
  })

const head = (lines: string, path = '/v1/orders') =>
  `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${CONTENT_TYPE}\r\nConnection: close\r\n${lines}\r\n`

const order = () => requestBytes(centerId, { medium: 'abuse' })
const body = (change: object = {}) => ({
  bind: ['medium', 'user'],
  centerId,
  created: NOW,
  factors: ['machine'],
  kind: 'order',
  mediumId: named('medium'),
  mediumKind: 'folder',
  release: 1,
  requestId: newRequestId(),
  scheme: 'certificate',
  sealKey: userKeys().sealKey,
  signKey: userKeys().signKey,
  titleId: TITLE,
  ...change
})
/** A record that is well signed, whatever it says. */
const signed = (change: object, seed = userKeys().signSeed) =>
  signFrame('request', encode(body(change) as never), NO_ATTACHMENTS, seed)
const patched = (bytes: Uint8Array, at: number, value: number) => {
  const copy = bytes.slice()
  copy[at] = value
  return copy
}
const u32At = (bytes: Uint8Array, at: number, value: number) => {
  const copy = bytes.slice()
  new DataView(copy.buffer).setUint32(at, value)
  return copy
}
/** Signed by mallory in the name of ann. */
function resigned(): Uint8Array {
  const { signSeed } = userKeys('mallory')
  const part = order().slice(0, -96)
  return concat(
    part,
    ed25519PublicKey(signSeed),
    new Ed25519Signer(signSeed).sign(enc('signed/request', part))
  )
}
const deep = (levels: number) => concat(new Uint8Array(levels).fill(0x91), new Uint8Array([0xc0]))
const framed = (packed: Uint8Array) => signFrame('request', packed, NO_ATTACHMENTS, userKeys().signSeed)

const FREE = { titleId: TITLE, priceMinor: 0 }
const ZEROS = Buffer.alloc(64).toString('base64')
const NO_SIGNATURE = { signature: '', 'signature-input': '' }

interface Asked {
  readonly keys?: Keys
  readonly created?: number
  readonly center?: string
  /** What is sent in the place of what was signed. */
  readonly headers?: Record<string, string>
  readonly body?: string
  readonly path?: string
  /** What is signed in the place of JSON. */
  readonly json?: string
}
function desk(act: string, given: object, asked: Asked = {}): Promise<Reply> {
  const center = asked.center ?? shop.center.centerId
  const { body, headers } = signedAct(center, act, given, { keys: publisherKeys(), ...asked })
  return send(asked.path ?? `/v1/desk/${act}`, {
    method: 'POST',
    headers: { ...headers, ...asked.headers },
    body: asked.body ?? body
  })
}
async function twice(act: string, given: object): Promise<Reply> {
  const { body, headers } = signedAct(shop.center.centerId, act, given, { keys: publisherKeys() })
  const once = () => send(`/v1/desk/${act}`, { method: 'POST', headers, body })
  await once()
  return once()
}

const BAD = [400]
const REFUSED = [403]
const CUT = [0, 400, 408, 413, 431]

type Case = readonly [what: string, statuses: readonly number[], () => Promise<Reply>]
const CASES: readonly Case[] = [
  // Oversized
  ['a body of one byte too many', [413], () => post(new Uint8Array(65_537))],
  ['a body of 8 MiB', CUT, () => raw(head('Content-Length: 8388608\r\n'), new Uint8Array(300_000))],
  ['a length that no machine has', CUT, () => raw(head('Content-Length: 99999999999999999999\r\n'))],
  [
    'chunks without end',
    CUT,
    () => raw(head('Transfer-Encoding: chunked\r\n'), ...Array(12).fill(`4000\r\n${'x'.repeat(0x4000)}\r\n`))
  ],
  ['a chunk of 4 GiB announced', CUT, () => raw(head('Transfer-Encoding: chunked\r\n'), 'ffffffff\r\nabc')],
  ['a header of 64 KiB', CUT, () => raw(head(`X-A: ${'a'.repeat(65_536)}\r\n`))],
  ['two thousand headers', CUT, () => raw(head('X-A: b\r\n'.repeat(2000)))],
  [
    'a path of 20 000 characters',
    CUT,
    () => raw(`GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  ],
  ['a query of 6 000 characters', [404], () => send(`/v1/x?${'a'.repeat(6000)}`, {})],
  [
    'a chunk extension of 100 KiB',
    CUT,
    () => raw(head('Transfer-Encoding: chunked\r\n'), `5;${'a'.repeat(100_000)}\r\nhello\r\n0\r\n\r\n`)
  ],
  // Slow
  ['headers that do not end', [408, 0], () => raw(`POST /v1/orders HTTP/1.1\r\nHost: ${host}\r\nX-`)],
  ['a body that does not come', [408, 0], () => raw(head('Content-Length: 500\r\n'))],
  ['a body, a byte at a time', [408, 0], () => raw(head('Content-Length: 900\r\n'), ...Array(200).fill('a'))],
  ['a connection that says nothing', [408, 0], () => raw('')],
  ['chunks that stop', [408, 0], () => raw(head('Transfer-Encoding: chunked\r\n'), '5\r\nhel')],
  [
    '100-continue, and nothing',
    [100, 408, 0],
    () => raw(head('Expect: 100-continue\r\nContent-Length: 500\r\n'))
  ],
  // Malformed HTTP
  ['no HTTP at all', CUT, () => raw('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', '\r\n\r\n')],
  ['zeros', CUT, () => raw(new Uint8Array(1000))],
  ['a version of its own', [...CUT, 505], () => raw(`GET / HTTP/9.9\r\nHost: ${host}\r\n\r\n`)],
  ['HTTP/2 by prior knowledge', CUT, () => raw('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
  [
    'both lengths, to smuggle',
    CUT,
    () =>
      raw(
        head('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'),
        '0\r\n\r\nGET /v1/roots HTTP/1.1\r\n\r\n'
      )
  ],
  ['two lengths', CUT, () => raw(head('Content-Length: 5\r\nContent-Length: 6\r\n'), 'hello!')],
  ['a length below zero', CUT, () => raw(head('Content-Length: -1\r\n'))],
  [
    'a chunk size that is no number',
    CUT,
    () => raw(head('Transfer-Encoding: chunked\r\n'), 'zz\r\nhello\r\n')
  ],
  ['no host', CUT, () => raw('POST /v1/orders HTTP/1.1\r\n\r\n')],
  ['a folded header', CUT, () => raw(head('X-A: b\r\n c\r\nContent-Length: 0\r\n'))],
  ['a header with a NUL', CUT, () => raw(head('X-A: b\0c\r\nContent-Length: 0\r\n'))],
  ['CONNECT', [0, 400, 404, 405], () => raw(`CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)],
  [
    'an upgrade',
    [404, 400, 0],
    () =>
      raw(`GET /v1/x HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n`)
  ],
  [
    'TRACE',
    [400, 404, 405, 0],
    () => raw(`TRACE /v1/orders HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  ],
  // Wrong type, wrong method, wrong place
  ['JSON', [415], () => post('{"titleId":"x"}', '/v1/orders', 'application/json')],
  [
    'a form, as another site can send',
    [415],
    () => post('a=b', '/v1/orders', 'application/x-www-form-urlencoded')
  ],
  ['plain text, as another site can send', [415], () => post(order(), '/v1/orders', 'text/plain')],
  [
    'no content type',
    [415],
    () => send('/v1/orders', { method: 'POST', body: order() as never, headers: { 'content-type': '' } })
  ],
  ['an order to read', [404], () => send('/v1/orders', {})],
  ['an order to put', [404], () => send('/v1/orders', { method: 'PUT', body: order() as never })],
  ['an order to delete', [404], () => send('/v1/orders', { method: 'DELETE' })],
  ['a registration as an order', BAD, () => post(registrationBytes(centerId))],
  ['an order as a registration', BAD, () => post(order(), '/v1/releases')],
  ['an answer as an order', BAD, () => post(answer.slice(0, 65_536))],
  ['noise for a receipt', BAD, () => post(new Uint8Array(200).fill(7), '/v1/receipts')],
  // Malformed records
  ['nothing', BAD, () => post(new Uint8Array(0))],
  ['an order cut short', BAD, () => post(order().slice(0, -1))],
  ['an order and a byte', BAD, () => post(concat(order(), new Uint8Array(1)))],
  ['two orders in one', BAD, () => post(concat(order(), order()))],
  ['another magic', BAD, () => post(patched(order(), 0, 0))],
  ['a version to come', BAD, () => post(patched(order(), 4, 2))],
  ['a suite to come', BAD, () => post(patched(order(), 7, 2))],
  ['a body of 4 GiB, it says', BAD, () => post(u32At(order(), 8, 0xffff_ffff))],
  ['attachments of 4 GiB, it says', BAD, () => post(u32At(order(), 12, 0xffff_ffff))],
  ['four thousand million signatures, it says', BAD, () => post(u32At(order(), 16, 0xffff_ffff))],
  ['no signature', BAD, () => post(u32At(order().slice(0, -96), 16, 0))],
  ['arrays within arrays, 60 000 deep', BAD, () => post(framed(deep(60_000)))],
  ['a map of 4 GiB, it says', BAD, () => post(framed(new Uint8Array([0xdf, 0xff, 0xff, 0xff, 0xff])))],
  ['a key twice', BAD, () => post(framed(new Uint8Array([0x82, 0xa1, 0x61, 0xc0, 0xa1, 0x61, 0xc0])))],
  [
    '__proto__',
    BAD,
    () =>
      post(
        framed(
          concat(new Uint8Array([0x81, 0xa9]), new TextEncoder().encode('__proto__'), new Uint8Array([0x80]))
        )
      )
  ],
  ['an extension type', BAD, () => post(framed(new Uint8Array([0xd4, 0x01, 0x00])))],
  ['a float', BAD, () => post(framed(new Uint8Array([0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0])))],
  ['a field too many', BAD, () => post(signed({ admin: true }))],
  ['a release of 2^53', BAD, () => post(signed({ release: 2 ** 53 - 1 }))],
  ['a medium of 31 bytes', BAD, () => post(signed({ mediumId: new Uint8Array(31) }))],
  // Forged
  ['a bit turned in the body', BAD, () => post(patched(order(), 60, 0xff))],
  ['a bit turned in the signature', BAD, () => post(patched(order(), order().length - 1, 0xff))],
  ['signed by another', BAD, () => post(resigned())],
  ['a signature of zeros', BAD, () => post(concat(order().slice(0, -64), new Uint8Array(64)))],
  ['a key of small order', BAD, () => post(concat(order().slice(0, -96), new Uint8Array(96)))],
  ['a seal key of zeros', BAD, () => post(signed({ sealKey: new Uint8Array(32) }))],
  [
    'a registration by nobody we know',
    REFUSED,
    () => post(registrationBytes(centerId, { publisher: 'mallory' }), '/v1/releases')
  ],
  [
    "another publisher's title",
    REFUSED,
    () => post(registrationBytes(centerId, { publisher: 'second' }), '/v1/releases')
  ],
  ['an order for another center', REFUSED, () => post(requestBytes(named('elsewhere')))],
  ['a bearer grant that nobody allowed', REFUSED, () => post(signed({ bind: ['medium'] }))],
  ['a grant bound to no medium', REFUSED, () => post(signed({ bind: ['user'] }))],
  ['a receipt for an order that was never answered', REFUSED, () => post(order(), '/v1/receipts')],
  // Replayed
  ['an answered order again', [200], () => post(bought)],
  ['its id with another body', REFUSED, () => post(signed({ requestId: requestIdOf(bought) }))],
  [
    'its id by another user',
    REFUSED,
    () => post(requestBytes(centerId, { requestId: requestIdOf(bought), user: 'mallory' }))
  ],
  ['an order of two months ago', REFUSED, () => post(requestBytes(centerId, { created: NOW - 60 * 86_400 }))],
  ['an order of next week', REFUSED, () => post(requestBytes(centerId, { created: NOW + 7 * 86_400 }))],
  // Injected
  ['SQL as a title', BAD, () => post(signed({ titleId: "x'; drop table grants; --" }))],
  ['SQL as a path', [404], () => send("/v1/orders';drop table grants", {})],
  [
    'a path out of the tree',
    [404],
    () => raw(`GET /v1/../../../../etc/passwd HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  ],
  ['an encoded path out of the tree', [404], () => send('/v1/%2e%2e%2f%2e%2e%2fvault%2fsigning', {})],
  ['the vault', [404], () => send('/vault/signing', {})],
  [
    'a NUL in the path',
    [404, ...CUT],
    () => raw(`GET /v1/roots\0 HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  ],
  ['a line break in the path', [404], () => send('/v1/a%0d%0aset-cookie:%20a=b', {})],
  ['markup in the path', [404], () => send('/%3Cscript%3Ealert(1)%3C/script%3E', {})],
  [
    'bad percent-encoding',
    [404, 400],
    () => raw(`GET /v1/%zz%ff HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  ],
  [
    'a host that is not ours',
    [200],
    () => raw(`GET /v1/roots HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`)
  ],
  [
    'a host that is no host',
    [200, 400, 0],
    () => raw(`GET /v1/roots HTTP/1.1\r\nHost: a b<c>\r\nConnection: close\r\n\r\n`)
  ],
  [
    'an absolute address of elsewhere',
    [200, 400, 404],
    () => raw(`GET http://evil.example/v1/roots HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`)
  ],
  // The desk
  ['a desk without a signature', [401], () => desk('titles', {}, { headers: NO_SIGNATURE })],
  ['a desk asked by nobody we know', [401], () => desk('titles', {}, { keys: publisherKeys('mallory') })],
  ['a desk asked by a buyer', [401], () => desk('titles', {}, { keys: userKeys() })],
  [
    'a signature of another body',
    [401],
    () => desk('title-set', FREE, { body: '{"titleId":"x","priceMinor":1}' })
  ],
  ['a signature for another act', [401], () => desk('titles', {}, { path: '/v1/desk/ledger-verify' })],
  [
    'a signature of zeros at the desk',
    [401],
    () => desk('titles', {}, { headers: { signature: `sig1=:${ZEROS}:` } })
  ],
  [
    'ten thousand signatures',
    [401, 431],
    () => desk('titles', {}, { headers: { signature: 'a=:AA==:, '.repeat(600) } })
  ],
  [
    'a signature field that never closes',
    [401],
    () => desk('titles', {}, { headers: { 'signature-input': `sig1=${'('.repeat(3000)}` } })
  ],
  [
    'a digest of another kind',
    [401],
    () => desk('titles', {}, { headers: { 'content-digest': 'sha-512=:AA==:' } })
  ],
  [
    'a signature of an hour ago',
    REFUSED,
    () => desk('titles', {}, { keys: publisherKeys(), created: NOW - 3600 })
  ],
  [
    'a signature of tomorrow',
    REFUSED,
    () => desk('titles', {}, { keys: publisherKeys(), created: NOW + 86_400 })
  ],
  [
    'a signature for another center',
    REFUSED,
    () => desk('titles', {}, { keys: publisherKeys(), center: hex(named('elsewhere')) })
  ],
  ['a signed request twice', REFUSED, () => twice('titles', {})],
  ['a publisher who wants the users', REFUSED, () => desk('users', {}, { keys: publisherKeys() })],
  [
    "a publisher who sets another's price",
    [404],
    () => desk('title-set', FREE, { keys: publisherKeys('second') })
  ],
  [
    "a publisher who refunds another's sale",
    BAD,
    () => desk('refund', { grantId: 'ab'.repeat(16) }, { keys: publisherKeys('second') })
  ],
  ['an act that is none', [404], () => desk('drop-tables', {}, { keys: publisherKeys() })],
  ['a desk that is read', [404], () => send('/v1/desk/titles', {})],
  ['a desk asked by a form', [415], () => desk('titles', {}, { headers: { 'content-type': 'text/plain' } })],
  ['a desk asked for 1 MiB', [413], () => desk('titles', {}, { body: ' '.repeat(1 << 20) })],
  ['JSON that is none, well signed', BAD, () => desk('titles', {}, { keys: publisherKeys(), json: '{"a":' })],
  [
    'JSON 20 000 deep, well signed',
    BAD,
    () => desk('titles', {}, { keys: publisherKeys(), json: '['.repeat(20_000) })
  ],
  ['half a character, well signed', BAD, () => desk('titles', {}, { keys: publisherKeys(), json: '\ud800' })],
  ['a field too many at the desk', BAD, () => desk('titles', { admin: true }, { keys: publisherKeys() })],
  ['SQL as a user', BAD, () => desk('grants', { userId: "' or 1=1 --" }, { keys: publisherKeys() })],
  [
    'a pattern as an id',
    BAD,
    () => desk('find', { kind: 'user', typed: '______' }, { keys: publisherKeys() })
  ],
  [
    'a price that no ledger holds',
    BAD,
    () => desk('title-set', { titleId: TITLE, priceMinor: 1e300 }, { keys: publisherKeys() })
  ],
  [
    'a query at the desk',
    BAD,
    () => desk('titles', {}, { keys: publisherKeys(), path: '/v1/desk/titles?admin=1' })
  ],
  // What is not there yet, and pages
  ['copies that have ended, of which there are none', [404], () => send('/v1/revocations/ended', {})],
  ['copies that have ended, sent', [404], () => post(order(), '/v1/revocations/ended')],
  ['a login that was made up', [403, 404, 200, 410], () => send(`/login/${'A'.repeat(43)}`, {})],
  [
    "the seller's page without a session",
    [200, 302, 303, 401, 403, 404],
    () => send('/seller', { redirect: 'manual' })
  ],
  [
    'a session that was made up',
    [200, 302, 303, 401, 403, 404],
    () => send('/seller', { redirect: 'manual', headers: { cookie: 'coffer-seller=AAAA' } })
  ],
  ['who asks, made up', [404], () => send('/v1/x', { headers: { 'x-forwarded-for': "1' or 1=1" } })]
]

/** As the table of the frame says: the body begins at 20, and its requestId is 16 bytes after its name. */
function requestIdOf(record: Uint8Array): Uint8Array {
  const name = new TextEncoder().encode('requestId')
  const at = Buffer.from(record).indexOf(Buffer.from(name)) + name.length + 2
  return record.slice(at, at + 16)
}

await shop.center.desk.addPublisher(publisherKeys('second'), 'Second')
const before = await shop.center.desk.balances()
const secrets = ['signing', 'storage', 'epoch-1/master', 'epoch-1/certification'].map(file =>
  readFileSync(join(shop.folder, 'vault', file))
)

test('the table has at least 110 cases', () => assert.ok(CASES.length >= 110, String(CASES.length)))

for (const [what, statuses, run] of CASES) {
  test(`${what}: ${statuses.join(' or ')}`, async () => {
    const started = performance.now()
    const { status, body: said } = await run()
    assert.ok(statuses.includes(status), `${status}: ${said.slice(0, 300)}`)
    assert.ok(performance.now() - started < LIMIT_MS)
    assert.equal(faults.splice(0), [])
    assert.not.match(said, /node_modules|\.js:|\.ts:|at async|sqlite|select |kysely/i)
    for (const secret of secrets)
      assert.not.ok(said.includes(secret.toString('latin1')) || said.includes(hex(secret)))
  })
}

test('none of it left a trace: one user, one copy, one charge, and books that agree', async () => {
  assert.equal(await shop.center.desk.balances(), before)
  assert.is((await shop.center.desk.users()).length, 1)
  assert.equal(await shop.center.desk.verifyLedger(), { orders: 1, copies: 1, postings: 1, problems: [] })
  assert.is((await fetch(`${serving.url}/readyz`)).status, 200)
  await serving.close()
  await shop.center.close()
})

test('a sender is one whatever port a proxy writes beside the address', () => {
  for (const [address, sender] of [
    ['203.0.113.9', '203.0.113.9'],
    ['203.0.113.9:20000', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['[2001:db8:1:2:3:4:5:6]:443', '2001:db8:1:2'],
    ['[2001:db8::1]', '2001:db8:0:0'],
    ['unknown', 'unknown']
  ] as const)
    assert.is(senderOf(address), sender, address)
})

test.run()
