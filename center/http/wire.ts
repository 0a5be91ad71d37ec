/** What everything that speaks HTTP here shares: calls, bounded bodies, refusals with a status, and listening. */
import type { HttpBindings } from '@hono/node-server'
import type { Context, Hono } from 'hono'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { concat } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'

interface Variables {
  requestId: string
  route: string
}
export type App = Hono<{ Bindings: HttpBindings; Variables: Variables }>
export type Call = Context<{ Bindings: HttpBindings; Variables: Variables }>

/**
 * Counted while it is read: what a client says of the length decides nothing, except that it may say too much.
 *
 * @throws CofferError, which becomes 413 for a body of more than `maxBytes`.
 */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const parts: Uint8Array[] = []
  let length = 0
  try {
    for await (const part of request.body ?? []) {
      length += part.length
      if (length > maxBytes) throw tooLarge(maxBytes)
      parts.push(part)
    }
  } catch (cause) {
    if (cause instanceof CofferError) throw cause
    throw new CofferError('COFFER_RECORD_DAMAGED', 'The request ended before its body did.', {
      hint: 'Send it again.',
      cause
    })
  }
  return concat(...parts)
}

/** A CofferError whose HTTP status its code does not tell. */
export class Refusal extends CofferError {
  readonly status: number
  constructor(status: number, ...error: ConstructorParameters<typeof CofferError>) {
    super(...error)
    this.status = status
  }
}

const tooLarge = (maxBytes: number) =>
  new Refusal(413, 'COFFER_RECORD_DAMAGED', 'The body is too large.', {
    expected: `at most ${maxBytes} bytes`,
    found: 'more',
    hint: 'Send one record.'
  })

/** @throws CofferError COFFER_USAGE for an address that cannot be listened on, COFFER_BUSY for a port in use. */
export function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const inUse = cause.code === 'EADDRINUSE'
      reject(
        new CofferError(
          inUse ? 'COFFER_BUSY' : 'COFFER_USAGE',
          `Cannot listen on ${host} port ${port}: ${cause.code}.`,
          {
            hint: inUse
              ? 'Choose another port with --port; 0 takes any free one.'
              : 'Choose another --host or --port.',
            cause
          }
        )
      )
    })
    server.listen(port, host, () => resolve(server.address() as AddressInfo))
  })
}
