/** The center over HTTP, on a real socket: hostile bodies, many at once, and how it stops. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { get } from 'node:https'
import { connect } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { serve, type Served, type ServeOptions } from '../../center/http/http.js'
import { ACTS } from '../../center/http/acts.js'
import { actPath, ENDPOINTS } from '../../center/http/interface.js'
import { decode } from '../../formats/msgpack.js'
import { openRevocations } from '../../formats/records/revocations.js'
import { openRoots } from '../../formats/records/root.js'
import {
  newCenter,
  newRequestId,
  openAsBuyer,
  openTicket,
  pressed,
  publisherKeys,
  registrationBytes,
  requestBytes,
  TITLE
} from './parties.js'
import { selfSigned } from './self-signed.js'

const CONTENT_TYPE = 'application/vnd.coffer'

async function open(options: ServeOptions = {}) {
  const shop = await newCenter()
  const serving = await serve(shop.center, options)
  return {
    ...shop,
    url: serving.url,
    serving,
    post: (path: string, body: Uint8Array | ReadableStream, headers: Record<string, string> = {}) =>
      fetch(`${serving.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': CONTENT_TYPE, ...headers },
        body: body as Uint8Array<ArrayBuffer>,
        ...(body instanceof ReadableStream && { duplex: 'half' })
      } as RequestInit),
    async close() {
      await serving.close()
      await shop.center.close()
    }
  }
}

const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer())
const problemOf = async (response: Response) => {
  assert.is(response.headers.get('content-type'), 'application/problem+json')
  return (await response.json()) as Record<string, unknown>
}

/** Write raw bytes to a socket and collect what comes back until the server ends the connection. */
function raw(url: string, text: string, more?: (write: (text: string) => void) => void): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(text)
      more?.(next => socket.write(next))
    })
    let received = ''
    socket.on('data', chunk => (received += chunk.toString('latin1')))
    socket.on('close', () => resolve(received))
    socket.on('error', error => (received === '' ? reject(error) : resolve(received)))
  })
}

test('the whole trade over HTTP: roots, registration, order, revocations', async () => {
  const shop = await open()
  const roots = await fetch(`${shop.url}/v1/roots`)
  assert.is(roots.headers.get('content-type'), CONTENT_TYPE)
  const pinned = openRoots((decode(await bytesOf(roots)) as { roots: Uint8Array[] }).roots)
  assert.equal(pinned, shop.pinned)

  await shop.center.desk.addPublisher(publisherKeys(), 'Press')
  const released = await shop.post('/v1/releases', registrationBytes(pinned.centerId))
  assert.is(released.status, 200)
  const { releaseKey } = openTicket(pinned, await bytesOf(released))

  const ordered = await shop.post('/v1/orders', requestBytes(pinned.centerId))
  assert.is(ordered.status, 200)
  assert.is(ordered.headers.get('content-type'), CONTENT_TYPE)
  assert.equal(openAsBuyer(pinned, await bytesOf(ordered)).titleKey, releaseKey)

  await shop.center.desk.revoke('title', TITLE)
  const list = await bytesOf(await fetch(`${shop.url}/v1/revocations`))
  assert.is(openRevocations(list, [pinned])!.revocations.sequence, 2)
  assert.is(await (await fetch(`${shop.url}/healthz`)).text(), 'ok\n')
  await shop.close()
})

test('12 identical orders at once get the same bytes and one charge', async () => {
  const shop = await open()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { priceMinor: 900 })
  const request = requestBytes(shop.pinned.centerId)
  const answers = await Promise.all(
    Array.from({ length: 12 }, async () => {
      const response = await shop.post('/v1/orders', request)
      assert.is(response.status, 200)
      return Buffer.from(await response.arrayBuffer()).toString('hex')
    })
  )
  assert.is(new Set(answers).size, 1)
  assert.equal(
    (await shop.center.desk.balances()).map(({ balanceMinor }) => balanceMinor),
    [900, -900]
  )
  assert.equal(await shop.center.desk.verifyLedger(), { orders: 1, copies: 1, postings: 1, problems: [] })
  await shop.close()
})

