/**
 * URL and URLSearchParams (WHATWG URL). Names of hosts beyond ASCII go through Unicode's own compatibility mapping
 * instead of the tables of UTS 46, which would be larger than all the rest: the same result for every name that
 * people register, without the check that a name is one that can be registered.
 */
import { TextDecoder } from './encoding.js'
import { tag } from './globals.js'

interface Parts {
  scheme: string
  username: string
  password: string
  /** Null for a URL without one, such as `data:`. */
  host: string | null
  port: number | null
  /** Text for a URL that cannot be a base, such as `mailto:`. */
  path: string[] | string
  query: string | null
  fragment: string | null
}

const DEFAULT_PORTS: Readonly<Record<string, number | null>> = {
  http: 80,
  https: 443,
  ws: 80,
  wss: 443,
  ftp: 21,
  file: null
}
const isSpecial = (scheme: string): boolean => Object.hasOwn(DEFAULT_PORTS, scheme)

// Percent-encoding

/** Characters beyond controls and non-ASCII that each part escapes. */
const IN_FRAGMENT = ' "<>`'
const IN_QUERY = ' "#<>'
const IN_SPECIAL_QUERY = IN_QUERY + "'"
const IN_PATH = IN_QUERY + '?^`{}'
const IN_USERINFO = IN_PATH + '/:;=@[\\]|'
const NOTHING = ''

const isPlain = (code: number): boolean => code > 0x1f && code < 0x7f

function escape(text: string, set: string): string {
  let out = ''
  for (const char of text) {
    if (isPlain(char.codePointAt(0)!) && !set.includes(char)) out += char
    else for (const byte of utf8(char)) out += '%' + byte.toString(16).toUpperCase().padStart(2, '0')
  }
  return out
}

/** Lone surrogates become U+FFFD. */
function utf8(text: string): number[] {
  const bytes: number[] = []
  for (const char of text.toWellFormed()) {
    const code = char.codePointAt(0)!
    if (code < 0x80) bytes.push(code)
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63))
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
    else {
      bytes.push(
        0xf0 | (code >> 18),
        0x80 | ((code >> 12) & 63),
        0x80 | ((code >> 6) & 63),
        0x80 | (code & 63)
      )
    }
  }
  return bytes
}

/** Percent-decode to text; what is not UTF-8 becomes U+FFFD. */
function unescape(text: string): string {
  if (!text.includes('%')) return text
  const bytes = utf8(text)
  const out: number[] = []
  for (let i = 0; i < bytes.length; i++) {
    const digits = bytes[i] === 0x25 ? String.fromCharCode(bytes[i + 1] ?? 0, bytes[i + 2] ?? 0) : ''
    if (/^[0-9a-f]{2}$/i.test(digits)) {
      out.push(parseInt(digits, 16))
      i += 2
    } else out.push(bytes[i]!)
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array(out))
}

// Hosts

