/** Memory for programs in the clear that is used again: nobody's while it waits, empty, and not for ever. */
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { giveRoom, takeRoom } from '../../loader/rooms.js'

const MIB = 2 ** 20
const isZero = (bytes: Uint8Array) => Buffer.compare(bytes, new Uint8Array(bytes.length)) === 0

test('what is given back is zeros for the next, whoever takes how much of it', () => {
  const first = takeRoom(5 * MIB)
  first.fill(7)
  const kept = new Uint8Array(first.buffer)
  giveRoom(first)
  assert.ok(isZero(kept))
  const second = takeRoom(3 * MIB)
  assert.is(second.buffer, first.buffer)
  assert.is(second.length, 3 * MIB)
  const third = takeRoom(3 * MIB)
  assert.is.not(third.buffer, second.buffer, 'two titles are in one room')
  second.fill(1)
  third.fill(2)
  assert.is(second[0], 1)
  // The larger one waits.
  giveRoom(third)
  giveRoom(second)
  assert.ok(isZero(kept) && isZero(third))
  const fourth = takeRoom(4 * MIB)
  assert.is(fourth.buffer, first.buffer)
  assert.ok(isZero(fourth))
  giveRoom(fourth)
  assert.is.not(takeRoom(6 * MIB).buffer, first.buffer)
})

test('little and much memory does not wait', () => {
  const small = takeRoom(1000)
  giveRoom(small)
  assert.is.not(takeRoom(1000).buffer, small.buffer)
  const large = takeRoom(17 * MIB)
  giveRoom(large)
  assert.is.not(takeRoom(17 * MIB).buffer, large.buffer)
})

test('what waits keeps no process from its end', () => {
  const url = new URL('../../loader/rooms.js', import.meta.url).href
  const code = `import { giveRoom, takeRoom } from ${JSON.stringify(url)}; giveRoom(takeRoom(${2 * MIB}))`
  const since = performance.now()
  const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { timeout: 9000 })
  assert.is(status, 0)
  assert.ok(performance.now() - since < 8000)
})

test.run()
