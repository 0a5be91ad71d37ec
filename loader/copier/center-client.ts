/**
 * The buyer's side of the wire to a license center (docs/spec.md §8.2). Records go out and come in as they are; what
 * comes in is bounded while it is read, and every refusal arrives as the center's own CofferError.
 */
import { concat, utf8Decode } from '../../formats/bytes.js'
import { CofferError, ERROR_CODES, type ErrorCode } from '../../formats/errors.js'
import {
  MAX_ANSWER_BYTES,
  MAX_ENDED_BYTES,
  MAX_RECORD_BYTES,
  MAX_RELEASE_BYTES,
  MAX_REVOCATIONS_BYTES
} from '../../formats/limits.js'
import type { Amount } from '../../formats/money.js'
import { decodeRoots } from '../../formats/records/root.js'
import { tameReply } from '../../formats/wording.js'
import { refuseInterrupted } from '../steps.js'

/** So long a center may say nothing, before its answer and within. */
const SILENCE_MS = 30_000
/** As slowly as an answer may come, should it be as large as it can be. */
const SLOWEST_BYTES_PER_SECOND = 32 * 1024
/** So long a center that has too much to do is asked again, all its waits together. */
const PATIENCE_MS = 120_000
/** Between two tries where it does not say how long. */
const WAIT_SECONDS = 2
const MAX_PROBLEM_BYTES = 16 * 1024
const RECORD_TYPE = 'application/vnd.coffer'
const AT_MOST = 'coffer-at-most'

export interface ClientOptions {
  /** Told before each wait for a center that cannot answer now, with why, in its own words if it has any. */
  readonly onWait?: (seconds: number, reason: string) => void
  /** How long to wait in all. Default: two minutes. */
  readonly patienceMs?: number
  /** How long it may say nothing. Default: half a minute. */
  readonly silenceMs?: number
  /** How slowly the largest answer may come. Default: 32 KiB a second. */
  readonly slowestBytesPerSecond?: number
  /** Ends all that it asks: COFFER_INTERRUPTED. */
  readonly signal?: AbortSignal | undefined
}

export class CenterClient {
  readonly url: string
  readonly #onWait: (seconds: number, reason: string) => void
  readonly #patienceMs: number
  readonly #silenceMs: number
  readonly #slowestBytesPerSecond: number
  readonly #signal: AbortSignal | undefined

  /** @throws CofferError COFFER_USAGE for anything but an http or https URL. */
  constructor(url: string, options: ClientOptions = {}) {
    this.url = normalizedUrl(url)
    this.#onWait = options.onWait ?? (() => {})
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS
    this.#silenceMs = options.silenceMs ?? SILENCE_MS
    this.#slowestBytesPerSecond = options.slowestBytesPerSecond ?? SLOWEST_BYTES_PER_SECOND
    this.#signal = options.signal
  }

