/**
 * `npm run bench`: how fast, as ratios to a peer or a physical limit measured in the same minutes.
 *
 * Single figures mean little on a shared machine, so both sides of each ratio take turns, on one pinned core where
 * `taskset` is there, and their medians are compared. Nothing here can fail a test.
 *
 *   npm run bench              everything
 *   npm run bench -- start     one of: start, recheck, open, transfer, memory
 */
import { spawnSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PendingFile } from '../loader/pending.js'
import { Home } from '../loader/home.js'
import { measureMedium } from '../loader/medium/measure.js'
import { mediumPaths } from '../loader/medium/layout.js'
import { transferSealed } from '../loader/copier/payload.js'
import { openTitleFile, readLicense } from '../loader/read.js'
import { atOnce } from '../loader/steps.js'
import { authenticate } from '../loader/authenticate.js'
import { recheck } from '../loader/recheck.js'
import { unwrapPayloadKey } from '../loader/unwrap.js'
import { median, milliseconds, pin, pinned } from './bench/measure.js'
import { Titles } from './bench/titles.js'
import { CORE, has, openSslRate, report, run, shell, skip, withAge } from './bench/tools.js'
import { newShop, type Shop } from './shop.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MIB = 1024 * 1024
/** Let the sides take turns, so that whatever slows the machine slows both. */
function inTurns(rounds: number, ...sides: readonly (() => number)[]): number[] {
  const times = sides.map((): number[] => [])
  for (let round = 0; round < rounds; round++) sides.forEach((side, index) => times[index]!.push(side()))
  return times.map(median)
}

/** A cold `coffer run`: the whole path from medium to exit, against a Node that does nothing. */
async function benchStart(shop: Shop, folder: string): Promise<void> {
  const empty = join(folder, 'empty.js')
  writeFileSync(empty, '')
  const medium = await shop.medium(shop.hello)
  const program = join(ROOT, 'dist/bin/coffer.cjs')
  const start = () =>
    run(process.execPath, [program, 'run', medium], { env: { COFFER_HOME: shop.home.folder } })
  start()
  const [idle, whole] = inTurns(
    31,
    () => milliseconds(() => run(process.execPath, [empty])),
    () => milliseconds(start)
  )
  report(
    'coffer run, cold / node empty.js',
    whole! / idle!,
    'at most 2.0',
    `${whole!.toFixed(1)} / ${idle!.toFixed(1)} ms`
  )
}

/** A warm recheck, from the files of the medium to the payload's key, against one bare signature check. */
async function benchRecheck(shop: Shop): Promise<void> {
  const medium = await shop.medium(shop.hello)
  const title = openTitleFile(mediumPaths(medium).title(shop.hello, 1))
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = createPublicKey(publicKey.export({ format: 'pem', type: 'spki' }))
  const message = readFileSync(mediumPaths(medium).grant(shop.hello))
  const signature = sign(null, message, privateKey)
  const TIMES = 200
  const bare = () => {
    for (let i = 0; i < TIMES; i++)
      if (!verify(null, message, key, signature)) throw new Error('internal: does not verify')
  }
  const home = new Home(shop.home.folder)
  const whole = () => {
    for (let i = 0; i < TIMES; i++) {
      const signed = authenticate(readLicense(medium, shop.hello), home)
      using license = recheck(
        signed,
        title.manifest,
        measureMedium(medium),
        home,
        Math.floor(Date.now() / 1000)
      )
      using _key = unwrapPayloadKey(license)
    }
  }
  // Until V8 has compiled for good what a recheck calls: some 15,000 of them.
  for (const warm of [bare, whole]) for (let i = 0; i < 100; i++) warm()
  const [one, all] = inTurns(
    21,
    () => milliseconds(bare),
    () => milliseconds(whole)
  )
  title[Symbol.dispose]()
  const micro = (ms: number) => `${((ms / TIMES) * 1000).toFixed(0)} µs`
  report(
    'a warm recheck / one Ed25519 verification',
    all! / one!,
    'at most 1.4',
    `${micro(all!)} / ${micro(one!)}`
  )
}

