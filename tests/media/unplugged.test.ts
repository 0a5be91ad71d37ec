/**
 * The shipped program while its medium goes away, as when a plug is pulled: a clear error, no crash, and what was reported
 * saved is there when it is back. Here the folder is moved away, which needs no rights; tests/media/folder.test.ts takes a
 * whole volume, `npm run faults` lets every call fail.
 */
import { mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { COFFER, ended, expectSuccess, newSite, start } from '../helpers/site.js'

const site = await newSite()
test.after(() => site.close())

const ID = 'org.example.counter'
const COUNTER = `
  import { readText, write } from 'coffer:save'
  export default async ([what]) => {
    let count = Number((await readText('count')) ?? 0)
    if (what === 'show') { console.log(count); return 0 }
    for (;;) { await write('count', new TextEncoder().encode(String(++count))); console.log(count) }
  }`
const app = site.app(ID, COUNTER, { permissions: ['save'] })
const medium = await site.copied(app)
const away = site.fresh('away')

const shown = async (): Promise<number> =>
  Number(expectSuccess(await site.coffer('run', medium, '--allow', 'save', '--', 'show')).stdout)

/** All that was reported saved, and of what was not at most the one save that the medium went away in. */
async function expectSaved({ stdout }: { readonly stdout: string }): Promise<void> {
  const reported = Number(stdout.trimEnd().split('\n').at(-1))
  const found = await shown()
  assert.ok(
    found === reported || found === reported + 1,
    `${reported} were reported saved, ${found} are there`
  )
}

/** Run until it has counted a little, then let `go` happen to the medium. */
async function interrupted(options: readonly string[], go: () => void) {
  const child = start(COFFER, ['run', medium, '--allow', 'save', ...options], site.options())
  child.stdin!.end()
  const end = ended(child)
  await new Promise<void>(resolve => {
    let lines = 0
    child.stdout!.on('data', (text: string) => {
      lines += text.split('\n').length - 1
      if (lines >= 3) resolve()
    })
    void end.then(() => resolve())
  })
  go()
  return end
}

for (const options of [
  ['--engine', 'quickjs', '--isolation', 'inline'],
  ['--engine', 'quickjs', '--isolation', 'thread'],
  ['--engine', 'ses']
]) {
  const how = options.filter(word => !word.startsWith('--')).join(', ')

  test(`${how}: the medium is gone, which the title is told; what it had saved is there again with it`, async () => {
    const ran = await interrupted(options, () => renameSync(medium, away))
    assert.is(ran.code, 1, ran.stderr)
    assert.match(ran.stderr, 'Cannot save: the medium is gone.')
    assert.not.match(ran.stderr, /COFFER_INTERNAL|COFFER_ENGINE_FAILED/)
    renameSync(away, medium)
    await expectSaved(ran)
  })

  test(`${how}: another medium is put in its place, and nothing is written to that`, async () => {
    const other = await site.copied(app)
    const before = readdirSync(join(other, '.coffer'))
    const ran = await interrupted(options, () => {
      renameSync(medium, away)
      renameSync(other, medium)
    })
    assert.is(ran.code, 1, ran.stderr)
    assert.match(ran.stderr, 'Cannot save: the medium is gone.')
    assert.equal(readdirSync(join(medium, '.coffer')), before)
    assert.is(await shown(), 0)
    renameSync(medium, site.fresh('other'))
    renameSync(away, medium)
    await expectSaved(ran)
  })
}

test('a medium that is gone before anything is opened, or is an empty folder, is missing', async () => {
  renameSync(medium, away)
  assert.is((await site.coffer('run', medium)).code, 66)
  mkdirSync(medium)
  const { code, stderr } = await site.coffer('run', medium)
  assert.is(code, 66)
  assert.match(stderr, 'COFFER_MEDIUM_MISSING')
  assert.equal(readdirSync(medium), [])
})

test.run()
