/**
 * How fast the center sells, held against what its database can do at all on this machine, in the same run, interleaved:
 *
 *     npm run bench:center                 durable issues a second, on SQLite and on PostgreSQL, by one and two instances
 *     npm run bench:center -- size         the time of an order with 10 000 and with 2 000 000 grants in the books
 *     npm run bench:center -- memory       the memory of a center over 100 000 grants
 *
 * An issue is a request's signature verified, a grant and an answer signed, keys sealed, and all of it on the disk. The bare
 * rate is one small row, on the disk, on one connection that does nothing else. Orders are made and signed before the time
 * that is measured and handed to the center in its own process, so that what is left of asking, a queue and two clocks, takes
 * some 5 us of it an order. How many cores the center took, the database's server, and all else, stands below each rate:
 * where the first two take all that there are, another instance has nothing to run on. So two instances are also held
 * against one where each has one core, as it has on a machine of its own.
 */
import { DatabaseSync } from '@photostructure/sqlite'
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { createCenter, openCenter, type LicenseCenter } from '../center/center.js'
import { findBooks } from '../center/books/place.js'
import { isUrl } from '../center/books/store.js'
import { fromHex } from '../formats/bytes.js'
import { deriveKeys, type Keys } from '../formats/keys.js'
import { encodeRegistration } from '../formats/records/release.js'
import { encodeRequest } from '../formats/records/request.js'
import { newDatabase, query, startPostgres } from './postgres.js'

const SELF = fileURLToPath(import.meta.url)
const TITLE = 'org.example.hello'
const IN_FLIGHT = 64
const USERS = 50
const ROUNDS = 3
const ROUND_MS = 2000
const BARE_MS = 1000

