/** `coffer` as npm installs it, without what V8 compiled: that fits one version of Node, and is made where it is used. */
import { cpSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { KEPT_CODE } from '../../sandbox/kept-code.js'
import { expectSuccess, HELLO, HELLO_OUTPUT, newSite, ROOT, run } from '../helpers/site.js'

const site = await newSite()
test.after(() => site.close())

const dist = join(site.fresh('installed'), 'dist')
mkdirSync(dist, { recursive: true })
cpSync(join(ROOT, 'dist'), dist, {
  recursive: true,
  filter: path => !path.endsWith('.cache') && !path.endsWith('types')
})
const program = join(dist, 'bin/coffer.cjs')
const programOf = (name: string) => name.split('.')[0]!
const kept = () =>
  readdirSync(dist)
    .filter(name => name.endsWith('.cache'))
    .map(programOf)
    .sort()
/** Of the engines: V8 14 makes no machine code of QuickJS to keep. */
const engines = KEPT_CODE.map(programOf)
const master = await site.master('certificate')

test('the first copy keeps the code of the engines and its own, the first run its own; later ones make nothing', async () => {
  assert.equal(kept(), [])
  const medium = await site.prepared()
  const copying = ['copy', master, medium, '--title', HELLO]
  expectSuccess(await run(program, copying, site.options()))
  assert.equal(kept(), ['coffer-program', ...engines].sort())

  expectSuccess(await run(program, ['run', medium], site.options()))
  assert.equal(kept(), ['coffer-program', 'coffer-run', ...engines].sort())
  const inodes = () => readdirSync(dist).map(name => [name, statSync(join(dist, name)).ino])
  const before = inodes()
  for (const options of [[], ['--engine', 'ses']]) {
    const ran = await run(program, ['run', medium, ...options], site.options())
    assert.equal([ran.code, ran.stdout, ran.stderr], [0, HELLO_OUTPUT, ''])
  }
  expectSuccess(await run(program, copying, site.options()))
  assert.equal(inodes(), before)
})

test.run()
