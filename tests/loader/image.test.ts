/** Titles sealed with an image of their started program: pressed, copied, launched as they are from source. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readFileSync, writeFileSync } from 'node:fs'
import { utf8 } from '../../formats/bytes.js'
import { openPayload, SALT_BYTES, sealPayload } from '../../formats/cobblestone.js'
import { payloadContext } from '../../formats/derive.js'
import { openPackageIndex, packageIndexLength, type PackageEntry } from '../../formats/package.js'
import { sync } from '../../sandbox/guest.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { openTitleFile, readLicense } from '../../loader/read.js'
import { authenticate } from '../../loader/authenticate.js'
import { recheck } from '../../loader/recheck.js'
import { measureMedium } from '../../loader/medium/measure.js'
import { openProgram } from '../../loader/decrypt.js'
import { unwrapPayloadKey } from '../../loader/unwrap.js'
import { readApp } from '../../loader/copier/app.js'
import { imageOf } from '../../loader/copier/image.js'
import { closeSites, librarySite, SCHEMES, writeApp } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

const site = await librarySite()
test.after(closeSites)

/** What a copied title holds once it is open: its program in each form. */
async function opened(root: string, id: string) {
  const signed = authenticate(readLicense(root, id, site.home.userKeys()?.userId), site.home)
  using title = openTitleFile(mediumPaths(root).title(id, 1))
  using license = recheck(signed, title.manifest, measureMedium(root), site.home, site.powers.now())
  using key = unwrapPayloadKey(license)
  using program = await openProgram(title, key)
  const text = (bytes?: Uint8Array) => bytes && Buffer.from(bytes).toString('latin1')
  return { source: text(program.source), image: text(program.image) }
}

// A comment would not outlive bundling, the spelling of a function does.
const SOURCE = `
  const squares = new Map(Array.from({ length: 100 }, (_, i) => [i, i * i]))
  export const square = (n) => { const unlikely_name = n; return squares.get(unlikely_name) }
  export const text = () => String(square)
  export const fail = () => { throw new RangeError('no') }`

for (const scheme of SCHEMES) {
  test(`a title has both forms by default, and starts from the image: ${scheme}`, async () => {
    const id = `org.both.${scheme}`
    const { root } = await site.copied(id, { source: SOURCE, scheme })
    const { source, image } = await opened(root, id)
    assert.ok(source?.includes('unlikely_name') && image?.startsWith('coffrttl'))
    await using guest = await site.launch(root, id)
    assert.is(await guest.call('square', 9), 81)
    assert.match(String(await guest.call('text')), 'unlikely_name')
    // From source it would have taken memory for the compiler; in SES there is only the source.
    await using ses = await site.launch(root, id, { engine: 'ses' })
    assert.is(await ses.call('square', 9), 81)
  })
}

test('a host that takes no images starts from source, and a title that is nothing else does not start', async () => {
  const { root } = await site.copied('org.untaken', { source: SOURCE })
  await using taken = await site.launch(root, 'org.untaken')
  await using untaken = await site.launch(root, 'org.untaken', { images: false })
  assert.is(await untaken.call('square', 9), await taken.call('square', 9))
  const only = await site.copied('org.untaken.image', { source: SOURCE, fields: { code: 'image' } })
  await rejectsWith('COFFER_ENGINE_UNSUITABLE', () =>
    site.launch(only.root, 'org.untaken.image', { images: false })
  )
})

test('run passes the words of the launch, unless it is given others', async () => {
  const { root } = await site.copied('org.words', {
    source: `export default words => { console.log(words.join(' ')) }`
  })
  for (const options of [{}, { isolation: 'thread' }, { engine: 'ses' }] as const) {
    let out = ''
    const stdout = (bytes: Uint8Array) => void (out += Buffer.from(bytes).toString())
    await using guest = await site.launch(root, 'org.words', { ...options, stdout, args: ['a', 'b'] })
    await guest.run()
    await guest.run(['c'])
    assert.is(out, 'a b\nc\n')
  }
})

test('a large image lies in parts, each of which counts', async () => {
  // Some 3 MB once it has started, and no two of its strings are the same.
  const source = `${SOURCE}
    const words = Array.from({ length: 40_000 }, (_, i) => ({ i, text: 'word ' + i * 7919 }))
    export const word = (n) => words[n].text`
  const { root, id } = await site.copied('org.parts', { source, fields: { code: 'image' } })
  const { image } = await opened(root, id)
  assert.ok(image!.length > 3 * 2 ** 20)
  await using guest = await site.launch(root, id)
  assert.is(await guest.call('word', 39_999), `word ${39_999 * 7919}`)

  // Authentic chunks, as another licensee could make them, with one byte of each part altered.
  const path = mediumPaths(root).title(id, 1)
  const whole = readFileSync(path)
  const { key, context, plaintext, payloadOffset, index } = payloadOf(root, id)
  const parts = index.entries.filter(({ role }) => role === 'image')
  assert.ok(parts.length >= 3)
  const partOf = ({ offset, size }: PackageEntry) =>
    plaintext.subarray(index.entriesOffset + offset, index.entriesOffset + offset + size)
  assert.ok(Buffer.concat(parts.map(partOf)).equals(Buffer.from(image!, 'latin1')))
  for (const { offset, size } of parts) {
    const altered = plaintext.slice()
    altered[index.entriesOffset + offset + (size >> 1)]! ^= 1
    const sealed = sealPayload(
      key,
      context,
      whole.subarray(payloadOffset, payloadOffset + SALT_BYTES),
      altered
    )
    writeFileSync(path, Buffer.concat([whole.subarray(0, payloadOffset), sealed]))
    await rejectsWith('COFFER_PACKAGE_DAMAGED', () => site.launch(root, id))
  }
})

