/** A short soak: what `npm run soak` does ten thousand times. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Seeded } from '../../helpers/seeded.js'
import { holding, soak } from './soak.js'

test('some hundred launches, a tenth of them hostile, leave nothing behind', async () => {
  const seeded = new Seeded('soak')
  const warm = { inline: 20, pool: 4, thread: 2, ses: 1 }
  assert.equal(await soak(warm, seeded, () => {}), [])
  const before = holding()
  assert.equal(await soak({ inline: 210, pool: 40, thread: 12, ses: 4 }, seeded, () => {}), [])
  const deadline = Date.now() + 20_000
  // Processes and what leads to them are gone soon after their guests; a thread may wait for another one.
  const isGone = ({ children, threads, files, handles }: ReturnType<typeof holding>) =>
    children === 0 && threads <= before.threads && files <= before.files && handles <= before.handles
  while (Date.now() < deadline && !isGone(holding())) await new Promise(resolve => setTimeout(resolve, 50))
  const after = holding()
  assert.is(after.children, 0)
  assert.ok(after.threads <= before.threads, `${after.threads} threads, ${before.threads} before`)
  assert.ok(after.files <= before.files, `${after.files} files, ${before.files} before`)
  assert.ok(after.handles <= before.handles, `${after.handles} handles, ${before.handles} before`)
})

test.run()
