/** launch() as callers without a compiler may call it. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { launch, type LaunchOptions } from '../../sandbox/index.js'

const source = new TextEncoder().encode('export const one = () => 1')

test('launch() refuses a way to run that does not exist, rather than take the default one', async () => {
  const wrong: readonly (readonly [unknown, object])[] = [
    ['export const one = () => 1', {}],
    [undefined, {}],
    [source, { engine: 'SES' }],
    [source, { engine: 'v8' }],
    [source, { engine: null }],
    [source, { isolation: 'process' }],
    [source, { engine: 'ses', isolation: 'Thread' }]
  ]
  for (const [program, options] of wrong) {
    const outcome = await launch(program as Uint8Array, options as LaunchOptions).then(
      guest => guest.dispose().then(() => 'it started'),
      (error: unknown) => error
    )
    assert.instance(outcome, TypeError, JSON.stringify(options))
    assert.match((outcome as TypeError).message, /^launch: /)
  }
  const guest = await launch(Buffer.from(source), { isolation: 'inline' })
  assert.is(await guest.call('one'), 1)
  await guest.dispose()
})

test.run()
