/**
 * Both programs as a person types them, with a real license center on a free port: one temporary folder with a shop, a
 * publisher, a buyer's home, masters and media. Made once per test file, and removed with everything in it.
 *
 *     const site = await newSite()
 *     const medium = await site.medium('certificate')
 *     const { code, stdout, stderr } = await site.coffer('run', medium)
 *     await site.close()
 */
import { spawn, type ChildProcess } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { clone } from './clone.js'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const bundledOr = (bundled: string, compiled: string): string =>
  existsSync(join(ROOT, bundled)) ? join(ROOT, bundled) : join(ROOT, compiled)
/** The programs as they are shipped, or as they are compiled while they are not bundled. */
export const COFFER = bundledOr('dist/bin/coffer.cjs', 'build/loader/cli/bin.js')
export const COFFER_CENTER = bundledOr('dist/bin/coffer-center.cjs', 'build/center/cli/bin.js')

export const SCHEMES = ['certificate', 'conversion'] as const
export type SchemeName = (typeof SCHEMES)[number]
export const HELLO = 'org.example.hello'
export const HELLO_OUTPUT = 'Hello, world. This program runs from a certified copy.\n'

const TIMEOUT_MS = 60_000

export interface Ran {
  /** null when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  /** Beside the few variables that every child gets. */
  readonly env?: Readonly<Record<string, string>>
  /** What stdin holds; it ends after that. */
  readonly input?: string | Uint8Array
  /** Options of Node itself. */
  readonly nodeOptions?: readonly string[]
}

/** The environment of a child: nothing of the tests' own that would change what a program does. */
function environment(extra: Readonly<Record<string, string>>): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR, SystemRoot } = process.env
  return { PATH, HOME, ...(TMPDIR && { TMPDIR }), ...(SystemRoot && { SystemRoot }), ...extra }
}

/** Start a program without waiting for its end. Its stdin is open. */
export function start(program: string, args: readonly string[], options: RunOptions = {}): ChildProcess {
  return spawn(process.execPath, [...(options.nodeOptions ?? []), program, ...args], {
    cwd: options.cwd,
    env: environment(options.env ?? {}),
    stdio: ['pipe', 'pipe', 'pipe']
  })
}

/** Wait for a child's end. One that takes over a minute is killed and fails the test by its exit code. */
export function ended(child: ChildProcess): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const output = { stdout: '', stderr: '' }
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
    const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
    child.on('error', reject).on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, ...output })
    })
  })
}

/** Run a program to its end. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = start(program, args, options)
  // A child that ends without reading its input is no failure.
  child.stdin!.on('error', () => {})
  child.stdin!.end(options.input ?? '')
  return ended(child)
}

/** The one JSON object that a program printed: anything beside it fails. */
export function jsonOf({ stdout }: Ran): any {
  if (!stdout.endsWith('}\n') || stdout.indexOf('\n') !== stdout.length - 1)
    throw new Error(`not one line of JSON: ${JSON.stringify(stdout.slice(0, 500))}`)
  return JSON.parse(stdout)
}

export class Site {
  /** Everything is in here. */
  readonly folder: string
  readonly url: string
  /** What the publisher's key file is called. */
  readonly publisherFile: string
  readonly #server: ChildProcess
  readonly #masters = new Map<SchemeName, Promise<string>>()
  readonly #media = new Map<SchemeName, Promise<string>>()
  #made = 0

  constructor(folder: string, url: string, server: ChildProcess) {
    this.folder = folder
    this.url = url
    this.publisherFile = join(folder, 'publisher.key')
    this.#server = server
  }

  path(...names: readonly string[]): string {
    return join(this.folder, ...names)
  }

  get home(): string {
    return this.path('home')
  }

  /** `coffer ...` as the buyer types it. */
  coffer(...args: readonly string[]): Promise<Ran> {
    return this.cofferWith({}, ...args)
  }

  cofferWith(options: RunOptions, ...args: readonly string[]): Promise<Ran> {
    return run(COFFER, args, this.options(options))
  }

  /** What the buyer's programs run with: the site's folder and home. */
  options({ env, ...options }: RunOptions = {}): RunOptions {
    return { cwd: this.folder, ...options, env: { COFFER_HOME: this.home, ...env } }
  }

  /** `coffer-center ...` */
  center(...args: readonly string[]): Promise<Ran> {
    return run(COFFER_CENTER, args, { cwd: this.folder })
  }

  /** A name in the site's folder that nothing has yet. */
  fresh(what: string): string {
    return this.path(`${what}-${++this.#made}`)
  }

