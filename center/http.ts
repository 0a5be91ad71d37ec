/**
 * The center over HTTP.
 *
 *     GET  /v1/roots          who the center is: MessagePack { roots: [record, ...] }
 *     GET  /v1/revocations    newest revocation list, a record
 *     POST /v1/orders         request record in, answer record out
 *     POST /v1/releases       registration record in, release record out
 *     POST /v1/receipts        what was answered in, its receipt out
 *     GET  /healthz           "ok" while the database answers
 *
 * Bodies are `application/vnd.coffer`, failures `application/problem+json` (RFC 9457). No TLS here: every record is
 * signed and every key sealed, and a proxy in front can add it.
 */
import { createAdaptorServer } from '@hono/node-server'
import { Hono, type Context } from 'hono'
import { randomBytes } from 'node:crypto'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { concat } from '../formats/bytes.js'
import { CofferError, type ErrorCode } from '../formats/errors.js'
import { MAX_RECORD_BYTES } from '../formats/limits.js'
import type { LicenseCenter } from './center.js'

/** The media type insists that a browser asks before it sends a page's request: no other site's page can order. */
export const CONTENT_TYPE = 'application/vnd.coffer'

export interface ServeOptions {
  /** 0, the default: any free one. */
  readonly port?: number
  /** 127.0.0.1 by default: reached from this machine alone. */
  readonly host?: string
  /** How long a client may take to send a request. */
  readonly requestTimeoutMs?: number
  /** One line per request: method, path, status, milliseconds, request id. Never a body. */
  readonly log?: (line: string) => void
  /** A failure of our own, which the client is told nothing of. */
  readonly onFault?: (requestId: string, cause: unknown) => void
}

export interface Serving {
  readonly url: string
  /** Take no more requests, let the running ones finish, then stop. */
  close(): Promise<void>
}

const DEFAULT_REQUEST_TIMEOUT_MS = 20_000
/** Fewer than the files that a process may usually have open. */
const MAX_CONNECTIONS = 500
/** After this, what still runs is cut off: a request takes milliseconds, but a client may never read its answer. */
const SHUTDOWN_GRACE_MS = 5_000

/** @throws CofferError COFFER_USAGE for an address that cannot be listened on, COFFER_BUSY for a port in use. */
export async function serve(center: LicenseCenter, options: ServeOptions = {}): Promise<Serving> {
  const requestTimeoutMs = options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS
  const server = createAdaptorServer({
    fetch: routes(center, options).fetch,
    serverOptions: {
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.ceil(requestTimeoutMs / 4),
      keepAliveTimeout: 5_000,
      maxHeaderSize: 8 * 1024
    }
  }) as Server
  server.maxConnections = MAX_CONNECTIONS
  const host = options.host ?? '127.0.0.1'
  const { address, family, port } = await listen(server, host, options.port ?? 0)
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    close: () => shutDown(server)
  }
}

interface Variables {
  requestId: string
}
type Call = Context<{ Variables: Variables }>

function routes(center: LicenseCenter, { log, onFault }: ServeOptions) {
  const app = new Hono<{ Variables: Variables }>()
  app.use(async (call, next) => {
    const requestId = randomBytes(8).toString('hex')
    call.set('requestId', requestId)
    const started = performance.now()
    await next()
    call.header('x-request-id', requestId)
    call.header('cache-control', 'no-store')
    call.header('x-content-type-options', 'nosniff')
    const took = Math.round(performance.now() - started)
    // The path as the client sent it, percent-encoded: it cannot break a line.
    log?.(`${call.req.method} ${new URL(call.req.url).pathname} ${call.res.status} ${took}ms ${requestId}`)
  })
  app.onError((error, call) => problem(call, error, onFault))

  app.get('/v1/roots', async call => record(call, await center.roots()))
  app.get('/v1/revocations', async call => record(call, await center.revocations()))
  app.post('/v1/orders', async call => record(call, await center.issue(await readRecord(call.req.raw))))
  app.post('/v1/releases', async call => record(call, await center.register(await readRecord(call.req.raw))))
  app.post('/v1/receipts', async call => record(call, await center.receipt(await readRecord(call.req.raw))))
  app.get('/healthz', async call => {
    await center.revocations()
    return call.text('ok\n')
  })
  app.notFound(call => problem(call, unknownRoute(call.req.method), onFault, 404))
  return app
}

