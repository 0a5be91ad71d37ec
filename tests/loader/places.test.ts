/** Errors of titles by the place in their source: from a map that is sealed with them, and that nobody but errors read. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib'
import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { utf8, utf8Decode } from '../../formats/bytes.js'
import { bundleApp } from '../../loader/copier/bundle.js'
import { type App, readApp } from '../../loader/copier/app.js'
import { openProgram } from '../../loader/decrypt.js'
import { measureMedium } from '../../loader/medium/measure.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { lazyPlaces } from '../../loader/places.js'
import { openTitleFile, readLicense } from '../../loader/read.js'
import { authenticate } from '../../loader/authenticate.js'
import { recheck } from '../../loader/recheck.js'
import { unwrapPayloadKey } from '../../loader/unwrap.js'
import { GuestError, type LaunchOptions } from '../../sandbox/index.js'
import { closeSites, librarySite } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

const site = await librarySite()
test.after(closeSites)

// Types and comments are gone from what runs, so that lines are others.
const SOURCE = `
// a comment that is not sealed
interface Gone { readonly at: number }

// another one
export const fail = (at: number): Gone => {
  // here
  throw new RangeError('no')
}
export async function* items(): AsyncGenerator<number> {
  yield 1

  fail(2)
}
export const later = (): void => {
  setTimeout(() => {
    fail(3)
  }, 1)
}
export { list, read } from 'coffer:assets'
`
const ASSETS = { 'a.txt': 'a' }

const failureOf = async (run: () => unknown): Promise<GuestError> => {
  try {
    await run()
  } catch (error) {
    if (error instanceof GuestError) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** The sealed map of a title that was copied, as it is. */
async function sealedMap(root: string, id: string): Promise<string | undefined> {
  const signed = authenticate(readLicense(root, id, site.home.userKeys()?.userId), site.home)
  using title = openTitleFile(mediumPaths(root).title(id, 1))
  using license = recheck(signed, title.manifest, measureMedium(root), site.home, site.powers.now())
  using key = unwrapPayloadKey(license)
  using program = await openProgram(title, key)
  const sealed = program.assets.readPlaces()
  return sealed && brotliDecompressSync(sealed).toString('utf8')
}

const { root } = await site.copied('org.places', { source: SOURCE, assets: ASSETS })

