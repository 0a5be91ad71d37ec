/** Headers (Fetch). */
import { tag } from '../globals.js'

export type HeadersInit = Headers | Iterable<readonly [string, string]> | Record<string, string>
/** Who may change them: anyone, a request that may not set what is not its own, nobody. */
export type Guard = 'none' | 'request' | 'immutable'

const TOKEN = /^[!#$%&'*+.^`|~\w-]+$/
const FORBIDDEN =
  /^(?:accept-charset|accept-encoding|access-control-.*|connection|content-length|cookie2?|date|dnt|expect|host|keep-alive|origin|permissions-policy|proxy-.*|referer|sec-.*|set-cookie|te|trailer|transfer-encoding|upgrade|via)$/

let setGuard: (headers: Headers, guard: Guard) => Headers

export class Headers {
  /** By name in lower case. */
  readonly #values = new Map<string, string[]>()
  #guard: Guard = 'none'

  static {
    setGuard = (headers, guard) => {
      headers.#guard = guard
      return headers
    }
  }

  constructor(init?: HeadersInit | null) {
    fill(this, init)
  }

  append(name: string, value: string): void {
    const key = this.#writable(name)
    const text = checkValue(value)
    if (key === undefined) return
    const values = this.#values.get(key)
    if (values === undefined) this.#values.set(key, [text])
    else values.push(text)
  }

  delete(name: string): void {
    const key = this.#writable(name)
    if (key !== undefined) this.#values.delete(key)
  }

  get(name: string): string | null {
    return this.#values.get(checkName(name))?.join(', ') ?? null
  }

  getSetCookie(): string[] {
    return [...(this.#values.get('set-cookie') ?? [])]
  }

  has(name: string): boolean {
    return this.#values.has(checkName(name))
  }

  set(name: string, value: string): void {
    const key = this.#writable(name)
    const text = checkValue(value)
    if (key !== undefined) this.#values.set(key, [text])
  }

  forEach(callback: (value: string, name: string, parent: Headers) => void, self?: unknown): void {
    for (const [name, value] of this) callback.call(self, value, name, this)
  }

  *entries(): IterableIterator<[string, string]> {
    for (const name of [...this.#values.keys()].sort()) {
      const values = this.#values.get(name)!
      if (name !== 'set-cookie') yield [name, values.join(', ')]
      else for (const value of values) yield [name, value]
    }
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this) yield name
  }

  *values(): IterableIterator<string> {
    for (const [, value] of this) yield value
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.entries()
  }

  /** The name to change; undefined for one that is silently not changed. */
  #writable(name: string): string | undefined {
    const key = checkName(name)
    if (this.#guard === 'immutable') throw new TypeError('These headers cannot be changed')
    return this.#guard === 'request' && FORBIDDEN.test(key) ? undefined : key
  }
}
tag(Headers, 'Headers')

export const guarded = (init: HeadersInit | null | undefined, guard: Guard): Headers => {
  if (guard === 'immutable') return setGuard(new Headers(init), guard)
  return fill(setGuard(new Headers(), guard), init)
}

function fill(headers: Headers, init: HeadersInit | null | undefined): Headers {
  if (init === undefined || init === null) return headers
  if (typeof init !== 'object') throw new TypeError('Headers are made of an object or of pairs')
  const pairs = Symbol.iterator in init ? [...init].map(pair => [...pair]) : Object.entries(init)
  for (const pair of pairs) {
    if (pair.length !== 2) throw new TypeError('A header is a pair of name and value')
    headers.append(pair[0]!, pair[1]!)
  }
  return headers
}

function checkName(name: string): string {
  const text = `${name}`
  if (!TOKEN.test(text)) throw new TypeError(`"${text}" is no name of a header`)
  return text.toLowerCase()
}

function checkValue(value: string): string {
  const text = `${value}`.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '')
  if (/[^\t\x20-\x7e\x80-\xff]/.test(text)) throw new TypeError('A header has a value that is not allowed')
  return text
}
