/**
 * `npm run bench`: how fast, as ratios to a peer or a physical limit measured in the same minutes.
 *
 * Single figures mean little on a shared machine, so both sides of each ratio take turns, on one pinned core where
 * `taskset` is there, and their medians are compared. Nothing here can fail a test.
 *
 *   npm run bench              everything
 *   npm run bench -- start     one of: start, recheck, open, transfer, memory, media
 */
import { spawnSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto'
import {
  closeSync,
  existsSync,
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
import { openPayload, sealPayload } from '../formats/cobblestone.js'
import { PendingFile } from '../loader/files.js'
import { Home } from '../loader/home.js'
import { measureMedium } from '../loader/medium/measure.js'
import { mediumPaths } from '../loader/medium/layout.js'
import { transferConverted, transferSealed } from '../loader/copier/transfer.js'
import { POWERS } from '../loader/powers.js'
import { openTitleFile, readLicense } from '../loader/read.js'
import { authenticate, recheck } from '../loader/recheck.js'
import { unwrapPayloadKey } from '../loader/unwrap.js'
import { verifyPayload } from '../loader/verify.js'
import { newShop, type Shop } from './shop.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MIB = 1024 * 1024
const CORE = '1'
const pinned = spawnSync('taskset', ['-c', CORE, 'true']).status === 0

const has = (tool: string): boolean => spawnSync(tool, ['--version'], { stdio: 'ignore' }).error === undefined
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

function milliseconds(action: () => void): number {
  const started = process.hrtime.bigint()
  action()
  return Number(process.hrtime.bigint() - started) / 1e6
}

/** Let the sides take turns, so that whatever slows the machine slows both. */
function inTurns(rounds: number, ...sides: readonly (() => number)[]): number[] {
  const times = sides.map((): number[] => [])
  for (let round = 0; round < rounds; round++) sides.forEach((side, index) => times[index]!.push(side()))
  return times.map(median)
}

function report(what: string, ratio: number, goal: string, detail: string): void {
  console.log(`${what.padEnd(58)} ${ratio.toFixed(2).padStart(6)}   goal ${goal.padEnd(11)} ${detail}`)
}

const skip = (what: string, reason: string) => console.log(`${what.padEnd(58)} skipped: ${reason}`)

/** Run a program to its end on the pinned core. */
function run(
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; stdin?: number } = {}
): void {
  const [program, given] = pinned ? ['taskset', ['-c', CORE, command, ...args]] : [command, args]
  const { status, stderr } = spawnSync(program, given, {
    stdio: [options.stdin ?? 'ignore', 'ignore', 'pipe'],
    // Node reads this file of certificates at every start, which would drown what is measured.
    env: { ...process.env, NODE_EXTRA_CA_CERTS: '', ...options.env }
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${String(stderr)}`)
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
  for (const warm of [bare, whole]) for (let i = 0; i < 5; i++) warm()
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

/** 100 MB of payload to memory, on one core, against OpenSSL itself and age. */
function benchOpen(folder: string): void {
  const bytes = 100e6
  const key = randomBytes(32)
  const context = new Uint8Array(16)
  const plaintext = new Uint8Array(bytes)
  const sealed = sealPayload(key, context, randomBytes(24), plaintext)
  // Memory that is there: what fresh pages cost would be measured otherwise.
  const into = new Uint8Array(bytes).fill(1)
  const openSsl = has('openssl')
  const rates: { ours: number[]; ssl: number[]; age: number[] } = { ours: [], ssl: [], age: [] }
  const plain = join(folder, 'plain')
  if (has('age')) writeFileSync(plain, plaintext)
  const age = has('age') ? withAge(folder, plain) : undefined
  for (let warm = 0; warm < 8; warm++) openPayload(key, context, sealed, into)
  for (let round = 0; round < 9; round++) {
    rates.ours.push(bytes / 1e3 / milliseconds(() => openPayload(key, context, sealed, into)))
    if (openSsl) rates.ssl.push(openSslRate())
    if (age !== undefined)
      rates.age.push(bytes / 1e3 / milliseconds(() => run('sh', ['-c', `${age.open} > /dev/null`])))
  }
  const ours = median(rates.ours)
  const detail = (peer: number) => `${ours.toFixed(0)} / ${peer.toFixed(0)} MB/s`
  const what = 'open a payload of 100 MB / '
  if (openSsl)
    report(`${what}OpenSSL at 16 KB`, ours / median(rates.ssl), 'at least 0.4', detail(median(rates.ssl)))
  else skip(`${what}OpenSSL at 16 KB`, 'there is no openssl')
  if (age === undefined) skip(`${what}age -d`, 'there is no age (Debian package "age")')
  else report(`${what}age -d`, ours / median(rates.age), 'at least 1.0', detail(median(rates.age)))
}

/** MB/s of the library that Node's crypto is made of, without Node. */
function openSslRate(direction: 'decrypt' | 'encrypt' = 'decrypt'): number {
  const args = ['speed', '-elapsed', '-seconds', '1', '-bytes', '16384', '-evp', 'aes-256-gcm']
  if (direction === 'decrypt') args.push('-decrypt')
  const [program, given] = pinned ? ['taskset', ['-c', CORE, 'openssl', ...args]] : ['openssl', args]
  const { stdout } = spawnSync(program, given, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return Number(/([\d.]+)k\s*$/m.exec(stdout)![1]) / 1e3
}

/** What age makes of a file, and how a person opens that or seals it for somebody else. */
function withAge(folder: string, file: string) {
  const keyFile = join(folder, 'age.key')
  const sealed = `${file}.age`
  if (!existsSync(keyFile)) run('age-keygen', ['-o', keyFile])
  const recipient = /public key: (age1\S+)/.exec(readFileSync(keyFile, 'utf8'))![1]!
  run('age', ['-r', recipient, '-o', sealed, file])
  return {
    open: `age -d -i ${keyFile} ${sealed}`,
    seal: `age -r ${recipient}`
  }
}

/** The same with gpg and a passphrase, compression left out: what it cannot compress it would only try to. */
function withGpg(folder: string, file: string) {
  const gpg = `gpg --homedir ${folder} --batch --quiet --pinentry-mode loopback --passphrase coffer`
  const seal = `${gpg} --cipher-algo AES256 --compress-algo none -c`
  run('sh', ['-c', `${seal} -o ${file}.gpg ${file}`])
  return { open: `${gpg} -d ${file}.gpg`, seal }
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
    transferSealed(title, pending, () => {})
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

/**
 * Both embodiments and opening, on the same sealed files in three sizes, against the disk, the cipher and what a person
 * would use instead. Whatever makes a file ends when that is on the medium.
 */
async function benchMedia(shop: Shop, folder: string): Promise<void> {
  const sizes = [
    ['100 KB', 100e3, 21],
    ['10 MB', 10e6, 11],
    ['1 GB', 1e9, 3]
  ] as const
  for (const [size, bytes, rounds] of sizes) {
    const { medium, titleId } = await shop.largeMedium(bytes, 'conversion')
    const home = new Home(shop.home.folder)
    const title = openTitleFile(mediumPaths(medium).title(titleId, 1))
    const signed = authenticate(readLicense(medium, titleId), home)
    using license = recheck(signed, title.manifest, measureMedium(medium), home, POWERS.now())
    using key = unwrapPayloadKey(license)

    const { path, sizeBytes } = title.file
    const target = join(folder, 'media.copy')
    const writing = (write: (pending: PendingFile) => void) => () => {
      rmSync(target, { force: true })
      return milliseconds(() => {
        const pending = new PendingFile(target)
        write(pending)
        pending.commit()
      })
    }
    const shell = (line: string) => () => {
      rmSync(target, { force: true })
      return milliseconds(() => run('sh', ['-c', line]))
    }
    const ssl = (...directions: ('decrypt' | 'encrypt')[]) => {
      const sum = directions.reduce((ms, direction) => ms + sizeBytes / 1e3 / openSslRate(direction), 0)
      return () => sum
    }
    const age = has('age') ? withAge(folder, path) : undefined
    const gpg = has('gpg') ? withGpg(folder, path) : undefined
    const through = (peer?: { open: string; seal: string }) =>
      peer && shell(`${peer.open} | ${peer.seal} > ${target} && sync ${target}`)

    const rows: [string, () => number, [peer: string, side: (() => number) | undefined, goal: string][]][] = [
      [
        'embodiment 1',
        writing(pending => transferSealed(title, pending, () => {})),
        [['cp', shell(`cp ${path} ${target} && sync ${target}`), 'at least 0.9']]
      ],
      [
        'embodiment 2',
        writing(pending =>
          transferConverted(title, key.key.slice(), randomBytes(32), pending, POWERS, () => {})
        ),
        [
          ['OpenSSL, open and seal', ssl('decrypt', 'encrypt'), ''],
          ['age -d | age -r', through(age), 'at least 1.5'],
          ['gpg -d | gpg -c', through(gpg), '']
        ]
      ],
      [
        'open and check',
        () => milliseconds(() => verifyPayload(title, key.key)),
        [
          ['OpenSSL, open', ssl('decrypt'), ''],
          ['age -d', age && shell(`${age.open} > /dev/null`), 'at least 1.0'],
          ['gpg -d', gpg && shell(`${gpg.open} > /dev/null`), '']
        ]
      ]
    ]
    for (const [what, ours, peers] of rows) {
      const there = peers.flatMap(([peer, side, goal]) => (side === undefined ? [] : [{ peer, side, goal }]))
      for (const side of [ours, ...there.map(({ side }) => side)]) side()
      const [our, ...theirs] = inTurns(rounds, ours, ...there.map(({ side }) => side))
      const rate = (ms: number) => (sizeBytes / 1e3 / ms).toFixed(0)
      there.forEach(({ peer, goal }, i) =>
        report(
          `${size}, ${what} / ${peer}`,
          theirs[i]! / our!,
          goal,
          `${rate(our!)} / ${rate(theirs[i]!)} MB/s`
        )
      )
    }
    title[Symbol.dispose]()
    for (const made of [target, `${path}.age`, `${path}.gpg`]) rmSync(made, { force: true })
  }
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

/** What is measured in this process is to run on the same core as its peers. */
if (pinned && process.env['COFFER_BENCH'] !== 'pinned') {
  const again = ['-c', CORE, process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  const { status } = spawnSync('taskset', again, {
    stdio: 'inherit',
    env: { ...process.env, COFFER_BENCH: 'pinned' }
  })
  process.exit(status ?? 1)
}

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
  if (wanted('open')) benchOpen(folder)
  if (wanted('transfer')) await benchTransfer(shop, folder)
  if (wanted('memory')) await benchMemory(shop)
  // Minutes, and some gigabytes of disk: only when asked for.
  if (words.includes('media')) await benchMedia(shop, folder)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