const ways: Readonly<Record<string, LaunchOptions & { images?: boolean }>> = {
  'inline, from the image': {},
  'inline, from source': { images: false },
  thread: { isolation: 'thread' },
  ses: { engine: 'ses' }
}
for (const [way, how] of Object.entries(ways)) {
  test(`every error tells its place in the source: ${way}`, async () => {
    let stderr = ''
    await using guest = await site.launch(root, 'org.places', {
      ...how,
      stderr: bytes => (stderr += utf8Decode(bytes))
    })
    const thrown = await failureOf(() => guest.call('fail', 1))
    assert.match(thrown.guestStack, /^ {4}at fail \(main\.ts:8:\d+\)\n/)
    assert.is(thrown.stack, `RangeError: no\n${thrown.guestStack}`)
    const stream = guest.iterate('items')
    await stream.next()
    assert.match((await failureOf(() => stream.next())).guestStack, /main\.ts:8:.*\n.*items \(main\.ts:13:/s)
    await guest.call('later')
    for (let tries = 0; stderr === '' && tries < 500; tries++)
      await new Promise(resolve => setTimeout(resolve, 10))
    assert.match(stderr, /^Uncaught RangeError: no\n.*main\.ts:8:.*main\.ts:17:/s)
    if (how.engine === undefined && how.isolation === undefined)
      assert.match((await failureOf(() => guest.callSync('fail', 1))).guestStack, /main\.ts:8:\d+/)
  })
}

test('a title that fails while it starts tells the place too', async () => {
  const copied = await site.copied('org.places.start', {
    source: '// one\n// two\nthrow new Error("early")\n'
  })
  const error = await failureOf(() => site.launch(copied.root, 'org.places.start'))
  assert.match(error.guestStack, /main\.ts:3:\d+/)
})

test('no guest reads the map, and it holds no line of the source and no folder of the publisher', async () => {
  await using guest = await site.launch(root, 'org.places')
  assert.equal(await guest.call('list'), [{ path: 'a.txt', sizeBytes: 1 }])
  for (const name of ['program.js.map', './program.js.map', 'program.js'])
    assert.is((await failureOf(() => guest.call('read', name))).name, 'CofferError')
  const map = JSON.parse((await sealedMap(root, 'org.places'))!) as Record<string, unknown>
  assert.equal(Object.keys(map).sort(), ['mappings', 'sources', 'version'])
  assert.equal(map['sources'], ['main.ts'])
})

test('a file is called what it is called, and no folder above the app is named, whatever letters they have', async () => {
  const folder = site.path('B\u00fccher & Co/sp ace%20x #1')
  mkdirSync(join(folder, 's\u00fcb?'), { recursive: true })
  writeFileSync(join(folder, 'm\u00e4in 100%.ts'), "export { fail } from './s\u00fcb?/f#l.ts'\n")
  writeFileSync(join(folder, 's\u00fcb?/f#l.ts'), 'export const fail = () => { throw new Error() }\n')
  const { locate, places } = await bundleApp({ folder, entry: join(folder, 'm\u00e4in 100%.ts') } as App)
  assert.equal(places.sources, ['s\u00fcb?/f#l.ts'])
  const at = locate(2, 25) ?? ''
  assert.is(resolve(at.replace(/:\d+:\d+$/, '')), join(folder, 's\u00fcb?/f#l.ts'))
})

test("a package's own source map may name anything, and keeps no app from being pressed", async () => {
  const folder = site.path('with-maps')
  mkdirSync(folder)
  const map = { version: 3, sources: ['webpack:///100%/a.ts', '%'], names: [], mappings: 'AAAA;ACAA' }
  writeFileSync(
    join(folder, 'packed.js'),
    `export const fail = () => { throw new Error() }\nexport const two = 2\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}\n`
  )
  writeFileSync(join(folder, 'main.ts'), "export { fail, two } from './packed.js'\n")
  const { locate, places } = await bundleApp({ folder, entry: join(folder, 'main.ts') } as App)
  assert.ok(places.sources.includes('100%/a.ts'), places.sources.join())
  assert.match(locate(2, 1) ?? '', /100%\/a\.ts:1:1$/)
})

test('a publisher leaves the map out by a word, and without the source it is left out anyway', async () => {
  for (const [id, fields, sealed] of [
    ['org.places.none', { sourceMap: false }, false],
    ['org.places.image', { code: 'image' }, false],
    ['org.places.asked', { code: 'image', sourceMap: true }, true]
  ] as const) {
    const copied = await site.copied(id, { source: SOURCE, fields: { ...fields }, assets: ASSETS })
    assert.is((await sealedMap(copied.root, id)) !== undefined, sealed, id)
    await using guest = await site.launch(copied.root, id)
    const { guestStack } = await failureOf(() => guest.call('fail', 1))
    assert.match(guestStack, sealed ? /main\.ts:8:\d+/ : new RegExp(`${id}\\.js:\\d+:\\d+`))
  }
  await rejectsWith('COFFER_MANIFEST_INVALID', () =>
    site.press('org.places.odd', { fields: { sourceMap: 'yes' } })
  )
})

test('a large bundle has the places that another reader of source maps finds', async () => {
  const bundle = await bundleApp(readApp('samples/titles/wick'))
  const sealed = brotliCompressSync(utf8(JSON.stringify(bundle.places)))
  const places = lazyPlaces(() => sealed)
  const trace = new TraceMap({ ...bundle.places, names: [] } as never)
  const lines = utf8Decode(bundle.source).split('\n')
  assert.ok(lines.length > 1000)
  let known = 0
  for (let line = 1; line <= lines.length; line += 3) {
    for (const column of [1, 2, 5, 17, 80, 400]) {
      const at = originalPositionFor(trace, { line, column: column - 1 })
      const expected = at.source === null ? undefined : `${at.source}:${at.line}:${at.column + 1}`
      assert.is(places(line, column), expected, `${line}:${column}`)
      if (expected !== undefined) known++
    }
  }
  assert.ok(known > 1000, `${known}`)
  for (const source of bundle.places.sources) assert.not.match(source, /^\/|\.\.|^[A-Z]:/)
})

test('the map is read for the first error, once, and no damage of it keeps an error from being told', () => {
  let reads = 0
  const sealed = brotliCompressSync(
    utf8(JSON.stringify({ version: 3, sources: ['a.ts'], mappings: ';AACA' }))
  )
  const places = lazyPlaces(() => (reads++, sealed))
  assert.is(reads, 0)
  assert.equal(
    [places(1, 1), places(2, 9), places(3, 1), places(0, 0)],
    [undefined, 'a.ts:2:1', undefined, undefined]
  )
  assert.is(reads, 1)
  const broken = (text: string) => brotliCompressSync(utf8(text))
  for (const bytes of [
    undefined,
    new Uint8Array(),
    utf8('{}'),
    broken('{'),
    broken('{}'),
    broken('{"sources":[],"mappings":"AAAA"}'),
    broken('{"sources":["a"],"mappings":"!"}'),
    broken('{"sources":["a"],"mappings":"gggggggggggggggB"}'),
    broken('{"sources":3,"mappings":3}')
  ])
    assert.is(lazyPlaces(() => bytes)(1, 1), undefined)
  assert.is(
    lazyPlaces(() => {
      throw new Error('the medium is gone')
    })(1, 1),
    undefined
  )
  const odd = broken(JSON.stringify({ sources: ['\u001b[2Ja\u202e.ts'], mappings: 'AAAA' }))
  assert.is(lazyPlaces(() => odd)(1, 1), '?[2Ja?.ts:1:1')
})

test.run()
