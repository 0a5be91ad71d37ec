/** Ctrl-C while a title is copied: the program tidies up, says so, and the same command finishes the job. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { COFFER, ended, newSite, SCHEMES, type Site, start } from '../helpers/site.js'

let site: Site
test.before(async () => {
  site = await newSite()
})
test.after(() => site.close())

const LARGE = 32 * 1024 * 1024

for (const scheme of SCHEMES)
  test(`Ctrl-C ends a copy of a ${scheme} title with 130, and leaves nothing on the medium`, async () => {
    const id = `org.interrupted.${scheme}`
    const app = site.app(id, `export default () => { console.log('it runs'); return 0 }`, {
      assets: 'assets'
    })
    mkdirSync(join(app, 'assets'))
    writeFileSync(join(app, 'assets/large'), Buffer.alloc(LARGE, 7))
    const [master, medium] = await Promise.all([site.press(app, scheme), site.prepared()])
    const child = start(COFFER, ['copy', master, medium], site.options())
    // The grant is written: what comes next is the payload.
    child.stderr!.on('data', (text: string) => {
      if (/^(?:S3|S15) /m.test(text)) child.kill('SIGINT')
    })
    const { code, signal, stderr } = await ended(child)
    assert.equal([code, signal], [130, null], stderr)
    assert.match(stderr, /It was interrupted/)
    assert.match(stderr, /\[COFFER_INTERRUPTED\]/)
    for (const folder of ['titles', 'grants'])
      assert.equal(readdirSync(join(medium, '.coffer', folder)), [], folder)

    const again = await site.coffer('copy', master, medium)
    assert.is(again.code, 0, again.stderr)
    const ran = await site.coffer('run', medium)
    assert.equal([ran.code, ran.stdout], [0, 'it runs\n'])
  })

test.run()
