/**
 * A guest that ends just when it is disposed of says both that it has ended, which ends its thread, and that the thread is free. A
 * thread that was ending was kept for the next guest, which was lost with it.
 */
import { setTimeout } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../formats/bytes.js'
import { launch } from '../../sandbox/index.js'

/** This thread hears nothing meanwhile. */
const keepBusy = (ms: number) => {
  const end = performance.now() + ms
  while (performance.now() < end);
}

test('the guest after one that ended while it was disposed of has a thread of its own', async () => {
  const program = utf8(
    `export default () => { setTimeout(() => { throw new Error('late') }, 1); return new Promise(() => {}) }`
  )
  for (let i = 0; i < 5; i++) {
    const ending = await launch(program, { isolation: 'thread' })
    assert.is(await ending.run([]), 1)
    keepBusy(5)
    const disposed = ending.dispose()
    keepBusy(20)
    await disposed
    await using guest = await launch(utf8('export const one = () => 1'), { isolation: 'thread' })
    for (const _ of [1, 2]) {
      assert.is(await guest.call('one'), 1)
      await setTimeout(30)
    }
  }
})

test.run()
