/**
 * The desk of a center that runs elsewhere: each question is a request that the key of an admin or publisher signs
 * (docs/spec.md §8.9; center/http/acts.ts is the other end).
 */
import { randomBytes } from 'node:crypto'
import { base64url, hex, utf8 } from '../../formats/bytes.js'
import { CofferError, ERROR_CODES, type ErrorCode } from '../../formats/errors.js'
import { deriveKeys, formatPublicKeys, parseSecretKey, wipeKeys, type Keys } from '../../formats/keys.js'
import { decode } from '../../formats/msgpack.js'
import { rootHash } from '../../formats/records/root.js'
import { tameReply } from '../../formats/wording.js'
import type { Page } from './caller.js'
import type { Desk, GrantSummary, RevocationSummary, UserSummary } from '../desk.js'
import { readSmallFile } from '../files.js'
import { actPath, JSON_TYPE } from './interface.js'
import type { Balance } from '../books/balances.js'
import { contentDigest, sign } from './message-signature.js'
import { SYSTEM_POWERS } from '../powers.js'
import type { ValueOf } from '../orders/requests.js'

const TIMEOUT_MS = 30_000
/** The audit reads everything. */
const AUDIT_TIMEOUT_MS = 30 * 60_000
const MAX_KEY_FILE_BYTES = 1024

export interface Remote {
  readonly desk: Desk
  /** Of the pages: a token that opens them once. */
  login(): Promise<string>
  /** What is public: root records and the newest list, as the center gives them. */
  get(path: string): Promise<Uint8Array>
}

/**
 * @param keyFile - What "coffer keygen --publisher <file>" made; undefined: nothing can be asked.
 * @throws CofferError COFFER_USAGE, COFFER_FILE_MISSING, COFFER_ENCODING, COFFER_CENTER_UNREACHABLE, COFFER_CENTER_FAILED.
 */
export async function openRemote(url: string, keyFile: string | undefined): Promise<Remote> {
  const base = baseUrl(url)
  if (keyFile === undefined) throw noKey()
  const keys = await readKeys(keyFile)
  const get = async (path: string) =>
    new Uint8Array(await (await ask(new URL(base + path), { method: 'GET' }, TIMEOUT_MS)).arrayBuffer())
  const centerId = await idOf(await get('/v1/roots'))
  const request = async (name: string, given: object = {}, timeoutMs = TIMEOUT_MS): Promise<any> => {
    const path = actPath(name)
    const body = utf8(JSON.stringify(given))
    const headers: Record<string, string> = {
      'content-type': JSON_TYPE,
      'content-digest': contentDigest(body),
      'coffer-center': centerId
    }
    const at = new URL(base + path)
    const valueOf: ValueOf = component =>
      component === '@method' ? 'POST' : component === '@path' ? path : headers[component]
    const nonce = base64url(new Uint8Array(randomBytes(24)))
    const signature = sign(valueOf, keys.signer, { created: SYSTEM_POWERS.now(), nonce })
    const init = {
      method: 'POST',
      headers: { ...headers, ...signature },
      body: body as Uint8Array<ArrayBuffer>
    }
    return (await ask(at, init, timeoutMs)).json().catch((cause: unknown) => {
      throw failed(base, 'something that is not JSON', cause)
    })
  }
  return { desk: deskBy(request), login: () => request('login'), get }
}

type Request = (name: string, given?: object, timeoutMs?: number) => Promise<any>

function deskBy(request: Request): Desk {
  const all = async <T>(name: string, given: object = {}): Promise<T[]> => {
    const rows: T[] = []
    for (let after: string | number | null | undefined; after !== null;) {
      const page = (await request(name, { ...given, ...(after !== undefined && { after }) })) as Page<T>
      rows.push(...page.rows)
      after = page.next
    }
    return rows
  }
  const grants: Desk['grants'] = async filter =>
    (await all<GrantSummary>('grants', filter)).sort(
      (a, b) => a.bought - b.bought || (a.grantId < b.grantId ? -1 : 1)
    )
  const balances = () => all<Balance>('balances')
  return {
    addPublisher: (keys, name) =>
      request('publisher-add', { key: formatPublicKeys('publisher', keys), name }),
    publishers: () => request('publishers'),
    titles: () => request('titles'),
    setTerms: (titleId, change) => request('title-set', { titleId, ...change }),
    users: async () =>
      (await all<UserSummary>('users')).sort(
        (a, b) => a.enrolled - b.enrolled || (a.userId < b.userId ? -1 : 1)
      ),
    addUser: (keys, name) =>
      request('user-add', { key: formatPublicKeys('user', keys), ...(name !== null && { name }) }),
    setBlocked: (userId, blocked) => request('user-block', { userId, blocked }),
    enrolmentOpen: () => request('enrolment'),
    setEnrolment: open => request('enrolment', { open }),
    grants,
    give: (titleId, userId, { features, ...gift }) =>
      request('give', { titleId, userId, ...gift, ...(features && { features }) }),
    refund: grantId => request('refund', { grantId }),
    revoke: (kind, id, release) =>
      request('revoke', { kind, id, ...(typeof release === 'number' && { release }) }),
    revocations: () => all<RevocationSummary>('revocations'),
    foldRevocations: () => request('fold'),
    balances,
    owedBy: async userId => (await balances()).filter(({ account }) => account === `receivable/${userId}`),
    postPayment: ({ provider, ...payment }) =>
      request('ledger-paid', { ...payment, ...(provider !== undefined && { provider }) }),
    verifyLedger: () => request('ledger-verify', {}, AUDIT_TIMEOUT_MS),
    sales: days => request('sales', { days }),
    find: (kind, typed, mayBeNew = false) => request('find', { kind, typed, mayBeNew })
  }
}

