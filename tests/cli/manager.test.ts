/** The manager application on media: one file, which is all that a machine with Node needs (FIG. 3(A)). */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { expectSuccess, HELLO, HELLO_OUTPUT, jsonOf, newSite, ROOT, run } from '../helpers/site.js'

const site = await newSite()
test.after(() => site.close())

const master = site.fresh('master')
const words = ['--out', master, '--center', site.url, '--publisher', site.publisherFile, '--with-manager']
expectSuccess(await site.coffer('press', join(ROOT, 'samples/titles/hello'), ...words))
const medium = await site.prepared()
const onMaster = join(master, 'coffer.mjs')
const onMedium = join(medium, 'coffer.mjs')

test("press puts the program on the master, and the master's own program copies it on to the medium", async () => {
  assert.ok(existsSync(onMaster))
  expectSuccess(await run(onMaster, ['copy', master, medium, '--with-manager'], site.options()))
  assert.equal(readFileSync(onMedium), readFileSync(onMaster))
  assert.equal(readFileSync(onMedium), readFileSync(join(ROOT, 'dist/coffer.mjs')))
})

test('it runs the medium that it lies on, in each engine and isolation, with nothing else of coffer there', async () => {
  for (const options of [[], ['--isolation', 'thread'], ['--engine', 'ses'], [HELLO]]) {
    const ran = await run(onMedium, ['run', ...options], { ...site.options(), cwd: '/' })
    assert.equal([ran.code, ran.stdout, ran.stderr], [0, HELLO_OUTPUT, ''], options.join(' '))
  }
  assert.is(jsonOf(await run(onMedium, ['verify', '--json'], site.options())).verdict, 'ok')
  assert.is(jsonOf(await run(onMedium, ['list', '--json'], site.options())).titles[0].title, HELLO)
  // And any other that it is given.
  const other = await site.medium('conversion')
  assert.is((await run(onMedium, ['run', other], site.options())).stdout, HELLO_OUTPUT)
})

test('whatever wants a medium and is given none takes that one, wherever its word stands', async () => {
  const program = (...typed: string[]) => run(onMedium, typed, site.options())
  expectSuccess(await program('copy', master))
  const [request, answer] = [site.fresh('request'), site.fresh('answer')]
  expectSuccess(await program('order', master, '--out', request))
  expectSuccess(await site.center('issue', 'shop', request, '--out', answer))
  expectSuccess(await program('apply', answer))
  assert.match(expectSuccess(await program('renew', HELLO)).stdout, /^Renewed org\.example\.hello/)
  assert.is(jsonOf(await program('inspect', '--json')).path, medium)
  // What is not a folder may still be what was meant.
  assert.is(jsonOf(await program('inspect', answer, '--json')).type, 'answer')
  const sealed = join(master, `${HELLO}-1.title`)
  assert.is(jsonOf(await program('list', sealed, '--json')).kind, 'master')
  assert.match((await program('copy')).stderr, /needs <master>/)
})

test('a title that was granted the network finds it there', async () => {
  const source = `import { fetch } from 'coffer:net'
    export default async () => {
      try { await fetch('https://other.example/') } catch (error) { console.log(typeof fetch, error.name) }
    }`
  const net = await site.copied(
    site.app('org.example.net', source, { permissions: ['net'], net: ['api.example.org'] })
  )
  const ran = await run(onMaster, ['run', net, '--allow', 'net=api.example.org'], site.options())
  assert.equal([ran.code, ran.stderr], [0, ''])
  assert.match(ran.stdout, /^function [A-Z]\w*Error\n$/)
})

test("what a title sees is the same there: one file's SES once had names of its own", async () => {
  const source = `const made = [new Error('x'), new Date(), /x/, () => {}]
    export default () => console.log(made.map(({ constructor }) => constructor.name).join(' '))`
  const named = await site.copied(site.app('org.example.named', source))
  for (const engine of ['quickjs', 'ses']) {
    const words = ['run', named, '--engine', engine]
    for (const ran of [await site.coffer(...words), await run(onMaster, words, site.options())])
      assert.equal([ran.code, ran.stdout, ran.stderr], [0, 'Error Date RegExp Function\n', ''], engine)
  }
})

test('on a copy of the medium it refuses, and elsewhere it asks for a medium', async () => {
  const copy = site.fresh('copy')
  cpSync(medium, copy, { recursive: true, preserveTimestamps: true })
  const refused = await run(join(copy, 'coffer.mjs'), ['run'], site.options())
  assert.equal([refused.code, refused.stdout], [77, ''])
  const elsewhere = site.fresh('elsewhere')
  mkdirSync(elsewhere)
  renameSync(join(copy, 'coffer.mjs'), join(elsewhere, 'coffer.mjs'))
  assert.is((await run(join(elsewhere, 'coffer.mjs'), ['run'], site.options())).code, 64)
})

test('it does not press, and says so', async () => {
  const pressing = await run(
    onMaster,
    ['press', join(ROOT, 'samples/titles/hello'), ...words],
    site.options()
  )
  assert.is(pressing.code, 64)
  assert.match(pressing.stderr, /no part that bundles apps[^]*Install coffer as a package/)
})

test.run()