  /**
   * The center's root records, first to newest. Pinning them is the person's decision.
   *
   * @param patienceMs - How long to go on asking where nothing listens yet: a center may just be starting.
   */
  async roots(patienceMs = 0): Promise<readonly Uint8Array[]> {
    const deadline = performance.now() + patienceMs
    for (;;) {
      try {
        return decodeRoots(await this.#exchange('GET', '/v1/roots', undefined, MAX_ANSWER_BYTES))
      } catch (error) {
        const starting =
          error instanceof CofferError && error.found === 'ECONNREFUSED' && performance.now() < deadline
        if (!starting) throw error
        await new Promise(resolve => setTimeout(resolve, 100))
      }
    }
  }

  /**
   * @param request - An encoded request.
   * @param atMost - What was agreed to: the center charges no more, or refuses (COFFER_PRICE_REFUSED). Default: what it costs.
   * @returns The answer's bytes, not yet verified.
   */
  order(request: Uint8Array, atMost?: Amount): Promise<Uint8Array> {
    const headers = atMost && { [AT_MOST]: `${atMost.minor} ${atMost.currency}` }
    return this.#exchange('POST', '/v1/orders', request, MAX_ANSWER_BYTES, headers)
  }

  /** @param request - An encoded request. @returns The bytes of a quote for it, not yet verified. */
  quote(request: Uint8Array): Promise<Uint8Array> {
    return this.#exchange('POST', '/v1/quotes', request, MAX_RECORD_BYTES)
  }

  /** @param given - An encoded return. @returns The answer's bytes, not yet verified. */
  giveBack(given: Uint8Array): Promise<Uint8Array> {
    return this.#exchange('POST', '/v1/orders', given, MAX_ANSWER_BYTES)
  }

  /**
   * @param question - An encoded transfer question.
   * @returns false for a center that knows no such question.
   * @throws CofferError what the transfer would be refused for.
   */
  async mayTransfer(question: Uint8Array): Promise<boolean> {
    try {
      await this.#exchange('POST', '/v1/transfers', question, MAX_RECORD_BYTES)
      return true
    } catch (error) {
      if (error instanceof NothingThere) return false
      throw error
    }
  }

  /** @returns The bytes of the newest revocation list, not yet verified. */
  revocations(): Promise<Uint8Array> {
    return this.#exchange('GET', '/v1/revocations', undefined, MAX_REVOCATIONS_BYTES)
  }

  /** @returns Copies that have ended and that the list does not name, as the center keeps them; not yet verified. */
  ended(): Promise<Uint8Array> {
    return this.#exchange('GET', '/v1/revocations/ended', undefined, MAX_ENDED_BYTES)
  }

  /** @param registration - An encoded registration. @returns The release record's bytes, not yet verified. */
  register(registration: Uint8Array): Promise<Uint8Array> {
    return this.#exchange('POST', '/v1/releases', registration, MAX_RELEASE_BYTES)
  }

  /** The same bytes again where the center asks for it (429, 503): what is signed is answered, and charged, once. */
  async #exchange(
    method: string,
    path: string,
    body: Uint8Array | undefined,
    maxBytes: number,
    headers: Headers = {}
  ): Promise<Uint8Array> {
    const deadline = performance.now() + this.#patienceMs
    for (;;) {
      const reply = await this.#send({ method, path, body, headers }, maxBytes)
      if (isSuccess(reply.status)) return reply.bytes
      const seconds = isBusy(reply.status) ? (reply.retryAfterSeconds ?? WAIT_SECONDS) : undefined
      const refusal = problem(reply.status, reply.bytes, this.url)
      if (seconds === undefined || performance.now() + seconds * 1000 > deadline) throw refusal
      this.#onWait(seconds, refusal.message)
      await this.#wait(seconds)
    }
  }

  async #wait(seconds: number): Promise<void> {
    const { setTimeout } = process.getBuiltinModule('node:timers/promises')
    await setTimeout(seconds * 1000, undefined, this.#signal && { signal: this.#signal }).catch(() => {})
    refuseInterrupted(this.#signal)
  }

  async #send(asked: Asked, maxBytes: number): Promise<Reply> {
    using timeout = new Timeout(
      this.#silenceMs,
      this.#silenceMs + (maxBytes / this.#slowestBytesPerSecond) * 1000
    )
    const signal =
      this.#signal === undefined ? timeout.signal : AbortSignal.any([timeout.signal, this.#signal])
    try {
      return await exchange(new URL(this.url + asked.path), asked, maxBytes, signal, () => timeout.heard())
    } catch (error) {
      refuseInterrupted(this.#signal)
      if (error instanceof CofferError) throw error
      throw new CofferError(
        'COFFER_CENTER_UNREACHABLE',
        `The license center at ${this.url} does not answer.`,
        {
          expected: `an answer from ${this.url}`,
          found: timeout.found ?? reason(error),
          hint: speaksNoTls(error)
            ? `It does not speak TLS there: try ${this.url.replace(/^https/, 'http')} if that is meant.`
            : 'Check the address and your network and repeat the command: an order that did arrive is not charged twice.',
          cause: error
        }
      )
    }
  }
}

/** Ends an exchange in which nothing comes for a while, or that takes too long in all. */
class Timeout implements Disposable {
  readonly #controller = new AbortController()
  readonly #silent: NodeJS.Timeout
  readonly #whole: NodeJS.Timeout
  #found: string | undefined

