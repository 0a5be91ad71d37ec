/** Where the stack ended while a timer was set, the guest took the host for told, and no timer fired any more. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import { type Engine, launch } from '../../sandbox/index.js'

const SOURCE = `
  const f = () => { try { clearTimeout(setTimeout(() => {}, 3)) } catch {} f() }
  const from = depth => depth > 0 ? from(depth - 1) : f()
  export const attack = async depth => {
    try { from(depth) } catch {}
    // What was left behind is due by now, before what comes.
    for (const since = Date.now(); Date.now() - since < 10;);
    return await new Promise(resolve => setTimeout(resolve, 1, 'fired'))
  }`

for (const engine of ['quickjs', 'ses'] as Engine[]) {
  test(`a timer fires after the stack has ended in others, on ${engine}`, async () => {
    await using guest = await launch(utf8(SOURCE), {
      engine,
      limits: { stackBytes: 64 * 1024, wallMs: 10_000, cpuMs: 10_000 }
    })
    // Each depth ends at another place within the calls.
    for (let depth = 0; depth < 12; depth++) assert.is(await guest.call('attack', depth), 'fired')
  })
}

test.run()
