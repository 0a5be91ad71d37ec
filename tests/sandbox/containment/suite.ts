/**
 * The hostile programs of one way to run them, as tests: each ends as it must, and harms nobody else. Where a program
 * costs a thread or a process, `npm test` takes a sample; `npm run containment` takes all, and measures.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8 } from '../../../formats/bytes.js'
import { type Guest, launch } from '../../../sandbox/index.js'
import { accepts, attack, expected, type Way, WAYS } from './arena.js'
import { type Hostile, PROGRAMS } from './programs.js'

/** One in so many programs. */
const SAMPLE: Readonly<Record<Way, number>> = { inline: 2, pool: 3, thread: 6, ses: 8 }
/** At a time. */
const SIDE_BY_SIDE: Readonly<Record<Way, number>> = { inline: 1, pool: 1, thread: 2, ses: 2 }

export function containment(way: Way) {
  const test = suite(`containment ${way}`)
  let witness: Guest

  test.before(async () => {
    witness = await launch(utf8(WITNESS), WAYS[way])
  })
  test.after(async () => witness.dispose())

  const sample = PROGRAMS.filter((_, i) => i % SAMPLE[way] === 0)
  for (const family of new Set(sample.map(program => program.family))) {
    test(family, async () => {
      const queue = sample.filter(program => program.family === family)
      const wrong: string[] = []
      const work = async () => {
        for (let program = queue.shift(); program !== undefined; program = queue.shift()) {
          const { ending, error } = await attack(program, way)
          if (!accepts(expected(program, way), ending)) {
            const told = error === undefined ? '' : ` (${String(error)})`
            wrong.push(`${program.name}: ${ending.slice(0, 200)}${told}, not ${expected(program, way)}`)
          }
          wrong.push(...(await harm(program, witness)))
        }
      }
      await Promise.all(Array.from({ length: SIDE_BY_SIDE[way] }, work))
      assert.equal(wrong, [])
    })
  }
  return test
}

/** Lives beside every hostile program, and counts. */
const WITNESS = `let count = 0; export const check = (n, text) => { count++; return [n * 2, text.toUpperCase(), count > 0] }`

const BUILT_INS = [Object, Array, Function, Promise, Uint8Array, Map, Error, String, RegExp]
const prototypes = () => BUILT_INS.map(kind => Reflect.ownKeys(kind.prototype).length).join()
const PROTOTYPES = prototypes()

/** What a program did to others: to a guest beside it, to one that comes after it, or to the host's own realm. */
async function harm(program: Hostile, witness: Guest): Promise<string[]> {
  const found: string[] = []
  const next = await launch(utf8(WITNESS))
  for (const [what, guest] of [
    ['the guest beside it', witness],
    ['the next guest', next]
  ] as const) {
    const answer = await guest.call('check', 21, 'well').catch((error: unknown) => String(error))
    if (JSON.stringify(answer) !== '[42,"WELL",true]')
      found.push(`${program.name}: ${what} says ${JSON.stringify(answer)}`)
  }
  await next.dispose()
  if (prototypes() !== PROTOTYPES || 'polluted' in {})
    found.push(`${program.name}: the host's prototypes changed`)
  return found
}