/** @returns The host in its one form, or undefined for none that may be. */
function parseHost(text: string, special: boolean): string | undefined {
  if (text.startsWith('[')) {
    const groups = text.endsWith(']') ? parseIpv6(text.slice(1, -1)) : undefined
    return groups && `[${ipv6Text(groups)}]`
  }
  if (!special) return /[\0\t\n\r #/:<>?@[\\\]^|]/.test(text) ? undefined : escape(text, NOTHING)
  const domain = toAscii(unescape(text))
  if (domain === '' || /[\0-\x20#%/:<>?@[\\\]^|\x7f]/.test(domain)) return undefined
  const labels = domain.split('.')
  if (labels.at(-1) === '' && labels.length > 1) labels.pop()
  // A name whose last part is a number is an IPv4 address or nothing.
  return /^(?:\d+|0x[0-9a-f]*)$/i.test(labels.at(-1)!) ? parseIpv4(labels) : domain
}

function parseIpv4(parts: readonly string[]): string | undefined {
  if (parts.length > 4) return undefined
  let address = 0
  for (const [i, part] of parts.entries()) {
    const number = parseIpv4Number(part)
    const last = i === parts.length - 1
    // The last number fills all the bytes that are left.
    if (number === undefined || number >= (last ? 256 ** (5 - parts.length) : 256)) return undefined
    address += last ? number : number * 256 ** (3 - i)
  }
  return [24, 16, 8, 0].map(shift => Math.floor(address / 2 ** shift) % 256).join('.')
}

function parseIpv4Number(text: string): number | undefined {
  if (text === '') return undefined
  if (/^0x[0-9a-f]*$/i.test(text)) return text.length === 2 ? 0 : parseInt(text.slice(2), 16)
  if (/^0[0-7]+$/.test(text)) return parseInt(text, 8)
  return /^(?:0|[1-9]\d*)$/.test(text) ? Number(text) : undefined
}

/** @returns Eight groups of 16 bits. */
function parseIpv6(text: string): number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const groups = halves.map(half => {
    if (half === '') return []
    const pieces = half.split(':')
    const out: number[] = []
    for (const [i, piece] of pieces.entries()) {
      if (/^[0-9a-f]{1,4}$/i.test(piece)) out.push(parseInt(piece, 16))
      else {
        // An IPv4 address may stand at the very end.
        const numbers = /^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/.test(piece)
          ? piece.split('.').map(Number)
          : []
        const ends = i === pieces.length - 1 && half === halves.at(-1)
        if (!ends || numbers.length !== 4 || numbers.some(number => number > 255)) return undefined
        out.push(numbers[0]! * 256 + numbers[1]!, numbers[2]! * 256 + numbers[3]!)
      }
    }
    return out
  })
  const [head, tail] = groups
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined
  if (tail === undefined) return head.length === 8 ? head : undefined
  const missing = 8 - head.length - tail.length
  return missing < 1 ? undefined : [...head, ...Array<number>(missing).fill(0), ...tail]
}

function ipv6Text(groups: readonly number[]): string {
  // The first longest run of two or more zeros is left out.
  let best = { start: -1, length: 1 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const hex = (part: readonly number[]) => part.map(group => group.toString(16)).join(':')
  if (best.start < 0) return hex(groups)
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`
}

function toAscii(domain: string): string {
  if (/^[\0-\x7f]*$/.test(domain)) return domain.toLowerCase()
  // By characters: as a word, a final capital sigma would become another letter.
  const mapped = Array.from(
    domain.replace(/\xad|\u200b|\u2060|\ufeff|[\ufe00-\ufe0f]/g, '').normalize('NFKC'),
    char => char.toLowerCase()
  )
  return mapped
    .join('')
    .normalize('NFC')
    .split(/[.\u3002]/)
    .map(label => (/^[\0-\x7f]*$/.test(label) ? label : `xn--${punycode(label)}`))
    .join('.')
}

/** RFC 3492. */
function punycode(label: string): string {
  const codes = Array.from(label, char => char.codePointAt(0)!)
  const basic = codes.filter(code => code < 0x80)
  let out = String.fromCharCode(...basic) + (basic.length > 0 ? '-' : '')
  let handled = basic.length
  let bias = 72
  let delta = 0
  let lowest = 0x80
  while (handled < codes.length) {
    const next = Math.min(...codes.filter(code => code >= lowest))
    delta += (next - lowest) * (handled + 1)
    lowest = next
    for (const code of codes) {
      if (code < lowest) delta++
      if (code !== lowest) continue
      let rest = delta
      for (let k = 36; ; k += 36) {
        const threshold = Math.min(Math.max(k - bias, 1), 26)
        if (rest < threshold) break
        out += digit(threshold + ((rest - threshold) % (36 - threshold)))
        rest = Math.floor((rest - threshold) / (36 - threshold))
      }
      out += digit(rest)
      // Adapt the bias to the size of this step.
      delta = Math.floor(delta / (handled === basic.length ? 700 : 2))
      delta += Math.floor(delta / (handled + 1))
      let k = 0
      for (; delta > 455; k += 36) delta = Math.floor(delta / 35)
      bias = k + Math.floor((36 * delta) / (delta + 38))
      delta = 0
      handled++
    }
    delta++
    lowest++
  }
  return out
}

const digit = (value: number): string => 'abcdefghijklmnopqrstuvwxyz0123456789'[value]!

// Parsing

const isDriveLetter = (text: string): boolean => /^[a-z][:|]$/i.test(text)
/** Does the path begin with a Windows drive? */
const startsWithDrive = (text: string): boolean => /^[a-z][:|](?:[/\\?#]|$)/i.test(text)
const isSingleDot = (text: string): boolean => /^(?:\.|%2e)$/i.test(text)
const isDoubleDot = (text: string): boolean => /^(?:\.|%2e){2}$/i.test(text)

/** @returns The parts, or undefined for text that is no URL. */
function parse(input: string, base?: Parts): Parts | undefined {
  const text = input.replace(/^[\0-\x20]+|[\0-\x20]+$/g, '').replace(/[\t\n\r]/g, '')
  const parts: Parts = {
    scheme: '',
    username: '',
    password: '',
    host: null,
    port: null,
    path: [],
    query: null,
    fragment: null
  }
  const [, scheme] = /^([a-z][a-z0-9+.-]*):/i.exec(text) ?? []
  if (scheme !== undefined) {
    parts.scheme = scheme.toLowerCase()
    const rest = text.slice(scheme.length + 1)
    if (parts.scheme === 'file') return parseFile(parts, rest, base)
    if (isSpecial(parts.scheme)) {
      if (base?.scheme === parts.scheme && !rest.startsWith('//')) return parseRelative(parts, rest, base)
      return parseAuthority(parts, rest.replace(/^[/\\]+/, ''))
    }
    if (rest.startsWith('//')) return parseAuthority(parts, rest.slice(2))
    if (rest.startsWith('/')) return parsePath(parts, rest.slice(1))
    const [path, ...tail] = rest.split(/(?=[?#])/)
    parts.path = rest === '' || /^[?#]/.test(rest) ? '' : escape(path!, NOTHING)
    const end = parts.path === '' ? rest : tail.join('')
    // Spaces at the end of such a path would vanish when the URL is written and read again.
    if (end !== '') parts.path = parts.path.replace(/ $/, '%20')
    return parseEnd(parts, end)
  }
  if (base === undefined) return undefined
  if (typeof base.path === 'string') {
    return text.startsWith('#') ? parseEnd({ ...base, fragment: null }, text) : undefined
  }
  parts.scheme = base.scheme
  return base.scheme === 'file' ? parseFile(parts, text, base) : parseRelative(parts, text, base)
}

const isSlash = (parts: Parts, char: string | undefined): boolean =>
  char === '/' || (char === '\\' && isSpecial(parts.scheme))

function parseRelative(parts: Parts, text: string, base: Parts): Parts | undefined {
  if (isSlash(parts, text[0])) {
    if (isSlash(parts, text[1])) {
      return parseAuthority(parts, isSpecial(parts.scheme) ? text.replace(/^[/\\]+/, '') : text.slice(2))
    }
    const { username, password, host, port } = base
    return parsePath(Object.assign(parts, { username, password, host, port }), text.slice(1))
  }
  Object.assign(parts, { ...base, path: [...base.path], fragment: null })
  if (text === '' || text[0] === '#') return parseEnd(parts, text)
  parts.query = null
  if (text[0] === '?') return parseEnd(parts, text)
  shorten(parts)
  return parsePath(parts, text)
}

function parseAuthority(parts: Parts, text: string): Parts | undefined {
  const end = text.search(isSpecial(parts.scheme) ? /[/\\?#]/ : /[/?#]/)
  const authority = end < 0 ? text : text.slice(0, end)
  const at = authority.lastIndexOf('@')
  if (at >= 0) {
    const [, username, password = ''] = /^([^:]*)(?::(.*))?$/s.exec(authority.slice(0, at))!
    parts.username = escape(username!, IN_USERINFO)
    parts.password = escape(password, IN_USERINFO)
    if (at === authority.length - 1) return undefined
  }
  if (!setHostAndPort(parts, authority.slice(at + 1))) return undefined
  return parsePathStart(parts, end < 0 ? '' : text.slice(end))
}

function setHostAndPort(parts: Parts, text: string): boolean {
  const [, name, port] = /^((?:\[[^\]]*\]?|[^:[])*)(?::(.*))?$/s.exec(text) ?? []
  if (name === undefined || (name === '' && (port !== undefined || isSpecial(parts.scheme)))) return false
  const host = name === '' ? '' : parseHost(name, isSpecial(parts.scheme))
  if (host === undefined) return false
  parts.host = host
  return setPort(parts, port ?? '')
}

function setPort(parts: Parts, text: string): boolean {
  if (!/^\d*$/.test(text) || Number(text) > 65535) return false
  parts.port = text === '' || Number(text) === DEFAULT_PORTS[parts.scheme] ? null : Number(text)
  return true
}

function parseFile(parts: Parts, text: string, base: Parts | undefined): Parts | undefined {
  const from = base?.scheme === 'file' ? base : undefined
  parts.host = ''
  if (isSlash(parts, text[0])) {
    if (isSlash(parts, text[1])) {
      const rest = text.slice(2)
      const end = rest.search(/[/\\?#]/)
      const name = end < 0 ? rest : rest.slice(0, end)
      if (isDriveLetter(name)) return parsePath(parts, rest)
      const host = name === '' ? '' : parseHost(name, true)
      if (host === undefined) return undefined
      parts.host = host === 'localhost' ? '' : host
      return parsePathStart(parts, rest.slice(name.length))
    }
    if (from !== undefined) {
      parts.host = from.host
      const [first] = from.path as string[]
      if (!startsWithDrive(text.slice(1)) && first !== undefined && /^[a-z]:$/i.test(first))
        (parts.path as string[]).push(first)
    }
    return parsePath(parts, text.slice(1))
  }
  if (from === undefined) return parsePath(parts, text)
  Object.assign(parts, { host: from.host, path: [...from.path], query: from.query })
  if (text === '' || text[0] === '#') return parseEnd(parts, text)
  parts.query = null
  if (text[0] === '?') return parseEnd(parts, text)
  if (startsWithDrive(text)) parts.path = []
  else shorten(parts)
  return parsePath(parts, text)
}

/** Where a path follows a host, with its first slash or without. */
function parsePathStart(parts: Parts, text: string): Parts {
  if (!isSpecial(parts.scheme) && (text === '' || text[0] === '?' || text[0] === '#'))
    return parseEnd(parts, text)
  return parsePath(parts, isSlash(parts, text[0]) ? text.slice(1) : text)
}

/** Segments from here on, without the first slash; then query and fragment. */
function parsePath(parts: Parts, text: string): Parts {
  const end = text.search(/[?#]/)
  const path = parts.path as string[]
  const segments = (end < 0 ? text : text.slice(0, end)).split(isSpecial(parts.scheme) ? /[/\\]/ : '/')
  for (const [i, raw] of segments.entries()) {
    const last = i === segments.length - 1
    let segment = escape(raw, IN_PATH)
    if (isDoubleDot(segment)) {
      shorten(parts)
      if (last) path.push('')
    } else if (isSingleDot(segment)) {
      if (last) path.push('')
    } else {
      if (parts.scheme === 'file' && path.length === 0 && isDriveLetter(segment)) segment = `${segment[0]}:`
      path.push(segment)
    }
  }
  return parseEnd(parts, end < 0 ? '' : text.slice(end))
}

/** `?query` and `#fragment`. */
function parseEnd(parts: Parts, text: string): Parts {
  const [, query, fragment] = /^(?:\?([^#]*))?(?:#(.*))?$/s.exec(text)!
  if (query !== undefined) parts.query = escape(query, isSpecial(parts.scheme) ? IN_SPECIAL_QUERY : IN_QUERY)
  if (fragment !== undefined) parts.fragment = escape(fragment, IN_FRAGMENT)
  return parts
}

/** Drop the last segment, but no drive. */
function shorten(parts: Parts): void {
  const path = parts.path as string[]
  if (parts.scheme === 'file' && path.length === 1 && /^[a-z]:$/i.test(path[0]!)) return
  path.pop()
}

function pathText({ path }: Parts): string {
  return typeof path === 'string' ? path : path.map(segment => `/${segment}`).join('')
}

function serialize(parts: Parts): string {
  const { scheme, username, password, host, port, path, query, fragment } = parts
  let text = `${scheme}:`
  if (host !== null) {
    text += '//'
    if (username !== '' || password !== '') text += `${username}${password === '' ? '' : `:${password}`}@`
    text += host + (port === null ? '' : `:${port}`)
  } else if (typeof path !== 'string' && path.length > 1 && path[0] === '') text += '/.'
  return (
    text + pathText(parts) + (query === null ? '' : `?${query}`) + (fragment === null ? '' : `#${fragment}`)
  )
}

// The classes

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

type Pair = [name: string, value: string]

function parsePairs(query: string): Pair[] {
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

let setPairs: (params: URLSearchParams, pairs: Pair[]) => void
let onChange: (params: URLSearchParams, changed: (query: string) => void) => void

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
