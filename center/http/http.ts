/**
 * The center over HTTP: the endpoints of center/http/interface.ts, and beside them
 *
 *     POST /v1/desk/<act>     what an admin or publisher asks by a signed request (center/http/acts.ts)
 *     GET  /v1/openapi.json   the same for programs
 *     GET  /healthz           "ok" while this process serves
 *     GET  /readyz            "ok" while the database answers too, also to a writer, and the vault has the key in use
 *
 * Bodies are `application/vnd.coffer`, failures `application/problem+json` (RFC 9457). TLS is for privacy alone: every
 * record is signed and every key sealed.
 */
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { randomBytes } from 'node:crypto'
import type { Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { CofferError, type ErrorCode } from '../../formats/errors.js'
import { MAX_RECORD_BYTES } from '../../formats/limits.js'
import { ACTS } from './acts.js'
import type { LicenseCenter } from '../center.js'
import { actPath, CONTENT_TYPE, ENDPOINTS, JSON_TYPE, openApi, PROBLEM_TYPE, titleOf } from './interface.js'
import { RateLimit, senderOf, TooMany, type Rate } from './limits.js'
import { COVERED, TAG } from './message-signature.js'
import { buyerPages } from '../pages/buyer.js'
import { STYLE } from '../pages/frame.js'
import { sellerPages } from '../pages/seller.js'
import type { PaymentProvider } from '../payment.js'
import { listen, readBody, Refusal, type App, type Call } from './wire.js'

export { CONTENT_TYPE } from './interface.js'

export interface ServeOptions {
  /** 0, the default: any free one. */
  readonly port?: number
  /** 127.0.0.1 by default: reached from this machine alone. */
  readonly host?: string
  /** PEM. Without it: plain HTTP, for a proxy in front. */
  readonly tls?: TlsFiles | undefined
  /** A proxy in front says in `x-forwarded-for` who asks. */
  readonly behindProxy?: boolean
  /** Requests from one address; null: as many as come. */
  readonly addressRate?: Rate | null
  /** Signed records of one user or publisher; null: as many as come. */
  readonly signerRate?: Rate | null
  /** Who takes money; undefined: the seller, by invoice. */
  readonly payment?: PaymentProvider | undefined
  /** How long a client may take to send a request. */
  readonly requestTimeoutMs?: number
  /** Told of each request when it is answered. */
  readonly onRequest?: (served: Served) => void
  /** A failure of our own, which the client is told nothing of. */
  readonly onFault?: (requestId: string, cause: unknown) => void
}

export interface TlsFiles {
  readonly cert: string | Buffer
  readonly key: string | Buffer
}

/** What may be said of a request: never a body, a header or who asked. */
export interface Served {
  readonly method: string
  /** The endpoint that it was for; `other` for what is not there. */
  readonly route: string
  /** What is not there, as the client sent it, percent-encoded, without a query. The route otherwise: no link to log in. */
  readonly path: string
  readonly status: number
  readonly ms: number
  readonly requestId: string
}

export interface Serving {
  readonly url: string
  /** Take up a renewed certificate. Connections that are open keep the old one. */
  renewTls(tls: TlsFiles): void
  /** Take no more requests, let the running ones finish, then stop. */
  close(): Promise<void>
}

const DEFAULT_REQUEST_TIMEOUT_MS = 20_000
/** Fewer than the files that a process may usually have open. */
const MAX_CONNECTIONS = 500
const MAX_HEADERS = 64
/** A household that installs on many media stays below; who asks more often waits. */
const ADDRESS_RATE: Rate = { burst: 240, perSecond: 20 }
const SIGNER_RATE: Rate = { burst: 60, perSecond: 2 }
/** A client that sends nothing and reads nothing for so long is gone. */
const IDLE_LIMIT_MS = 60_000
/** After this, what still runs is cut off: a request takes milliseconds, but a client may never read its answer. */
const SHUTDOWN_GRACE_MS = 5_000

/** @throws CofferError COFFER_USAGE for an address that cannot be listened on, COFFER_BUSY for a port in use. */
export async function serve(center: LicenseCenter, options: ServeOptions = {}): Promise<Serving> {
  const requestTimeoutMs = options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS
  const { tls } = options
  const server = createAdaptorServer({
    fetch: routes(center, options).fetch,
    ...(tls !== undefined && { createServer: createTlsServer }),
    serverOptions: {
      ...(tls !== undefined && { ...tls, ...TLS }),
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.ceil(requestTimeoutMs / 4),
      keepAliveTimeout: 5_000,
      maxHeaderSize: 8 * 1024
    }
  }) as Server
  server.maxConnections = MAX_CONNECTIONS
  server.maxHeadersCount = MAX_HEADERS
  server.timeout = IDLE_LIMIT_MS
  const host = options.host ?? '127.0.0.1'
  const { address, family, port } = await listen(server, host, options.port ?? 0)
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    renewTls: renewed => (server as unknown as TlsServer).setSecureContext({ ...renewed, ...TLS }),
    close: () => shutDown(server)
  }
}

