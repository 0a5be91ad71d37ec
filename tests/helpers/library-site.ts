/**
 * A whole small world in one process and one temporary folder, for tests at library level: a license center that
 * listens, a publisher, a buyer's home, masters of titles written on the fly, media. One clock for all, which only
 * tests move. Everything is closed and removed when the file's tests have run.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import * as assert from 'uvu/assert'
import { createCenter, type LicenseCenter } from '../../center/center.js'
import { serve } from '../../center/http/http.js'
import { openKeyFiles } from '../../center/keys/keyfiles.js'
import { openVault } from '../../center/keys/vault.js'
import type { Signer } from '../../formats/frame.js'
import { utf8Decode } from '../../formats/bytes.js'
import { CofferError, type ErrorCode } from '../../formats/errors.js'
import { deriveKeys, parsePublicKeys, parseSecretKey, type KeyOwner } from '../../formats/keys.js'
import type { Scheme } from '../../formats/records/fields.js'
import {
  CenterClient,
  copy,
  createKeyFile,
  Home,
  prepare,
  press,
  type Copied,
  type CopyOptions,
  type Pressed
} from '../../loader/copier/index.js'
import type { TitleOptions } from '../../loader/launch.js'
import { launchTitle } from '../../loader/load.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { POWERS, type Powers } from '../../loader/powers.js'

export const SCHEMES = ['certificate', 'conversion'] as const
export const MARKER = 'this-line-is-licensed-plaintext'
/** What every small title prints first; a title of which nothing ran has printed nothing. */
export const PROGRAM = `console.log('${MARKER}')\nexport default function main() { console.log('ran'); return 0 }\n`

/** A title that says its release, and carries enough that copying takes its time. */
export const release = (number: number) => ({
  release: number,
  source: `console.log('release ${number}'); export default () => 0`,
  assets: { noise: new Uint8Array(200_000).fill(number) }
})

export interface TitleToPress {
  readonly scheme?: Scheme
  readonly release?: number
  readonly source?: string
  /** Fields of the manifest beyond id, name, release and entry. */
  readonly fields?: Record<string, unknown>
  /** Files under the assets folder, by name. */
  readonly assets?: Record<string, string | Uint8Array>
}

export interface Ran {
  readonly exitCode: number
  readonly stdout: string
}

/** Signs in the center's name. */
export interface SigningVault {
  /** Build a record with one of the `encode...` functions of formats/, whose last argument is who signs. */
  sign<A extends readonly unknown[]>(
    encode: (...args: readonly [...A, signer: Signer]) => Uint8Array,
    ...args: A
  ): Uint8Array
}

export class LibrarySite {
  readonly folder: string
  readonly center: LicenseCenter
  /** The center's own keys: what a faulty or hostile center that is trusted could sign. */
  readonly vault: SigningVault
  readonly url: string
  readonly home: Home
  /** Seconds since 1970, for center and buyer alike. */
  readonly clock: { at: number }
  readonly powers: Powers
  readonly publisherKeyFile: string
  #names = 0

  constructor(
    made: Pick<
      LibrarySite,
      'folder' | 'center' | 'vault' | 'url' | 'home' | 'clock' | 'powers' | 'publisherKeyFile'
    >
  ) {
    this.folder = made.folder
    this.center = made.center
    this.vault = made.vault
    this.url = made.url
    this.home = made.home
    this.clock = made.clock
    this.powers = made.powers
    this.publisherKeyFile = made.publisherKeyFile
  }

  /** A path in the site's folder that nothing is at yet. */
  path(name = 'place'): string {
    return join(this.folder, `${name}-${++this.#names}`)
  }

  /** Another person: a home with the center pinned, and with a user key unless told otherwise. */
  async newHome({ withKey = true, pinned = true } = {}): Promise<Home> {
    const home = new Home(this.path('home'))
    if (pinned) home.pin(await new CenterClient(this.url).roots(), this.url)
    else mkdirSync(home.folder)
    if (withKey) createKeyFile('user', home.userKeyFile, POWERS)
    return home
  }

  /** The seed and key pairs in a key file. */
  keysIn(owner: KeyOwner, path: string) {
    return deriveKeys(owner, parseSecretKey(owner, readFileSync(path, 'utf8')))
  }

  /** Write an app and press it. @returns What was pressed; its master is the folder of its own. */
  async press(id: string, title: TitleToPress = {}): Promise<Pressed & { readonly master: string }> {
    const app = this.path('app')
    writeApp(app, id, title)
    const master = this.path('master')
    const pressed = await press(app, {
      home: this.home,
      out: master,
      publisherKeyFile: this.publisherKeyFile,
      centerUrl: this.url,
      scheme: title.scheme,
      powers: this.powers
    })
    return { ...pressed, master }
  }

  prepare(name = 'stick'): string {
    const root = this.path(name)
    prepare(root, 'folder', this.powers)
    return root
  }

  copy(master: string, root: string, id: string, options: Partial<CopyOptions> = {}): Promise<Copied> {
    return copy(master, root, id, { home: this.home, powers: this.powers, ...options })
  }

