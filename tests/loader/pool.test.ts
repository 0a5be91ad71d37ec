/** Pools of a licensed title: rechecked before each guest, opened anew when the medium holds something else. */
import { rmSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openMedium } from '../../loader/index.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { clone } from '../helpers/clone.js'
import { closeSites, librarySite, SCHEMES } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

const site = await librarySite()
test.after(closeSites)

const source = (name: string) => `
  import { readText } from 'coffer:assets'
  import { f } from 'coffer:host'
  let n = 0
  export const next = async () => ['${name}', ++n, await readText('a.txt'), await f()]`
const FIELDS = { permissions: ['host'] }
const capabilities = { host: { f: () => 'host' } }

const open = (root: string) => openMedium(root, { home: site.home.folder, powers: site.powers })

for (const scheme of SCHEMES) {
  test(`guests of a title from a pool: ${scheme}`, async () => {
    const id = `org.pool.${scheme}`
    const { root } = await site.copied(id, {
      source: source('one'),
      fields: FIELDS,
      assets: { 'a.txt': 'A' },
      scheme
    })
    const medium = await open(root)
    for (const isolation of ['inline', 'thread'] as const) {
      await using pool = await medium.pool(id, { size: 2, capabilities, isolation })
      for (let i = 0; i < 3; i++) {
        const [a, b] = await Promise.all([pool.take(), pool.take()])
        assert.equal(await a.call('next'), ['one', 1, 'A', 'host'])
        assert.equal(await b.call('next'), ['one', 1, 'A', 'host'])
        await a.dispose()
        await b.dispose()
      }
    }
  })
}

test('a license that is gone, or on another medium, hands out no more guests', async () => {
  const { root } = await site.copied('org.pool.gone', { source: 'export const f = () => 1' })
  const medium = await open(root)
  await using pool = await medium.pool('org.pool.gone', { size: 1 })
  await using kept = await pool.take()
  const other = await (await open(clone(root, site.path('clone')))).pool('org.pool.gone', { size: 1 })
  await rejectsWith('COFFER_CERTIFICATE_MISMATCH', () => other.take())
  await other.dispose()
  rmSync(mediumPaths(root).folder, { recursive: true })
  assert.is(await kept.call('f'), 1)
  await kept.dispose()
  await rejectsWith('COFFER_MEDIUM_MISSING', () => pool.take())
})

test('a new release on the medium is what the next guest is of', async () => {
  const id = 'org.pool.next'
  const title = { fields: FIELDS, assets: { 'a.txt': 'A' } }
  const { root } = await site.copied(id, { ...title, source: source('one') })
  await using pool = await (await open(root)).pool(id, { size: 2, capabilities })
  const old = await pool.take()
  const { master } = await site.press(id, { ...title, source: source('two'), release: 2 })
  await site.copy(master, root, id)
  const fresh = await pool.take()
  assert.equal(await fresh.call('next'), ['two', 1, 'A', 'host'])
  assert.equal(await old.call('next'), ['one', 1, 'A', 'host'])
  await old.dispose()
  await fresh.dispose()
  await using again = await pool.take()
  assert.equal(await again.call('next'), ['two', 1, 'A', 'host'])
})

test('a guest of a new release has its assets, also where the release before could not be let go of', async () => {
  const id = 'org.pool.stuck'
  const title = { fields: FIELDS, assets: { 'a.txt': 'A' } }
  const { root } = await site.copied(id, { ...title, source: source('one') })
  await using pool = await (await open(root)).pool(id, { size: 1, capabilities, isolation: 'thread' })
  await (await pool.take()).dispose()
  const { master } = await site.press(id, { ...title, source: source('two'), release: 2 })
  await site.copy(master, root, id)
  const { terminate } = Worker.prototype
  const stuck: Worker[] = []
  // What another thread is at is a guest's, which is disposed of and waits for the next.
  Worker.prototype.terminate = function (this: Worker) {
    stuck.push(this)
    return Promise.reject(new Error('stuck'))
  }
  try {
    await pool.take().then(
      () => assert.unreachable(),
      (error: Error) => assert.is(error.message, 'stuck')
    )
  } finally {
    Worker.prototype.terminate = terminate
  }
  await Promise.all(stuck.map(worker => worker.terminate()))
  await using fresh = await pool.take()
  assert.equal(await fresh.call('next'), ['two', 1, 'A', 'host'])
})

test('what was not granted, and what is no size, is refused', async () => {
  const { root } = await site.copied('org.pool.asks', {
    source: source('one'),
    fields: FIELDS,
    assets: { 'a.txt': 'A' }
  })
  const medium = await open(root)
  await using pool = await medium.pool('org.pool.asks', { size: 1 })
  await rejectsWith('COFFER_PERMISSION_NEEDED', () => pool.take())
  await medium.pool('org.pool.asks', { size: 0 }).then(
    () => assert.unreachable(),
    (error: Error) => assert.instance(error, RangeError)
  )
})

test.run()