const TLS = { minVersion: 'TLSv1.2' } as const

function routes(center: LicenseCenter, options: ServeOptions): App {
  const { onRequest, onFault } = options
  const nowMs = () => performance.now()
  const limit = (rate: Rate | null | undefined, otherwise: Rate) =>
    rate === null ? undefined : new RateLimit(rate ?? otherwise, nowMs)
  const addresses = limit(options.addressRate, ADDRESS_RATE)
  const signers = limit(options.signerRate, SIGNER_RATE)
  const admit = (signer: string) => signers?.take(signer)

  const app: App = new Hono()
  app.use(async (call, next) => {
    const requestId = randomBytes(8).toString('hex')
    call.set('requestId', requestId)
    call.set('route', 'other')
    const started = performance.now()
    await next()
    call.header('x-request-id', requestId)
    if (!call.res.headers.has('cache-control')) call.header('cache-control', 'no-store')
    call.header('x-content-type-options', 'nosniff')
    const route = call.get('route')
    onRequest?.({
      method: call.req.method,
      route,
      path: route === 'other' ? pathOf(call.req.url) : route,
      status: call.res.status,
      ms: Math.round(performance.now() - started),
      requestId
    })
  })
  app.onError((error, call) => problem(call, error, onFault))

  const served = (call: Call, route: string) => {
    call.set('route', route)
    addresses?.take(senderOf(addressOf(call, options.behindProxy ?? false)))
  }
  for (const { method, path, takes, header, answer } of ENDPOINTS) {
    app.on(method, path, async call => {
      served(call, path)
      const body = takes === undefined ? new Uint8Array(0) : await readRecord(call.req.raw)
      return record(call, await answer(center, body, admit, header && call.req.header(header.name)))
    })
  }
  for (const name of Object.keys(ACTS)) {
    const path = actPath(name)
    app.post(path, async call => {
      served(call, path)
      const body = await readTyped(call.req.raw, JSON_TYPE)
      if (new URL(call.req.url).search !== '') throw noQuery()
      const valueOf = (component: string) =>
        component === '@method' ? 'POST' : component === '@path' ? path : call.req.header(component)
      return call.json((await center.act(name, { valueOf, body, admit })) as object)
    })
  }
  app.get('/v1/openapi.json', call => {
    served(call, '/v1/openapi.json')
    return call.json(openApi(center.name))
  })
  app.get('/healthz', call => {
    call.set('route', '/healthz')
    return call.text('ok\n')
  })
  app.get('/readyz', async call => {
    call.set('route', '/readyz')
    await center.ready()
    return call.text('ok\n')
  })
  if (options.payment !== undefined) webhook(app, center, options.payment)
  app.get('/style.css', call => {
    served(call, '/style.css')
    return call.body(STYLE, 200, {
      'content-type': 'text/css; charset=utf-8',
      'cache-control': 'max-age=3600'
    })
  })
  for (const path of PAGES) {
    app.use(path, async (call, next) => {
      served(call, 'pages')
      await next()
    })
  }
  const secure = options.tls !== undefined || (options.behindProxy ?? false)
  const web = { app, center: center.name, sessions: center.sessions, payment: options.payment, secure, admit }
  buyerPages(web, center)
  sellerPages(web, center)
  app.notFound(call => {
    served(call, 'other')
    return problem(call, unknownRoute(call.req.method), onFault, 404)
  })
  return app
}

/** Where the pages are: all of them count against the rate of an address. */
const PAGES = ['/', '/order', '/mine/*', '/login/*', '/seller/*']