const now = () => Math.floor(Date.now() / 1000)
const bytes = (length: number) => new Uint8Array(randomBytes(length))
const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!
const folder = mkdtempSync(join(tmpdir(), 'coffer-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

async function newShop(name: string, database?: string): Promise<string> {
  const path = join(folder, name)
  const center = await createCenter(path, { name: 'Shop', database })
  const publisher = deriveKeys('publisher', bytes(32))
  await center.desk.addPublisher(publisher, 'Press')
  await center.register(
    encodeRegistration(
      {
        centerId: fromHex(center.centerId),
        created: now(),
        name: 'Hello',
        release: 1,
        requestId: bytes(16),
        scheme: 'certificate',
        signKey: publisher.signKey,
        titleId: TITLE
      },
      publisher.signSeed
    )
  )
  await center.desk.setTerms(TITLE, { priceMinor: 900, copies: 1_000_000 })
  await center.close()
  return path
}

function newOrder(centerId: Uint8Array, user: Keys & { signSeed: Uint8Array }): Uint8Array {
  return encodeRequest(
    {
      bind: ['medium', 'user'],
      centerId,
      created: now(),
      factors: ['machine'],
      kind: 'order',
      mediumId: bytes(32),
      mediumKind: 'folder',
      release: 1,
      requestId: bytes(16),
      scheme: 'certificate',
      sealKey: user.sealKey,
      signKey: user.signKey,
      titleId: TITLE
    },
    user.signSeed
  )
}

interface Load {
  readonly issued: number
  readonly seconds: number
  readonly latenciesMs: readonly number[]
  /** Of all threads of this process. */
  readonly cpuMs: number
}

/** Orders that were made before, so many at a time, for so long. */
async function load(center: LicenseCenter, orders: Uint8Array[], ms: number): Promise<Load> {
  const latenciesMs: number[] = []
  const started = performance.now()
  const cpu = process.cpuUsage()
  const lane = async () => {
    while (performance.now() - started < ms) {
      const order = orders.pop()
      if (order === undefined) return
      const since = performance.now()
      await center.issue(order)
      latenciesMs.push(performance.now() - since)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - started) / 1000
  return { issued: latenciesMs.length, seconds, latenciesMs, cpuMs: (user + system) / 1000 }
}

const TICK_MS = 10

/** What a server's processes have taken, as Linux tells it; 0 where there is no server, or nobody who tells. */
function serverMs(server: number | undefined): number {
  if (server === undefined || process.platform !== 'linux') return 0
  return readdirSync('/proc').reduce((sum, name) => {
    if (!/^\d+$/.test(name)) return sum
    try {
      // The name, in brackets, may hold anything; after it: state, parent, ... the 12th and 13th are user and system time.
      const fields = readFileSync(`/proc/${name}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
      const isOfServer = Number(name) === server || Number(fields[1]) === server
      return isOfServer ? sum + TICK_MS * (Number(fields[11]) + Number(fields[12])) : sum
    } catch {
      return sum // it has ended
    }
  }, 0)
}

/** What all processes of this machine have taken of its cores since it was started. */
const busyMs = () =>
  cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0)

function ordersFor(centerId: Uint8Array, count: number): Uint8Array[] {
  const users = Array.from({ length: USERS }, () => deriveKeys('user', bytes(32)))
  return Array.from({ length: count }, (_, n) => newOrder(centerId, users[n % USERS]!))
}

/** One instance in a process of its own: a line of JSON for each round that it is asked for. */
async function instance(path: string): Promise<void> {
  const center = await openCenter(path)
  const centerId = fromHex(center.centerId)
  const lines = createInterface(process.stdin)[Symbol.asyncIterator]()
  console.log('ready')
  for (;;) {
    const { value: line, done } = await lines.next()
    if (done === true) break
    const ms = Number(line)
    const orders = ordersFor(centerId, Math.ceil(ms * 1.5))
    console.log('made')
    await lines.next() // go
    console.log(JSON.stringify(await load(center, orders, ms)))
  }
  await center.close()
}

class Instance {
  readonly #child
  readonly #lines: AsyncIterator<string>

  /** @param core - The only one that it may use. */
  constructor(path: string, core?: number) {
    const program = [process.execPath, SELF, 'instance', path]
    const [command, ...args] = core === undefined ? program : ['taskset', '-c', String(core), ...program]
    this.#child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]()
  }
  async next(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error('an instance ended')
    return value
  }
  say(text: string): void {
    this.#child.stdin.write(`${text}\n`)
  }
  async end(): Promise<void> {
    const closed = once(this.#child, 'exit') // not close: nobody reads its last lines
    this.#child.stdin.end()
    this.#child.kill()
    await closed
  }
}

interface Sold {
  /** Issues a second, of all. */
  readonly rate: number
  readonly latenciesMs: readonly number[]
  /** How many cores the instances took, their database's server, and all else. */
  readonly cores: number
  readonly serverCores: number
  readonly otherCores: number
  /** Of the instances. */
  readonly cpuMsAnIssue: number
}

/** All instances sell at the same time. @param server - The process of their database's server, if it has one. */
async function sellTogether(instances: readonly Instance[], server: number | undefined): Promise<Sold> {
  for (const one of instances) one.say(String(ROUND_MS))
  for (const one of instances) await one.next() // the orders are made
  const [busy, served, started] = [busyMs(), serverMs(server), performance.now()]
  for (const one of instances) one.say('go')
  const loads = await Promise.all(instances.map(async one => JSON.parse(await one.next()) as Load))
  const [allMs, servedMs, elapsedMs] = [
    busyMs() - busy,
    serverMs(server) - served,
    performance.now() - started
  ]
  const sum = (of: (load: Load) => number) => loads.reduce((total, load) => total + of(load), 0)
  const cpuMs = sum(load => load.cpuMs)
  return {
    rate: sum(({ issued, seconds }) => issued / seconds),
    latenciesMs: loads.flatMap(({ latenciesMs }) => latenciesMs),
    cores: cpuMs / elapsedMs,
    serverCores: servedMs / elapsedMs,
    otherCores: Math.max(0, allMs - cpuMs - servedMs) / elapsedMs,
    cpuMsAnIssue: cpuMs / sum(({ issued }) => issued)
  }
}

const ROW = Buffer.alloc(200, 7)

function bareSqlite(): number {
  const database = new DatabaseSync(join(folder, `bare-${randomBytes(4).toString('hex')}.db`))
  database.exec('pragma journal_mode = wal')
  database.exec('pragma synchronous = full')
  database.exec('create table rows (id integer primary key, row blob)')
  const insert = database.prepare('insert into rows (row) values (?)')
  const started = performance.now()
  let commits = 0
  while (performance.now() - started < BARE_MS) {
    insert.run(ROW)
    commits++
  }
  const rate = (commits * 1000) / (performance.now() - started)
  database.close()
  return rate
}

async function barePostgres(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('create table if not exists rows (id bigserial primary key, row bytea)')
  const started = performance.now()
  let commits = 0
  while (performance.now() - started < BARE_MS) {
    await client.query({ name: 'row', text: 'insert into rows (row) values ($1)', values: [ROW] })
    commits++
  }
  const rate = (commits * 1000) / (performance.now() - started)
  await client.end()
  return rate
}

const percentile = (values: readonly number[], part: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))]!
const say = (what: string, value: string) => console.log(`${what.padEnd(54)} ${value}`)
const perSecond = (rate: number) => `${rate.toFixed(0)}/s`
const ms = (value: number) => `${value.toFixed(1)} ms`

async function throughput(): Promise<void> {
  const server = await startPostgres(true)
  const bareUrl = await newDatabase(server.url)
  const postgresShop = await newShop('postgres', await newDatabase(server.url))
  const lite = [new Instance(await newShop('sqlite'))]
  const one = [new Instance(postgresShop)]
  const two = [new Instance(postgresShop), new Instance(postgresShop)]
  const hasCores = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0
  const core = hasCores ? [new Instance(postgresShop, 0)] : []
  const cores = hasCores ? [new Instance(postgresShop, 0), new Instance(postgresShop, 1)] : []
  const all = { lite, one, two, core, cores }
  for (const instance of Object.values(all).flat()) await instance.next() // ready
  const bareRates = { lite: [] as number[], postgres: [] as number[] }
  const sold = {
    lite: [] as Sold[],
    one: [] as Sold[],
    two: [] as Sold[],
    core: [] as Sold[],
    cores: [] as Sold[]
  }
  // The first round warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    const counts = round > 0
    console.error(`round ${round} of ${ROUNDS}`)
    const bareLite = bareSqlite()
    const bare = await barePostgres(bareUrl)
    if (counts) {
      bareRates.lite.push(bareLite)
      bareRates.postgres.push(bare)
    }
    for (const [name, instances] of Object.entries(all) as [keyof typeof all, Instance[]][]) {
      if (instances.length === 0) continue
      const done = await sellTogether(instances, name === 'lite' ? undefined : server.pid)
      if (counts) sold[name].push(done)
    }
  }
  for (const instance of Object.values(all).flat()) await instance.end()
  await server.stop()
  const rateOf = (name: keyof typeof sold) => median(sold[name].map(({ rate }) => rate))
  const sayIssues = (what: string, name: keyof typeof sold) => {
    const of = (value: (round: Sold) => number) => median(sold[name].map(value)).toFixed(2)
    const p99 = percentile(
      sold[name].flatMap(({ latenciesMs }) => latenciesMs),
      0.99
    )
    say(what, `${perSecond(rateOf(name))}, p99 ${ms(p99)}`)
    say(
      `  of ${availableParallelism()} cores`,
      `center ${of(({ cores }) => cores)}, server ${of(({ serverCores }) => serverCores)}, ` +
        `all else ${of(({ otherCores }) => otherCores)}; ` +
        `center ${of(({ cpuMsAnIssue }) => cpuMsAnIssue)} ms an issue`
    )
  }
  const [bareLite, bare] = [median(bareRates.lite), median(bareRates.postgres)]
  say('SQLite, bare durable commits', perSecond(bareLite))
  sayIssues('SQLite, durable issues', 'lite')
  say('  ratio', `${(rateOf('lite') / bareLite).toFixed(2)} (goal 0.5)`)
  say(`PostgreSQL ${server.version}, bare durable commits`, perSecond(bare))
  sayIssues('PostgreSQL, durable issues, one instance', 'one')
  say('  ratio', `${(rateOf('one') / bare).toFixed(2)} (goal 0.5)`)
  sayIssues('PostgreSQL, durable issues, two instances', 'two')
  say('  ratio to one instance', (rateOf('two') / rateOf('one')).toFixed(2))
  if (!hasCores)
    return console.log('no taskset, or one core alone: nothing is said of instances with a core each')
  sayIssues('PostgreSQL, durable issues, one instance of one core', 'core')
  sayIssues('PostgreSQL, durable issues, two of one core each', 'cores')
  say('  ratio to one of one core', `${(rateOf('cores') / rateOf('core')).toFixed(2)} (goal 1.2)`)
}

const FILLED_USERS = 20_000

/** Users, grants, requests and postings of a title that sold well, put there in bulk, past the log. */
async function fill(place: string, grants: number): Promise<void> {
  const postgres = isUrl(place)
  const numbers = (count: number) =>
    postgres
      ? `generate_series(0, ${count - 1}) as n`
      : `(with recursive s(n) as (select 0 union all select n + 1 from s where n < ${count - 1}) select n from s)`
  /** As spread as random ids are. */
  const id = (salt: number, chars: number) =>
    postgres
      ? `substr(md5('${salt} ' || n) || md5('${salt}+' || n), 1, ${chars})`
      : `substr(printf('%08x%08x', (n * 2654435761 + ${salt}) & 4294967295, n) || printf('%048x', n), 1, ${chars})`
  const user = (n: string) => (postgres ? `lpad(to_hex(${n}), 64, '0')` : `printf('%064x', ${n})`)
  const empty = postgres ? `'\\x00'::bytea` : `x'00'`
  // In the order of their keys, and each index made anew at the end: 2 000 000 rows take a minute, not hours.
  const rows = [
    `insert into users ("userId", "signKey", "sealKey", name, enrolled, blocked)
     select ${user('n')}, '', '', null, 0, 0 from ${numbers(FILLED_USERS)}`,
    `insert into grants ("grantId", "userId", "titleId", "mediumId", release, bearer, bought, issued, expires, revoked)
     select ${id(1, 32)}, ${user(`n % ${FILLED_USERS}`)}, '${TITLE}', ${id(2, 64)}, 1, 0, 1, 1, null, 0
     from ${numbers(grants)} order by 1`,
    `insert into requests ("requestId", kind, "requestHash", signer, record, "sealedAnswer", answered)
     select ${id(3, 32)}, 'order', '', ${user(`n % ${FILLED_USERS}`)}, ${empty}, ${empty}, 1
     from ${numbers(grants)} order by 1`,
    `insert into ledger (posting, account, "amountMinor", currency, posted)
     select ${id(3, 32)}, 'receivable/' || ${user(`n % ${FILLED_USERS}`)}, 900, 'EUR', 1
     from ${numbers(grants)} order by 1`,
    `insert into counts ("titleId", "userId", copies)
     select "titleId", "userId", count(*) from grants group by 1, 2 union all
     select "titleId", '', count(*) from grants group by 1`
  ]
  const filled = `('grants', 'requests', 'ledger')`
  if (postgres) {
    const indexes = (await query(
      place,
      `select c.relname as name, pg_get_indexdef(c.oid) as text from pg_index i join pg_class c on c.oid = i.indexrelid
       where i.indrelid::regclass::text in ${filled} and not i.indisprimary`
    )) as { name: string; text: string }[]
    for (const { name } of indexes) await query(place, `drop index "${name}"`)
    // As the database's own housekeeping leaves it: it would come by in the midst of what is measured.
    const after = [...indexes.map(({ text }) => text), 'vacuum analyze', 'checkpoint']
    for (const text of [...rows, ...after]) await query(place, text)
    return
  }
  const database = new DatabaseSync(place)
  database.exec('pragma synchronous = off; pragma cache_size = -500000')
  const indexes = database
    .prepare(
      `select name, sql from sqlite_master where type = 'index' and sql is not null and tbl_name in ${filled}`
    )
    .all() as { name: string; sql: string }[]
  for (const { name } of indexes) database.exec(`drop index "${name}"`)
  for (const text of [...rows, ...indexes.map(({ sql }) => sql), 'analyze']) database.exec(text)
  database.close()
}

/** One order after the other. @returns The median time of each, in milliseconds. */
async function orderTime(path: string): Promise<number> {
  const center = await openCenter(path)
  const times: number[] = []
  for (const order of ordersFor(fromHex(center.centerId), 250)) {
    const since = performance.now()
    await center.issue(order)
    times.push(performance.now() - since)
  }
  await center.close()
  return median(times.slice(50))
}

async function size(few: number, many: number): Promise<void> {
  const server = await startPostgres(true)
  for (const [name, url] of [
    ['SQLite', undefined],
    ['PostgreSQL', await newDatabase(server.url)]
  ] as const) {
    // Interleaved: two shops, one small and one that sold well.
    const small = await newShop(
      `${name}-small`,
      url === undefined ? undefined : await newDatabase(server.url)
    )
    const large = await newShop(`${name}-large`, url)
    await fill(await findBooks(small), few)
    await fill(await findBooks(large), many)
    const found = { small: [] as number[], large: [] as number[] }
    for (let round = 0; round < 5; round++) {
      found.small.push(await orderTime(small))
      found.large.push(await orderTime(large))
    }
    const [a, b] = [median(found.small), median(found.large)]
    say(`${name}, an order with ${few} grants`, ms(a))
    say(`${name}, an order with ${many} grants`, ms(b))
    say('  ratio', `${(b / a).toFixed(2)} (goal at most 1.3)`)
  }
  await server.stop()
}

async function memory(grants: number): Promise<void> {
  const center = await openCenter(await newShop('memory'))
  const centerId = fromHex(center.centerId)
  const resident: number[] = []
  for (let issued = 0; issued < grants; issued += 1000) {
    await load(center, ordersFor(centerId, 1000), 600_000)
    globalThis.gc?.()
    resident.push(process.memoryUsage.rss())
  }
  await center.close()
  const mib = (value: number) => `${(value / 1024 / 1024).toFixed(0)} MiB`
  const tenth = Math.max(1, Math.floor(resident.length / 10))
  const early = median(resident.slice(tenth, 2 * tenth))
  const late = median(resident.slice(-tenth))
  say(`resident after the second tenth of ${grants} grants`, mib(early))
  say('resident in the last tenth', mib(late))
  say('  ratio', (late / early).toFixed(2))
}

const [what = 'throughput', first, second] = process.argv.slice(2)
if (what === 'instance') await instance(first!)
else if (what === 'size') await size(Number(first ?? 10_000), Number(second ?? 2_000_000))
else if (what === 'memory') await memory(Number(first ?? 100_000))
else await throughput()
