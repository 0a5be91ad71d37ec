/**
 * `coffer:net`, the guest's half: fetch and its classes, over three functions of the host. Bundled by itself, to
 * `guest-net.js`, and evaluated only in a guest that was granted the network, before its program begins.
 */
import { named, tag } from '../globals.js'
import { Blob } from './blob.js'
import { Body, type BodyInit, extract } from './body.js'
import { type Guard, Headers, type HeadersInit, guarded } from './headers.js'
import { type Controller, ReadableStream } from './stream.js'

/** What the host does; see NetHost in sandbox/guest.ts. */
interface Host {
  open(id: number, request: object): Promise<Head>
  read(id: number): Promise<Uint8Array | null>
  close(id: number): Promise<void>
}

interface Head {
  readonly status: number
  readonly statusText: string
  readonly url: string
  readonly redirected: boolean
  readonly headers: readonly (readonly [string, string])[]
  readonly hasBody: boolean
}

interface RequestInit {
  method?: string
  headers?: HeadersInit
  body?: BodyInit | null
  redirect?: 'follow' | 'error' | 'manual'
  signal?: AbortSignal | null
}

const METHODS = /^(?:delete|get|head|options|post|put)$/i

class Request extends Body {
  readonly url: string
  readonly method: string
  readonly headers: Headers
  readonly redirect: 'follow' | 'error' | 'manual'
  readonly signal: AbortSignal

  constructor(input: Request | URL | string, init: RequestInit = {}) {
    const from = input instanceof Request ? input : undefined
    const method = `${init.method ?? from?.method ?? 'GET'}`
    const headers = guarded(init.headers ?? from?.headers, 'request')
    let stream: ReadableStream<Uint8Array> | null = null
    if (init.body !== undefined && init.body !== null) {
      if (/^(?:GET|HEAD)$/i.test(method))
        throw new TypeError(`A request with the method ${method} has no body`)
      const extracted = extract(init.body)
      stream = extracted.stream
      if (extracted.type !== null && !headers.has('content-type'))
        headers.append('content-type', extracted.type)
    } else if (from !== undefined && init.body === undefined && from.body !== null) {
      if (from.bodyUsed || from.body.locked) throw new TypeError('The body is used already')
      stream = from.body
    }
    super(stream)
    this.url = from === undefined ? new URL(`${input as string}`).href : from.url
    this.method = METHODS.test(method) ? method.toUpperCase() : method
    this.headers = headers
    this.redirect = init.redirect ?? from?.redirect ?? 'follow'
    this.signal = init.signal ?? from?.signal ?? new AbortController().signal
  }

  clone(): Request {
    const { url, method, headers, redirect, signal } = this
    return new Request(url, { method, headers, redirect, signal, body: this.fork() })
  }

  protected override contentType(): string | null {
    return this.headers.get('content-type')
  }
}
tag(Request, 'Request')

interface ResponseInit {
  status?: number
  statusText?: string
  headers?: HeadersInit
}

/** How `fetch` and `clone` make one that no program could. */
interface Made {
  readonly url?: string
  readonly redirected?: boolean
  readonly type?: 'default' | 'basic' | 'error'
  readonly guard?: Guard
}
let made: Made | undefined
const make = (how: Made, body: BodyInit | null, init: ResponseInit): Response => {
  made = how
  try {
    return new Response(body, init)
  } finally {
    made = undefined
  }
}

class Response extends Body {
  readonly status: number
  readonly statusText: string
  readonly headers: Headers
  readonly url: string
  readonly redirected: boolean
  readonly type: 'default' | 'basic' | 'error'

  constructor(body: BodyInit | null = null, init: ResponseInit = {}) {
    const how = made ?? {}
    made = undefined
    const { status = 200, statusText = '' } = init
    const first = how.type === undefined ? 200 : 0
    if (!(status >= first && status <= 599)) throw new RangeError('The status of a response is 200 to 599')
    const headers = guarded(init.headers, 'none')
    const extracted = body === null ? undefined : extract(body)
    if (extracted !== undefined && [101, 103, 204, 205, 304].includes(status))
      throw new TypeError(`A response with the status ${status} has no body`)
    if (extracted !== undefined && extracted.type !== null && !headers.has('content-type'))
      headers.append('content-type', extracted.type)
    super(extracted?.stream ?? null)
    this.status = status
    this.statusText = `${statusText}`
    this.headers = how.guard === undefined ? headers : guarded(headers, how.guard)
    this.url = how.url ?? ''
    this.redirected = how.redirected ?? false
    this.type = how.type ?? 'default'
  }

  static json(data: unknown, init: ResponseInit = {}): Response {
    const headers = new Headers(init.headers)
    if (!headers.has('content-type')) headers.set('content-type', 'application/json')
    return new Response(JSON.stringify(data), { ...init, headers })
  }

  static error(): Response {
    return make({ type: 'error', guard: 'immutable' }, null, { status: 0 })
  }

  static redirect(url: URL | string, status = 302): Response {
    if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError('This status is no redirect')
    return make({ type: 'default', guard: 'immutable' }, null, {
      status,
      headers: { location: new URL(`${url as string}`).href }
    })
  }

  get ok(): boolean {
    return this.status >= 200 && this.status <= 299
  }

  clone(): Response {
    const { status, statusText, headers, url, redirected, type } = this
    return make({ url, redirected, type }, this.fork(), { status, statusText, headers })
  }

  protected override contentType(): string | null {
    return this.headers.get('content-type')
  }
}
tag(Response, 'Response')

/** A failure of the host's that the web has a DOMException for. */
function translate(error: unknown): unknown {
  const { name, message } = error as Error
  return name === 'AbortError' || name === 'TimeoutError' ? new DOMException(message, name) : error
}

const install = (host: Host): Record<string, unknown> => {
  let lastId = 0

  const fetch = async (input: Request | URL | string, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init)
    const { signal, url, method, redirect } = request
    signal.throwIfAborted()
    const body = request.body === null ? null : await request.bytes()
    signal.throwIfAborted()
    const id = ++lastId
    let controller: Controller<Uint8Array> | undefined
    let abort!: () => void
    const aborted = new Promise<never>((_, reject) => {
      abort = () => {
        reject(signal.reason)
        controller?.error(signal.reason)
        void host.close(id)
      }
    })
    aborted.catch(() => {})
    signal.addEventListener('abort', abort, { once: true })
    const finished = () => signal.removeEventListener('abort', abort)
    try {
      const head = await Promise.race([
        host.open(id, { url, method, headers: [...request.headers], body, redirect }),
        aborted
      ])
      const stream = new ReadableStream<Uint8Array>(
        {
          start: it => void (controller = it),
          async pull(it) {
            try {
              const chunk = await host.read(id)
              if (signal.aborted) return
              if (chunk !== null) return it.enqueue(chunk)
              finished()
              it.close()
            } catch (error) {
              if (signal.aborted) return
              finished()
              throw translate(error)
            }
          },
          cancel() {
            finished()
            return host.close(id)
          }
        },
        { highWaterMark: 0 }
      )
      if (!head.hasBody) finished()
      return make(
        { url: head.url, redirected: head.redirected, type: 'basic', guard: 'immutable' },
        head.hasBody ? stream : null,
        { status: head.status, statusText: head.statusText, headers: head.headers as [string, string][] }
      )
    } catch (error) {
      finished()
      throw signal.aborted ? signal.reason : translate(error)
    }
  }

  const exports: Record<string, unknown> = { fetch, Headers, Request, Response, Blob, ReadableStream }
  for (const name of Object.keys(exports)) named(exports[name], name)
  return exports
}

export default install
