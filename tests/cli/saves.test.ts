/** `coffer export` and `coffer import` as they are typed. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { expectSuccess, jsonOf, newSite, type Ran } from '../helpers/site.js'

const site = await newSite()
test.after(() => site.close())

const ID = 'org.example.counter'
const COUNTER = `
  import { readText, write } from 'coffer:save'
  export default async () => {
    const next = Number((await readText('count')) ?? 0) + 1
    await write('count', new TextEncoder().encode(String(next)))
    console.log(next)
  }`
const app = site.app(ID, COUNTER, { permissions: ['save'] })
const master = await site.press(app)
const [stick, card] = await Promise.all([site.prepared(), site.prepared()])
for (const medium of [stick, card]) expectSuccess(await site.coffer('copy', master, medium))
const count = async (medium: string) =>
  expectSuccess(await site.coffer('run', medium, '--allow', 'save')).stdout
const file = site.fresh('saves')

const failure = (ran: Ran) => [ran.code, jsonOf(ran).error.code]

test('export and import: what is said, and what stands in the JSON', async () => {
  assert.is(await count(stick), '1\n')
  assert.is(await count(stick), '2\n')
  const exported = expectSuccess(await site.coffer('export', stick, ID, '--out', file))
  assert.is(exported.stdout, `Exported 1 save (1 byte) of ${ID} to ${file}.\n`)
  assert.is(exported.stderr, '')

  const imported = jsonOf(expectSuccess(await site.coffer('import', file, card, '--json')))
  const { created, ...rest } = imported
  assert.equal(rest, { title: ID, path: file, slots: 1, bytes: 1 })
  assert.match(created, /^20\d\d-.*Z$/)
  assert.is(await count(card), '3\n')

  const again = await site.coffer('import', file, card)
  assert.is(again.code, 77)
  assert.match(again.stderr, /COFFER_SAVE_NEWER/)
  const replaced = expectSuccess(await site.coffer('import', file, card, '--replace'))
  assert.match(
    replaced.stdout,
    /^Imported 1 save \(1 byte\) of org\.example\.counter as they were on 20.* UTC\.\n$/
  )
  assert.is(await count(card), '3\n')
})

test('inspect shows what such a file says openly, and no save', async () => {
  const { type, titleId, userId, centerId, publisher, created, fileBytes, ...more } = jsonOf(
    await site.coffer('inspect', file, '--json')
  )
  assert.equal([type, titleId, fileBytes], ['saves', ID, readFileSync(file).length])
  for (const id of [userId, centerId, publisher]) assert.match(id, /^[0-9a-f]{64}$/)
  assert.match(created, /Z$/)
  assert.equal(Object.keys(more), ['path'])
})

test('what is not right is told by code and exit code, and nothing is written', async () => {
  const json = (...words: string[]) => site.coffer(...words, '--json').then(failure)
  assert.equal(await json('export', stick, ID), [64, 'COFFER_USAGE'])
  assert.equal(await json('export', stick, ID, '--out', file), [73, 'COFFER_EXISTS'])
  assert.equal(await json('export', stick, 'org.example.other', '--out', `${file}-2`), [
    66,
    'COFFER_TITLE_MISSING'
  ])
  assert.equal(await json('export', site.folder, ID, '--out', `${file}-2`), [66, 'COFFER_MEDIUM_MISSING'])
  assert.equal(await json('import', `${file}-2`, stick), [66, 'COFFER_FILE_MISSING'])
  assert.equal(await json('import', site.publisherFile, stick), [65, 'COFFER_RECORD_DAMAGED'])
  assert.equal(await json('import', file), [64, 'COFFER_USAGE'])
  const help = await site.coffer('export', '--help')
  assert.match(help.stdout, /only you can open/)
})

test('exporting from a medium with a program on it needs no path of the medium', async () => {
  const { run } = await import('../helpers/site.js')
  expectSuccess(await site.coffer('copy', master, stick, '--with-manager'))
  const out = site.fresh('saves')
  expectSuccess(await run(`${stick}/coffer.mjs`, ['export', ID, '--out', out], site.options()))
  assert.is(jsonOf(await site.coffer('import', out, card, '--replace', '--json')).slots, 1)
})

test.run()
