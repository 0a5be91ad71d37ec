/** Works side by side: their outcomes in the order in which they came, and nothing kept of those that were told. */
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { inOrder } from '../../center/books/gather.js'

test('outcomes are told in the order in which the works came, failures too', async () => {
  const told: string[] = []
  const work = inOrder(async (ms: number) => {
    await setTimeout(ms)
    if (ms === 5) throw new Error('five')
    return ms
  })
  await Promise.all(
    [20, 5, 0].map(ms =>
      work(ms).then(
        value => told.push(String(value)),
        ({ message }: Error) => told.push(message)
      )
    )
  )
  assert.equal(told, ['20', 'five', '0'])
})

test('nothing is kept of what was told: once each order of a center stayed in its memory', async () => {
  const work = inOrder(async (name: string) => ({ name }))
  const refs: WeakRef<object>[] = []
  for (const name of ['first', 'second', 'third']) refs.push(new WeakRef(await work(name)))
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let i = 0; i < 3 && refs[0]!.deref() !== undefined; i++) {
    await setTimeout(1)
    collect()
  }
  assert.is(refs[0]!.deref(), undefined)
  assert.is((await work('fourth')).name, 'fourth')
})

test.run()
