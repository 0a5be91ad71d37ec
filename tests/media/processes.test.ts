/** Two programs on one medium at once, over and over: each ends well or is told to wait, and the medium is whole. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { expectSuccess, jsonOf, newSite, type Ran } from '../helpers/site.js'

const site = await newSite()
test.after(() => site.close())

const ROUNDS = 4
const BUSY = 75

const says = (release: number) =>
  `import { readText, write } from 'coffer:save'
   export default async () => {
     const count = Number((await readText('count')) ?? 0) + 1
     await write('count', new TextEncoder().encode(String(count)))
     console.log('release ${release}')
   }`
const [one, two] = ['org.example.one', 'org.example.two']
const press = async (id: string, release: number) =>
  site.press(site.app(id, says(release), { release, permissions: ['save'] }))
const [one1, one2, two1] = await Promise.all([press(one, 1), press(one, 2), press(two, 1)])

const run = (medium: string, title: string) => site.coffer('run', medium, title, '--allow', 'save')
/** At once, whoever is the first. */
const together = (round: number, a: () => Promise<Ran>, b: () => Promise<Ran>) =>
  round % 2 === 0 ? Promise.all([a(), b()]) : Promise.all([b(), a()]).then(([y, x]) => [x, y] as const)

function endedWell(...all: Ran[]): void {
  for (const { code, stderr } of all) {
    assert.ok(code === 0 || code === BUSY, `ended with ${code}: ${stderr}`)
    if (code === BUSY) assert.match(stderr, 'COFFER_BUSY')
  }
}

const copied = async (medium: string, ...words: string[]) =>
  jsonOf(expectSuccess(await site.coffer('verify', medium, ...words, '--json')))

test('copy and copy, of two titles and of one: whoever has to wait does it again', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const medium = await site.prepared()
    const masters = round % 3 === 2 ? [one1, one1] : [one1, two1]
    const copy = (master: string) => () => site.coffer('copy', master, medium)
    const ran = await together(round, copy(masters[0]!), copy(masters[1]!))
    endedWell(...ran)
    assert.ok(
      ran.some(({ code }) => code === 0),
      'one of the two was the first'
    )
    for (const [index, { code }] of ran.entries())
      if (code === BUSY) expectSuccess(await copy(masters[index]!)())
    for (const id of masters[1] === two1 ? [one, two] : [one])
      assert.is((await copied(medium, id)).verdict, 'ok')
  }
})

test('run and copy of a new release: it runs as it was or as it is now', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const medium = await site.prepared()
    expectSuccess(await site.coffer('copy', one1, medium))
    const [ran, copy] = await together(
      round,
      () => run(medium, one),
      () => site.coffer('copy', one2, medium)
    )
    endedWell(ran, copy)
    assert.equal([ran.code, copy.code], [0, 0])
    assert.match(ran.stdout, /^release [12]\n$/)
    assert.is((await run(medium, one)).stdout, 'release 2\n')
  }
})

test('run and run, which both save: neither is in the way of the other, and the last one counts', async () => {
  const medium = await site.prepared()
  expectSuccess(await site.coffer('copy', one1, medium))
  for (let round = 0; round < ROUNDS; round++) {
    const ran = await together(
      round,
      () => run(medium, one),
      () => run(medium, one)
    )
    assert.equal(
      ran.map(({ code, stdout }) => [code, stdout]),
      [
        [0, 'release 1\n'],
        [0, 'release 1\n']
      ]
    )
  }
})

test('run and return, import and run, export and run: no half of anything', async () => {
  for (let round = 0; round < ROUNDS / 2; round++) {
    const medium = await site.prepared()
    expectSuccess(await site.coffer('copy', one1, medium))
    expectSuccess(await run(medium, one))
    const file = site.fresh('saves')
    endedWell(
      ...(await together(
        round,
        () => site.coffer('export', medium, one, '--out', file),
        () => run(medium, one)
      ))
    )
    endedWell(
      ...(await together(
        round,
        () => site.coffer('import', file, medium, '--replace'),
        () => run(medium, one)
      ))
    )
    const [ran, returned] = await together(
      round,
      () => run(medium, one),
      () => site.coffer('return', medium, one)
    )
    assert.is(returned.code, 0, returned.stderr)
    // What is saved in the very moment in which the copy is given up has no place any more, which the title is told.
    const isTold = ran.code === 1 && ran.stderr.includes('Cannot save: its saves have just been set apart.')
    assert.ok([0, 66, 77].includes(ran.code!) || isTold, ran.stderr)
    assert.ok([66, 77].includes((await run(medium, one)).code!))
  }
})

test.run()
