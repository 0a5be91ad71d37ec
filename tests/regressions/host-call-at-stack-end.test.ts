/** A guest at the end of its stack that called a function of the host's was ended, instead of being told so. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import { launch, sync } from '../../sandbox/index.js'

const HOST = {
  later: async (x: number) => x,
  refuse: sync(() => {
    throw new RangeError('no')
  }),
  list: sync(() => [1, 'two', { three: 3 }]),
  bytes: sync(() => new Uint8Array(100_000)),
  echo: sync((x: string) => x)
}

const CALLS = ['host.later(1).catch(() => {})', 'host.refuse()', 'host.list()', 'host.bytes()']

for (const call of CALLS) {
  test(`at the end of its stack a guest may call ${call}`, async () => {
    const source = `import * as host from 'coffer:host'
      const f = () => { try { ${call} } catch {} f() }
      const from = depth => depth > 0 ? from(depth - 1) : f()
      export const attack = depth => { try { from(depth) } catch {} return host.echo('ok') }`
    await using guest = await launch(utf8(source), {
      capabilities: { host: HOST },
      limits: { stackBytes: 64 * 1024 }
    })
    // Each depth ends at another place within the call.
    for (let depth = 0; depth < 12; depth++) assert.is(await guest.call('attack', depth), 'ok')
  })
}

test.run()