  constructor(silenceMs: number, wholeMs: number) {
    this.#silent = setTimeout(() => this.#end(`nothing for ${silenceMs / 1000} s`), silenceMs)
    this.#whole = setTimeout(() => this.#end(`not all of it within ${Math.ceil(wholeMs / 1000)} s`), wholeMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** What ended it; undefined: nothing did. */
  get found(): string | undefined {
    return this.#found
  }

  heard(): void {
    this.#silent.refresh()
  }

  #end(found: string): void {
    this.#found = found
    this.#controller.abort()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#silent)
    clearTimeout(this.#whole)
  }
}

type Headers = Readonly<Record<string, string>>

interface Asked {
  readonly method: string
  readonly path: string
  readonly body: Uint8Array | undefined
  readonly headers: Headers
}

interface Reply {
  readonly status: number
  readonly bytes: Uint8Array
  /** What the center asks for: seconds, or a date, as from now; undefined: nothing. At least 1. */
  readonly retryAfterSeconds: number | undefined
}

const NOT_FOUND = 404
const isBusy = (status: number): boolean => status === 429 || status === 503

function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const seconds = /^\d{1,6}$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000
  return Number.isNaN(seconds) ? undefined : Math.max(1, Math.ceil(seconds))
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300

/**
 * By Node's older client, which follows no redirections: `fetch` takes 15 MiB of memory more, a third of a copy's.
 *
 * @param heard - Called whenever something comes.
 */
function exchange(
  url: URL,
  { method, body, headers }: Asked,
  maxBytes: number,
  signal: AbortSignal,
  heard: () => void
): Promise<Reply> {
  const { request } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http')
  return new Promise((resolve, reject) => {
    const options = {
      method,
      // A connection of its own for each request: pressing computes for seconds between two of them, the center
      // closes an idle one meanwhile, and a request sent into it would be lost.
      agent: false,
      headers: {
        connection: 'close',
        ...headers,
        ...(body && { 'content-type': RECORD_TYPE, 'content-length': body.length })
      },
      signal
    }
    const outgoing = request(url, options, response => {
      heard()
      const status = response.statusCode!
      const bound = isSuccess(status) ? maxBytes : MAX_PROBLEM_BYTES
      const retryAfterSeconds = retryAfter(response.headers['retry-after'])
      readBounded(response, bound, heard).then(bytes => resolve({ status, bytes, retryAfterSeconds }), reject)
    })
    outgoing.on('error', reject).end(body)
  })
}

function normalizedUrl(text: string): string {
  try {
    const url = new URL(text)
    if (url.protocol === 'http:' || url.protocol === 'https:')
      return (url.origin + url.pathname).replace(/\/+$/, '')
  } catch {
    // Said below, in the same words as for another scheme.
  }
  throw new CofferError('COFFER_USAGE', `"${text}" is not the URL of a license center.`, {
    expected: 'something like https://center.example',
    hint: 'Ask the seller for the URL of the license center.'
  })
}

async function readBounded(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  heard: () => void
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of body) {
    heard()
    length += part.length
    if (length > maxBytes) {
      throw new CofferError('COFFER_CENTER_FAILED', 'The center answers with more than an answer can be.', {
        expected: `at most ${maxBytes} bytes`,
        found: 'more',
        hint: 'Check that the URL is that of a license center.'
      })
    }
    parts.push(part)
  }
  return concat(...parts)
}

/** At this path: a server that is no center, or one that is older than the path. */
class NothingThere extends CofferError {}

/** A refusal in the center's words; anything else that is no answer in ours. */
function problem(status: number, body: Uint8Array, url: string): CofferError {
  try {
    const { code, detail, hint, expected, found } = JSON.parse(utf8Decode(body)) as Record<string, unknown>
    const isUnknownPath = status === NOT_FOUND && code === 'COFFER_USAGE'
    if (
      !isUnknownPath &&
      typeof code === 'string' &&
      Object.hasOwn(ERROR_CODES, code) &&
      typeof detail === 'string'
    ) {
      return new CofferError(code as ErrorCode, tameReply(detail)!, {
        hint: tameReply(hint),
        expected: tameReply(expected),
        found: tameReply(found)
      })
    }
  } catch {
    // Not a problem document: said below.
  }
  if (status === NOT_FOUND) {
    return new NothingThere('COFFER_CENTER_FAILED', `There is no license center at ${url}.`, {
      expected: 'an answer of a license center',
      found: `HTTP status ${status}`,
      hint: 'Check the URL with the seller, its path too.'
    })
  }
  if (isBusy(status)) {
    return new CofferError(
      'COFFER_BUSY',
      `The server at ${url} has too much to do (HTTP status ${status}).`,
      {
        hint: 'Repeat the command later: an order that did arrive is not charged twice.'
      }
    )
  }
  return new CofferError(
    'COFFER_CENTER_FAILED',
    `The server at ${url} cannot answer (HTTP status ${status}).`,
    {
      expected: 'an answer of a license center',
      found: `HTTP status ${status}`,
      hint: 'Check that the URL is that of a license center, and try again later.'
    }
  )
}

/** What TLS makes of an answer in another protocol, by the names of several Nodes. */
const speaksNoTls = (error: unknown): boolean =>
  /^(?:EPROTO|ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG))$/.test(
    String((error as NodeJS.ErrnoException).code)
  )

function reason(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  return typeof code === 'string' ? code : 'no connection'
}
