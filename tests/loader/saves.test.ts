/** What titles store: sealed to their own license, on their own medium, whole or not at all. */
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex, utf8 } from '../../formats/bytes.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { measureMedium } from '../../loader/medium/measure.js'
import { readLicense, readTitle } from '../../loader/read.js'
import { authenticate, recheck } from '../../loader/recheck.js'
import { MAX_SAVE_BYTES, MediumSaves } from '../../loader/saves.js'
import { unwrapPayloadKey } from '../../loader/unwrap.js'
import { closeSites, filesUnder, librarySite, SCHEMES } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

const site = await librarySite()
test.after(closeSites)

const SOURCE = `
  import { list, read, remove, write } from 'coffer:save'
  export { list, read, remove, write }
  export default () => 0`
const TITLE = { source: SOURCE, fields: { permissions: ['save'] } }

const titles = Object.fromEntries(
  await Promise.all(
    SCHEMES.map(
      async scheme => [scheme, await site.copied(`org.saves.${scheme}`, { ...TITLE, scheme })] as const
    )
  )
) as Record<(typeof SCHEMES)[number], { root: string; master: string; id: string }>

/** The store that a launch would give the title, after the same steps. */
function storeOf(root: string, id: string): MediumSaves {
  const signed = authenticate(readLicense(root, id), site.home)
  using title = readTitle(root, signed.grant)
  using license = recheck(signed, title.manifest, measureMedium(root), site.home, site.clock.at)
  using key = unwrapPayloadKey(license)
  return new MediumSaves(mediumPaths(root), id, key, site.powers)
}

const filled = (length: number, byte = 7) => new Uint8Array(length).fill(byte)
const clear = (root: string, id: string) =>
  rmSync(mediumPaths(root).saves(id), { recursive: true, force: true })

for (const scheme of SCHEMES) {
  const { root, id, master } = titles[scheme]
  const paths = mediumPaths(root)

  test(`what a ${scheme} title stores it finds again, and nobody finds it in the clear`, async () => {
    const secret = utf8('progress of the player: level 12, 300 gold')
    {
      await using guest = await site.launch(root, id, { capabilities: { save: true } })
      assert.equal(await guest.call('list'), [])
      assert.is(await guest.call('read', 'slot'), null)
      await guest.call('write', 'slot', secret)
      await guest.call('write', 'empty', filled(0))
    }
    await using again = await site.launch(root, id, { capabilities: { save: true } })
    assert.equal(((await again.call('list')) as string[]).sort(), ['empty', 'slot'])
    assert.equal(await again.call('read', 'slot'), secret)
    assert.equal(await again.call('read', 'empty'), filled(0))
    await again.call('write', 'slot', filled(20_000))
    assert.equal(await again.call('read', 'slot'), filled(20_000))
    for (const file of filesUnder(root))
      assert.not.ok(readFileSync(join(root, file)).includes('gold'), `plaintext in ${file}`)
    await again.call('remove', 'slot')
    await again.call('remove', 'slot')
    assert.equal(await again.call('list'), ['empty'])
    clear(root, id)
  })

  test(`a ${scheme} title does not start on a save that is damaged, cut, moved or from elsewhere`, async () => {
    {
      using store = storeOf(root, id)
      store.write('a', filled(100))
      store.write('b', filled(100, 8))
    }
    const [a, b] = [paths.save(id, 'a'), paths.save(id, 'b')]
    const whole = readFileSync(a)
    const start = () => site.launch(root, id, { capabilities: { save: true } })
    const refused = async (what: string) => {
      const error = await rejectsWith('COFFER_SAVE_DAMAGED', start)
      assert.match(error.message, a, what)
      assert.match(error.hint!, 'backup')
      assert.is(error.exitCode, 65)
    }
    for (let at = 0; at < whole.length; at += 5) {
      const changed = Uint8Array.from(whole)
      changed[at]! ^= 0x40
      writeFileSync(a, changed)
      await refused(`byte ${at}`)
    }
    for (const length of [0, 1, 56, whole.length - 1]) {
      writeFileSync(a, whole.subarray(0, length))
      await refused(`cut to ${length}`)
    }
    writeFileSync(a, Buffer.concat([whole, filled(1)]))
    await refused('a byte more')
    copyFileSync(b, a)
    await refused('another slot')

    // Another medium of the same title and user.
    const second = site.prepare()
    await site.copy(master, second, id)
    {
      using store = storeOf(second, id)
      store.write('a', filled(100))
    }
    copyFileSync(mediumPaths(second).save(id, 'a'), a)
    await refused('another medium')

    // Another title on the same medium.
    const other = `${id}.other`
    const pressed = await site.press(other, { ...TITLE, scheme })
    await site.copy(pressed.master, root, other)
    {
      using store = storeOf(root, other)
      store.write('a', filled(100))
    }
    copyFileSync(paths.save(other, 'a'), a)
    await refused('another title')

    // Without the permission the title cannot see them, and starts.
    const { id: plain, root: plainRoot } = await site.copied(`org.plain.${scheme}`, { scheme })
    mkdirSync(mediumPaths(plainRoot).saves(plain), { recursive: true })
    writeFileSync(mediumPaths(plainRoot).save(plain, 'a'), 'noise')
    await site.runs(plainRoot, plain)

    writeFileSync(a, whole)
    await using guest = await start()
    assert.equal(await guest.call('read', 'a'), filled(100))
    clear(root, id)
  })

  test(`saves of a ${scheme} title outlive ordering it again, and a new release`, async () => {
    {
      using store = storeOf(root, id)
      store.write('kept', filled(10))
    }
    await site.copy(master, root, id)
    const next = await site.press(id, { ...TITLE, scheme, release: 2 })
    await site.copy(next.master, root, id)
    await using guest = await site.launch(root, id, { capabilities: { save: true } })
    assert.equal(await guest.call('read', 'kept'), filled(10))
    clear(root, id)
  })
}

