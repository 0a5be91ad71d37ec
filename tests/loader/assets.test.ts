/** Assets out of a sealed payload: whole, in part and as a stream, and never more of it than is asked for. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openMedium } from '../../loader/index.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import type { Value } from '../../sandbox/index.js'
import { closeSites, librarySite, SCHEMES } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'
import { Seeded } from '../helpers/seeded.js'

const site = await librarySite()
test.after(closeSites)

const random = new Seeded('assets')
const LARGE = random.bytes(3_000_001)
const SMALL = new TextEncoder().encode('héllo')

const SOURCE = `
  import { list, open, read, readText } from 'coffer:assets'
  export { list, read, readText }
  export const part = (path, range) => open(path).read(range)
  export const failure = async (name, ...args) => {
    try { await ({ read, part, open })[name](...args); return 'read' } catch (error) { return error.code ?? error.name }
  }
  export const stream = async (path, from = 0) => {
    let [sum, bytes, parts] = [0, 0, 0]
    for await (const part of open(path)) {
      parts++
      bytes += part.length
      for (let i = 0; i < part.length; i += 997) sum = (sum + part[i] * (parts + 1)) % 1_000_003
    }
    return [sum, bytes, parts, open(path).sizeBytes]
  }
  export default () => 0`

/** What \`stream\` gives, computed here. */
function streamed(bytes: Uint8Array): Value[] {
  let [sum, parts] = [0, 0]
  for (let at = 0; at < bytes.length; at += 256 * 1024) {
    parts++
    const part = bytes.subarray(at, at + 256 * 1024)
    for (let i = 0; i < part.length; i += 997) sum = (sum + part[i]! * (parts + 1)) % 1_000_003
  }
  return [sum, bytes.length, parts, bytes.length]
}

for (const scheme of SCHEMES) {
  test(`${scheme}: any part of an asset is what it is in the file`, async () => {
    const { root, id } = await site.copied(`org.assets.${scheme}`, {
      scheme,
      source: SOURCE,
      fields: { limits: { memoryMiB: 64 } },
      assets: { 'large.bin': LARGE, 'small.txt': SMALL, empty: new Uint8Array() }
    })
    await using guest = await site.launch(root, id)
    const size = LARGE.length
    const ranges = [
      {},
      { offsetBytes: 0, lengthBytes: 0 },
      { offsetBytes: 0, lengthBytes: 1 },
      { lengthBytes: 16_384 },
      { offsetBytes: size - 1 },
      { offsetBytes: size },
      { offsetBytes: size + 5 },
      { offsetBytes: size - 3, lengthBytes: 100 },
      ...Array.from({ length: 20 }, () => ({
        offsetBytes: random.below(size),
        lengthBytes: random.below(60_000)
      }))
    ]
    for (const range of ranges) {
      const { offsetBytes = 0, lengthBytes = Infinity } = range as Partial<(typeof ranges)[number]> & {
        offsetBytes?: number
        lengthBytes?: number
      }
      const expected = LARGE.slice(offsetBytes, offsetBytes + lengthBytes)
      const [whole, opened] = [
        await guest.call('read', 'large.bin', range),
        await guest.call('part', 'large.bin', range)
      ]
      assert.ok(Buffer.from(expected).equals(whole as Uint8Array), JSON.stringify(range))
      assert.ok(Buffer.from(expected).equals(opened as Uint8Array), JSON.stringify(range))
    }
    assert.equal(await guest.call('stream', 'large.bin'), streamed(LARGE))
    assert.equal(await guest.call('stream', 'empty'), [0, 0, 0, 0])
    assert.is(await guest.call('readText', 'small.txt'), 'héllo')
    for (const [name, ...args] of [
      ['read', 'large.bin', { offsetBytes: -1 }],
      ['read', 'large.bin', { lengthBytes: 1.5 }],
      ['read', 'large.bin', { offsetBytes: 'x' }],
      ['read', 'large.bin', { lengthBytes: NaN }]
    ] as const)
      assert.is(await guest.call('failure', name, ...args), 'RangeError')
    assert.is(await guest.call('failure', 'read', 'none'), 'COFFER_FILE_MISSING')
    assert.is(await guest.call('failure', 'open', 'none'), 'COFFER_FILE_MISSING')
  })
}

