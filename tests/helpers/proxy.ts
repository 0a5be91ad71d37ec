/** What stands between a center and its database, and can lose connections without a word to either side. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'

export interface Proxy {
  /** As the URL that it was opened for, by way of it. */
  readonly url: string
  /** From now on nothing comes through what is open; new connections do. @param ofWriters - Leave those that can only read. */
  swallow(ofWriters?: 'ofWriters'): void
  /** Ends everything. */
  close(): Promise<void>
}

interface Flow {
  readonly ends: readonly [Socket, Socket]
  /** What the client sent first, which says how it will use the connection. */
  first: string | undefined
  isLost: boolean
}

export async function openProxy(url: string): Promise<Proxy> {
  const { hostname, port } = new URL(url)
  const flows = new Set<Flow>()
  const server = createServer(client => {
    const database = connect(Number(port), hostname)
    const flow: Flow = { ends: [client, database], first: undefined, isLost: false }
    flows.add(flow)
    for (const [from, to] of [
      [client, database],
      [database, client]
    ] as const) {
      from.on('data', bytes => {
        if (from === client) flow.first ??= bytes.toString('latin1')
        if (!flow.isLost) to.write(bytes)
      })
      from.on('error', () => {})
      from.on('close', () => {
        if (!flow.isLost) to.end()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: Object.assign(new URL(url), { port: (server.address() as AddressInfo).port }).href,
    swallow(ofWriters) {
      for (const flow of flows)
        flow.isLost ||= ofWriters === undefined || !flow.first?.includes('default_transaction_read_only=on')
    },
    async close() {
      for (const { ends } of flows) for (const end of ends) end.destroy()
      server.close()
      await once(server, 'close')
    }
  }
}
