/** Ctrl-C while a title is pressed or copied: the program tidies up, says so, and the same command finishes the job. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { COFFER, ended, newSite, SCHEMES, type Site, start } from '../helpers/site.js'

let site: Site
test.before(async () => {
  site = await newSite()
})
test.after(() => site.close())

const LARGE = 32 * 1024 * 1024

function largeApp(id: string): string {
  const app = site.app(id, `export default () => { console.log('it runs'); return 0 }`, { assets: 'assets' })
  mkdirSync(join(app, 'assets'))
  writeFileSync(join(app, 'assets/large'), Buffer.alloc(LARGE, 7))
  return app
}

/** Press Ctrl-C once it has said something like this. */
async function interrupted(args: readonly string[], said: RegExp): Promise<void> {
  const child = start(COFFER, [...args], site.options())
  child.stderr!.on('data', (text: string) => {
    if (said.test(text)) child.kill('SIGINT')
  })
  const { code, signal, stderr } = await ended(child)
  assert.equal([code, signal], [130, null], stderr)
  assert.match(stderr, /It was interrupted[^]*it starts again, and what was charged is not charged again/)
  assert.match(stderr, /\[COFFER_INTERRUPTED\]/)
}

test('Ctrl-C ends pressing with 130, and leaves nothing of the title', async () => {
  const app = largeApp('org.interrupted')
  const out = site.path('pressed')
  const words = ['press', app, '--out', out, '--center', site.url, '--publisher', site.publisherFile]
  await interrupted(words, /^register at /m)
  assert.equal(existsSync(out) ? readdirSync(out) : [], [])
  const again = await site.coffer(...words)
  assert.is(again.code, 0, again.stderr)
  assert.ok(readdirSync(out).some(name => name.startsWith('org.interrupted')))
})

for (const scheme of SCHEMES)
  test(`Ctrl-C ends a copy of a ${scheme} title with 130, and leaves nothing on the medium`, async () => {
    const app = largeApp(`org.interrupted.${scheme}`)
    const [master, medium] = await Promise.all([site.press(app, scheme), site.prepared()])
    // The grant is written: what comes next is the payload.
    await interrupted(['copy', master, medium], /^(?:S3|S15) /m)
    for (const folder of ['titles', 'grants'])
      assert.equal(readdirSync(join(medium, '.coffer', folder)), [], folder)

    const again = await site.coffer('copy', master, medium)
    assert.is(again.code, 0, again.stderr)
    const ran = await site.coffer('run', medium)
    assert.equal([ran.code, ran.stdout], [0, 'it runs\n'])
  })

test.run()
