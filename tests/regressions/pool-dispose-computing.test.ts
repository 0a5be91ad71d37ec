/**
 * A pool's guest in a thread that computed in a timer, with no call waiting, could not be disposed of: the promise never
 * settled, and its place stayed taken.
 */
import { setTimeout as after } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import { createPool } from '../../sandbox/index.js'

test('a pooled guest that computes while nobody calls it is disposed of, and gives its place on', async () => {
  const source = 'export const go = () => { setTimeout(() => { for (;;); }, 0); return 1 }'
  for (const way of [{ isolation: 'thread' }, { engine: 'ses' }] as const) {
    await using pool = await createPool(utf8(source), { size: 1, limits: { cpuMs: 60_000 }, ...way })
    for (let use = 0; use < 2; use++) {
      const guest = await pool.take()
      assert.is(await guest.call('go'), 1)
      await after(20)
      const outcome = await Promise.race([guest.dispose(), after(10_000, 'still there', { ref: false })])
      assert.is(outcome, undefined, JSON.stringify(way))
    }
  }
})

test.run()