const record = (call: Call, bytes: Uint8Array): Response =>
  call.body(bytes as Uint8Array<ArrayBuffer>, 200, { 'content-type': CONTENT_TYPE })

/** Counted while it is read: what a client says of the length decides nothing, except that it may say too much. */
async function readRecord(request: Request): Promise<Uint8Array> {
  const contentType = request.headers.get('content-type')
  if (contentType?.split(';')[0]!.trim().toLowerCase() !== CONTENT_TYPE) {
    throw new Refusal(415, 'COFFER_USAGE', 'The body has the wrong type.', {
      expected: CONTENT_TYPE,
      found: contentType === null ? 'no content type' : 'another content type',
      hint: `Send the record with the header "content-type: ${CONTENT_TYPE}".`
    })
  }
  if (Number(request.headers.get('content-length') ?? 0) > MAX_RECORD_BYTES) throw tooLarge()
  const parts: Uint8Array[] = []
  let length = 0
  try {
    for await (const part of request.body ?? []) {
      length += part.length
      if (length > MAX_RECORD_BYTES) throw tooLarge()
      parts.push(part)
    }
  } catch (cause) {
    if (cause instanceof CofferError) throw cause
    throw new CofferError('COFFER_RECORD_DAMAGED', 'The request ended before its body did.', {
      hint: 'Send it again.',
      cause
    })
  }
  return concat(...parts)
}

/** A CofferError whose HTTP status its code does not tell. */
class Refusal extends CofferError {
  readonly status: number
  constructor(status: number, ...error: ConstructorParameters<typeof CofferError>) {
    super(...error)
    this.status = status
  }
}

const tooLarge = () =>
  new Refusal(413, 'COFFER_RECORD_DAMAGED', 'The body is too large.', {
    expected: `at most ${MAX_RECORD_BYTES} bytes`,
    found: 'more',
    hint: 'Send one request or registration record.'
  })

const unknownRoute = (method: string) =>
  new CofferError('COFFER_USAGE', `There is nothing here to ${method === 'GET' ? 'get' : method}.`, {
    hint: 'The center answers GET /v1/roots, GET /v1/revocations, POST /v1/orders and POST /v1/releases.'
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
      title: TITLES[httpStatus] ?? 'Refused',
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
    { 'content-type': 'application/problem+json', ...(httpStatus === 413 && { connection: 'close' }) }
  )
}

const TITLES: Record<number, string> = {
  400: 'Not a valid record',
  403: 'Refused',
  404: 'No such thing',
  413: 'Too large',
  415: 'Wrong media type',
  500: 'Failure of the center',
  503: 'Center busy'
}

function statusOf(error: CofferError): number {
  if (error instanceof Refusal) return error.status
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

/** What went wrong inside is for the log; the client gets the number to quote. */
const FAILED = new CofferError('COFFER_CENTER_FAILED', 'The center failed.', {
  hint: 'Send the same request again later; it is charged once.'
})

function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const inUse = cause.code === 'EADDRINUSE'
      reject(
        new CofferError(
          inUse ? 'COFFER_BUSY' : 'COFFER_USAGE',
          `Cannot listen on ${host} port ${port}: ${cause.code}.`,
          {
            hint: inUse
              ? 'Choose another port with --port; 0 takes any free one.'
              : 'Choose another --host or --port.',
            cause
          }
        )
      )
    })
    server.listen(port, host, () => resolve(server.address() as AddressInfo))
  })
}

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
