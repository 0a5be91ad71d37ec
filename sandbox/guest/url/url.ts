/** The class URL (WHATWG URL, section 6.1). */
import { tag } from '../globals.js'
import { parseHost } from './host.js'
import {
  type Parts,
  DEFAULT_PORTS,
  isSpecial,
  parse,
  setPort,
  parsePathStart,
  pathText,
  serialize
} from './parse.js'
import { IN_FRAGMENT, IN_QUERY, IN_SPECIAL_QUERY, IN_USERINFO, escape } from './percent.js'
import { parsePairs, setPairs, onChange, URLSearchParams } from './search-params.js'

export class URL {
  #parts: Parts
  readonly #searchParams = new URLSearchParams()

  constructor(url: unknown, base?: unknown) {
    const from = base === undefined ? undefined : parse(`${base}`)
    const parts = base !== undefined && from === undefined ? undefined : parse(`${url}`, from)
    if (parts === undefined) throw new TypeError('Invalid URL')
    this.#parts = parts
    this.#refresh()
    onChange(this.#searchParams, query => (this.#parts.query = query === '' ? null : query))
  }

  static canParse(url: unknown, base?: unknown): boolean {
    return URL.parse(url, base) !== null
  }

  static parse(url: unknown, base?: unknown): URL | null {
    try {
      return new URL(url, base)
    } catch {
      return null
    }
  }

  #refresh(): void {
    setPairs(this.#searchParams, parsePairs(this.#parts.query ?? ''))
  }

  get href(): string {
    return serialize(this.#parts)
  }

  set href(value: string) {
    const parts = parse(`${value}`)
    if (parts === undefined) throw new TypeError('Invalid URL')
    this.#parts = parts
    this.#refresh()
  }

  get origin(): string {
    const { scheme, path } = this.#parts
    if (scheme === 'blob' && typeof path === 'string') {
      const inner = URL.parse(path)
      return inner !== null && /^https?:$/.test(inner.protocol) ? inner.origin : 'null'
    }
    return isSpecial(scheme) && scheme !== 'file' ? `${scheme}://${this.host}` : 'null'
  }

  get protocol(): string {
    return `${this.#parts.scheme}:`
  }

  set protocol(value: string) {
    const [, scheme] = /^([a-z][a-z0-9+.-]*)(?::|$)/i.exec(`${value}`.replace(/[\t\n\r]/g, '')) ?? []
    if (scheme === undefined) return
    const parts = this.#parts
    const lower = scheme.toLowerCase()
    if (isSpecial(lower) !== isSpecial(parts.scheme)) return
    if (lower === 'file' && (parts.username !== '' || parts.password !== '' || parts.port !== null)) return
    if (parts.scheme === 'file' && parts.host === '') return
    parts.scheme = lower
    if (parts.port === DEFAULT_PORTS[lower]) parts.port = null
  }

  get username(): string {
    return this.#parts.username
  }

  set username(value: string) {
    if (this.#hasAuthority()) this.#parts.username = escape(`${value}`, IN_USERINFO)
  }

  get password(): string {
    return this.#parts.password
  }

  set password(value: string) {
    if (this.#hasAuthority()) this.#parts.password = escape(`${value}`, IN_USERINFO)
  }

  /** May it have a user and a port? */
  #hasAuthority(): boolean {
    return !!this.#parts.host && this.#parts.scheme !== 'file'
  }

  get host(): string {
    const { host, port } = this.#parts
    return (host ?? '') + (port === null ? '' : `:${port}`)
  }

  set host(value: string) {
    this.#setHost(`${value}`, true)
  }

  get hostname(): string {
    return this.#parts.host ?? ''
  }

  set hostname(value: string) {
    this.#setHost(`${value}`, false)
  }

  #setHost(value: string, withPort: boolean): void {
    const parts = this.#parts
    if (typeof parts.path === 'string') return
    const special = isSpecial(parts.scheme)
    const [text] = value.replace(/[\t\n\r]/g, '').split(special ? /[/\\?#]/ : /[/?#]/)
    const [, name, port] = /^((?:\[[^\]]*\]?|[^:[])*)(?::(.*))?$/s.exec(text!) ?? []
    if (name === undefined || (port !== undefined && (!withPort || name === '' || parts.scheme === 'file')))
      return
    if (
      name === '' &&
      ((special && parts.scheme !== 'file') ||
        parts.username !== '' ||
        parts.password !== '' ||
        parts.port !== null)
    )
      return
    const host = name === '' ? '' : parseHost(name, special)
    if (host === undefined) return
    parts.host = parts.scheme === 'file' && host === 'localhost' ? '' : host
    const [digits] = /^\d+/.exec(port ?? '') ?? []
    if (digits !== undefined) setPort(parts, digits)
  }

  get port(): string {
    return `${this.#parts.port ?? ''}`
  }

  set port(value: string) {
    if (!this.#hasAuthority()) return
    const text = `${value}`.replace(/[\t\n\r]/g, '')
    if (text === '') this.#parts.port = null
    const [digits] = /^\d+/.exec(text) ?? []
    if (digits !== undefined) setPort(this.#parts, digits)
  }

  get pathname(): string {
    return pathText(this.#parts)
  }

  set pathname(value: string) {
    if (typeof this.#parts.path === 'string') return
    this.#parts.path = []
    const text = `${value}`.replace(/[\t\n\r]/g, '').replace(/[?#]/g, char => (char === '?' ? '%3F' : '%23'))
    const { host, query, fragment } = this.#parts
    parsePathStart(this.#parts, text)
    if (host === null && text === '') this.#parts.path = ['']
    Object.assign(this.#parts, { query, fragment })
  }

  get search(): string {
    return this.#parts.query ? `?${this.#parts.query}` : ''
  }

  set search(value: string) {
    const text = `${value}`.replace(/[\t\n\r]/g, '')
    this.#parts.query = null
    const query = text.replace(/^\?/, '')
    if (text !== '')
      this.#parts.query = escape(query, isSpecial(this.#parts.scheme) ? IN_SPECIAL_QUERY : IN_QUERY)
    this.#refresh()
  }

  get searchParams(): URLSearchParams {
    return this.#searchParams
  }

  get hash(): string {
    return this.#parts.fragment ? `#${this.#parts.fragment}` : ''
  }

  set hash(value: string) {
    const text = `${value}`.replace(/[\t\n\r]/g, '')
    this.#parts.fragment = text === '' ? null : escape(text.replace(/^#/, ''), IN_FRAGMENT)
  }

  toString(): string {
    return this.href
  }

  toJSON(): string {
    return this.href
  }
}
tag(URL, 'URL')
