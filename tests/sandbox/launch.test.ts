/** launch() as callers without a compiler may call it. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createPool, launch, type LaunchOptions, type PoolOptions } from '../../sandbox/index.js'

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

test('an option that there is not, or is not what its type says, is refused before anything starts', async () => {
  const wrong: readonly object[] = [
    { isolaton: 'thread' },
    { capabilities: { hosts: {} } },
    { capabilities: null },
    { name: 5 },
    { seed: 'x' },
    { seed: NaN },
    { seed: 5n },
    { softShare: null },
    { stdout: 'x' },
    { args: 'abc' },
    { args: [1] },
    { signal: {} },
    { limits: null },
    { limits: { cpums: 5 } }
  ]
  const started = (what: AsyncDisposable) => what[Symbol.asyncDispose]().then(() => 'it started')
  for (const way of [{}, { isolation: 'thread' }, { engine: 'ses' }]) {
    for (const options of wrong) {
      const outcomes = await Promise.all([
        launch(source, { ...way, ...options } as LaunchOptions).then(started, (error: Error) => error.name),
        createPool(source, { size: 1, ...way, ...options } as PoolOptions).then(
          started,
          (error: Error) => error.name
        )
      ])
      for (const outcome of outcomes)
        assert.match(
          outcome,
          /^(?:TypeError|RangeError)$/,
          `${JSON.stringify(way)} ${Object.keys(options).join()}`
        )
    }
  }
  await launch(source, null as never).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, 'options must be an object')
  )
  const unset = { name: undefined, limits: undefined, signal: undefined, seed: undefined, args: undefined }
  await using guest = await launch(source, unset)
  assert.is(await guest.call('one'), 1)
})

test.run()
