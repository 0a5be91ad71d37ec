/** The text of a URL to its parts and back (WHATWG URL, section 4). */
import { parseHost } from './host.js'
import { IN_FRAGMENT, IN_QUERY, IN_SPECIAL_QUERY, IN_PATH, IN_USERINFO, NOTHING, escape } from './percent.js'

export interface Parts {
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

export const DEFAULT_PORTS: Readonly<Record<string, number | null>> = {
  http: 80,
  https: 443,
  ws: 80,
  wss: 443,
  ftp: 21,
  file: null
}
export const isSpecial = (scheme: string): boolean => Object.hasOwn(DEFAULT_PORTS, scheme)

const isDriveLetter = (text: string): boolean => /^[a-z][:|]$/i.test(text)
/** Does the path begin with a Windows drive? */
const startsWithDrive = (text: string): boolean => /^[a-z][:|](?:[/\\?#]|$)/i.test(text)
const isSingleDot = (text: string): boolean => /^(?:\.|%2e)$/i.test(text)
const isDoubleDot = (text: string): boolean => /^(?:\.|%2e){2}$/i.test(text)

/** @returns The parts, or undefined for text that is no URL. */
export function parse(input: string, base?: Parts): Parts | undefined {
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

export function setPort(parts: Parts, text: string): boolean {
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
export function parsePathStart(parts: Parts, text: string): Parts {
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

export function pathText({ path }: Parts): string {
  return typeof path === 'string' ? path : path.map(segment => `/${segment}`).join('')
}

export function serialize(parts: Parts): string {
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
