/** URLSearchParams (WHATWG URL, section 5 and 6.2). */
import { tag } from '../globals.js'
import { utf8, unescape } from './percent.js'

type Pair = [name: string, value: string]

export function parsePairs(query: string): Pair[] {
  return query
    .split('&')
    .filter(part => part !== '')
    .map(part => {
      const [, name, value = ''] = /^([^=]*)(?:=(.*))?$/s.exec(part)!
      return [unescape(name!.replaceAll('+', ' ')), unescape(value.replaceAll('+', ' '))]
    })
}

/** application/x-www-form-urlencoded. */
const formText = (text: string): string => {
  let out = ''
  for (const byte of utf8(text)) {
    const char = String.fromCharCode(byte)
    if (/[A-Za-z0-9*\-._]/.test(char)) out += char
    else out += byte === 0x20 ? '+' : '%' + byte.toString(16).toUpperCase().padStart(2, '0')
  }
  return out
}

export let setPairs: (params: URLSearchParams, pairs: Pair[]) => void
export let onChange: (params: URLSearchParams, changed: (query: string) => void) => void

export class URLSearchParams {
  #pairs: Pair[] = []
  #changed: ((query: string) => void) | undefined

  static {
    setPairs = (params, pairs) => (params.#pairs = pairs)
    onChange = (params, changed) => (params.#changed = changed)
  }

  constructor(init: unknown = '') {
    if (typeof init === 'object' && init !== null) {
      if (typeof (init as Iterable<unknown>)[Symbol.iterator] === 'function') {
        for (const pair of init as Iterable<Iterable<unknown>>) {
          const [name, value, ...more] = pair
          if (value === undefined || more.length > 0)
            throw new TypeError('Each query pair must have a name and a value')
          this.#pairs.push([wellFormed(name), wellFormed(value)])
        }
      } else
        for (const [name, value] of Object.entries(init))
          this.#pairs.push([wellFormed(name), wellFormed(value)])
    } else this.#pairs = parsePairs(`${init}`.replace(/^\?/, ''))
  }

  get size(): number {
    return this.#pairs.length
  }

  append(name: unknown, value: unknown): void {
    this.#pairs.push([wellFormed(name), wellFormed(value)])
    this.#changed?.(this.toString())
  }

  delete(name: unknown, value?: unknown): void {
    this.#pairs = this.#pairs.filter(
      pair => pair[0] !== `${name}` || (value !== undefined && pair[1] !== `${value}`)
    )
    this.#changed?.(this.toString())
  }

  get(name: unknown): string | null {
    return this.#pairs.find(pair => pair[0] === `${name}`)?.[1] ?? null
  }

  getAll(name: unknown): string[] {
    return this.#pairs.filter(pair => pair[0] === `${name}`).map(pair => pair[1])
  }

  has(name: unknown, value?: unknown): boolean {
    return this.#pairs.some(pair => pair[0] === `${name}` && (value === undefined || pair[1] === `${value}`))
  }

  set(name: unknown, value: unknown): void {
    const first = this.#pairs.find(pair => pair[0] === `${name}`)
    if (first === undefined) return this.append(name, value)
    first[1] = wellFormed(value)
    this.#pairs = this.#pairs.filter(pair => pair === first || pair[0] !== `${name}`)
    this.#changed?.(this.toString())
  }

  sort(): void {
    // By UTF-16 units, stable.
    this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    this.#changed?.(this.toString())
  }

  forEach(visit: (value: string, name: string, params: URLSearchParams) => void, self?: unknown): void {
    for (const [name, value] of this) visit.call(self, value, name, this)
  }

  *entries(): IterableIterator<Pair> {
    // By index: the list may change meanwhile.
    for (let i = 0; i < this.#pairs.length; i++) yield [...this.#pairs[i]!]
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this.entries()) yield name
  }

  *values(): IterableIterator<string> {
    for (const [, value] of this.entries()) yield value
  }

  toString(): string {
    return this.#pairs.map(([name, value]) => `${formText(name)}=${formText(value)}`).join('&')
  }

  declare [Symbol.iterator]: () => IterableIterator<Pair>
}
Object.defineProperty(URLSearchParams.prototype, Symbol.iterator, {
  value: URLSearchParams.prototype.entries,
  writable: true,
  configurable: true
})
tag(URLSearchParams, 'URLSearchParams')

const wellFormed = (value: unknown): string => `${value}`.toWellFormed()