test('12 orders at once for a title of 5 copies give exactly 5', async () => {
  const shop = await open()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { copies: 5, priceMinor: 100 })
  const statuses = await Promise.all(
    Array.from({ length: 12 }, async (_, n) => {
      const response = await shop.post(
        '/v1/orders',
        requestBytes(shop.pinned.centerId, { medium: `stick ${n}` })
      )
      await response.arrayBuffer()
      return response.status
    })
  )
  assert.equal(statuses.sort(), [...Array(5).fill(200), ...Array(7).fill(403)])
  assert.is((await shop.center.desk.verifyLedger()).postings, 5)
  await shop.close()
})

test('a refusal is a problem document from which a client can rebuild the error', async () => {
  const shop = await open()
  await pressed(shop)
  const unknown = await shop.post('/v1/orders', requestBytes(shop.pinned.centerId, { release: 9 }))
  assert.is(unknown.status, 404)
  const problem = await problemOf(unknown)
  assert.is(problem['code'], 'COFFER_TITLE_UNKNOWN')
  assert.is(problem['status'], 404)
  assert.is(problem['retryable'], false)
  assert.is(problem['found'], 'no such release of this title under this scheme')
  assert.is(problem['requestId'], unknown.headers.get('x-request-id'))
  for (const text of ['title', 'detail', 'hint', 'expected']) assert.type(problem[text], 'string')

  const requestId = newRequestId()
  await shop.post('/v1/orders', requestBytes(shop.pinned.centerId, { requestId }))
  const altered = await shop.post(
    '/v1/orders',
    requestBytes(shop.pinned.centerId, { requestId, user: 'bob' })
  )
  assert.is(altered.status, 403)
  assert.is((await problemOf(altered))['code'], 'COFFER_REQUEST_ALTERED')
  await shop.close()
})

test('garbage, the wrong record and the wrong type are refused and leave no trace', async () => {
  const shop = await open()
  await pressed(shop)
  const request = requestBytes(shop.pinned.centerId)
  const bodies: [string, Uint8Array][] = [
    ['nothing', new Uint8Array(0)],
    ['zeros', new Uint8Array(5000)],
    ['noise', Uint8Array.from({ length: 300 }, (_, n) => (n * 73) & 0xff)],
    ['an order cut short', request.subarray(0, request.length - 1)],
    ['an order and a byte', Uint8Array.from([...request, 0])],
    ['a registration', registrationBytes(shop.pinned.centerId)]
  ]
  for (const [what, body] of bodies) {
    const response = await shop.post('/v1/orders', body)
    assert.is(response.status, 400, what)
    assert.match(String((await problemOf(response))['code']), /^COFFER_(RECORD_DAMAGED|VERSION_UNSUPPORTED)$/)
  }
  for (const type of ['application/json', 'text/plain', 'application/vnd.coffer2']) {
    const response = await shop.post('/v1/orders', request, { 'content-type': type })
    assert.is(response.status, 415, type)
    await problemOf(response)
  }
  const notThere = await fetch(`${shop.url}/v1/vault`)
  assert.is(notThere.status, 404)
  assert.is((await problemOf(notThere))['code'], 'COFFER_USAGE')
  assert.is((await fetch(`${shop.url}/v1/orders`)).status, 404)
  assert.equal(await shop.center.desk.users(), [])
  await shop.close()
})

test('an order says what it may be charged at most, or nothing; what is no amount is refused', async () => {
  const shop = await open()
  await pressed(shop)
  await shop.center.desk.setTerms(TITLE, { priceMinor: 900 })
  const request = requestBytes(shop.pinned.centerId)
  for (const said of [
    '900',
    '900EUR',
    '900 eur',
    '-1 EUR',
    '9.00 EUR',
    '9'.repeat(16) + ' EUR',
    'EUR',
    '900 EUR, 1 EUR'
  ]) {
    const response = await shop.post('/v1/orders', request, { 'coffer-at-most': said })
    assert.is(response.status, 400, said)
    assert.is((await problemOf(response))['code'], 'COFFER_USAGE')
  }
  for (const said of ['899 EUR', '900 JPY', '0 EUR']) {
    const response = await shop.post('/v1/orders', request, { 'coffer-at-most': said })
    assert.is(response.status, 403, said)
    assert.is((await problemOf(response))['code'], 'COFFER_PRICE_REFUSED')
  }
  assert.equal(await shop.center.desk.verifyLedger(), { orders: 0, copies: 0, postings: 0, problems: [] })
  assert.is((await shop.post('/v1/orders', request, { 'coffer-at-most': '900 EUR' })).status, 200)
  // It is answered, and charged nothing again.
  assert.is((await shop.post('/v1/orders', request, { 'coffer-at-most': '0 EUR' })).status, 200)
  await shop.close()
})

