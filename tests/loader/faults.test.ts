/**
 * The shipped program on a disk that fails: killed, full, broken, unplugged or without power at any call that changes a
 * medium, a master or a person's own folders. Afterwards the medium opens, what had been reported done is there, nothing
 * half done is believed, no secret key is open to others, and repeating the command finishes the job and charges nothing
 * again.
 *
 * `npm run faults` does all of it; here a sample, another one each time.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Scheme } from '../../formats/records/fields.js'
import type { Fault } from '../helpers/faulty.js'
import { closeSites, SCHEMES } from '../helpers/library-site.js'
import { Seeded } from '../helpers/seeded.js'
import { type Scenario, runFaulty } from './faults/attempt.js'
import {
  preparing,
  says,
  generating,
  trusting,
  pressing,
  ordering,
  copying,
  saving,
  renewing,
  returning,
  transferring,
  exporting,
  importing,
  old
} from './faults/scenarios.js'

test.after(closeSites)

const ALL = process.env['COFFER_FAULTS'] === 'all'
/** Of each scenario, when not all of them. */
const SAMPLE = 3
const FAULTS: readonly Fault[] = ['kill', 'ENOSPC', 'EIO', 'gone', 'lose-names', 'lose-data']
const random = new Seeded('points of failure')
/** Where the two schemes hardly differ a sample has one of them. */
const inOne = (make: (scheme: Scheme) => Scenario): readonly Scenario[] =>
  (ALL ? SCHEMES : [random.pick(SCHEMES)]).map(make)
const scenarios: readonly Scenario[] = [
  generating,
  trusting('trust', false),
  trusting('trust after a new key', true),
  ...inOne(pressing),
  preparing,
  ...SCHEMES.map(scheme => copying(`copy ${scheme}`, undefined, { scheme, ...says('new') })),
  ...SCHEMES.map(scheme => copying(`update ${scheme}`, old(scheme), { scheme, ...says('new'), release: 2 })),
  copying('change of scheme', old('certificate'), { scheme: 'conversion', ...says('new') }),
  ordering,
  ...SCHEMES.map(scheme =>
    copying(`apply ${scheme}`, old(scheme), { scheme, ...says('new'), release: 2 }, true)
  ),
  ...[saving, renewing, returning, transferring, exporting, importing].flatMap(inOne)
]

/** Four at a time: most of it is waiting. */
async function each<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  await Promise.all(
    Array.from({ length: ALL ? 3 : 2 }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await action(item)
    })
  )
}

let points = 0
const words = process.argv.slice(2)
for (const scenario of scenarios.filter(({ name }) => words.every(word => name.includes(word)))) {
  test(`${scenario.name} survives whatever happens at any call that changes the medium`, async () => {
    const whole = await scenario.begin()
    const { calls, uncounted, code, stdout, stderr } = await runFaulty(whole)
    assert.is(code, 0, stderr)
    assert.equal(uncounted, [], 'calls that nobody counts')
    assert.ok(calls.length >= (scenario.fewestCalls ?? 6), 'hardly anything was called')
    await whole.check(true, stdout)
    await whole.repeat()

    const all = FAULTS.flatMap(fault => {
      const last = calls.length + (fault.startsWith('lose') ? 1 : 0)
      return Array.from({ length: last }, (_, index) => ({ fault, at: index + 1 }))
    })
    const chosen = ALL ? all : Array.from({ length: SAMPLE }, () => all[random.below(all.length)]!)
    await each(chosen, async ({ fault, at }) => {
      const attempt = await scenario.begin()
      const ended = await runFaulty(attempt, fault, at)
      const where = `${scenario.name}, ${fault} at ${at}: ${calls[at - 1] ?? 'the end'}`
      try {
        if (ended.signal === null) {
          assert.ok([0, 74, ...(scenario.codes ?? [])].includes(ended.code!), `exit code ${ended.code}`)
          if (ended.code === 74) assert.match(ended.stdout + ended.stderr, /COFFER_(?:IO|DISK_FULL)/)
        } else assert.ok(fault === 'kill' || fault.startsWith('lose'), `ended by ${ended.signal}`)
        const done = ended.code === 0 || (at > calls.length && ended.signal === 'SIGKILL')
        await attempt.check(done, ended.stdout)
        await attempt.repeat()
      } catch (error) {
        const { message, stack } = error as Error
        throw new Error(`${where}\n${message}\n${ended.stdout}${ended.stderr}\n${stack}`)
      }
    })
    await scenario.end?.(chosen.length + 1)
    points += chosen.length
    if (ALL) console.log(`${scenario.name}: ${calls.length} calls, ${chosen.length} faults`)
  })
}

test('that was all of them, or a sample', () => {
  console.log(`${points} faults${ALL ? '' : ', a sample: "npm run faults" does all'}`)
  assert.ok(points > 0)
})

test.run()
