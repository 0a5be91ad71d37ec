/** "never", "unlimited" and "none" on the command line were taken for something that is no number, and failed. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { newCenter, pressed, TITLE } from '../center/parties.js'

const CLI = fileURLToPath(new URL('../../center/cli/bin.js', import.meta.url))

test('title set takes back every bound that it set', async () => {
  const { center, folder, pinned } = await newCenter()
  await pressed({ center, pinned })
  await center.close()
  const set = (options: string) => {
    const words = ['title', folder, 'set', TITLE, ...options.split(' '), '--json']
    const { status, stdout } = spawnSync(process.execPath, [CLI, ...words], { encoding: 'utf8' })
    assert.is(status, 0, stdout)
    return JSON.parse(stdout).title
  }
  const names = ['copies', 'titleCopies', 'expiresDays', 'renewPriceMinor', 'trialDays', 'refundDays']
  const bound = set(
    '--copies 1 --copies-in-all 2 --expires-days 3 --renew-price 4 --trial-days 5 --refund-days 6'
  )
  assert.equal(
    names.map(name => bound[name]),
    [1, 2, 3, 4, 5, 6]
  )
  const free = set(
    '--copies unlimited --copies-in-all unlimited --expires-days never --renew-price none --trial-days none --refund-days none'
  )
  assert.equal(
    names.map(name => free[name]),
    names.map(() => null)
  )
})

test.run()
