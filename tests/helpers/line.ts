/** A line to a license center that does with orders and returns as it is told. What is only asked gets through. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/**
 * `whole`; `lost` on the way there; the answer lost on the way back; refused by whoever is in between; to an
 * older center, which is asked nothing before; or `failing`, with a server in between that cannot reach it for questions. */
export type State = 'whole' | 'lost' | 'unanswered' | 'forged' | 'older' | 'failing'

/** What somebody in between could say: no refusal is signed. */
const FORGED = JSON.stringify({ code: 'COFFER_REQUEST_REFUSED', detail: 'No.', hint: 'Go away.' })

const NOTHING = JSON.stringify({ code: 'COFFER_USAGE', detail: 'There is nothing here to send.' })

export interface Line extends AsyncDisposable {
  readonly url: string
  state: State
  /** Orders and returns that reached the center. */
  readonly sent: Uint8Array[]
}

/** @param center - The URL of the center. */
export async function lineTo(center: string): Promise<Line> {
  const server = createServer((request, response) => {
    void (async () => {
      const body = await buffer(request)
      const isOrder = request.url === '/v1/orders'
      if (request.url === '/v1/transfers' && line.state === 'older')
        return reply(response, 404, utf8(NOTHING))
      if (request.url === '/v1/transfers' && line.state === 'failing')
        return reply(response, 502, utf8('Bad Gateway'))
      if (isOrder && line.state === 'lost') return request.socket.destroy()
      if (isOrder && line.state === 'forged') return reply(response, 403, utf8(FORGED))
      if (isOrder) line.sent.push(body)
      const answer = await fetch(center + request.url, {
        method: request.method!,
        headers: { 'content-type': 'application/vnd.coffer' },
        ...(request.method === 'POST' && { body })
      })
      const bytes = new Uint8Array(await answer.arrayBuffer())
      if (isOrder && line.state === 'unanswered') return request.socket.destroy()
      return reply(response, answer.status, bytes)
    })().catch(() => request.socket.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const line: Line = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state: 'whole',
    sent: [],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }
  return line
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

function reply(response: ServerResponse, status: number, bytes: Uint8Array): void {
  response.writeHead(status, { 'content-length': bytes.length }).end(bytes)
}