/** Sales and who buys are nobody else's: without TLS only on this machine. */
function baseUrl(text: string): string {
  if (!URL.canParse(text)) {
    throw new CofferError('COFFER_USAGE', 'This is not the URL of a center.', {
      expected: 'such as https://shop.example.org',
      found: text,
      hint: 'Check how it is written, or name the folder of the center.'
    })
  }
  const url = new URL(text)
  const isHere = ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)
  if (url.protocol === 'https:' || isHere) return (url.origin + url.pathname).replace(/\/+$/, '')
  throw new CofferError('COFFER_USAGE', 'What the desk is asked is private, and this address has no TLS.', {
    expected: 'https://..., or http:// on this machine',
    found: url.origin,
    hint: 'Serve with --tls-cert and --tls-key or behind a proxy with TLS, or take a tunnel (ssh -L).'
  })
}

async function readKeys(path: string): Promise<Keys> {
  const text = Buffer.from(await readSmallFile(path, MAX_KEY_FILE_BYTES).catch(unread)).toString('latin1')
  const seed = seedOf(text, path)
  const keys = deriveKeys('publisher', seed)
  seed.fill(0)
  wipeKeys(keys)
  return keys
}

/** Says what the file was wanted for, which nobody named on this command line. */
function unread(cause: unknown): never {
  if (!(cause instanceof CofferError)) throw cause
  throw new CofferError(cause.code, cause.message, {
    expected: 'the key file that COFFER_CENTER_KEY names',
    hint: cause.code === 'COFFER_FILE_MISSING' ? MAKE_ONE : cause.hint,
    cause
  })
}

function seedOf(text: string, path: string): Uint8Array {
  try {
    return parseSecretKey('publisher', text)
  } catch (cause) {
    throw new CofferError('COFFER_ENCODING', `${path} cannot sign what a center is asked.`, {
      expected: 'the key file of an admin or publisher',
      found: text.startsWith('COFFER-USER-') ? "a user's key" : 'something else',
      hint: `COFFER_CENTER_KEY names it. ${MAKE_ONE}`,
      cause
    })
  }
}

const MAKE_ONE =
  'Make one with "coffer keygen --publisher <file>"; the seller adds it with "coffer-center admin <its folder> add <public key>".'

/** The id of the center that answers: what is asked is signed for it alone. */
function idOf(packed: Uint8Array): string {
  try {
    const { roots } = decode(packed) as { roots: Uint8Array[] }
    return hex(rootHash(roots[0]!))
  } catch (cause) {
    throw failed('this address', 'no root records', cause)
  }
}

async function ask(url: URL, init: RequestInit, timeoutMs: number): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
  } catch (cause) {
    const found = ((cause as Error).cause as NodeJS.ErrnoException | undefined)?.code ?? (cause as Error).name
    throw new CofferError(
      'COFFER_CENTER_UNREACHABLE',
      `The license center at ${url.origin} does not answer.`,
      {
        expected: `an answer from ${url.origin}`,
        found,
        hint: 'Check the address and your network, then ask again: what was done already shows.',
        cause
      }
    )
  }
  if (response.ok) return response
  const problem = (await response.json().catch(() => ({}))) as Record<string, unknown>
  const { code, detail } = problem
  if (typeof code !== 'string' || !Object.hasOwn(ERROR_CODES, code) || typeof detail !== 'string')
    throw failed(url.origin, `HTTP status ${response.status}`)
  throw new CofferError(code as ErrorCode, tameReply(detail)!, {
    hint: tameReply(problem['hint']),
    expected: tameReply(problem['expected']),
    found: tameReply(problem['found'])
  })
}

const failed = (where: string, found: string, cause?: unknown) =>
  new CofferError(
    'COFFER_CENTER_FAILED',
    `The server at ${where} does not answer as a license center does.`,
    {
      expected: 'a license center of this version or newer',
      found,
      hint: 'Check the address, and try again later.',
      cause
    }
  )

const noKey = () =>
  new CofferError('COFFER_USAGE', 'Whose key shall sign what the center is asked?', {
    expected: 'COFFER_CENTER_KEY=<key file> in the environment',
    found: 'none',
    hint: MAKE_ONE
  })
