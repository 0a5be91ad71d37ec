/**
 * What the benchmarks share: sides that take turns, medians, and one line per figure.
 *
 * Single figures mean little on a shared machine, so both sides of a ratio run in the same minutes, turn by turn, and
 * their medians are compared. Nothing here can fail a test.
 */
import { spawnSync } from 'node:child_process'

const CORE = '1'

/** This process runs on one core, on which nothing migrates. */
export const pinned = process.env['COFFER_BENCH'] === 'pinned'

/** Run this program again on one core, where the system can; returns when this already is that run. */
export function pin(): void {
  if (pinned || spawnSync('taskset', ['-c', CORE, 'true']).status !== 0) return
  const { status } = spawnSync(
    'taskset',
    ['-c', CORE, process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    {
      stdio: 'inherit',
      env: { ...process.env, COFFER_BENCH: 'pinned' }
    }
  )
  process.exit(status ?? 1)
}

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1]!

export const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)

export function milliseconds(action: () => unknown): number {
  const started = process.hrtime.bigint()
  action()
  return Number(process.hrtime.bigint() - started) / 1e6
}

export async function millisecondsOf(action: () => Promise<unknown>): Promise<number> {
  const started = process.hrtime.bigint()
  await action()
  return Number(process.hrtime.bigint() - started) / 1e6
}

/** The same in time of the processor, on which others on the machine have less hold. */
async function cpuMillisecondsOf(action: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await action()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e3
}

/** One of those compared: runs its job some number of times. */
export interface Side {
  readonly name: string
  run(times: number): unknown
}

/**
 * Milliseconds that one job takes on each side: each runs for `warmMs`, its number of times is chosen so that a turn
 * takes about `turnMs`, and then they take turns.
 */
export async function compare(
  sides: readonly Side[],
  {
    rounds = 15,
    turnMs = 8,
    warmMs = 50,
    cpu = false
  }: { rounds?: number; turnMs?: number; warmMs?: number; cpu?: boolean } = {}
): Promise<Map<string, number>> {
  const measure = cpu ? cpuMillisecondsOf : millisecondsOf
  const prepared = []
  for (const side of sides) {
    let times = 1
    for (let warm = 0; ;) {
      const spent = await measure(async () => side.run(times))
      warm += spent
      if (spent >= turnMs && warm >= warmMs) break
      if (spent < turnMs)
        times = Math.ceil(times * Math.min(Math.max((turnMs * 1.2) / Math.max(spent, 0.001), 1.5), 20))
    }
    prepared.push({ side, times, spent: [] as number[] })
  }
  for (let round = 0; round < rounds; round++) {
    for (const { side, times, spent } of prepared) {
      spent.push((await measure(async () => side.run(times))) / times)
    }
  }
  return new Map(prepared.map(({ side, spent }) => [side.name, median(spent)]))
}

/** A time in the unit that fits it. */
export function time(ms: number): string {
  if (ms >= 1) return `${ms.toPrecision(3)} ms`
  return ms >= 0.001 ? `${(ms * 1e3).toPrecision(3)} µs` : `${(ms * 1e6).toFixed(0)} ns`
}

const row = (cells: readonly string[]) => console.log(`| ${cells.join(' | ')} |`)

/** Begin a table: what is printed can stand in a document as it is. */
export function table(title: string, ...columns: readonly string[]): void {
  console.log(`\n### ${title}\n`)
  row(columns)
  row(columns.map(() => '---'))
}

/** Our time beside each peer's, as parts of it, and what is aimed at. */
export function report(
  what: string,
  ours: number,
  peers: readonly { readonly name: string; readonly ms: number | undefined; readonly goal: number }[]
): void {
  const cells = peers.map(({ ms, goal }) => {
    if (ms === undefined) return '-'
    const ratio = ours / ms
    const part = ratio < 0.995 ? `1/${(1 / ratio).toFixed(1)}` : ratio.toFixed(2)
    return `${part} (goal ${goal < 1 ? `1/${Math.round(1 / goal)}` : goal}; ${time(ms)})`
  })
  row([what, time(ours), ...cells])
}

export const line = (...cells: readonly string[]): void => row(cells)

export const skipped = (what: string, reason: string): void => console.log(`\n${what}: skipped: ${reason}`)
