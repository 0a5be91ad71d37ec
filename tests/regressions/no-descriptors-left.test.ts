/**
 * A process of a SES guest that did not start, since its host had no descriptors left for its pipes, ended the host: by its
 * spare, without a word to anybody.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { spawnSync } from 'node:child_process'

const SCRIPT = `
  import { closeSync, openSync } from 'node:fs'
  import { createPool, launch } from ${JSON.stringify(new URL('../../sandbox/index.js', import.meta.url).href)}
  const source = new TextEncoder().encode('export const one = () => 1')
  const told = []
  const tell = async start => {
    const guest = await start().catch(error => (told.push(error.code), undefined))
    if (guest !== undefined) told.push(await guest.call('one'))
    await guest?.dispose()
  }
  const single = () => launch(source, { engine: 'ses' })
  await tell(single)
  const pool = await createPool(source, { engine: 'ses', size: 1 })
  const held = []
  try {
    for (;;) held.push(openSync('/dev/null'))
  } catch {}
  await tell(single)
  // One was started ahead; the next one is not.
  for (let i = 0; i < 3; i++) await tell(() => pool.take())
  for (const fd of held) closeSync(fd)
  await tell(single)
  await tell(() => pool.take())
  await pool.dispose()
  console.log(told.join())`

test('launch() says that a process does not start where descriptors ran out, and its host lives on', () => {
  if (process.platform === 'win32') return console.log('skip: no limit of descriptors to set')
  const script = `ulimit -n 60 && exec "$0" --input-type=module -e "$1"`
  const { stdout, stderr, status } = spawnSync('sh', ['-c', script, process.execPath, SCRIPT], {
    encoding: 'utf8',
    timeout: 60_000
  })
  const FAILED = 'COFFER_ENGINE_FAILED'
  assert.equal([status, stdout.trim()], [0, ['1', FAILED, '1', FAILED, FAILED, '1', '1'].join()], stderr)
})

test.run()
