/** Works side by side: their outcomes in the order in which they came, and nothing kept of those that were told. */
import { setImmediate, setTimeout } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { collectGarbage } from '../helpers/garbage.js'
import { gather, inOrder } from '../../center/books/gather.js'

/** Works that are done when they are told to be. */
function underWay() {
  const batches: { readonly inputs: readonly number[]; end(): void }[] = []
  const work = (inputs: readonly number[]) =>
    new Promise<void>(resolve => batches.push({ inputs, end: resolve }))
  return {
    work,
    sizes: () => batches.map(({ inputs }) => inputs.length),
    end: (n: number) => batches[n]!.end()
  }
}

/** What is gathered begins a turn of the event loop later, or after the one that it waited for. */
async function started(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await setImmediate()
}

test('gather() does together what comes while others are being done, and more at once only when all of them is waiting', async () => {
  for (const [atOnce, sizes] of [
    [1, [4]],
    [2, [4, 4]]
  ] as const) {
    const { work, sizes: begun, end } = underWay()
    const gathered = gather(4, work, atOnce)
    const all = [1, 2, 3, 4, 5, 6, 7].map(gathered)
    await started()
    assert.equal(begun(), [4], 'three more wait')
    all.push(...[8, 9].map(gathered))
    await started()
    assert.equal(begun(), sizes)
    while (begun().length < 3) {
      end(begun().length - 1)
      await started()
    }
    assert.equal(begun(), [4, 4, 1])
    for (const n of [0, 1, 2]) end(n)
    await Promise.all(all)
  }
})

test('gather() begins again after a time in which nothing came, with as many at once as before', async () => {
  const { work, sizes, end } = underWay()
  const gathered = gather(2, work, 2)
  for (const round of [0, 1]) {
    const all = [1, 2, 3, 4].map(gathered)
    await started()
    assert.equal(sizes().slice(2 * round), [2, 2])
    for (const n of [0, 1]) end(2 * round + n)
    await Promise.all(all)
  }
})

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
  const deadline = performance.now() + 20_000
  while (refs[0]!.deref() !== undefined && performance.now() < deadline) {
    await setTimeout(1)
    collectGarbage()
  }
  assert.is(refs[0]!.deref(), undefined)
  assert.is((await work('fourth')).name, 'fourth')
})

test.run()