  /** Press a title and put it on a new medium. */
  async copied(id: string, title: TitleToPress = {}): Promise<{ root: string; master: string; id: string }> {
    const { master } = await this.press(id, title)
    const root = this.prepare()
    await this.copy(master, root, id)
    return { root, master, id }
  }

  launch(root: string, id: string, options: TitleOptions = {}, home = this.home) {
    return launchTitle(root, id, home, this.powers, options)
  }

  /** The whole path, and the title's own end. */
  async run(root: string, id: string, options: TitleOptions = {}, home = this.home): Promise<Ran> {
    let stdout = ''
    await using guest = await this.launch(
      root,
      id,
      { stdout: bytes => (stdout += utf8Decode(bytes)), ...options },
      home
    )
    return { exitCode: await guest.run([]), stdout }
  }

  /** What a title of {@link release} says when it runs from a medium. */
  async running(root: string, id: string, home = this.home): Promise<string> {
    return (await this.run(root, id, {}, home)).stdout.trim()
  }

  async runs(root: string, id: string, home = this.home): Promise<void> {
    assert.equal(await this.run(root, id, {}, home), { exitCode: 0, stdout: `${MARKER}\nran\n` })
  }

  /**
   * Launching is refused with this code, in words that say what was expected and found and what to do, and nothing of
   * the title has run.
   */
  async refuses(code: ErrorCode, root: string, id: string, home = this.home): Promise<CofferError> {
    const error = await this.failure(root, id, home)
    assert.is(error?.code, code, `expected ${code}, got ${error?.code}: ${error?.message}`)
    for (const field of ['expected', 'found', 'hint'] as const)
      assert.ok(error![field], `${code} without ${field}: ${error!.message}`)
    return error!
  }

  /** What launching fails with; undefined when it runs. Anything but a CofferError is thrown on. */
  async failure(root: string, id: string, home = this.home): Promise<CofferError | undefined> {
    let output = 0
    try {
      await using _guest = await this.launch(root, id, { stdout: bytes => (output += bytes.length) }, home)
      return undefined
    } catch (error) {
      if (!(error instanceof CofferError)) throw error
      assert.is(output, 0, 'the title printed before it was refused')
      return error
    }
  }
}

/** An app's folder: package.json, main.ts and assets. */
export function writeApp(
  folder: string,
  id: string,
  { release = 1, source = PROGRAM, fields, assets }: TitleToPress
) {
  mkdirSync(folder, { recursive: true })
  const coffer = {
    id,
    name: 'Small',
    release,
    entry: 'main.ts',
    ...(assets && { assets: 'assets' }),
    ...fields
  }
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'app', version: '1.2.3', type: 'module', coffer })
  )
  writeFileSync(join(folder, 'main.ts'), source)
  for (const [name, bytes] of Object.entries(assets ?? {})) {
    const path = join(folder, 'assets', name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
  }
}

/** Every file under a folder, by its path in it. */
export function filesUnder(folder: string, below = ''): string[] {
  return readdirSync(join(folder, below), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(entry => {
      const path = join(below, entry.name)
      return entry.isDirectory() ? filesUnder(folder, path) : [path]
    })
}

/** What is on a medium, byte for byte: to tell whether something changed it. */
export const snapshot = (root: string): Map<string, string> =>
  new Map(
    filesUnder(mediumPaths(root).folder).map(path => [
      path,
      readFileSync(join(mediumPaths(root).folder, path)).toString('base64')
    ])
  )

/** Make the world. Call once per file; it takes about a quarter of a second. @param at - When, by its clock. */
export async function librarySite(at = 1_800_000_000): Promise<LibrarySite> {
  const folder = mkdtempSync(join(tmpdir(), 'coffer-library-'))
  const clock = { at }
  const powers: Powers = { now: () => clock.at, random: POWERS.random }
  const center = await createCenter(join(folder, 'shop'), { name: 'Shop' }, powers)
  // One buyer orders faster here than any person does.
  const served = await serve(center, { port: 0, addressRate: null, signerRate: null })
  // The listener alone would keep the process alive after the last test.
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const home = new Home(join(folder, 'home'))
  home.pin(await new CenterClient(served.url).roots(), served.url)
  const keys = openVault(await openKeyFiles(join(folder, 'shop', 'vault')))
  const signer = keys.signer(home.centers()[0]!.keys[0]!)
  const vault: SigningVault = { sign: (encode, ...args) => encode(...args, signer) }
  createKeyFile('user', home.userKeyFile, POWERS)
  const publisherKeyFile = join(folder, 'publisher.key')
  await center.desk.addPublisher(
    parsePublicKeys('publisher', createKeyFile('publisher', publisherKeyFile, POWERS)),
    'Press'
  )
  closers.push(async () => {
    await served.close()
    await center.close()
    keys.close()
  })
  return new LibrarySite({ folder, center, vault, url: served.url, home, clock, powers, publisherKeyFile })
}

const closers: (() => Promise<void>)[] = []
/** For `test.after`. */
export async function closeSites(): Promise<void> {
  for (const close of closers.splice(0)) await close()
}
