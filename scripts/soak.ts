/**
 * Ten thousand launches, a tenth of them hostile, over all ways to run a guest; what the process holds as they go by,
 * and what is left at the end. Ends with 1 when anything grew or was left over.
 *
 *   npm run soak [-- launches]
 */
import { Seeded } from '../tests/helpers/seeded.js'
import { type Holding, holding, soak } from '../tests/sandbox/containment/soak.js'

const MiB = 2 ** 20
const total = Number(process.argv[2] ?? 10_000)
/** A thread and a process cost more than the rest of a launch. */
const launches = {
  thread: Math.round(total * 0.06),
  ses: Math.round(total * 0.02),
  pool: Math.round(total * 0.1),
  inline: 0
}
launches.inline = total - launches.thread - launches.ses - launches.pool

const seeded = new Seeded('soak')
console.log(
  `${launches.inline} inline, ${launches.pool} from pools, ${launches.thread} in threads, ${launches.ses} in processes`
)
console.log('| launches | s | RSS, MiB | heap, MiB | outside, MiB | files | threads | children | handles |')
console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- |')

const started = performance.now()
const rows: Holding[] = []
async function note(done: number): Promise<void> {
  // What the last guest was made of is let go of once its promises are, and its memories only then.
  for (let i = 0; i < 3; i++) {
    await new Promise(resolve => setTimeout(resolve, 10))
    globalThis.gc?.()
  }
  const now = holding()
  rows.push(now)
  const bytes = [now.rssBytes, now.heapBytes, now.externalBytes].map(n => (n / MiB).toFixed(1))
  const seconds = Math.round((performance.now() - started) / 1000)
  const figures = [done, seconds, ...bytes, now.files, now.threads, now.children, now.handles]
  console.log(`| ${figures.join(' | ')} |`)
}

const wrong = await soak(launches, seeded, async done => {
  if (done % Math.ceil(total / 10) === 0 && done < total) await note(done)
})
// Time for the last processes to be gone.
await new Promise(resolve => setTimeout(resolve, 1000))
await note(total)

// The first tenth warms up.
const [warm] = rows as [Holding]
const end = rows.at(-1)!
const grown = [
  ['RSS', (end.rssBytes - warm.rssBytes) / MiB, 64],
  ['heap', (end.heapBytes - warm.heapBytes) / MiB, 8],
  ['outside', (end.externalBytes - warm.externalBytes) / MiB, 16],
  ['files', end.files - warm.files, 2],
  ['threads', end.threads - warm.threads, 1],
  ['children', end.children, 0],
  ['handles', end.handles - warm.handles, 1]
] as const
const failed = grown.filter(([, growth, most]) => growth > most)
for (const [what, growth, most] of failed)
  console.log(`grew: ${what} by ${growth.toFixed(1)}, more than ${most}`)
for (const launch of wrong) console.log(`wrong: ${launch}`)
console.log(
  `${total} launches, ${wrong.length} ended wrongly, ${failed.length === 0 ? 'nothing grew' : 'something grew'}`
)
process.exit(wrong.length > 0 || failed.length > 0 ? 1 : 0)