test('a body of 64 KiB is read, one byte more is refused, whether its length is said or not', async () => {
  const shop = await open()
  const exact = await shop.post('/v1/orders', new Uint8Array(64 * 1024))
  assert.is(exact.status, 400)
  const said = await shop.post('/v1/orders', new Uint8Array(64 * 1024 + 1))
  assert.is(said.status, 413)
  assert.is((await problemOf(said))['code'], 'COFFER_RECORD_DAMAGED')

  let sent = 0
  const endless = new ReadableStream({
    pull(controller) {
      sent += 16 * 1024
      controller.enqueue(new Uint8Array(16 * 1024))
      if (sent > 64 * 1024 * 1024) controller.close()
    }
  })
  // The answer, or the connection cut under the client that goes on sending: either way it is not read on.
  const status = await shop.post('/v1/orders', endless).then(
    response => response.status,
    () => 'cut'
  )
  assert.ok(status === 413 || status === 'cut', `got ${status}`)
  assert.ok(sent < 8 * 1024 * 1024, `${sent} bytes were taken`)
  assert.is((await fetch(`${shop.url}/healthz`)).status, 200)
  await shop.close()
})

test('a client that sends too slowly is cut off, in its headers and in its body', async () => {
  const shop = await open({ requestTimeoutMs: 600 })
  const started = performance.now()
  const [headers, body] = await Promise.all([
    raw(shop.url, 'POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Ty'),
    raw(
      shop.url,
      `POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: ${CONTENT_TYPE}\r\nContent-Length: 500\r\n\r\nabc`
    )
  ])
  assert.match(headers, '408')
  assert.match(body, '408')
  assert.ok(performance.now() - started < 5000)
  await shop.close()
})

test('a body that ends early does no harm', async () => {
  const shop = await open()
  const { hostname, port } = new URL(shop.url)
  await new Promise<void>(resolve => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(
        `POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: ${CONTENT_TYPE}\r\nContent-Length: 500\r\n\r\nabc`
      )
      void setTimeout(50).then(() => socket.destroy())
    })
    socket.on('close', () => resolve())
  })
  assert.is((await fetch(`${shop.url}/healthz`)).status, 200)
  await shop.close()
})

test('close() takes nothing new, and lets what runs finish', async () => {
  const shop = await newCenter()
  await pressed(shop)
  let arrived = 0
  let closing = () => {}
  const closed = new Promise<void>(resolve => (closing = resolve))
  const serving = await serve({
    ...shop.center,
    async issue(request) {
      arrived++
      await closed
      return shop.center.issue(request)
    }
  })
  const running = Promise.all(
    Array.from({ length: 6 }, async (_, n) => {
      const body = requestBytes(shop.pinned.centerId, { medium: `stick ${n}` }) as Uint8Array<ArrayBuffer>
      const response = await fetch(`${serving.url}/v1/orders`, {
        method: 'POST',
        headers: { 'content-type': CONTENT_TYPE },
        body
      })
      await response.arrayBuffer()
      return response.status
    })
  )
  while (arrived < 6) await setTimeout(5)
  const stopped = serving.close()
  closing()
  assert.equal(await running, Array(6).fill(200))
  await stopped
  const refused = await fetch(`${serving.url}/healthz`).then(
    () => 'served',
    () => 'refused'
  )
  assert.is(refused, 'refused')
  await shop.center.close()
})

