/**
 * The host's side of `coffer:net`: requests that a guest describes, and that are made for it.
 *
 * Nothing the guest says is taken for granted. Each hop of a redirect is checked as the first request is: the URL
 * against the list of hosts, then each address that its name has, and to exactly those addresses the connection goes,
 * so that a name which answers differently a moment later leads nowhere else. No cookies, no credentials, no
 * connections and no proxies are shared with anything else in this process.
 */
import { lookup as systemLookup } from 'node:dns/promises'
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { type Readable, pipeline } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import type { NetConnection, NetGrant, NetRequest, NetResponse } from '../guest.js'
import { permittedAddresses } from './addresses.js'
import { type AllowList, parseAllowList } from './allow.js'

const MAX_URL_CHARS = 8192
const MAX_HEADERS = 100
const MAX_HEADER_BYTES = 32 * 1024
const MAX_REDIRECTS = 20
const MAX_ADDRESSES = 16
const CHUNK_BYTES = 64 * 1024

/** Bounds where the grant names none. */
const DEFAULTS = {
  maxRequestBytes: 16 * 1024 * 1024,
  maxResponseBytes: 64 * 1024 * 1024,
  maxRequests: 16,
  timeoutMs: 60_000
}

export class NetClient implements NetConnection {
  readonly #grant: NetGrant & typeof DEFAULTS
  readonly #allow: AllowList
  readonly #permitted: (address: string) => boolean
  readonly #exchanges = new Map<number, Exchange>()
  #ended = false

  /** @throws TypeError for a grant that does not say what it means. */
  constructor(grant: NetGrant) {
    this.#grant = { ...DEFAULTS, ...grant }
    this.#allow = parseAllowList(grant.allow)
    this.#permitted = permittedAddresses(grant.addresses ?? [])
  }

