/**
 * `coffer:net` against real servers on this machine: what is sent arrives, and what comes back is bounded, whatever guest or
 * server do.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createServer as createSecureServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib'
import { utf8 } from '../../formats/bytes.js'
import { type LaunchOptions, launch } from '../../sandbox/index.js'
import { attempt, grant, guestWith, listen, origin, paths, port, seen } from './net-site.js'

const WAYS: readonly LaunchOptions[] = [{}, { isolation: 'thread' }, { engine: 'ses' }]

for (const how of WAYS) {
  const way = how.engine ?? how.isolation ?? 'inline'

  test(`${way}: what is sent arrives, and what is answered comes back`, async () => {
    paths.set('/echo', (request, response) => {
      response.setHeader('x-answer', 'yes')
      response.setHeader('set-cookie', ['a=1', 'b=2'])
      response.end(JSON.stringify({ method: request.method, type: request.headers['content-type'] ?? null }))
    })
    await using guest = await guestWith(
      grant,
      `async all(url) {
        const get = await fetch(new URL(url))
        const post = await fetch(new Request(url, { method: 'post', headers: { 'X-Own': 'é' }, body: 'héllo' }))
        const bytes = await fetch(url, { method: 'PUT', body: new Uint8Array([1, 2, 3]) })
        const form = await fetch(url, { method: 'POST', body: new URLSearchParams({ a: '1 2' }) })
        const blob = await fetch(url, { method: 'POST', body: new Blob(['x', 'y'], { type: 'text/x' }) })
        const stream = await fetch(url, { method: 'POST', body: ReadableStream.from([new Uint8Array([65]), new Uint8Array([66])]) })
        const copy = get.clone()
        const head = await fetch(url, { method: 'HEAD' })
        return {
          get: await get.json(), copy: await copy.json(), ok: get.ok, status: get.status, header: get.headers.get('X-Answer'),
          cookies: get.headers.getSetCookie(), used: get.bodyUsed, immutable: (() => { try { get.headers.set('a', 'b') } catch (e) { return e.name } })(),
          post: await post.json(), bytes: await bytes.json(), form: await form.json(), blob: await blob.json(), stream: await stream.json(),
          head: [head.status, head.body, await head.text()]
        }
      }`,
      how
    )
    seen.length = 0
    assert.equal(await guest.call('script', 'all', `${origin}/echo`), {
      get: { method: 'GET', type: null },
      copy: { method: 'GET', type: null },
      ok: true,
      status: 200,
      header: 'yes',
      cookies: ['a=1', 'b=2'],
      used: true,
      immutable: 'TypeError',
      post: { method: 'POST', type: 'text/plain;charset=UTF-8' },
      bytes: { method: 'PUT', type: null },
      form: { method: 'POST', type: 'application/x-www-form-urlencoded;charset=UTF-8' },
      blob: { method: 'POST', type: 'text/x' },
      stream: { method: 'POST', type: null },
      head: [200, null, '']
    })
    assert.equal(
      seen.map(({ body }) => body),
      ['', 'héllo', '\x01\x02\x03', 'a=1+2', 'xy', 'AB', '']
    )
    // Nothing of this process's, and no way back.
    const { headers } = seen[1]!
    assert.equal(Object.keys(headers).sort(), [
      'accept',
      'accept-encoding',
      'connection',
      'content-length',
      'content-type',
      'host',
      'user-agent',
      'x-own'
    ])
    assert.is(headers.host, `api.test:${port}`)
    assert.is(headers['user-agent'], 'coffer')
  })

  test(`${way}: a body arrives in parts, no faster than it is read, and can be given up`, async () => {
    let sent = 0
    let closed = false
    const chunk = Buffer.alloc(64 * 1024, 1)
    paths.set('/endless', (_request, response) => {
      sent = 0
      closed = false
      const more = () => {
        while (!closed && response.write(chunk)) sent += chunk.length
        response.once('drain', more)
      }
      response.on('close', () => (closed = true))
      more()
    })
    await using guest = await guestWith(
      grant,
      `async take(url, parts) {
        const { body } = await fetch(url)
        let bytes = 0
        for await (const part of body) { bytes += part.length; if (--parts === 0) break }
        return bytes
      },
      async abort(url) {
        const controller = new AbortController()
        const { body } = await fetch(url, { signal: controller.signal })
        const reader = body.getReader()
        await reader.read()
        const waiting = (async () => { for (;;) await reader.read() })()
        setTimeout(() => controller.abort(), 20)
        try { await waiting } catch (e) { return described(e) }
      },
      async early(url) {
        try { await fetch(url, { signal: AbortSignal.abort(new RangeError('mine')) }) } catch (e) { return described(e) }
      }`,
      how
    )
    assert.ok(((await guest.call('script', 'take', `${origin}/endless`, 3)) as number) > 0)
    const until = performance.now() + 5000
    while (!closed && performance.now() < until) await new Promise(resolve => setTimeout(resolve, 5))
    assert.ok(closed, 'the server was not told')
    // Buffers of the system and of Node, not a stream that runs on.
    assert.ok(sent < 16 * 1024 * 1024, `the server could send ${sent} bytes to a reader of three parts`)
    assert.equal(await guest.call('script', 'abort', `${origin}/endless`), {
      name: 'AbortError',
      message: 'This operation was aborted',
      dom: true
    })
    assert.equal(await guest.call('script', 'early', `${origin}/endless`), {
      name: 'RangeError',
      message: 'mine',
      dom: false
    })
  })

  test(`${way}: without a grant there is no such module, and no fetch`, async () => {
    const error = await launch(utf8(`import { fetch } from 'coffer:net'`), how).then(
      () => undefined,
      (error: Error & { code: string }) => error
    )
    assert.is(error?.code, 'COFFER_PROGRAM_INVALID')
    await using guest = await launch(
      utf8(
        `export const has = () => ['fetch', 'Headers', 'Request', 'Response', 'Blob', 'ReadableStream'].filter(name => name in globalThis)`
      ),
      {
        ...how,
        capabilities: { net: grant }
      }
    )
    assert.equal(await guest.call('has'), [])
  })

  test(`${way}: a guest that ends lets go of what it had open`, async () => {
    let closed = false
    paths.set('/waits', (_request, response) => {
      closed = false
      response.on('close', () => (closed = true))
      response.write('first')
    })
    const guest = await guestWith(grant, `async hold(url) { globalThis.kept = await fetch(url) }`, how)
    await guest.call('script', 'hold', `${origin}/waits`)
    await guest.dispose()
    const until = performance.now() + 5000
    while (!closed && performance.now() < until) await new Promise(resolve => setTimeout(resolve, 5))
    assert.ok(closed, 'the connection is still open')
  })
}

// Where requests may go

test("headers and methods that are not the title's to choose are refused", async () => {
  paths.set('/', (_request, response) => response.end('ok'))
  // As a program that goes round the classes would: straight to the host, whatever Request would have refused.
  const { NetClient } = await import('../../sandbox/net/client.js')
  const client = new NetClient(grant)
  const wish = { url: `${origin}/`, method: 'GET', headers: [], body: null, redirect: 'follow' }
  let id = 0
  const before = seen.length
  for (const [change, words] of [
    [{ method: 'CONNECT' }, /method/],
    [{ method: 'trace' }, /method/],
    [{ method: 'GET / HTTP/1.1\r\nx: y\r\n\r\nGET' }, /method/],
    [{ method: '' }, /method/],
    [{ method: 7 }, /method/],
    [{ headers: [['host', 'other.test']] }, /not the title's/],
    [{ headers: [['HOST', 'other.test']] }, /not the title's/],
    [{ headers: [['cookie', 'a=b']] }, /not the title's/],
    [{ headers: [['content-length', '5']] }, /not the title's/],
    [{ headers: [['transfer-encoding', 'chunked']] }, /not the title's/],
    [{ headers: [['proxy-authorization', 'x']] }, /not the title's/],
    [{ headers: [['sec-fetch-site', 'x']] }, /not the title's/],
    [{ headers: [['expect', '100-continue']] }, /not the title's/],
    [{ headers: [['upgrade', 'websocket']] }, /not the title's/],
    [{ headers: [['x', 'a\r\nhost: evil']] }, /name or value/],
    [{ headers: [['x', 'a\nb']] }, /name or value/],
    [{ headers: [['x', 'a\0b']] }, /name or value/],
    [{ headers: [['x', '\u0100']] }, /name or value/],
    [{ headers: [['x y', 'a']] }, /name or value/],
    [{ headers: [['', 'a']] }, /name or value/],
    [{ headers: [['__proto__', 5]] }, /name or value/],
    [{ headers: [null] }, /name or value/],
    [{ headers: 'x' }, /headers/],
    [{ headers: Array(101).fill(['x', 'y']) }, /100 headers/],
    [{ headers: [['x', 'y'.repeat(40_000)]] }, /bytes of headers/],
    [{ body: 'text' }, /must be bytes/],
    [{ body: new Uint8Array(1) }, /has no body/],
    [{ method: 'POST', body: new Uint8Array(17 * 1024 * 1024) }, /more than/],
    [{ redirect: 'often' }, /redirect/],
    [{ url: 5 }, /must be text/]
  ] as const) {
    const error = await client.open(++id, { ...wish, ...change } as never).then(
      () => undefined,
      (error: Error) => error
    )
    assert.instance(error, TypeError, String(words))
    assert.match(error!.message, words)
  }
  for (const odd of [undefined, null, 5, 'x', []]) {
    const error = await client.open(++id, odd as never).then(
      () => undefined,
      (error: Error) => error
    )
    assert.instance(error, TypeError)
  }
  assert.is(seen.length, before)
  assert.is(
    (
      await client.open(++id, {
        ...wish,
        headers: [
          ['__proto__', 'x'],
          ['constructor', 'y']
        ]
      } as never)
    ).status,
    200
  )
  for (const odd of [id, -1, 1.5, NaN, 'x', undefined])
    assert.ok((await client.read(odd as never)) === null || odd === id)
  client.end()
  // Request leaves them out, as in a browser.
  const { status } = await attempt(`${origin}/`, {
    headers: { cookie: 'a=b', host: 'evil', 'x-own': 'kept' }
  })
  assert.is(status, 200)
  assert.equal([seen.at(-1)!.headers.cookie, seen.at(-1)!.headers['x-own']], [undefined, 'kept'])
})

// What may come back

test('what is received is bounded, compressed or not', async () => {
  const small = { ...grant, maxResponseBytes: 100_000 }
  const plain = Buffer.alloc(100_001, 'a')
  paths.set('/large', (_request, response) => response.end(plain))
  paths.set('/fits', (_request, response) => response.end(plain.subarray(1)))
  assert.match((await attempt(`${origin}/large`, {}, small)).message!, /more than 100000 bytes/)
  assert.is((await attempt(`${origin}/fits`, {}, small)).text!.length, 100_000)
  // Zeros, a thousand times smaller when packed.
  const bomb = gzipSync(Buffer.alloc(30_000_000))
  for (const [coding, bytes] of [
    ['gzip', bomb],
    ['br', brotliCompressSync(Buffer.alloc(30_000_000), { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
    ['deflate', deflateSync(Buffer.alloc(30_000_000))]
  ] as const) {
    paths.set('/bomb', (_request, response) =>
      response.writeHead(200, { 'content-encoding': coding }).end(bytes)
    )
    const { message } = await attempt(`${origin}/bomb`, {}, { ...grant, maxResponseBytes: 1_000_000 })
    assert.match(message!, /more than 1000000 bytes/, coding)
    paths.set('/decoded', (_request, response) =>
      response
        .writeHead(200, { 'content-encoding': coding })
        .end((coding === 'gzip' ? gzipSync : coding === 'br' ? brotliCompressSync : deflateSync)('héllo'))
    )
    assert.is((await attempt(`${origin}/decoded`)).text, 'héllo')
  }
  // A coding that goes on for ever and unfolds to nothing.
  const nothing = Buffer.concat([
    gzipSync('').subarray(0, 10),
    Buffer.alloc(1 << 16, Buffer.from([0, 0, 0, 0xff, 0xff]))
  ])
  paths.set('/nothing', (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' })
    const more = () => {
      for (let i = 0; i < 8 && !response.destroyed && response.write(nothing); i++);
    }
    response.on('drain', more)
    more()
  })
  const { name } = await attempt(`${origin}/nothing`, {}, { ...small, timeoutMs: 5000 })
  assert.is(name, 'TypeError')
  paths.set('/odd', (_request, response) =>
    response.writeHead(200, { 'content-encoding': 'zstd, br' }).end('x')
  )
  assert.match((await attempt(`${origin}/odd`)).message!, /not known/)
  paths.set('/broken', (_request, response) =>
    response.writeHead(200, { 'content-encoding': 'gzip' }).end('no gzip')
  )
  assert.match((await attempt(`${origin}/broken`)).message!, /cannot be decoded/)
  paths.set('/head', (_request, response) =>
    response.writeHead(200, { 'x-long': 'y'.repeat(40_000) }).end('x')
  )
  assert.match((await attempt(`${origin}/head`)).message!, /too long at its head/)
})

test('a server that takes its time is left', async () => {
  const quick = { ...grant, timeoutMs: 150 }
  paths.set('/silent', () => {})
  paths.set('/drips', (_request, response) => {
    const timer = setInterval(() => response.write('x'), 20)
    response.on('close', () => clearInterval(timer))
  })
  for (const path of ['/silent', '/drips']) {
    const { name, message, dom } = await attempt(`${origin}${path}`, {}, quick)
    assert.equal([name, dom], ['TimeoutError', true], path)
    assert.match(message!, /longer than 150 ms/)
  }
  const slowName = { ...quick, resolve: () => new Promise<string[]>(() => {}) }
  assert.is((await attempt(`${origin}/`, {}, slowName)).name, 'TimeoutError')
})

test('what speaks no HTTP, breaks off or is not there fails in words', async () => {
  const raw = async (answer: string) => {
    const tcp = createTcpServer(socket => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(answer))
    })
    const port = await listen(tcp)
    const result = await attempt(
      `http://api.test:${port}/`,
      {},
      { ...grant, allow: [`http://api.test:${port}`] }
    )
    tcp.close()
    return result
  }
  assert.match((await raw('SSH-2.0-OpenSSH\r\n')).message!, /not HTTP/)
  assert.match((await raw('')).message!, /connection failed/)
  assert.is((await raw('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort')).name, 'TypeError')
  assert.match(
    (await raw('HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n')).message!,
    /changes the protocol|connection failed/
  )
  assert.is(
    (await raw('HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n')).name,
    'TypeError'
  )
  const gone = createTcpServer()
  const port = await listen(gone)
  await new Promise(resolve => gone.close(resolve))
  const closed = await attempt(
    `http://api.test:${port}/`,
    {},
    { ...grant, allow: [`http://api.test:${port}`] }
  )
  assert.match(closed.message!, /refuses the connection/)
  assert.not.match(closed.message!, /127\.0\.0\.1/)
})

test('a guest that floods is held to its requests, and cannot reach those of another', async () => {
  let waiting = 0
  paths.set('/wait', (_request, response) => {
    waiting++
    response.write('x')
  })
  const few = { ...grant, maxRequests: 4 }
  await using guest = await guestWith(
    few,
    `async flood(url) {
      const all = await Promise.allSettled(Array.from({ length: 50 }, () => fetch(url)))
      return [all.filter(({ status }) => status === 'fulfilled').length, all.find(({ reason }) => reason)?.reason.message]
    }`
  )
  const [held, message] = (await guest.call('script', 'flood', `${origin}/wait`)) as [number, string]
  assert.is(held, 4)
  assert.match(message, /4 requests wait already/)
  assert.is(waiting, 4)
})

test('https holds a server to its certificate, whatever the environment says', async () => {
  const { key, cert } = await selfSigned()
  if (key === undefined) return console.log('skip: there is no openssl to make a certificate with')
  const secure = createSecureServer({ key, cert }, (_request, response) => response.end('secret'))
  const port = await listen(secure as never)
  const here = { ...grant, allow: [`api.test:${port}`, `wrong.test:${port}`] }
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  try {
    assert.match((await attempt(`https://api.test:${port}/`, {}, here)).message!, /certificate/)
    const trusted = { ...here, ca: cert! }
    assert.is((await attempt(`https://api.test:${port}/`, {}, trusted)).text, 'secret')
    assert.match((await attempt(`https://wrong.test:${port}/`, {}, trusted)).message!, /certificate/)
  } finally {
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    secure.closeAllConnections()
    secure.close()
  }
})

async function selfSigned(): Promise<{ key?: string; cert?: string }> {
  const { spawnSync } = await import('node:child_process')
  const made = spawnSync(
    'openssl',
    // prettier-ignore
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', '-', '-days', '2', '-subj', '/CN=api.test', '-addext', 'subjectAltName=DNS:api.test'],
    { encoding: 'utf8' }
  )
  if (made.status !== 0) return {}
  const [key] = /-----BEGIN PRIVATE KEY-----[^]*?-----END PRIVATE KEY-----/.exec(made.stdout) ?? []
  const [cert] = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/.exec(made.stdout) ?? []
  return key === undefined || cert === undefined ? {} : { key, cert }
}

test.run()
