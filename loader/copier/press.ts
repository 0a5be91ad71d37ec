/**
 * Press a master: from an app's source to a sealed title (docs/spec.md §9). The publisher registers the release, gets
 * Kd or Ka for it, and seals what esbuild bundled and the engine compiled.
 */
import { join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { equalBytes, hex, utf8, utf8Decode, wipe } from '../../formats/bytes.js'
import { CHUNK_BYTES, SALT_BYTES, sealedSize } from '../../formats/cobblestone.js'
import { StreamSealer } from '../../formats/cobblestone-streams.js'
import { openReleaseKey, payloadContext } from '../../formats/derive.js'
import { CofferError } from '../../formats/errors.js'
import type { Keys } from '../../formats/keys.js'
import { encodePackageHead } from '../../formats/package.js'
import type { Scheme } from '../../formats/records/fields.js'
import { encodeManifest, LOADER_LEVEL, type Manifest } from '../../formats/records/manifest.js'
import { encodeRegistration, openRegistration, openRelease } from '../../formats/records/release.js'
import { encodeCollection } from '../../formats/records/revocations.js'
import { openRoots } from '../../formats/records/root.js'
import { encodeTitleHead, titleFileName } from '../../formats/title.js'
import { checkProgram } from '../../sandbox/check.js'
import { carryEnded } from '../ended.js'
import { makeFolder } from '../files.js'
import { leftovers, PendingFile, removeLeftover, writeFile } from '../pending.js'
import type { Home, PinnedCenter } from '../home.js'
import { readKeyFile } from '../key-files.js'
import { checkCall } from '../options.js'
import { POWERS, type Powers } from '../powers.js'
import { refuseInterrupted, type Steps } from '../steps.js'
import { newestCollection } from '../travel.js'
import { PLACES_NAME, PROGRAM_NAME, readApp, readAssets, type App, type Content } from './app.js'
import { bundleApp, type Bundle } from './bundle.js'
import { CenterClient } from './center-client.js'
import { fill } from './fill.js'
import { learnEnded } from './learn.js'
import { masterRevocations } from './master.js'
import { narrowFailure } from './narrow.js'

export type PressEvent =
  | { readonly step: 'bundle'; readonly app: App }
  | { readonly step: 'compile'; readonly programBytes: number }
  /** `reason`: why there is none. */
  | { readonly step: 'image'; readonly imageBytes: number; readonly reason?: string }
  | { readonly step: 'register'; readonly center: string }
  /** The center cannot answer now, and is asked again after so long. */
  | { readonly step: 'wait'; readonly seconds: number; readonly reason: string }
  | { readonly step: 'seal'; readonly doneBytes: number; readonly totalBytes: number }

export interface PressOptions {
  readonly home: Home
  /** Master folder; made when there is none. */
  readonly out: string
  readonly publisherKeyFile: string
  readonly centerUrl: string
  readonly scheme?: Scheme | undefined
  readonly powers?: Powers | undefined
  readonly onEvent?: ((event: PressEvent) => void) | undefined
  /** Ends it before its next step, until the title is in its place. */
  readonly signal?: AbortSignal | undefined
}

const PRESS_OPTIONS: Readonly<Record<keyof PressOptions, true>> = {
  home: true,
  out: true,
  publisherKeyFile: true,
  centerUrl: true,
  scheme: true,
  powers: true,
  onEvent: true,
  signal: true
}

export interface Pressed {
  readonly id: string
  readonly name: string
  readonly release: number
  readonly scheme: Scheme
  readonly path: string
  readonly bytes: number
  readonly centerId: string
}

/**
 * @param path - An app: its folder, or one .ts or .js file.
 * @throws CofferError COFFER_MANIFEST_INVALID, COFFER_PROGRAM_INVALID with file and line, COFFER_CENTER_*,
 *   COFFER_PUBLISHER_UNKNOWN, COFFER_DISK_FULL, COFFER_INTERRUPTED; no half title is left then.
 */
export async function press(path: string, options: PressOptions): Promise<Pressed> {
  checkCall('press()', { 'the path of an app': path }, options, PRESS_OPTIONS)
  const { home, scheme = 'certificate', powers = POWERS, onEvent = () => {}, signal } = options
  const publisher = readKeyFile('publisher', options.publisherKeyFile)
  const app = readApp(path)
  onEvent({ step: 'bundle', app })
  const { source, contents, places } = await packageContents(app, onEvent)
  let image: readonly Content[] = []
  try {
    refuseInterrupted(signal)
    image = await pressedImage(app, source, onEvent)
    refuseInterrupted(signal)
    const client = new CenterClient(options.centerUrl, {
      onWait: (seconds, reason) => onEvent({ step: 'wait', seconds, reason }),
      signal
    })
    const center = await centerOf(client, home)
    onEvent({ step: 'register', center: center.name })
    // In place of the source where the publisher wants that, or in front of it.
    const others = contents.filter(({ role }) => app.code !== 'image' || role !== 'program')
    const toSeal = [...image, ...others, ...(app.sourceMap ? [sealedPlaces(places)] : [])]
    const ticket = await registerRelease(app, scheme, center, client, publisher, powers)
    let newest: Uint8Array
    let pressed: Pressed
    try {
      newest = await client.revocations()
      pressed = await sealTitle(app, scheme, toSeal, ticket, publisher, center, { ...options, powers })
    } finally {
      wipe(ticket.releaseKey)
    }
    // What the center has taken back by now travels on the master.
    const path = join(options.out, 'revocations')
    const list = encodeCollection({ lists: [newest] })
    writeFile(path, newestCollection(home, masterRevocations(options.out), list))
    await learnEnded(client, newest, center, home)
    carryEnded(home, options.out)
    return pressed
  } finally {
    wipe(source, ...image.map(({ bytes }) => bytes))
  }
}

/** Bundle, compile once with the real engine, collect assets. */
export async function packageContents(
  app: App,
  onEvent: (event: PressEvent) => void
): Promise<Pick<Bundle, 'source' | 'locate' | 'places'> & { contents: readonly Content[] }> {
  const bundle = await bundleApp(app)
  onEvent({ step: 'compile', programBytes: bundle.source.length })
  checkImports(app, bundle)
  compile(app, bundle)
  const assets = readAssets(app).map(({ name, bytes }): Content => ({ name, role: 'asset', bytes }))
  return {
    source: bundle.source,
    locate: bundle.locate,
    places: bundle.places,
    contents: [{ name: PROGRAM_NAME, role: 'program', bytes: bundle.source }, ...assets]
  }
}

/** Small, since all of a title passes by before it starts. */
const sealedPlaces = (places: Bundle['places']): Content => ({
  name: PLACES_NAME,
  role: 'source-map',
  bytes: brotliCompressSync(utf8(JSON.stringify(places)), {
    params: { [constants.BROTLI_PARAM_QUALITY]: 9 }
  })
})

/** @returns its entries; none where there is to be none, or can be none and need not. */
async function pressedImage(
  app: App,
  source: Uint8Array,
  onEvent: (event: PressEvent) => void
): Promise<readonly Content[]> {
  if (app.code === 'source') return []
  const { imageOf, imageParts } = await import('./image.js')
  const image = await imageOf(app, source)
  if (image instanceof Uint8Array) {
    onEvent({ step: 'image', imageBytes: image.length })
    return imageParts(image)
  }
  onEvent({ step: 'image', imageBytes: 0, reason: image.reason })
  if (app.code === 'both') return []
  throw new CofferError('COFFER_PROGRAM_INVALID', `There can be no image of the app: ${image.reason}.`, {
    expected: 'a program that asks for nothing while it starts',
    found: image.reason,
    hint: 'Move it into a function that is called later, or let "code" in its package.json be "both".'
  })
}

function checkImports(app: App, { modules }: Bundle): void {
  const available = new Set([
    'license',
    'limits',
    ...app.permissions,
    ...(app.assetsFolder === undefined ? [] : ['assets'])
  ])
  const missing = modules.find(name => !available.has(name))
  if (missing === undefined) return
  throw new CofferError(
    'COFFER_PROGRAM_INVALID',
    `The app imports "coffer:${missing}" without asking for it.`,
    {
      expected:
        missing === 'assets'
          ? '"assets": "<folder>" in its package.json'
          : `"${missing}" among its permissions`,
      found: app.permissions.length === 0 ? 'no permissions' : app.permissions.join(', '),
      hint: `Add it to the "coffer" field of ${app.folder}/package.json and press again.`
    }
  )
}

/** What does not compile is found by the publisher, not by his buyers. */
function compile(app: App, bundle: Bundle): void {
  const modules = bundle.modules.map(name => `coffer:${name}`)
  const failure = (source: Uint8Array): CofferError | undefined => {
    try {
      checkProgram(source, `${app.id}.js`, modules)
      return undefined
    } catch (error) {
      if (error instanceof CofferError && error.code === 'COFFER_PROGRAM_INVALID') return error
      throw error
    }
  }
  const error = failure(bundle.source)
  if (error === undefined) return
  // Numbers in a message are places, in the text or in what was compiled of it.
  const kind = ({ message }: CofferError) => message.replace(/\d+/g, '')
  const [, line, column] = /:(\d+):(\d+)/.exec(`${error.found ?? ''} ${error.message}`) ?? []
  const place =
    line === undefined
      ? narrowFailure(utf8Decode(bundle.source), code => {
          const other = failure(utf8(code))
          return other !== undefined && kind(other) === kind(error)
        })
      : { line: Number(line), column: Number(column) }
  const at = place && bundle.locate(place.line, place.column)
  throw new CofferError(
    'COFFER_PROGRAM_INVALID',
    at === undefined ? error.message : `${at}: ${error.message}`,
    {
      expected: 'a program that QuickJS compiles',
      found: at ?? error.found,
      hint: 'Write it in another way, or use a package that can do without; then press again.'
    }
  )
}

/** The center that the URL leads to must be one that is pinned: a publisher must not seal for a stranger. */
async function centerOf(client: CenterClient, home: Home): Promise<PinnedCenter> {
  const roots = await client.roots()
  const { centerId } = home.requireCenter(openRoots(roots).centerId)
  home.follow(roots)
  return home.requireCenter(centerId)
}

interface Ticket {
  /** Kd or Ka: for whoever asked to wipe. */
  readonly releaseKey: Uint8Array
  readonly publisherCertificate: Uint8Array
}

async function registerRelease(
  app: App,
  scheme: Scheme,
  center: PinnedCenter,
  client: CenterClient,
  publisher: Keys,
  powers: Powers
): Promise<Ticket> {
  const { centerId } = center
  const registration = encodeRegistration(
    {
      centerId,
      created: powers.now(),
      name: app.name,
      release: app.release,
      requestId: powers.random(16),
      scheme,
      signKey: publisher.signKey,
      titleId: app.id
    },
    publisher.signer
  )
  const release = openRelease(await client.register(registration), center)
  if (release === undefined || !equalBytes(release.requestHash, openRegistration(registration).requestHash)) {
    throw new CofferError(
      'COFFER_ANSWER_MISMATCH',
      'The center answered another registration than this one.',
      {
        hint: 'Repeat the command.'
      }
    )
  }
  const name = { centerId, titleId: app.id, release: app.release, scheme }
  return {
    releaseKey: openReleaseKey(publisher.recipient, name, release.sealedReleaseKey),
    publisherCertificate: release.publisher
  }
}

async function sealTitle(
  app: App,
  scheme: Scheme,
  contents: readonly Content[],
  { releaseKey, publisherCertificate }: Ticket,
  publisher: Keys,
  { centerId }: PinnedCenter,
  { out, powers, onEvent = () => {}, signal }: PressOptions & { readonly powers: Powers }
): Promise<Pressed> {
  const { head, indexDigest } = encodePackageHead(contents)
  const packageBytes = head.length + contents.reduce((total, { bytes }) => total + bytes.length, 0)
  const manifest: Manifest = {
    centerId,
    engine: app.engine,
    engineRequired: app.engineRequired || app.code === 'image',
    id: app.id,
    indexDigest,
    limits: app.limits,
    loaderLevel: LOADER_LEVEL,
    name: app.name,
    ...(app.net === undefined ? {} : { net: app.net }),
    payloadBytes: sealedSize(packageBytes),
    permissions: app.permissions,
    pressed: powers.now(),
    release: app.release,
    scheme,
    version: app.version
  }
  makeFolder(out)
  for (const file of leftovers(out)) removeLeftover(file)
  const path = join(out, titleFileName(manifest))
  using file = new PendingFile(path)
  const sealer = new StreamSealer(releaseKey, payloadContext(app.id, app.release), powers.random(SALT_BYTES))
  function* sealing(): Steps {
    file.write(encodeTitleHead(encodeManifest(manifest, publisherCertificate, publisher.signer)))
    file.write(sealer.header)
    let doneBytes = 0
    for (const part of [head, ...contents.map(({ bytes }) => bytes)]) {
      for (let at = 0; at < part.length; at += 64 * CHUNK_BYTES) {
        const block = part.subarray(at, at + 64 * CHUNK_BYTES)
        file.write(sealer.push(block))
        doneBytes += block.length
        onEvent({ step: 'seal', doneBytes, totalBytes: packageBytes })
        yield
      }
    }
    file.write(sealer.end())
  }
  try {
    await fill(file, sealing(), signal)
    file.commit()
  } finally {
    sealer.wipe()
  }
  return {
    id: app.id,
    name: app.name,
    release: app.release,
    scheme,
    path,
    bytes: file.writtenBytes,
    centerId: hex(centerId)
  }
}
