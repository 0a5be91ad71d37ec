/**
 * Pressing a large title could fail with COFFER_CENTER_UNREACHABLE: bundling kept the thread for longer than the
 * center keeps an idle connection, and the next request went into the one that had just been closed.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CenterClient } from '../../loader/copier/index.js'
import { rejectsWith } from '../helpers/rejects.js'

test('CenterClient keeps no connection from one request to the next', async () => {
  const ports = new Set<number | undefined>()
  const server = createServer((request, response) => {
    ports.add(request.socket.remotePort)
    response.end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const client = new CenterClient(`http://127.0.0.1:${port}`)
  try {
    // Empty answers are no records, which is found out only once they have arrived.
    for (let request = 0; request < 3; request++) await rejectsWith('COFFER_ENCODING', () => client.roots())
  } finally {
    server.close()
  }
  assert.is(ports.size, 3)
})

test.run()
