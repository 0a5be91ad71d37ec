/** FIG. 3(A), 3(B): what is recorded in a master, and what in a target. */
import { copyFileSync, chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { openIdentity } from '../../formats/records/identity.js'
import { expectSuccess, filesBelow, jsonOf, ROOT, run } from '../helpers/site.js'
import {
  bytesOf,
  copyFiles,
  holds,
  refused,
  sealedTitle,
  stepsOf,
  type Copy,
  type Pressed,
  type TwoSites,
  withTwoSites
} from './sites.js'

let sites: TwoSites
let titles: Pressed[]
let copy: Copy
withTwoSites(test, async opened => {
  sites = opened
  const first = await sites.press('org.example.sid-1', 'certificate')
  const second = await sites.press('org.example.sid-2', 'conversion', first.master)
  titles = [first, second]
  copy = await sites.copy(first)
  await sites.copy(second, copy.medium)
})

test('FIG. 3(A): a master (11) holds several programs, each encrypted, each with its own SIDi', async () => {
  const [{ master }] = titles as [Pressed, Pressed]
  const listed = jsonOf(await sites.site.coffer('list', master, '--json'))
  assert.equal(
    listed.titles.map(({ title }: any) => title),
    titles.map(({ id }) => id)
  )
  for (const { path, id, marker } of titles) {
    assert.is(sealedTitle(path).manifest.id, id)
    assert.not.ok(holds(bytesOf(path), marker))
  }
})

test('FIG. 3(A): the manager application MA is one file on the master, started from there, and governs the copy', async () => {
  const [title] = titles as [Pressed]
  const master = sites.site.fresh('cdrom')
  mkdirSync(master)
  copyFileSync(title.path, join(master, `${title.id}-1.title`))
  const manager = join(master, 'coffer.mjs')
  copyFileSync(join(ROOT, 'dist/coffer.mjs'), manager)
  const medium = sites.site.fresh('medium')
  const type = async (...args: string[]) =>
    expectSuccess(await run(manager, [...args, '--json'], sites.site.options()))
  await type('prepare', medium)
  assert.equal(stepsOf(await type('copy', master, medium)).at(-1), 'S7')
  assert.is(jsonOf(await type('verify', medium)).verdict, 'ok')
  assert.equal(readdirSync(master), ['coffer.mjs', `${title.id}-1.title`])
  const ran = await run(manager, ['run', medium], sites.site.options())
  assert.equal([ran.code, ran.stdout], [0, `${title.marker}\n`], ran.stderr)
})

test('FIG. 3(B): a target (12) holds IDk, certificates and encrypted programs, and nothing else of ours', () => {
  assert.equal(filesBelow(join(copy.medium, '.coffer')), [
    'grants/org.example.sid-1.grant',
    'grants/org.example.sid-2.grant',
    'identity',
    'revocations',
    'titles/org.example.sid-1-1.title',
    'titles/org.example.sid-2-1.title'
  ])
  for (const path of filesBelow(copy.medium))
    for (const { marker } of titles) assert.not.ok(holds(bytesOf(join(copy.medium, path)), marker), path)
})

test('FIG. 3(B): IDk is unique to each medium', async () => {
  const media = await Promise.all([1, 2, 3].map(() => sites.site.prepared()))
  const ids = await Promise.all([copy.medium, ...media].map(medium => sites.mediumId(medium)))
  assert.is(new Set(ids.map(hex)).size, 4)
})

test('FIG. 3(B): IDk is in a part that is not rewritable: it is neither made again, nor altered, nor copied', async () => {
  const identity = join(copy.medium, '.coffer/identity')
  const before = bytesOf(identity)
  const again = await sites.site.coffer('prepare', copy.medium, '--json')
  refused(again, 73, 'COFFER_EXISTS')
  assert.equal(bytesOf(identity), before)
  if (process.platform !== 'win32') assert.is(statSync(identity).mode & 0o777, 0o444)
  // IDk itself is in no file: it is measured, and the same bytes elsewhere are another medium.
  assert.not.ok(holds(before, copy.mediumId))
  const other = copyFiles(sites.site, copy.medium)
  const copied = join(other, '.coffer/identity')
  assert.equal(openIdentity(bytesOf(copied)).nonce, openIdentity(before).nonce)
  assert.is.not(hex(await sites.mediumId(other)), hex(copy.mediumId))
  const altered = before.slice()
  altered[30]! ^= 1
  chmodSync(copied, 0o644)
  writeFileSync(copied, altered)
  const ran = await sites.site.coffer('run', other, titles[0]!.id, '--json')
  assert.is(ran.code, 65, ran.stdout)
})

test('FIG. 3(B): most of a target is freely written and read by its user', async () => {
  writeFileSync(join(copy.medium, 'a letter.txt'), 'of my own')
  mkdirSync(join(copy.medium, 'photos'))
  for (const { id, marker } of titles) {
    const ran = await sites.site.coffer('run', copy.medium, id)
    assert.equal([ran.code, ran.stdout], [0, `${marker}\n`])
  }
})

test.run()