test('only the chunks that a part lies in are opened, and a damaged one is refused', async () => {
  const { root, id } = await site.copied('org.assets.damaged', {
    source: SOURCE,
    assets: { 'large.bin': LARGE }
  })
  await using guest = await site.launch(root, id)
  // In place, so that the open file changes: everything but one stretch in the middle.
  const path = mediumPaths(root).title(id, 1)
  const bytes = readFileSync(path)
  const kept = bytes.length - LARGE.length + 1_500_000
  for (let at = bytes.length - LARGE.length + 400_000; at < bytes.length; at += 1000)
    if (Math.abs(at - kept) > 150_000) bytes[at]! ^= 1
  writeFileSync(path, bytes)
  const range = { offsetBytes: 1_500_000, lengthBytes: 50_000 }
  assert.equal(await guest.call('read', 'large.bin', range), LARGE.slice(1_500_000, 1_550_000))
  // The title may catch it; its host is told all the same.
  await rejectsWith('COFFER_PAYLOAD_FORGED', () =>
    guest.call('failure', 'read', 'large.bin', { offsetBytes: 2_000_000, lengthBytes: 1 })
  )
})

test('damage fails the call that meets it, and each that waits then; mended, it is forgotten', async () => {
  const { root, id } = await site.copied('org.assets.mended', {
    source: `${SOURCE}
      export const one = () => 1
      export const waited = async path => {
        const caught = await read(path).catch(error => error.code)
        return new Promise(done => setTimeout(done, 50, caught))
      }
      export async function* parts(path) { yield 1; for await (const part of open(path)) yield part.length }`,
    assets: { 'large.bin': LARGE }
  })
  const medium = await openMedium(root, { home: site.home.folder, powers: site.powers })
  await using pool = await medium.pool(id, { size: 1 })
  await using launched = await medium.launch(id)
  await using taken = await pool.take()
  const path = mediumPaths(root).title(id, 1)
  const bytes = readFileSync(path)
  const damaged = bytes.map((byte, at) =>
    at > bytes.length - 1_000_000 && at % 1000 === 0 ? byte ^ 1 : byte
  )
  for (const guest of [launched, taken]) {
    for (const _ of [1, 2]) {
      writeFileSync(path, damaged)
      await rejectsWith('COFFER_PAYLOAD_FORGED', () => guest.call('read', 'large.bin'))
      const waiting = rejectsWith('COFFER_PAYLOAD_FORGED', () => guest.call('waited', 'large.bin'))
      await rejectsWith('COFFER_PAYLOAD_FORGED', () => guest.call('failure', 'read', 'large.bin'))
      await waiting
      assert.is(await guest.call('one'), 1)
      if (guest.engine === 'quickjs') assert.is(guest.callSync('one'), 1)
      const parts = guest.iterate('parts', 'large.bin')
      assert.equal(await parts.next(), { done: false, value: 1 })
      await rejectsWith('COFFER_PAYLOAD_FORGED', async () => {
        for await (const part of parts) void part
      })
      writeFileSync(path, bytes)
      assert.equal(await guest.call('read', 'large.bin'), LARGE)
    }
  }
})

test('a title that reads a damaged asset while it starts does not start, whatever it makes of that', async () => {
  const { root, id } = await site.copied('org.assets.begun', {
    source: `import { read } from 'coffer:assets'
      await read('large.bin').catch(() => {})
      export const one = () => 1`,
    assets: { 'large.bin': LARGE }
  })
  const medium = await openMedium(root, { home: site.home.folder, powers: site.powers })
  const path = mediumPaths(root).title(id, 1)
  const bytes = readFileSync(path)
  writeFileSync(
    path,
    bytes.map((byte, at) => (at > bytes.length - 1_000_000 && at % 1000 === 0 ? byte ^ 1 : byte))
  )
  await using pool = await medium.pool(id, { size: 1 })
  await rejectsWith('COFFER_PAYLOAD_FORGED', () => medium.launch(id))
  await rejectsWith('COFFER_PAYLOAD_FORGED', () => pool.take())
  writeFileSync(path, bytes)
  await using launched = await medium.launch(id)
  await using taken = await pool.take()
  for (const guest of [launched, taken]) assert.is(await guest.call('one'), 1)
})

test('a medium that was taken out has no list of titles', async () => {
  const { root, id } = await site.copied('org.assets.out', { source: 'export const one = () => 1' })
  const medium = await openMedium(root, { home: site.home.folder, powers: site.powers })
  assert.equal(
    (await medium.titles()).map(title => title.id),
    [id]
  )
  renameSync(root, `${root}-out`)
  await rejectsWith('COFFER_MEDIUM_MISSING', () => medium.titles())
  renameSync(`${root}-out`, root)
  assert.equal(
    (await medium.titles()).map(title => title.id),
    [id]
  )
})

test('what would not fit into the guest is not read for it', async () => {
  const { root, id } = await site.copied('org.assets.large', {
    source: SOURCE,
    fields: { limits: { memoryMiB: 2 } },
    assets: { 'large.bin': LARGE }
  })
  await using guest = await site.launch(root, id)
  assert.is(await guest.call('failure', 'read', 'large.bin'), 'RangeError')
  assert.equal(await guest.call('stream', 'large.bin'), streamed(LARGE))
})

test.run()
