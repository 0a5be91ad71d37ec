/** Many launches, a tenth of them hostile, and what is left of them afterwards. */
import { readdirSync, readFileSync } from 'node:fs'
import { utf8 } from '../../../formats/bytes.js'
import { sync } from '../../../sandbox/index.js'
import type { Seeded } from '../../helpers/seeded.js'
import { attack, startBy, type Way, WAYS } from './arena.js'
import { PROGRAMS } from './programs.js'

export type Launches = Readonly<Record<Way, number>>

/** What a process holds. */
export interface Holding {
  readonly rssBytes: number
  readonly heapBytes: number
  /** Buffers and the memories of WebAssembly. */
  readonly externalBytes: number
  readonly files: number
  readonly threads: number
  readonly children: number
  /** What keeps the event loop turning. */
  readonly handles: number
}

export function holding(): Holding {
  const { rss, heapUsed, external } = process.memoryUsage()
  return {
    rssBytes: rss,
    heapBytes: heapUsed,
    externalBytes: external,
    files: count('/proc/self/fd'),
    threads: count('/proc/self/task'),
    children: children().length,
    handles: process.getActiveResourcesInfo().length
  }
}

const count = (folder: string): number => (process.platform === 'linux' ? readdirSync(folder).length : 0)

/** Processes that this one has started and that still run. */
export function children(): string[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc/self/task').flatMap(thread => {
    try {
      const pids = readFileSync(`/proc/self/task/${thread}/children`, 'utf8').trim()
      return pids === '' ? [] : pids.split(' ')
    } catch {
      return [] // a thread that has just ended
    }
  })
}

/** Programs that end soon, so that ten thousand launches end too. */
const BRIEF = PROGRAMS.filter(
  ({ family, ends }) =>
    !/memory bombs|use after/.test(family) && !/wallMs|memoryBytes/.test(JSON.stringify(ends))
)

const HONEST = `
import { add, later } from 'coffer:host'
let held = []
export const work = async n => {
  held = Array.from({ length: n % 2000 }, (_, i) => ({ i, text: 'x'.repeat(i % 50) }))
  setTimeout(() => held.push(1), n % 7 === 0 ? 1e6 : 0)
  console.log('worked', n)
  return [add(n, 1), await later(held.length), new Uint8Array(n % 5000)]
}`

/**
 * @param progress - Told after each launch.
 * @returns The launches that did not end as they must: which, and how they ended.
 */
export async function soak(
  launches: Launches,
  seeded: Seeded,
  progress: (done: number) => void | Promise<void>
): Promise<readonly string[]> {
  const left = { ...launches }
  const total = Object.values(left).reduce((sum, count) => sum + count)
  const wrong: string[] = []
  for (let done = 1; done <= total; done++) {
    let place = seeded.below(total - done + 1)
    const way = (Object.keys(WAYS) as Way[]).find(way => (place -= left[way]) < 0)!
    left[way]--
    if (seeded.below(10) === 0) {
      const program = seeded.pick(BRIEF)
      const { ending } = await attack(program, way)
      if (/^host error|COFFER_/.test(ending))
        wrong.push(`${way}, ${program.family}, ${program.name}: ${ending}`)
    } else if (!(await honest(way, done))) wrong.push(`${way}, honest, launch ${done}`)
    await progress(done)
  }
  return wrong
}

async function honest(way: Way, n: number): Promise<boolean> {
  let written = 0
  await using started = await startBy(way, utf8(HONEST), {
    capabilities: { host: { add: sync((a: number, b: number) => a + b), later: async (x: number) => x } },
    stdout: bytes => void (written += bytes.length)
  })
  const result = (await started.guest.call('work', n)) as [number, number, Uint8Array]
  return result[0] === n + 1 && result[1] === n % 2000 && result[2].length === n % 5000 && written > 0
}
