/** Servers on this machine for tests of `coffer:net`, and a guest that may reach one of them. They end with the file's tests. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { utf8 } from '../../formats/bytes.js'
import { type LaunchOptions, type NetGrant, type Value, launch } from '../../sandbox/index.js'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** What each path answers; tests add theirs. */
export const paths = new Map<string, Handler>()
export const seen: { url: string; method: string; headers: IncomingMessage['headers']; body: string }[] = []

export async function listen(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return (server.address() as AddressInfo).port
}

const server = createServer((request, response) => {
  let body = ''
  request.on('data', chunk => (body += chunk))
  request.on('end', () => {
    seen.push({ url: request.url!, method: request.method!, headers: request.headers, body })
    const handler = paths.get(request.url!.split('?')[0]!)
    if (handler === undefined) response.writeHead(404).end('no such path')
    else handler(request, response)
  })
  request.on('error', () => {})
})
export const port = await listen(server)
/** Another origin, which nothing is granted of unless a test says so. */
const other = createServer((request, response) => {
  seen.push({ url: `other ${request.url!}`, method: request.method!, headers: request.headers, body: '' })
  response.end('other')
})
export const otherPort = await listen(other)
test.after(() => {
  for (const one of [server, other]) {
    one.closeAllConnections()
    one.close()
  }
})

export const origin = `http://api.test:${port}`
export const grant: NetGrant = {
  allow: [`http://api.test:${port}`],
  addresses: ['127.0.0.1'],
  resolve: async () => ['127.0.0.1']
}

const SOURCE = `
  import { fetch, Headers, Request, Response, Blob, ReadableStream } from 'coffer:net'
  const described = error => ({ name: error.name, message: error.message, dom: error instanceof DOMException })
  export const attempt = async (url, init) => {
    try {
      const response = await fetch(url, init)
      return { status: response.status, url: response.url, redirected: response.redirected, text: await response.text() }
    } catch (error) { return described(error) }
  }
  export const script = async (name, ...args) => SCRIPTS[name](...args)
  const SCRIPTS = { SCRIPT_LIST }
`

/** A guest with the network as granted, and with the given named functions to call. */
export async function guestWith(net: NetGrant = grant, scripts = '', how: LaunchOptions = {}) {
  return launch(utf8(SOURCE.replace('SCRIPT_LIST', scripts)), { ...how, capabilities: { net } })
}

interface Attempt {
  readonly status?: number
  readonly url?: string
  readonly redirected?: boolean
  readonly text?: string
  readonly name?: string
  readonly message?: string
  readonly dom?: boolean
}

const usual = await guestWith()
test.after(() => usual.dispose())

export async function attempt(url: string, init: object = {}, net: NetGrant = grant): Promise<Attempt> {
  if (net === grant) return (await usual.call('attempt', url, init as Value)) as Attempt
  await using guest = await guestWith(net)
  return (await guest.call('attempt', url, init as Value)) as Attempt
}

/** The request fails with a TypeError in these words, and no server hears of it. */
export async function refused(
  words: RegExp,
  url: string,
  init: object = {},
  net: NetGrant = grant
): Promise<void> {
  const before = seen.length
  const { name, message } = await attempt(url, init, net)
  assert.is(name, 'TypeError', `${url}: ${message}`)
  assert.match(message!, words)
  assert.is(seen.length, before, `${url} reached a server`)
}
