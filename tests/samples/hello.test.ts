import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ENGINES, bundleTitle, runTitle } from './helpers/titles.js'

for (const engine of ENGINES) {
  test(`hello greets who it is told to, without any capability: ${engine}`, async () => {
    const title = await bundleTitle('samples/titles/hello')
    const { exitCode, stdout, stderr } = await runTitle(title, engine, { args: ['Ada', 'Lovelace'] })
    assert.is(exitCode, 0)
    assert.is(stdout, 'Hello, Ada Lovelace. This program runs from a certified copy.\n')
    assert.is(stderr, '')
  })
}

test.run()