  async open(id: number, wish: NetRequest): Promise<NetResponse> {
    if (this.#ended || !Number.isInteger(id) || this.#exchanges.has(id)) throw new TypeError('Cannot fetch')
    if (this.#exchanges.size >= this.#grant.maxRequests) {
      throw new TypeError(`Cannot fetch: ${this.#grant.maxRequests} requests wait already`)
    }
    const exchange = new Exchange(this.#grant)
    this.#exchanges.set(id, exchange)
    try {
      const response = await this.#follow(exchange, checkRequest(wish, this.#grant.maxRequestBytes))
      if (!response.hasBody) this.close(id)
      return response
    } catch (error) {
      const failure = exchange.explain(error)
      this.close(id)
      throw failure
    }
  }

  async read(id: number): Promise<Uint8Array | null> {
    const exchange = this.#exchanges.get(id)
    if (exchange === undefined) return null
    try {
      const chunk = await exchange.read()
      if (chunk === null) this.close(id)
      return chunk
    } catch (error) {
      const failure = exchange.explain(error)
      this.close(id)
      throw failure
    }
  }

  close(id: number): void {
    this.#exchanges.get(id)?.end()
    this.#exchanges.delete(id)
  }

  end(): void {
    this.#ended = true
    for (const id of [...this.#exchanges.keys()]) this.close(id)
  }

  async #follow(exchange: Exchange, wish: CheckedRequest): Promise<NetResponse> {
    let { url, method, headers, body } = wish
    for (let hops = 0; ; hops++) {
      this.#allow.check(url)
      const addresses = await exchange.unlessEnded(this.#addressesOf(url))
      const message = await exchange.send(url, addresses, method, headers, body)
      const status = message.statusCode!
      const { location } = message.headers
      if (wish.redirect === 'manual' || !REDIRECTS.has(status) || location === undefined) {
        return exchange.answer(message, method, url, hops > 0)
      }
      message.destroy()
      if (wish.redirect === 'error') throw new TypeError(`Cannot fetch ${url.origin}: it redirects`)
      if (hops === MAX_REDIRECTS) throw new TypeError(`Cannot fetch ${wish.url.origin}: too many redirects`)
      const next = parseUrl(location, url)
      // Fetch, 4.4 HTTP-redirect fetch
      if (status === 303 ? !/^(?:GET|HEAD)$/.test(method) : status < 303 && method === 'POST') {
        method = 'GET'
        body = undefined
        headers = headers.filter(([name]) => !name.startsWith('content-'))
      }
      if (next.origin !== url.origin) headers = headers.filter(([name]) => name !== 'authorization')
      url = next
    }
  }

  /** Where the connection may go. @throws TypeError where it may go nowhere. */
  async #addressesOf({ hostname, origin }: URL): Promise<readonly string[]> {
    const literal = hostname.replace(/^\[|\]$/g, '')
    // Named in the grant as it stands there: no name has led to it.
    if (isIP(literal) !== 0) return [literal]
    const resolve = this.#grant.resolve ?? resolveBySystem
    const permitted = (await resolve(hostname)).slice(0, MAX_ADDRESSES).filter(this.#permitted)
    if (permitted.length > 0) return permitted
    throw new TypeError(`Cannot fetch ${origin}: its name leads to no address that may be reached`)
  }
}

const resolveBySystem = async (host: string): Promise<string[]> =>
  (await systemLookup(host, { all: true, verbatim: true })).map(({ address }) => address)

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const WITHOUT_BODY: ReadonlySet<number> = new Set([101, 103, 204, 205, 304])

/** One request of a guest's with its redirects and its answer, until it is read, given up or out of time. */
class Exchange {
  readonly #grant: NetGrant & typeof DEFAULTS
  readonly #ending = new AbortController()
  readonly #timer: ReturnType<typeof setTimeout>
  #timedOut = false
  #chunks: AsyncIterator<Buffer> | undefined
  #receivedBytes = 0
  #origin = ''

  constructor(grant: NetGrant & typeof DEFAULTS) {
    this.#grant = grant
    this.#timer = setTimeout(() => {
      this.#timedOut = true
      this.end()
    }, grant.timeoutMs)
  }

  send(
    url: URL,
    addresses: readonly string[],
    method: string,
    headers: readonly (readonly [string, string])[],
    body: Uint8Array | undefined
  ): Promise<IncomingMessage> {
    this.#origin = url.origin
    const secure = url.protocol === 'https:'
    const hostname = url.hostname.replace(/^\[|\]$/g, '')
    return new Promise((resolve, reject) => {
      const request: ClientRequest = (secure ? requestHttps : requestHttp)({
        hostname,
        port: url.port || (secure ? 443 : 80),
        path: `${url.pathname}${url.search}`,
        method,
        headers: headersFor(url, method, headers, body),
        lookup: pinnedTo(addresses),
        // A connection of its own: what one guest has sent on it, or was answered, is nobody else's.
        agent: false,
        signal: this.#ending.signal,
        maxHeaderSize: MAX_HEADER_BYTES,
        insecureHTTPParser: false,
        // Whatever this process's environment says.
        ...(secure ? { rejectUnauthorized: true, ca: this.#grant.ca } : {})
      })
      request.once('response', resolve).once('error', reject)
      request.once('upgrade', (_message, socket) => {
        socket.destroy()
        reject(new TypeError(`Cannot fetch ${this.#origin}: it changes the protocol`))
      })
      request.end(body)
    })
  }

  answer(message: IncomingMessage, method: string, url: URL, redirected: boolean): NetResponse {
    const status = message.statusCode!
    const hasBody = method !== 'HEAD' && !WITHOUT_BODY.has(status)
    if (hasBody) this.#chunks = this.#decoded(message)[Symbol.asyncIterator]()
    else message.destroy()
    const { rawHeaders } = message
    return {
      status,
      statusText: message.statusMessage ?? '',
      url: url.href.replace(/#.*$/, ''),
      redirected,
      headers: Array.from({ length: rawHeaders.length / 2 }, (_, i) => [
        rawHeaders[2 * i]!,
        rawHeaders[2 * i + 1]!
      ]),
      hasBody
    }
  }

  /** The next part of the body; null at its end. Nothing more is taken from the network until it is asked for. */
  async read(): Promise<Uint8Array | null> {
    if (this.#chunks === undefined) return null
    const { done, value } = await this.unlessEnded(this.#chunks.next())
    if (done === true) return null
    this.#receivedBytes += value.length
    if (this.#receivedBytes > this.#grant.maxResponseBytes) throw this.#tooLarge()
    return value
  }

  /** The body without its content coding. What a few bytes of it unfold to is bounded as it is read. */
  #decoded(message: IncomingMessage): Readable {
    const coding = message.headers['content-encoding']?.trim().toLowerCase()
    if (coding === undefined || coding === '' || coding === 'identity') return message
    const make = DECODERS.get(coding)
    if (make === undefined)
      throw new TypeError(`Cannot fetch ${this.#origin}: its coding "${coding}" is not known`)
    let codedBytes = 0
    const decoder = make()
    pipeline(message, decoder, () => {})
    // Codings can go on for ever and unfold to nothing.
    message.on('data', (chunk: Buffer) => {
      codedBytes += chunk.length
      if (codedBytes > this.#grant.maxResponseBytes) message.destroy(this.#tooLarge())
    })
    return decoder
  }

  #tooLarge = () =>
    new TypeError(
      `Cannot fetch ${this.#origin}: the answer has more than ${this.#grant.maxResponseBytes} bytes`
    )

  /** What takes its time, or the end of this exchange. */
  async unlessEnded<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#ending
    let onEnd: () => void
    const ended = new Promise<never>((_, reject) => {
      onEnd = () => reject(new Error('ended'))
      if (signal.aborted) onEnd()
      signal.addEventListener('abort', onEnd)
    })
    try {
      return await Promise.race([work, ended])
    } finally {
      signal.removeEventListener('abort', onEnd!)
    }
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#ending.abort()
    // Lets go of the streams, whose failure is nobody's news any more.
    this.#chunks?.return?.().catch(() => {})
  }

  /** What went wrong, in words that tell the guest nothing about this machine. */
  explain(error: unknown): Error {
    if (this.#timedOut)
      return named(
        'TimeoutError',
        `Cannot fetch ${this.#origin || 'it'}: it takes longer than ${this.#grant.timeoutMs} ms`
      )
    if (this.#ending.signal.aborted) return named('AbortError', 'The request was given up')
    if (error instanceof TypeError && (error as NodeJS.ErrnoException).code === undefined) return error
    const { code = '' } = error as NodeJS.ErrnoException
    return new TypeError(`Cannot fetch ${this.#origin || 'it'}: ${reasonOf(code)}`)
  }
}

const DECODERS: ReadonlyMap<string, () => Readable & NodeJS.WritableStream> = new Map([
  ['gzip', () => createGunzip({ chunkSize: CHUNK_BYTES })],
  ['x-gzip', () => createGunzip({ chunkSize: CHUNK_BYTES })],
  ['deflate', () => createInflate({ chunkSize: CHUNK_BYTES })],
  ['br', () => createBrotliDecompress({ chunkSize: CHUNK_BYTES })]
])

const named = (name: string, message: string): Error => Object.assign(new Error(message), { name })

function reasonOf(code: string): string {
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'its name does not resolve'
  if (code === 'ECONNREFUSED') return 'it refuses the connection'
  if (/CERT|SELF_SIGNED|ALTNAME|SSL|TLS|ISSUER/.test(code)) return 'its certificate does not hold'
  if (code.startsWith('HPE_')) return 'its answer is not HTTP, or too long at its head'
  if (/^Z_|^ERR_BROTLI|^ERR__?/.test(code)) return 'its answer cannot be decoded'
  return 'the connection failed'
}

/** Answers with the addresses that were checked, whatever the name would lead to now. */
function pinnedTo(addresses: readonly string[]): LookupFunction {
  const all = addresses.map(address => ({ address, family: isIP(address) }))
  return (_host, options, callback) => {
    if (options.all === true) callback(null, all)
    else callback(null, all[0]!.address, all[0]!.family)
  }
}

function headersFor(
  url: URL,
  method: string,
  headers: readonly (readonly [string, string])[],
  body: Uint8Array | undefined
): Record<string, string | string[]> {
  const all: Record<string, string | string[]> = {
    host: url.host,
    accept: '*/*',
    'accept-encoding': 'gzip, deflate, br',
    'user-agent': 'coffer',
    connection: 'close'
  }
  const own = new Map<string, string>()
  for (const [name, value] of headers) own.set(name, own.has(name) ? `${own.get(name)}, ${value}` : value)
  for (const [name, value] of own) all[name] = value
  if (body !== undefined || method.startsWith('P')) all['content-length'] = String(body?.length ?? 0)
  return all
}

interface CheckedRequest {
  readonly url: URL
  readonly method: string
  /** Names in lower case. */
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Uint8Array | undefined
  readonly redirect: 'follow' | 'error' | 'manual'
}

const TOKEN = /^[!#$%&'*+.^`|~\w-]+$/
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
/** What the connection is made of, what others would read as coming from us, and what has no place in fetch. */
const FORBIDDEN =
  /^(?:accept-charset|accept-encoding|access-control-.*|connection|content-length|cookie2?|date|dnt|expect|host|keep-alive|origin|permissions-policy|proxy-.*|referer|sec-.*|set-cookie|te|trailer|transfer-encoding|upgrade|via)$/

/** What the guest asks for, or a refusal of it. @throws TypeError */
function checkRequest(wish: NetRequest, maxRequestBytes: number): CheckedRequest {
  const { url, method, headers, body, redirect } = (wish ?? {}) as Partial<Record<keyof NetRequest, unknown>>
  if (typeof url !== 'string') throw new TypeError('Cannot fetch: the URL must be text')
  if (typeof method !== 'string' || !TOKEN.test(method) || /^(?:CONNECT|TRACE|TRACK)$/i.test(method))
    throw new TypeError('Cannot fetch: this method is not allowed')
  if (redirect !== 'follow' && redirect !== 'error' && redirect !== 'manual')
    throw new TypeError('Cannot fetch: redirect must be follow, error or manual')
  if (body !== null && !(body instanceof Uint8Array))
    throw new TypeError('Cannot fetch: the body must be bytes')
  if (body !== null && /^(?:GET|HEAD)$/i.test(method))
    throw new TypeError(`Cannot fetch: ${method} has no body`)
  if (body !== null && body.length > maxRequestBytes)
    throw new TypeError(`Cannot fetch: the body has more than ${maxRequestBytes} bytes`)
  return { url: parseUrl(url), method, headers: checkHeaders(headers), body: body ?? undefined, redirect }
}

function parseUrl(text: string, base?: URL): URL {
  const url = text.length <= MAX_URL_CHARS && URL.canParse(text, base?.href) ? new URL(text, base) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new TypeError('Cannot fetch: only URLs of http and https can be fetched')
  if (url.username !== '' || url.password !== '')
    throw new TypeError(`Cannot fetch ${url.origin}: a URL must hold no credentials`)
  return url
}

function checkHeaders(headers: unknown): [string, string][] {
  if (!Array.isArray(headers) || headers.length > MAX_HEADERS)
    throw new TypeError(`Cannot fetch: more than ${MAX_HEADERS} headers`)
  let bytes = 0
  return headers.map((header: unknown) => {
    const [name, value] = Array.isArray(header) ? (header as unknown[]) : []
    if (
      typeof name !== 'string' ||
      !TOKEN.test(name) ||
      typeof value !== 'string' ||
      !FIELD_VALUE.test(value)
    )
      throw new TypeError('Cannot fetch: a header has a name or value that is not allowed')
    const lower = name.toLowerCase()
    if (FORBIDDEN.test(lower))
      throw new TypeError(`Cannot fetch: the header "${lower}" is not the title's to set`)
    bytes += name.length + value.length
    if (bytes > MAX_HEADER_BYTES)
      throw new TypeError(`Cannot fetch: more than ${MAX_HEADER_BYTES} bytes of headers`)
    return [lower, value]
  })
}
