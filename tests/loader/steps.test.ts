/** Long work: at once, or with turns for others, and ended in between. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { atOnce, inTurns, type Steps } from '../../loader/steps.js'
import { rejectsWith } from '../helpers/rejects.js'

/** Steps that take 10 ms each, and what became of them. */
function work(steps: number) {
  const seen = { steps: 0, tidied: false }
  function* working(): Steps<string> {
    try {
      for (let step = 0; step < steps; step++) {
        for (const since = performance.now(); performance.now() - since < 10;);
        seen.steps++
        yield
      }
      return 'done'
    } finally {
      seen.tidied = true
    }
  }
  return { seen, working: working() }
}

/** How often others had a turn while that was done. */
async function turnsDuring(doing: Promise<unknown>): Promise<number> {
  let turns = 0
  let going = true
  const turn = () => {
    turns++
    if (going) setImmediate(turn)
  }
  setImmediate(turn)
  await doing
  going = false
  return turns
}

test('inTurns() gives what the steps give, and others their turns', async () => {
  const { seen, working } = work(20)
  let result: string | undefined
  const turns = await turnsDuring(inTurns(working, undefined).then(value => (result = value)))
  assert.equal([result, seen], ['done', { steps: 20, tidied: true }])
  assert.ok(turns >= 5 && turns <= 20, `${turns} turns in 200 ms`)
})

test('atOnce() gives the same, and nobody a turn', () => {
  const { seen, working } = work(2)
  assert.equal([atOnce(working), seen], ['done', { steps: 2, tidied: true }])
})

test('a signal ends the work between two steps, and what they began is tidied up', async () => {
  const { seen, working } = work(1000)
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 30)
  await rejectsWith('COFFER_INTERRUPTED', () => inTurns(working, controller.signal))
  assert.ok(seen.steps >= 1 && seen.steps < 500, `${seen.steps} steps`)
  assert.ok(seen.tidied)
  const never = work(1)
  await rejectsWith('COFFER_INTERRUPTED', () => inTurns(never.working, AbortSignal.abort()))
  assert.is(never.seen.steps, 0)
})

test('what a step throws is passed on', async () => {
  function* failing(): Steps {
    yield
    throw new Error('as it is')
  }
  assert.is(await inTurns(failing(), undefined).catch((error: Error) => error.message), 'as it is')
})

test.run()