test('a slot is named by 1 to 64 of A-Z a-z 0-9 . _ -, and case counts', async () => {
  const { root, id } = titles.certificate
  using store = storeOf(root, id)
  const good = [
    'a',
    'A',
    '0',
    '.',
    '..',
    '...',
    '.tmp-1-x',
    '-',
    '_',
    'con',
    'NUL',
    'a.b',
    'x'.repeat(64),
    'X'.repeat(64)
  ]
  for (const [index, slot] of good.entries()) store.write(slot, filled(1, index))
  assert.equal(store.list().sort(), [...good].sort())
  for (const [index, slot] of good.entries()) assert.equal(store.read(slot), filled(1, index), slot)
  // Where a file system folds case, names of files must differ all the same.
  const names = readdirSync(mediumPaths(root).saves(id)).map(name => name.toLowerCase())
  assert.is(new Set(names).size, good.length)
  for (const slot of ['', 'x'.repeat(65), 'a/b', '../a', 'a b', 'ä', 'a\0', 'a\n', '\u{1f600}']) {
    await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => store.write(slot, filled(1)))
    await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => store.read(slot))
    await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => store.remove(slot))
  }
  assert.equal(
    filesUnder(root).filter(file => !file.startsWith('.coffer')),
    []
  )
  clear(root, id)
})

test("list() tells saves from strangers' files", async () => {
  const { root, id } = titles.certificate
  using store = storeOf(root, id)
  store.write('mine', filled(1))
  const folder = mediumPaths(root).saves(id)
  for (const name of [
    'notes.txt',
    'mine.save',
    'zz.save',
    '61.SAVE',
    '6.save',
    '.save',
    'ff.save',
    '2f.save',
    '.DS_Store',
    `${hex(utf8('x'.repeat(65)))}.save`
  ])
    writeFileSync(join(folder, name), 'a stranger')
  assert.equal(store.list(), ['mine'])
  store.verify()
  clear(root, id)
})

test('what a title stores is bounded in bytes and in slots, and what is there stays', async () => {
  const { root, id } = titles.conversion
  using store = storeOf(root, id)
  store.write('big', filled(MAX_SAVE_BYTES))
  await rejectsWith('COFFER_QUOTA', () => store.write('more', filled(1)))
  await rejectsWith('COFFER_QUOTA', () => store.write('big', filled(MAX_SAVE_BYTES + 1)))
  assert.is(store.read('big')!.length, MAX_SAVE_BYTES)
  store.write('big', filled(10))
  for (let i = 1; i < 256; i++) writeFileSync(mediumPaths(root).save(id, `slot-${i}`), '')
  assert.is(store.list().length, 256)
  const error = await rejectsWith('COFFER_QUOTA', () => store.write('one-more', filled(1)))
  assert.match(error.found!, '257')
  store.write('big', filled(11))
  store.remove('slot-1')
  store.write('one-more', filled(1))
  clear(root, id)
})

test('what a killed title left half written is cleared away, what another is writing is not', async () => {
  const { root, id } = titles.certificate
  using store = storeOf(root, id)
  store.write('slot', filled(5))
  const folder = mediumPaths(root).saves(id)
  const dead = join(folder, `.tmp-999999999-x`)
  const alive = join(folder, `.tmp-${process.ppid}-x`)
  writeFileSync(dead, 'half')
  writeFileSync(alive, 'half')
  {
    await using guest = await site.launch(root, id, { capabilities: { save: true } })
    assert.equal(await guest.call('list'), ['slot'])
  }
  assert.equal(readdirSync(folder).sort(), [`.tmp-${process.ppid}-x`, `${hex(utf8('slot'))}.save`])
  clear(root, id)
})

test("a folder in a save's place is a damaged save, not a crash", async () => {
  const { root, id } = titles.certificate
  using store = storeOf(root, id)
  store.write('slot', filled(5))
  const path = mediumPaths(root).save(id, 'slot')
  renameSync(path, `${path}.aside`)
  mkdirSync(path)
  await rejectsWith('COFFER_SAVE_DAMAGED', () => site.launch(root, id, { capabilities: { save: true } }))
  clear(root, id)
})

test('a link in place of the saves folder is refused, and nothing is written or removed through it', async () => {
  const { root, id } = titles.certificate
  clear(root, id)
  const elsewhere = site.path('elsewhere')
  mkdirSync(elsewhere)
  writeFileSync(`${elsewhere}/.tmp-1-other`, 'kept')
  const folder = mediumPaths(root).saves(id)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(dirname(folder), { recursive: true })
  symlinkSync(elsewhere, folder)
  await rejectsWith('COFFER_RECORD_DAMAGED', () => site.launch(root, id, { capabilities: { save: true } }))
  using store = storeOf(root, id)
  await rejectsWith('COFFER_RECORD_DAMAGED', () => store.write('slot', filled(5)))
  await rejectsWith('COFFER_RECORD_DAMAGED', () => store.remove('slot'))
  assert.equal(readdirSync(elsewhere), ['.tmp-1-other'])
  rmSync(folder)
})

test('a title that asks for saves does not start without them', async () => {
  const { root, id } = titles.certificate
  const error = await rejectsWith('COFFER_PERMISSION_NEEDED', () => site.launch(root, id))
  assert.match(error.hint!, '--allow save')
})

test.run()