/** 100 MB of payload to memory, on one core, against OpenSSL itself and age, in time of the processor. */
async function benchOpen(folder: string): Promise<void> {
  const bytes = 100e6
  using titles = new Titles({ memoryBytes: bytes }, 1)
  const rate = (ms: number) => bytes / 1e3 / ms
  const rates: { ours: number[]; ssl: number[]; age: number[] } = { ours: [], ssl: [], age: [] }
  const plain = join(folder, 'plain')
  if (has('age')) writeFileSync(plain, new Uint8Array(bytes))
  const age = has('age') ? withAge(folder, plain) : undefined
  for (let round = -3; round < 9; round++) {
    const { cpuMs } = await titles.do('open')
    if (round < 0) continue
    rates.ours.push(rate(cpuMs))
    if (has('openssl')) rates.ssl.push(openSslRate())
    if (age !== undefined) rates.age.push(rate(shell(`${age.open} > /dev/null`).cpuMs))
  }
  const ours = median(rates.ours)
  const detail = (peer: number) => `${ours.toFixed(0)} / ${peer.toFixed(0)} MB/s`
  const compare = (peer: string, there: readonly number[], goal: string, missing: string) => {
    const what = `open a payload of 100 MB / ${peer}`
    if (there.length === 0) skip(what, missing)
    else report(what, ours / median(there), goal, detail(median(there)))
  }
  compare('OpenSSL at 16 KB', rates.ssl, 'at least 0.45', 'there is no openssl')
  compare('age -d', rates.age, 'at least 1.0', 'there is no age (Debian package "age")')
}

/** Embodiment 1's transfer against cp; both end when the data is on the medium. */
async function benchTransfer(shop: Shop, folder: string): Promise<void> {
  const title = openTitleFile(await shop.largeTitle(256 * MIB))
  const { path } = title.file
  const target = join(folder, 'copy.title')
  const flushed = (file: string) => {
    const descriptor = openSync(file, 'r')
    fsyncSync(descriptor)
    closeSync(descriptor)
  }
  const ours = () => {
    const pending = new PendingFile(target)
    atOnce(transferSealed(title, pending, () => {}))
    pending.commit()
  }
  const cp = () => {
    const { status } = spawnSync('cp', [path, target])
    if (status !== 0) throw new Error('cp failed')
    flushed(target)
  }
  for (const warm of [cp, ours]) warm()
  const timed = (action: () => void) => () => {
    rmSync(target, { force: true })
    return milliseconds(action)
  }
  const [theirs, our] = inTurns(9, timed(cp), timed(ours))
  title[Symbol.dispose]()
  const rate = (ms: number) => (statSync(path).size / 1e3 / ms).toFixed(0)
  report(
    'transfer, embodiment 1 / cp, flushed',
    theirs! / our!,
    'at least 0.8',
    `${rate(our!)} / ${rate(theirs!)} MB/s`
  )
}

/** Peak memory of a whole copy, of any size, over the same program idle. */
async function benchMemory(shop: Shop): Promise<void> {
  if (process.platform !== 'linux') return skip('peak memory of a copy', 'this system does not tell')
  for (const scheme of ['certificate', 'conversion'] as const) {
    const peaks: number[] = []
    for (const size of [1, 512]) {
      const master = await shop.largeTitle(size * MIB, scheme)
      peaks.push(await shop.peakMemoryOfCopy(master))
    }
    const [idle, large] = peaks as [number, number]
    const over = (large - idle) / MIB
    console.log(
      `${`peak memory, copying 512 MiB over copying 1 MiB, ${scheme}`.padEnd(58)} ${over.toFixed(0).padStart(6)} MiB goal under 64 MiB  ${(large / MIB).toFixed(0)} / ${(idle / MIB).toFixed(0)} MiB`
    )
  }
}

pin()

const folder = mkdtempSync(join(tmpdir(), 'coffer-bench-'))
const words = process.argv.slice(2)
const wanted = (name: string) => words.length === 0 || words.includes(name)
try {
  console.log(
    `Node ${process.version}, ${pinned ? `core ${CORE}` : 'not pinned'}; medians of turns; ratio first\n`
  )
  await using shop = await newShop(folder)
  if (wanted('start')) await benchStart(shop, folder)
  if (wanted('recheck')) await benchRecheck(shop)
  if (wanted('open')) await benchOpen(folder)
  if (wanted('transfer')) await benchTransfer(shop, folder)
  if (wanted('memory')) await benchMemory(shop)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
