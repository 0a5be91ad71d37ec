/** What the pages of seller and buyer do with a browser: cookies, forms, and refusing those of other sites. */
import { html } from 'hono/html'
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { CofferError } from '../../formats/errors.js'
import type { Admit } from '../orders/requests.js'
import { readBody, Refusal, type App, type Call } from '../http/wire.js'
import type { PaymentProvider } from '../payment.js'
import type { SessionKind, Sessions, Session } from './sessions.js'
import { notice, page, PAGE_HEADERS, type Html, type Place } from './frame.js'

export interface Web {
  readonly app: App
  readonly center: string
  readonly sessions: Sessions
  readonly payment: PaymentProvider | undefined
  /** Counts what one user signs. */
  readonly admit: Admit
  /** Whether the browser speaks TLS, with us or with a proxy. */
  readonly secure: boolean
}

export async function show(
  call: Call,
  { center }: Web,
  title: string,
  places: readonly Place[],
  content: Html,
  status: 200 | 400 | 403 | 404 | 409 = 200
): Promise<Response> {
  for (const [name, value] of Object.entries(PAGE_HEADERS)) call.header(name, value)
  return call.html(await page(center, title, places, content), status)
}

const cookieOf = (kind: SessionKind) => `coffer-${kind}`

export function keepSession(call: Context, { secure }: Web, kind: SessionKind, token: string): void {
  setCookie(call, cookieOf(kind), token, { httpOnly: true, sameSite: 'Strict', path: '/', secure })
}

export async function sessionOf(
  call: Context,
  { sessions }: Web,
  kind: SessionKind
): Promise<Session | undefined> {
  const token = getCookie(call, cookieOf(kind))
  return token === undefined ? undefined : sessions.find(token, kind)
}

export async function endSession(call: Context, { sessions, secure }: Web, kind: SessionKind): Promise<void> {
  const token = getCookie(call, cookieOf(kind))
  if (token !== undefined) await sessions.close(token)
  deleteCookie(call, cookieOf(kind), { path: '/', secure })
}

/** @throws CofferError, 403, for a form that another site's page sent. Cookies are `SameSite=Strict` beside. */
export function refuseOtherSites(call: Context): void {
  const site = call.req.header('sec-fetch-site')
  const origin = call.req.header('origin')
  const isOurs =
    site === undefined
      ? origin === undefined || hostOf(origin) === call.req.header('host')
      : site === 'same-origin' || site === 'none'
  if (isOurs) return
  throw new Refusal(403, 'COFFER_REQUEST_REFUSED', 'This form was sent by the page of another site.', {
    hint: "Open the center's own page and try again."
  })
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host
  } catch {
    return undefined
  }
}

const MAX_FORM_BYTES = 16 * 1024

/** The fields of a form, each once. @throws CofferError for what is no form of ours. */
export async function formOf(call: Context): Promise<URLSearchParams> {
  refuseOtherSites(call)
  const type = call.req.header('content-type')?.split(';')[0]!.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') throw noForm()
  return new URLSearchParams(new TextDecoder().decode(await readBody(call.req.raw, MAX_FORM_BYTES)))
}

/** The one file of an upload. */
export async function fileOf(call: Context, field: string, maxBytes: number): Promise<Uint8Array> {
  refuseOtherSites(call)
  const type = call.req.header('content-type') ?? ''
  if (!/^multipart\/form-data;/i.test(type)) throw noForm()
  const body = await readBody(call.req.raw, maxBytes + 4096)
  const form = await new Response(body as Uint8Array<ArrayBuffer>, { headers: { 'content-type': type } })
    .formData()
    .catch(() => {
      throw noForm()
    })
  const file = form.get(field)
  if (!(file instanceof Blob)) throw noForm()
  return new Uint8Array(await file.arrayBuffer())
}

const noForm = () =>
  new Refusal(400, 'COFFER_USAGE', 'This is not the form that the page has.', {
    hint: 'Open the page and try again.'
  })

/** A refusal as a page. Anything else goes on to where failures are told. */
export async function showRefusal(
  call: Call,
  web: Web,
  title: string,
  places: readonly Place[],
  error: unknown
): Promise<Response> {
  if (!(error instanceof CofferError) || error.exitCode === 70 || error.exitCode === 74) throw error
  const status = error instanceof Refusal && error.status === 403 ? 403 : 400
  const content = html`${notice('bad', error.message)}
    <p>${error.hint ?? ''}</p>
    <p><code>${error.code}</code></p>`
  return show(call, web, title, places, content, status)
}
