/** The one error, as it is passed on. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CofferError } from '../../formats/errors.js'

test('JSON of an error has what a log needs, and never its cause', () => {
  const details = {
    hint: 'Free some space.',
    expected: 'space',
    found: 'none',
    limit: { name: 'cpuMs', value: 1, used: 2 }
  }
  const error = new CofferError('COFFER_DISK_FULL', 'It is full.', { ...details, cause: new Error('secret') })
  const passed = JSON.parse(JSON.stringify({ error })).error
  assert.equal(passed, { name: 'CofferError', code: 'COFFER_DISK_FULL', message: 'It is full.', ...details })
  assert.equal(Object.keys(JSON.parse(JSON.stringify(new CofferError('COFFER_IO', 'no')))), [
    'name',
    'code',
    'message'
  ])
})

test.run()