/** What only who has a license can get at. */
function payloadOf(root: string, id: string) {
  const signed = authenticate(readLicense(root, id, site.home.userKeys()?.userId), site.home)
  using title = openTitleFile(mediumPaths(root).title(id, 1))
  using license = recheck(signed, title.manifest, measureMedium(root), site.home, site.powers.now())
  using unwrapped = unwrapPayloadKey(license)
  const key = unwrapped.key.slice()
  const context = payloadContext(id, 1)
  const { payloadOffset, file, manifest } = title
  const plaintext = openPayload(key, context, file.read(payloadOffset, manifest.payloadBytes))
  const index = openPackageIndex(
    plaintext.subarray(4, 4 + packageIndexLength(plaintext.subarray(0, 4))),
    manifest.indexDigest
  )
  return { key, context, plaintext, payloadOffset, index }
}

test('a title without source has nothing of its text', async () => {
  const { root } = await site.copied('org.image', { source: SOURCE, fields: { code: 'image' } })
  const { source, image } = await opened(root, 'org.image')
  assert.is(source, undefined)
  assert.not.ok(image!.includes('return squares.get'))
  await using guest = await site.launch(root, 'org.image')
  assert.is(await guest.call('square', 9), 81)
  assert.match(String(await guest.call('text')), 'native code')
  const error = (await guest.call('fail').catch(error => error)) as { guestStack: string }
  assert.match(error.guestStack, /org\.image\.js:\d+/)
  await rejectsWith('COFFER_ENGINE_UNSUITABLE', () => site.launch(root, 'org.image', { engine: 'ses' }))
  await using thread = await site.launch(root, 'org.image', { isolation: 'thread' })
  assert.is(await thread.call('square', 3), 9)
})

test('a title may be sealed as its source alone', async () => {
  const { root } = await site.copied('org.source', { source: SOURCE, fields: { code: 'source' } })
  assert.is((await opened(root, 'org.source')).image, undefined)
  await using guest = await site.launch(root, 'org.source')
  assert.is(await guest.call('square', 9), 81)
})

test('what cannot be an image starts from source, and is refused where there would be none', async () => {
  const source = 'const born = Date.now(); export const age = () => Date.now() - born'
  const { root } = await site.copied('org.born', { source })
  assert.is((await opened(root, 'org.born')).image, undefined)
  await using guest = await site.launch(root, 'org.born')
  assert.ok(((await guest.call('age')) as number) >= 0)
  for (const [fields, text, why] of [
    [{}, source, /time/],
    [{}, "import { kind } from 'coffer:license'; export { kind }", /license/],
    [
      { permissions: ['host'] },
      "import * as host from 'coffer:host'; export const f = () => host.f()",
      /all of/
    ],
    [{ permissions: ['host'] }, "export * from 'coffer:host'", /all of/]
  ] as const) {
    const error = await rejectsWith('COFFER_PROGRAM_INVALID', () =>
      site.press('org.none', { source: text, fields: { ...fields, code: 'image' } })
    )
    assert.match(error.message, why)
  }
  for (const fields of [{ code: 'bytecode' }, { code: 'image', engine: 'ses' }]) {
    const error = await rejectsWith('COFFER_MANIFEST_INVALID', () => site.press('org.none', { fields }))
    assert.match(error.message, 'the field "code" is not valid')
    if ('engine' in fields) assert.match(error.expected!, 'for quickjs only')
  }
})

test('a plugin from an image calls whatever the app grants under the names that it imports', async () => {
  const source = `
    import { log as tell, now } from 'coffer:host'
    import { readText } from 'coffer:assets'
    import { interactive } from 'coffer:terminal'
    export const it = async () => {
      const { kind } = await import('coffer:license')
      await tell('x')
      return [now(), await readText('a.txt'), interactive, kind, Object.keys(await import('coffer:host'))]
    }`
  const { root } = await site.copied('org.plugin', {
    source,
    fields: { permissions: ['host', 'terminal'], code: 'image' },
    assets: { 'a.txt': 'asset' }
  })
  for (const interactive of [true, false]) {
    const told: unknown[] = []
    const terminal = {
      interactive,
      size: () => ({ columns: 1, rows: 1 }),
      write() {},
      readKey: async () => null
    }
    const host = { log: (text: string) => void told.push(text), now: sync(() => 7), other: () => 0 }
    await using guest = await site.launch(root, 'org.plugin', { capabilities: { host, terminal } })
    assert.equal(await guest.call('it'), [7, 'asset', interactive, 'perpetual', ['log', 'now', 'other']])
    assert.equal(told, ['x'])
  }
})

test('an asset cannot take the name of the image', async () => {
  await rejectsWith('COFFER_MANIFEST_INVALID', () =>
    site.press('org.asset', { assets: { 'program.image': 'x' } })
  )
})

test('the same bundle is the same image', async () => {
  const folder = site.path('app')
  writeApp(folder, 'org.twice', { source: SOURCE })
  const image = async (source: string) =>
    Buffer.from((await imageOf(readApp(folder), utf8(source))) as Uint8Array)
  assert.ok((await image(SOURCE)).equals(await image(SOURCE)))
  assert.not.ok((await image(SOURCE)).equals(await image(`${SOURCE};`)))
})

test.run()
