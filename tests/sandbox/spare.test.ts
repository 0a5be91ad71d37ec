/** What waits for the next taker: the last that will do, as many as there is room for, and none for long. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Spares } from '../../sandbox/spare.js'

test('Spares gives the last that will do to one taker', () => {
  const spares = new Spares<number>({ most: 3 })
  for (const made of [1, 2, 3]) spares.leave(made)
  assert.is(
    spares.take(made => made < 3),
    2
  )
  assert.equal(spares.waiting, [1, 3])
  assert.is(
    spares.take(made => made > 3),
    undefined
  )
  assert.equal([spares.take(), spares.take(), spares.take()], [3, 1, undefined])
})

test('Spares lets those go that came first, and each after its time, and tells of it', async () => {
  const dropped: number[] = []
  const spares = new Spares<number>({ most: 2, keptMs: 20, onDrop: made => dropped.push(made) })
  for (const made of [1, 2, 3, 4]) spares.leave(made)
  assert.equal(
    [spares.waiting, dropped],
    [
      [3, 4],
      [1, 2]
    ]
  )
  assert.is(spares.take(), 4)
  for (const end = Date.now() + 10_000; spares.waiting.length > 0 && Date.now() < end;)
    await new Promise(resolve => setTimeout(resolve, 5))
  assert.equal([spares.waiting, dropped], [[], [1, 2, 3]])
})

test.run()
