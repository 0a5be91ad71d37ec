/**
 * A guest in a thread that was called while it was being disposed of: the thread took the call for one of its next guest's,
 * which failed at its start.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import { createPool } from '../../sandbox/index.js'
import { rejectsWith } from '../helpers/rejects.js'

test('a guest that is being disposed of refuses calls, and the next one hears nothing of them', async () => {
  const source = `let calls = 0
    export const count = () => ++calls
    export async function* numbers() { for (let i = 0; ; i++) yield i }`
  await using pool = await createPool(utf8(source), { size: 1, isolation: 'thread' })
  for (let use = 0; use < 20; use++) {
    const guest = await pool.take()
    const [ended, left] = [1, 2].map(() => guest.iterate('numbers')[Symbol.asyncIterator]())
    assert.is((await ended!.next()).value, 0)
    assert.is((await left!.next()).value, 0)
    const going = guest.dispose()
    const late = [
      ...[1, 2, 3].map(() => rejectsWith('COFFER_GUEST_GONE', () => guest.call('count'))),
      rejectsWith('COFFER_GUEST_GONE', () => left!.next()),
      ended!.return!()
    ]
    await using next = await pool.take()
    assert.is(await next.call('count'), 1)
    assert.is(await next.call('count'), 2)
    await Promise.all(late)
    await going
  }
})

test.run()
