/** Large titles start before their assets are read; what is read is checked then, and damage never reaches the title. */
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CHUNK_BYTES, HEADER_BYTES, SEALED_CHUNK_BYTES } from '../../formats/cobblestone.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { openMedium } from '../../loader/open.js'
import { openTitleFile } from '../../loader/read.js'
import { verifyTitle } from '../../loader/verify.js'
import { closeSites, librarySite, SCHEMES } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

const site = await librarySite()
test.after(closeSites)

const SOURCE = `
  import { read } from 'coffer:assets'
  const sum = bytes => bytes.length * 256 + bytes[0]
  export const sumOf = async name => sum(await read(name))
  export const swallow = async name => { try { return await sumOf(name) } catch { return 'never mind' } }
  export const ping = () => 'pong'`

const LARGE_BYTES = 17 * 1024 * 1024

for (const scheme of SCHEMES) {
  test(`a large title runs what is whole of it, and nothing else: ${scheme}`, async () => {
    const id = `org.large.${scheme}`
    const { root } = await site.copied(id, {
      source: SOURCE,
      scheme,
      assets: { 'a.txt': 'abc', 'b.bin': 'coffer '.repeat(LARGE_BYTES / 7), 'c.txt': 'xyz' }
    })
    const path = mediumPaths(root).title(id, 1)
    const { payloadOffset } = openTitleFile(path)
    const whole = readFileSync(path)
    const chunks = Math.ceil((whole.length - payloadOffset - HEADER_BYTES) / SEALED_CHUNK_BYTES)
    const flipped = (at: number) => {
      const changed = Buffer.from(whole)
      changed[at]! ^= 1
      writeFileSync(path, changed)
    }
    const inChunk = (chunk: number) => payloadOffset + HEADER_BYTES + chunk * SEALED_CHUNK_BYTES + 5
    assert.ok(chunks > LARGE_BYTES / CHUNK_BYTES)

    flipped(inChunk(chunks >> 1))
    {
      await using guest = await site.launch(root, id)
      assert.is(await guest.call('ping'), 'pong')
      assert.is(await guest.call('sumOf', 'a.txt'), 3 * 256 + 97)
      assert.is(await guest.call('sumOf', 'c.txt'), 3 * 256 + 120)
      await rejectsWith('COFFER_PAYLOAD_FORGED', () => guest.call('swallow', 'b.bin'))
    }
    assert.is(verifyTitle(root, id, site.home, site.powers).verdict, 'COFFER_PAYLOAD_FORGED')

    // The payload's header, its index, its program.
    for (const at of [payloadOffset, payloadOffset + 40, inChunk(0)]) {
      flipped(at)
      await rejectsWith('COFFER_PAYLOAD_FORGED', () => site.launch(root, id))
    }
    writeFileSync(path, whole)
    truncateSync(path, statSync(path).size - 1)
    await rejectsWith('COFFER_PAYLOAD_TRUNCATED', () => site.launch(root, id))
    writeFileSync(path, whole)
    await using guest = await site.launch(root, id)
    assert.is(await guest.call('swallow', 'b.bin'), await guest.call('sumOf', 'b.bin'))
  })
}

test('checking a large title leaves others their turns, and ends by a signal', async () => {
  const { root, id } = await site.copied('org.large.checked', {
    assets: { large: new Uint8Array(6 * LARGE_BYTES) } // several turns on any machine
  })
  const medium = await openMedium(root, { home: site.home.folder, powers: site.powers })
  const controller = new AbortController()
  setImmediate(() => controller.abort()) // a turn of this thread's, in the midst of the check
  await rejectsWith('COFFER_INTERRUPTED', () => medium.verify(id, { signal: controller.signal }))
  assert.is((await medium.verify(id)).verdict, 'ok')
})

test.run()
