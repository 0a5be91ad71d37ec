/**
 * Every hostile program of tests/sandbox/containment, on every way to run it, measured: how far past its limit it got,
 * and what the host noticed. Prints a table; ends with 1 when a program ended in a way that it may not, or kept its host
 * waiting: for longer than {@link MOST_STALL_MS}, or, in the host's own thread, than that and what it may compute.
 *
 *   npm run containment               all
 *   npm run containment -- ses regex  one way; programs whose family or name contains one of the words
 */
import { writeFileSync } from 'node:fs'
import { memoryOf } from '../tests/helpers/memory.js'
import {
  accepts,
  attack,
  expected,
  limitsFor,
  type Outcome,
  type Way,
  WAYS
} from '../tests/sandbox/containment/arena.js'
import { type Hostile, PROGRAMS } from '../tests/sandbox/containment/programs.js'
import { children } from '../tests/sandbox/containment/soak.js'

const MiB = 2 ** 20
const MOST_STALL_MS = 100
/** A stall may be the machine's: what stalls the host by itself does so each time. */
const STALL_TRIALS = 3

interface Measured {
  readonly program: Hostile
  readonly outcome: Outcome
  readonly ok: boolean
  /** Past the limit on computing or waiting that ended it. */
  readonly lateMs: number
  /** Longest that the host's event loop did not turn; in its own thread, beyond what the guest may compute. */
  readonly stallMs: number
  /** Most that this process and its children held at once, over before and past the memory limit. */
  readonly excessMiB: number
}

async function measure(program: Hostile, way: Way): Promise<Measured> {
  let measured = await measureOnce(program, way)
  for (let trial = 1; trial < STALL_TRIALS && measured.ok && measured.stallMs > MOST_STALL_MS; trial++) {
    const again = await measureOnce(program, way)
    if (!again.ok || again.stallMs < measured.stallMs) measured = again
  }
  return measured
}

async function measureOnce(program: Hostile, way: Way): Promise<Measured> {
  const limits = limitsFor(program, way)
  const own = peakOf('self')
  const watch = watchLoop()
  const child = watchChildren()
  const outcome = await attack(program, way, child.ready)
  const ownMs = way === 'inline' || way === 'pool' ? limits.cpuMs! : 0
  const stallMs = Math.max(watch() - ownMs, 0)
  const childBytes = child.stop()
  const { name } = outcome.limit ?? {}
  const lateMs = name === 'cpuMs' || name === 'wallMs' ? outcome.limit!.used - limits[name]! : 0
  const heldBytes = way === 'ses' ? childBytes : own()
  return {
    program,
    outcome,
    ok: accepts(expected(program, way), outcome.ending),
    lateMs,
    stallMs,
    excessMiB: Math.max(heldBytes - limits.memoryBytes!, 0) / MiB
  }
}

/** @returns what this process has grown by at its peak since. */
function peakOf(pid: string): () => number {
  if (process.platform !== 'linux') return () => 0
  // Forget the peak so far.
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const before = memoryOf(pid, 'VmRSS')
  return () => memoryOf(pid, 'VmHWM') - before
}

/** @returns the longest time between two turns of the event loop since. */
function watchLoop(): () => number {
  const EVERY_MS = 2
  let last = performance.now()
  let longest = 0
  const look = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last - EVERY_MS)
    last = now
  }
  const timer = setInterval(look, EVERY_MS)
  return () => {
    clearInterval(timer)
    look()
    return longest
  }
}

/** What the largest child has grown by, from when `ready` is called. */
function watchChildren(): { ready(): void; stop(): number } {
  let first = 0
  let most = 0
  const largest = () => Math.max(0, ...children().map(pid => memoryOf(pid, 'VmHWM')))
  const look = () => void (most = Math.max(most, largest()))
  const timer = setInterval(look, 2)
  return {
    ready: () => void (first = largest()),
    stop() {
      clearInterval(timer)
      return first === 0 ? 0 : most - first
    }
  }
}

const words = process.argv.slice(2)
const ways = (Object.keys(WAYS) as Way[]).filter(
  way => !words.some(word => word in WAYS) || words.includes(way)
)
const filters = words.filter(word => !(word in WAYS))
const programs = PROGRAMS.filter(
  ({ family, name }) => filters.length === 0 || filters.some(word => `${family}: ${name}`.includes(word))
)

if (programs.length === 0) {
  console.error(`No program has "${filters.join('" or "')}" in its family or name.`)
  process.exit(64)
}

let wrong = 0
const rows: string[] = []
for (const way of ways) {
  const all: Measured[] = []
  for (const program of programs) {
    const measured = await measure(program, way)
    all.push(measured)
    if (measured.stallMs > MOST_STALL_MS) {
      wrong++
      const ms = Math.round(measured.stallMs)
      console.log(`WRONG ${way}: ${program.family}: ${program.name}: its host did not turn for ${ms} ms`)
    }
    if (measured.ok) continue
    wrong++
    const { ending, error } = measured.outcome
    console.log(
      `WRONG ${way}: ${program.family}: ${program.name}: ${ending.slice(0, 300)}, not ${expected(program, way)}`
    )
    if (error !== undefined) console.log(`      ${String(error)}`)
  }
  for (const family of [...new Set(programs.map(program => program.family)), undefined]) {
    const some = all.filter(({ program }) => family === undefined || program.family === family)
    const worst = (pick: (measured: Measured) => number) => {
      const top = some.reduce((a, b) => (pick(b) > pick(a) ? b : a))
      return { value: Math.round(pick(top)), name: top.program.name }
    }
    const figures = [worst(m => m.lateMs), worst(m => m.excessMiB), worst(m => m.stallMs)]
    rows.push(
      `| ${way} | ${family ?? '**all**'} | ${some.length} | ${figures.map(({ value }) => value).join(' | ')} |`
    )
    if (family === undefined)
      console.log(`${way}: latest ${figures.map(({ name, value }) => `${value} (${name})`).join(', ')}`)
  }
}
console.log(
  `\n| way | family | programs | past a time limit, ms | past the memory limit, MiB | longest stall of the host, ms |`
)
console.log('| --- | --- | --- | --- | --- | --- |')
console.log(rows.join('\n'))
console.log(`\n${programs.length} programs on ${ways.join(', ')}: ${wrong} ended wrongly`)
process.exit(wrong > 0 ? 1 : 0)
