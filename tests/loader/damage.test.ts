/**
 * Damage: every byte of every record of a medium changed, and many of the sealed title's; each file cut, grown and
 * removed. Nothing ever runs, and every refusal says that the data is bad (65), missing (66) or not granted (77).
 */
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mediumPaths } from '../../loader/medium/layout.js'
import { closeSites, filesUnder, librarySite, SCHEMES } from '../helpers/library-site.js'
import { Seeded } from '../helpers/seeded.js'

const site = await librarySite()
test.after(closeSites)
const random = new Seeded('damage')

for (const scheme of SCHEMES) {
  const id = `org.${scheme}`
  const { root } = await site.copied(id, { scheme, assets: { 'a.txt': 'an asset' } })
  const folder = mediumPaths(root).folder
  const files = filesUnder(folder)

  const refused = async (what: string) => {
    const error = await site.failure(root, id)
    assert.ok(error, `it runs with ${what}`)
    assert.ok([65, 66, 77].includes(error.exitCode), `${what}: ${error.code}, ${error.message}`)
    assert.ok(error.hint, `${what}: ${error.code} without a hint: ${error.message}`)
    return error.code
  }

  test(`a ${scheme} medium has the files that are damaged here`, () => {
    assert.equal(files, [`grants/${id}.grant`, 'identity', 'revocations', `titles/${id}-1.title`])
  })

  for (const file of files) {
    const path = join(folder, file)
    const whole = readFileSync(path)
    // The identity is there to be read only; whoever damages it does not ask.
    chmodSync(path, 0o644)
    // Left damaged by a test that failed, a file would fail the tests of all others.
    const restored = (body: () => Promise<void>) => async () => {
      try {
        await body()
      } finally {
        writeFileSync(path, whole)
      }
      await site.runs(root, id)
    }

    test(
      `${scheme}: ${file} does not pass with any byte changed`,
      restored(async () => {
        const codes = new Set<string>()
        for (let at = 0; at < whole.length; at++) {
          const changed = Uint8Array.from(whole)
          changed[at]! ^= 1 + random.below(255)
          // In place: to cut a file first takes a file system longer than all else here.
          writeFileSync(path, changed, { flag: 'r+' })
          codes.add(await refused(`byte ${at} of ${file} changed from ${whole[at]} to ${changed[at]}`))
        }
        assert.ok(codes.size > 1, 'all bytes were refused alike: is the file read at all?')
      })
    )

    test(
      `${scheme}: ${file} does not pass cut, grown or emptied`,
      restored(async () => {
        for (const length of [0, 1, 4, 11, 12, 19, 20, 21, whole.length >> 1, whole.length - 1]) {
          writeFileSync(path, whole.subarray(0, length))
          await refused(`${file} cut to ${length} bytes`)
        }
        for (const more of [1, 96, 16_400]) {
          writeFileSync(path, Buffer.concat([whole, new Uint8Array(more)]))
          await refused(`${file} with ${more} bytes more`)
          writeFileSync(path, Buffer.concat([new Uint8Array(more), whole]))
          await refused(`${file} with ${more} bytes before it`)
        }
        writeFileSync(path, Buffer.concat([whole, whole]))
        await refused(`${file} twice`)
      })
    )

    // The identity's place on the volume is a factor: made anew it would be another's.
    if (file === 'identity') continue
    test(
      `${scheme}: ${file} does not pass removed, nor with another of the medium's files in its place`,
      restored(async () => {
        rmSync(path)
        await refused(`${file} removed`)
        for (const other of files.filter(name => name !== file)) {
          writeFileSync(path, readFileSync(join(folder, other)))
          await refused(`${other} in the place of ${file}`)
        }
      })
    )
  }
}

test.run()