test('a failure of the center says nothing of what failed, and can be tried again', async () => {
  const faults: string[] = []
  const shop = await open({ onFault: requestId => void faults.push(requestId) })
  await pressed(shop)
  shop.powers.random = () => {
    throw new Error('secret detail')
  }
  const response = await shop.post('/v1/orders', requestBytes(shop.pinned.centerId))
  assert.is(response.status, 500)
  const problem = await problemOf(response)
  assert.is(problem['code'], 'COFFER_CENTER_FAILED')
  assert.is(problem['retryable'], true)
  assert.not.match(JSON.stringify(problem), 'secret')
  assert.equal(faults, [problem['requestId']])
  assert.equal(await shop.center.desk.users(), [])
  await shop.close()
})

test('what is told of a request is no body, no query and not who asked', async () => {
  const told: Served[] = []
  const shop = await open({ onRequest: served => void told.push(served) })
  await pressed(shop)
  await shop.post('/v1/orders', requestBytes(shop.pinned.centerId))
  await fetch(`${shop.url}/v1/a%0Ab?user=x`)
  assert.equal(
    told.map(({ method, path, route, status }) => [method, path, route, status]),
    [
      ['POST', '/v1/orders', '/v1/orders', 200],
      ['GET', '/v1/a%0Ab', 'other', 404]
    ]
  )
  assert.match(told[0]!.requestId, /^[0-9a-f]{16}$/)
  assert.equal(Object.keys(told[0]!).sort(), ['method', 'ms', 'path', 'requestId', 'route', 'status'])
  await shop.close()
})

test('an address that asks too often waits, and so does a signer, wherever he asks from', async () => {
  const shop = await open({ addressRate: { burst: 4, perSecond: 0.01 } })
  const statuses: number[] = []
  for (let n = 0; n < 6; n++) statuses.push((await fetch(`${shop.url}/v1/roots`)).status)
  assert.equal(statuses, [200, 200, 200, 200, 429, 429])
  const limited = await fetch(`${shop.url}/v1/roots`)
  assert.match(limited.headers.get('retry-after')!, /^\d+$/)
  const problem = await problemOf(limited)
  assert.equal([problem['code'], problem['retryable']], ['COFFER_BUSY', true])
  assert.is((await fetch(`${shop.url}/healthz`)).status, 200, 'checks are not counted')
  await shop.close()

  const other = await open({ signerRate: { burst: 2, perSecond: 0.01 } })
  await pressed(other)
  const order = async (user: string) => {
    const response = await other.post('/v1/orders', requestBytes(other.pinned.centerId, { user }))
    await response.arrayBuffer()
    return response.status
  }
  assert.equal(
    [await order('ann'), await order('ann'), await order('ann'), await order('bob')],
    [200, 200, 429, 200]
  )
  await other.close()
})

test('the OpenAPI document names every endpoint, and every endpoint answers', async () => {
  const shop = await open()
  const document = (await (await fetch(`${shop.url}/v1/openapi.json`)).json()) as {
    openapi: string
    paths: Record<string, Record<string, { responses: Record<string, object> }>>
  }
  assert.is(document.openapi, '3.1.0')
  const served = [...ENDPOINTS.map(({ path }) => path), ...Object.keys(ACTS).map(actPath)]
  assert.equal(Object.keys(document.paths).sort(), served.sort())
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, { responses }] of Object.entries(operations)) {
      const response = await fetch(`${shop.url}${path}`, { method: method.toUpperCase() })
      assert.ok(String(response.status) in responses, `${method} ${path} gave ${response.status}`)
      await response.arrayBuffer()
    }
  }
  await shop.close()
})

test('over TLS, with a certificate that can be renewed', async () => {
  const first = selfSigned('first.example')
  if (first === undefined) {
    console.log('skip: no openssl to make a certificate with')
    return
  }
  const shop = await open({ tls: first })
  assert.match(shop.url, /^https:/)
  const seen = () =>
    new Promise<string>((resolve, reject) => {
      get(`${shop.url}/healthz`, { rejectUnauthorized: false, agent: false }, response => {
        const { subject } = (response.socket as TLSSocket).getPeerCertificate()
        response.resume().on('end', () => resolve(String(subject.CN)))
      }).on('error', reject)
    })
  assert.is(await seen(), 'first.example')
  shop.serving.renewTls(selfSigned('second.example')!)
  assert.is(await seen(), 'second.example')
  await shop.close()
})

test.run()
