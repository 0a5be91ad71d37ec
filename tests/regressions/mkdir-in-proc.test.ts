/**
 * `COFFER_HOME=/proc/x coffer keygen` never ended: Node's recursive mkdir asks again and again where a folder is there
 * but can have none in it.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { COFFER, run } from '../helpers/site.js'

test('a folder that cannot be made is an error, not a loop', async () => {
  if (process.platform !== 'linux') return console.log('skip: /proc is of Linux')
  const ran = await run(COFFER, ['keygen', '--json'], { env: { COFFER_HOME: '/proc/coffer-home/below' } })
  assert.is(ran.code, 66, ran.stdout)
  assert.is(JSON.parse(ran.stdout).error.code, 'COFFER_FILE_MISSING')
})

test.run()
