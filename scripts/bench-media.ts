/**
 * `npm run bench:media`: copying, converting and opening titles of 100 KB, 10 MB and 1 GB, against the disk, the cipher, and
 * what a person would use instead, on the same files in the same minutes. All sides take turns, and their medians are
 * compared: on a shared machine nothing else says much. What runs on one core is measured in time of the processor, what
 * waits for the disk or uses two cores on the wall. A small payload is opened many times in a turn, since the cipher's own rate is
 * told over a second. It takes some minutes and 6 GB of disk.
 *
 *   npm run bench:media               all sizes
 *   npm run bench:media -- 1GB        one of them: 100KB, 10MB, 1GB
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { mediumPaths } from '../loader/medium/layout.js'
import { median } from './bench/measure.js'
import { Titles, type Job } from './bench/titles.js'
import {
  has,
  hasTaskset,
  openSslRate,
  report,
  shell,
  skip,
  withAge,
  withGpg,
  type Peer,
  type Taken
} from './bench/tools.js'
import { newShop, type Shop } from './shop.js'

const SIZES = [
  { name: '100KB', bytes: 100e3, rounds: 11 },
  { name: '10MB', bytes: 10e6, rounds: 9 },
  { name: '1GB', bytes: 1e9, rounds: 5 }
] as const
const DISK_ROUNDS = 15
const READ_ROUNDS = 7
/** V8 compiles what works on a payload while so many pass; smaller ones take as many turns as fit in a second. */
const WARM_BYTES = 300e6
const MOST_WARM_TURNS = 300
/** What is opened in a turn, about. */
const TURN_BYTES = 200e6
const MIB = 1024 * 1024

/** One side of a comparison. */
type Side = () => Promise<Taken>