  /** Write an app. @param source - Of its only module. @param fields - Of the manifest, beside id, name and entry. */
  app(id: string, source: string, fields: Readonly<Record<string, unknown>> = {}): string {
    const folder = this.fresh('app')
    mkdirSync(folder)
    const manifest = { id, name: id, entry: 'main.js', ...fields }
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({ name: 'app', version: '1.0.0', coffer: manifest })
    )
    writeFileSync(join(folder, 'main.js'), source)
    return folder
  }

  /** Press an app onto a master. @returns The master. */
  async press(
    app: string,
    scheme: SchemeName = 'certificate',
    master = this.fresh('master')
  ): Promise<string> {
    const words = ['press', app, '--out', master, '--center', this.url, '--publisher', this.publisherFile]
    expectSuccess(await this.coffer(...words, '--scheme', scheme))
    return master
  }

  /** A new medium with nothing on it. */
  async prepared(): Promise<string> {
    const medium = this.fresh('medium')
    expectSuccess(await this.coffer('prepare', medium))
    return medium
  }

  /** Press an app and copy it to a new medium, or to this one. @returns The medium. */
  async copied(app: string, scheme: SchemeName = 'certificate', onto?: string): Promise<string> {
    const [master, medium] = await Promise.all([this.press(app, scheme), onto ?? this.prepared()])
    expectSuccess(await this.coffer('copy', master, medium))
    return medium
  }

  /** The master with the sample title Hello; release 2 of it where the scheme is conversion. Pressed once. */
  master(scheme: SchemeName): Promise<string> {
    return remembered(this.#masters, scheme, () => {
      const app = this.fresh('hello')
      cpSync(join(ROOT, 'samples/titles/hello'), app, { recursive: true })
      const path = join(app, 'package.json')
      const json = JSON.parse(readFileSync(path, 'utf8'))
      json.coffer.release = scheme === 'certificate' ? 1 : 2
      writeFileSync(path, JSON.stringify(json))
      return this.press(app, scheme)
    })
  }

  /** A medium with Hello copied to it. Made once: whoever changes it puts it back, in place, as it was. */
  medium(scheme: SchemeName): Promise<string> {
    return remembered(this.#media, scheme, async () => {
      const [master, medium] = await Promise.all([this.master(scheme), this.prepared()])
      expectSuccess(await this.coffer('copy', master, medium, '--title', HELLO))
      return medium
    })
  }

  async close(): Promise<void> {
    const closed = new Promise(resolve => this.#server.once('close', resolve))
    this.#server.kill('SIGTERM')
    await closed
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Where `npm test` has laid out one site for all files. */
const LAID_OUT = process.env['COFFER_TEST_SITE']
let isTaken = false

/** A shop that serves, a publisher it knows, a buyer who trusts it. Only a file's first may be another file's as well. */
export async function newSite(): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'coffer-site-'))
  if (LAID_OUT === undefined || isTaken) await layOut(folder)
  else clone(LAID_OUT, folder)
  isTaken = true
  const server = start(COFFER_CENTER, ['serve', 'shop', '--port', '0'], { cwd: folder })
  const site = new Site(folder, await firstLine(server), server)
  expectSuccess(await site.coffer('trust', site.url))
  return site
}

/** All of a site that no server is needed for. */
export async function layOut(folder: string): Promise<void> {
  const env = { COFFER_HOME: join(folder, 'home') }
  const [, publisher] = await Promise.all([
    run(COFFER_CENTER, ['init', 'shop'], { cwd: folder }).then(expectSuccess),
    run(COFFER, ['keygen', '--publisher', 'publisher.key'], { cwd: folder, env }).then(expectSuccess),
    run(COFFER, ['keygen'], { cwd: folder, env }).then(expectSuccess)
  ])
  expectSuccess(
    await run(COFFER_CENTER, ['publisher', 'add', 'shop', publisher.stdout.trim()], { cwd: folder })
  )
}

export function firstLine(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = ''
    server.stdout!.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (output.includes('\n')) resolve(output.slice(0, output.indexOf('\n')))
    })
    let complaint = ''
    server.stderr!.setEncoding('utf8').on('data', (text: string) => (complaint += text))
    server.on('close', code => reject(new Error(`the center ended with ${code}: ${complaint}`)))
  })
}

export function expectSuccess(ran: Ran): Ran {
  if (ran.code !== 0) throw new Error(`ended with ${ran.code ?? ran.signal}: ${ran.stderr}${ran.stdout}`)
  return ran
}

function remembered<Key, Value>(
  known: Map<Key, Promise<Value>>,
  key: Key,
  make: () => Promise<Value>
): Promise<Value> {
  if (!known.has(key)) known.set(key, make())
  return known.get(key)!
}

/** Every file below a folder, by its path from there. */
export function filesBelow(folder: string, below = folder): string[] {
  return readdirSync(below, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(entry => {
      const path = join(below, entry.name)
      return entry.isDirectory() ? filesBelow(folder, path) : [relative(folder, path)]
    })
}