/** What a payment provider tells, signed by it. Whatever is not of interest is taken, so that it is not sent again. */
function webhook(app: App, center: LicenseCenter, provider: PaymentProvider): void {
  const path = `/payments/${provider.name}`
  app.post(path, async call => {
    call.set('route', path)
    const body = await readBody(call.req.raw, MAX_RECORD_BYTES)
    const signature = call.req.header(`${provider.name}-signature`) ?? ''
    for (const paid of await provider.told(body, signature)) await center.keepPayment(provider.name, paid)
    return call.text('ok\n')
  })
}

/** Percent-encoded, so that it cannot break a line; short enough for a log, and no link that logs in. */
const pathOf = (url: string): string =>
  new URL(url).pathname.replace(/^\/login\/.+/, '/login/...').slice(0, 200)

function addressOf(call: Call, behindProxy: boolean): string | undefined {
  const { remoteAddress } = call.env.incoming.socket
  if (!behindProxy) return remoteAddress
  // The proxy's own word is the last; what stands before it the client may have written.
  return call.req.header('x-forwarded-for')?.split(',').at(-1)?.trim() || remoteAddress
}

const record = (call: Call, bytes: Uint8Array): Response =>
  call.body(bytes as Uint8Array<ArrayBuffer>, 200, { 'content-type': CONTENT_TYPE })

const readRecord = (request: Request) => readTyped(request, CONTENT_TYPE)

async function readTyped(request: Request, type: string): Promise<Uint8Array> {
  const contentType = request.headers.get('content-type')
  if (contentType?.split(';')[0]!.trim().toLowerCase() !== type) {
    throw new Refusal(415, 'COFFER_USAGE', 'The body has the wrong type.', {
      expected: type,
      found: contentType === null ? 'no content type' : 'another content type',
      hint: `Send it with the header "content-type: ${type}".`
    })
  }
  return readBody(request, MAX_RECORD_BYTES)
}

/** A signature covers the path and not a query: what is asked for stands in the body. */
const noQuery = () =>
  new CofferError('COFFER_USAGE', 'Nothing is asked by a query here.', {
    expected: 'an address without "?"',
    hint: 'Send what is asked for as the body.'
  })

const unknownRoute = (method: string) =>
  new CofferError('COFFER_USAGE', `There is nothing here to ${method === 'GET' ? 'get' : 'send'}.`, {
    hint: 'GET /v1/openapi.json tells what the center answers.'
  })

/** Worth another try with the same record: the first may even have succeeded, and the answer is then the same. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set(['COFFER_BUSY', 'COFFER_CENTER_FAILED'])

function problem(call: Call, cause: unknown, onFault: ServeOptions['onFault'], status?: number): Response {
  const requestId = call.get('requestId')
  const httpStatus = status ?? (cause instanceof CofferError ? statusOf(cause) : 500)
  if (httpStatus >= 500) onFault?.(requestId, cause)
  const error = cause instanceof CofferError && httpStatus !== 500 ? cause : FAILED
  const { code, message, hint, expected, found } = error
  return call.body(
    JSON.stringify({
      type: 'about:blank',
      title: titleOf(httpStatus),
      status: httpStatus,
      code,
      detail: message,
      hint,
      expected,
      found,
      retryable: RETRYABLE.has(code),
      requestId
    }),
    httpStatus as 400,
    {
      'content-type': PROBLEM_TYPE,
      ...(httpStatus === 413 && { connection: 'close' }),
      ...(httpStatus === 401 && { 'accept-signature': ACCEPT_SIGNATURE }),
      ...(error instanceof TooMany && { 'retry-after': String(error.retryAfterSeconds) })
    }
  )
}

function statusOf(error: CofferError): number {
  if (error instanceof Refusal) return error.status
  if (error instanceof TooMany) return 429
  if (error.code === 'COFFER_TITLE_UNKNOWN') return 404
  switch (error.exitCode) {
    case 64:
    case 65:
      return 400
    case 66:
      return 404
    case 75:
      return 503
    case 77:
      return 403
    default:
      return 500
  }
}

/** RFC 9421 §5.1: what a client must sign to be let in. */
const ACCEPT_SIGNATURE = `sig1=(${COVERED.map(name => `"${name}"`).join(' ')});created;nonce;keyid;tag="${TAG}"`

/** What went wrong inside is for the log; the client gets the number to quote. */
const FAILED = new CofferError('COFFER_CENTER_FAILED', 'The center failed.', {
  hint: 'Send the same request again later; it is charged once.'
})

function shutDown(server: Server): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(() => server.closeAllConnections(), SHUTDOWN_GRACE_MS)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}