async function benchSize(shop: Shop, { name, bytes, rounds }: (typeof SIZES)[number]): Promise<void> {
  const { medium, titleId } = await shop.largeMedium(bytes, 'conversion')
  const path = mediumPaths(medium).title(titleId, 1)
  const { size: sizeBytes } = statSync(path)
  const target = join(folder, 'target')
  const subject = { medium, titleId, home: shop.home.folder, target }
  using one = new Titles(subject, 1)
  using two = new Titles(subject, 2)
  const floor = await one.do('program')
  await two.do('program')
  for (let turn = 0; turn < Math.min(MOST_WARM_TURNS, Math.floor(WARM_BYTES / bytes)); turn++)
    for (const job of ['open', 'verify', 'convert'] as const) await one.do(job)

  const ours = (titles: Titles, job: Job) => async () => {
    rmSync(target, { force: true })
    return titles.do(job)
  }
  const times = Math.max(1, Math.floor(TURN_BYTES / bytes))
  const opening = (titles: Titles, job: Job) => () => titles.do(job, times)
  const theirs =
    (line: string, cores: 1 | 2 = 1) =>
    async () => {
      rmSync(target, { force: true })
      return shell(line, cores)
    }
  const ssl = (direction: 'decrypt' | 'encrypt') => async () => {
    const ms = sizeBytes / 1e3 / openSslRate(direction)
    return { ms, cpuMs: ms }
  }
  const reading: Record<string, Side> = {
    open: opening(one, 'open'),
    verify: opening(one, 'verify'),
    openTwo: opening(two, 'open'),
    verifyTwo: opening(two, 'verify')
  }
  const converting: Record<string, Side> = {
    convert: ours(one, 'convert'),
    convertTwo: ours(two, 'convert')
  }
  if (has('openssl')) {
    reading['decrypt'] = ssl('decrypt')
    converting['encrypt'] = ssl('encrypt')
  }
  const peers = (['age', 'gpg'] as const).filter(tool => {
    if (has(tool)) return true
    skip(`${name}, beside ${tool}`, `there is no ${tool} (Debian package "${tool}")`)
    return false
  })
  for (const peer of peers) {
    const { open, seal }: Peer = (peer === 'age' ? withAge : withGpg)(folder, path)
    const both = `${open} | ${seal} > ${target} && sync ${target}`
    reading[`${peer} open`] = theirs(`${open} > /dev/null`)
    converting[`${peer} both`] = theirs(both)
    if (peer === 'age') converting['age both, two cores'] = theirs(both, 2)
  }

  const copying = {
    transfer: ours(one, 'transfer'),
    cp: theirs(`cp ${path} ${target} && sync ${target}`)
  }

  // The disk alone is measured here, and takes twice as long every now and then.
  const taken = {
    ...(await inTurns(copying, Math.max(rounds, DISK_ROUNDS))),
    ...(await inTurns(reading, Math.max(rounds, READ_ROUNDS))),
    ...(await inTurns(converting, rounds))
  }
  const compareBy =
    (clock: 'ms' | 'cpuMs') =>
    (what: string, our: string, peer: string, sides: readonly string[], goal = 'none') => {
      if (sides.some(side => taken[side] === undefined)) return
      const [ourMs, theirMs] = [[our], sides].map(all =>
        all.reduce((sum, side) => sum + taken[side]![clock], 0)
      ) as [number, number]
      const rate = (ms: number) => (sizeBytes / 1e3 / ms).toFixed(0)
      report(`${name}, ${what} / ${peer}`, theirMs / ourMs, goal, `${rate(ourMs)} / ${rate(theirMs)} MB/s`)
    }
  const onTheWall = compareBy('ms')
  const compare = compareBy('cpuMs')
  const large = bytes >= 1e9
  onTheWall('embodiment 1', 'transfer', 'cp', ['cp'], 'at least 0.9')
  compare('embodiment 2', 'convert', 'OpenSSL, open and seal', ['decrypt', 'encrypt'])
  compare('embodiment 2', 'convert', 'age -d | age -r', ['age both'], 'at least 1.5')
  compare('embodiment 2', 'convert', 'gpg -d | gpg -c', ['gpg both'])
  compare('open', 'open', 'OpenSSL, open', ['decrypt'], 'at least 0.45')
  compare('open', 'open', 'age -d', ['age open'], 'at least 1.0')
  compare('open and check', 'verify', 'OpenSSL, open', ['decrypt'])
  compare('open and check', 'verify', 'age -d', ['age open'])
  compare('open and check', 'verify', 'gpg -d', ['gpg open'])
  if (large && hasTaskset && availableParallelism() > 1) {
    onTheWall('embodiment 2, two cores', 'convertTwo', 'one', ['convert'])
    onTheWall('embodiment 2, two cores', 'convertTwo', 'age, one', ['age both'], 'at least 2.5')
    onTheWall('embodiment 2, two cores', 'convertTwo', 'age, two', ['age both, two cores'])
    onTheWall('open, two cores', 'openTwo', 'one', ['open'], 'at least 1.6')
    onTheWall('open and check, two cores', 'verifyTwo', 'one', ['verify'], 'at least 1.6')
  }
  if (large) {
    const ready = await one.do('program')
    const parts = `${ready.ms.toFixed(1)} ms of ${taken['verify']!.ms.toFixed(0)}`
    report(
      `${name}, its program ready / all of it checked`,
      ready.ms / taken['verify']!.ms,
      'at most 0.01',
      parts
    )
  }
  for (const [cores, titles] of Object.entries({ 'one core': one, 'two cores': two })) {
    const { peakBytes } = await titles.do('program')
    const mib = (peak: number) => `${(peak / MIB).toFixed(0)} MiB`
    const what = `${name}, peak memory over the floor, ${cores}, in MiB`
    report(
      what,
      (peakBytes - floor.peakBytes) / MIB,
      'under 64',
      `${mib(peakBytes)} / ${mib(floor.peakBytes)}`
    )
  }
  for (const made of [target, `${path}.age`, `${path}.gpg`]) rmSync(made, { force: true })
}

/** Medians. The first turn warms up; what comes before what changes from turn to turn. */
async function inTurns(
  sides: Readonly<Record<string, Side>>,
  rounds: number
): Promise<Record<string, Taken>> {
  const inOrder = Object.entries(sides)
  const all = new Map<string, Taken[]>(Object.keys(sides).map(name => [name, []]))
  for (let round = -1; round < rounds; round++)
    for (const [name, side] of round % 2 === 0 ? inOrder : inOrder.toReversed()) {
      const taken = await side()
      if (round >= 0) all.get(name)!.push(taken)
    }
  const of = (turns: readonly Taken[]): Taken => ({
    ms: median(turns.map(({ ms }) => ms)),
    cpuMs: median(turns.map(({ cpuMs }) => cpuMs))
  })
  return Object.fromEntries([...all].map(([name, turns]) => [name, of(turns)]))
}

const folder = mkdtempSync(join(tmpdir(), 'coffer-bench-'))
try {
  const words = process.argv.slice(2)
  console.log(`Node ${process.version}; medians of turns; ratio first, then ours / theirs\n`)
  await using shop = await newShop(folder)
  for (const size of SIZES) if (words.length === 0 || words.includes(size.name)) await benchSize(shop, size)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
