/** What titles store: sealed to their own license, on their own medium, whole or not at all. */
import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
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
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex, utf8 } from '../../formats/bytes.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { measureMedium } from '../../loader/medium/measure.js'
import { readLicense, readTitle } from '../../loader/read.js'
import { authenticate } from '../../loader/authenticate.js'
import { recheck } from '../../loader/recheck.js'
import { DEFAULT_SAVE_BYTES, MediumSaves } from '../../loader/saves.js'
import { unwrapPayloadKey } from '../../loader/unwrap.js'
import { closeSites, filesUnder, librarySite, SCHEMES } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'
import { wipedWhile } from '../helpers/wiped.js'

const site = await librarySite()
test.after(closeSites)

const SOURCE = `
  import { list, read, readText, remove, transaction, write } from 'coffer:save'
  export { list, read, remove, write }
  /** Two slots that must always say the same. */
  export const both = () => transaction(async saves => {
    const next = Number((await saves.readText('a')) ?? 0) + 1
    saves.write('a', String(next))
    saves.write('b', String(next))
    saves.remove('gone-' + (next - 1))
    saves.write('gone-' + next, '')
    return next
  })
  export const manyTimes = async () => { for (let i = 0; i < 6; i++) await both() }
  export const state = async () => [await readText('a'), await readText('b'), await list()]
  export const fails = () => transaction(saves => { saves.write('a', 'half'); throw new RangeError('changed my mind') })
  export const isolated = () => transaction(async saves => {
    saves.write('a', 'inside'); saves.remove('b')
    return [await saves.readText('a'), await saves.readText('b'), await saves.list(), await readText('a')]
  })
  export const reads = async (slot, bytes) => {
    let runs = 0
    const seen = await transaction(async saves => {
      const before = await saves.readText('a')
      if (++runs === 1) await write('a', 'changed outside')
      saves.write('b', 'after ' + (await saves.readText('a')))
      return before
    })
    return [runs, seen, await readText('b')]
  }
  export const told = async slot => { try { await read(slot) } catch (error) { return [error.code, error.message] } }
  export const full = async bytes => { try { await write('big', bytes) } catch (error) { return [error.name, error.code, error.message] } }
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
function storeOf(root: string, id: string, powers = site.powers): MediumSaves {
  const signed = authenticate(readLicense(root, id), site.home)
  using title = readTitle(root, signed.grant)
  using license = recheck(signed, title.manifest, measureMedium(root), site.home, site.clock.at)
  using key = unwrapPayloadKey(license)
  return new MediumSaves(mediumPaths(root), id, key, powers)
}

const write = (store: MediumSaves, slot: string, bytes: Uint8Array) => store.commit([{ slot, bytes }])
const remove = (store: MediumSaves, slot: string) => store.commit([{ slot, bytes: undefined }])
/** The file of a slot, whichever commit wrote it. */
const fileOf = (root: string, id: string, slot: string): string => {
  const folder = mediumPaths(root).saves(id)
  const name = readdirSync(folder).find(name => new RegExp(`^${hex(utf8(slot))}-\\d+\\.save$`).test(name))
  return join(folder, name!)
}

const filled = (length: number, byte = 7) => new Uint8Array(length).fill(byte)
const clear = (root: string, id: string) =>
  rmSync(mediumPaths(root).saves(id), { recursive: true, force: true })

for (const scheme of SCHEMES) {
  const { root, id, master } = titles[scheme]

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
      await write(store, 'a', filled(100))
      await write(store, 'b', filled(100, 8))
    }
    const [a, b] = [fileOf(root, id, 'a'), fileOf(root, id, 'b')]
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
      await write(store, 'a', filled(100))
    }
    copyFileSync(fileOf(second, id, 'a'), a)
    await refused('another medium')

    // Another title on the same medium.
    const other = `${id}.other`
    const pressed = await site.press(other, { ...TITLE, scheme })
    await site.copy(pressed.master, root, other)
    {
      using store = storeOf(root, other)
      await write(store, 'a', filled(100))
    }
    copyFileSync(fileOf(root, other, 'a'), a)
    await refused('another title')

    // Without the permission the title cannot see them, and starts.
    const { id: plain, root: plainRoot } = await site.copied(`org.plain.${scheme}`, { scheme })
    mkdirSync(mediumPaths(plainRoot).saves(plain), { recursive: true })
    writeFileSync(mediumPaths(plainRoot).saveIndex(plain), 'noise')
    await site.runs(plainRoot, plain)

    writeFileSync(a, whole)
    await using guest = await start()
    assert.equal(await guest.call('read', 'a'), filled(100))
    clear(root, id)
  })

  test(`saves of a ${scheme} title outlive ordering it again, and a new release`, async () => {
    {
      using store = storeOf(root, id)
      await write(store, 'kept', filled(10))
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
  await store.commit(good.map((slot, index) => ({ slot, bytes: filled(1, index) })))
  assert.equal(store.list().sort(), [...good].sort())
  for (const [index, slot] of good.entries()) assert.equal(store.read(slot), filled(1, index), slot)
  // Where a file system folds case, names of files must differ all the same.
  const names = readdirSync(mediumPaths(root).saves(id)).map(name => name.toLowerCase())
  assert.is(new Set(names).size, good.length + 1)
  for (const slot of ['', 'x'.repeat(65), 'a/b', '../a', 'a b', 'ä', 'a\0', 'a\n', '\u{1f600}']) {
    await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => write(store, slot, filled(1)))
    await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => store.read(slot))
    await rejectsWith('COFFER_VALUE_UNSUPPORTED', () => remove(store, slot))
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
  await write(store, 'mine', filled(1))
  const folder = mediumPaths(root).saves(id)
  for (const name of [
    'notes.txt',
    'mine.save',
    'zz.save',
    '61.SAVE',
    '6.save',
    '61-0.save',
    '61.save',
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
  await write(store, 'big', filled(DEFAULT_SAVE_BYTES))
  await rejectsWith('COFFER_SAVE_QUOTA', () => write(store, 'more', filled(1)))
  await rejectsWith('COFFER_SAVE_QUOTA', () => write(store, 'big', filled(DEFAULT_SAVE_BYTES + 1)))
  assert.is(store.read('big')!.length, DEFAULT_SAVE_BYTES)
  await write(store, 'big', filled(10))
  await store.commit(Array.from({ length: 255 }, (_, i) => ({ slot: `slot-${i + 1}`, bytes: filled(0) })))
  assert.is(store.list().length, 256)
  const error = await rejectsWith('COFFER_SAVE_QUOTA', () => write(store, 'one-more', filled(1)))
  assert.match(error.found!, '257')
  await write(store, 'big', filled(11))
  await remove(store, 'slot-1')
  await write(store, 'one-more', filled(1))
  clear(root, id)
})

test('what a killed title left half written is cleared away, what another is writing is not', async () => {
  const { root, id } = titles.certificate
  using store = storeOf(root, id)
  await write(store, 'slot', filled(5))
  const folder = mediumPaths(root).saves(id)
  const dead = join(folder, `.tmp-999999999-x`)
  const alive = join(folder, `.tmp-${process.ppid}-x`)
  writeFileSync(dead, 'half')
  writeFileSync(alive, 'half')
  {
    await using guest = await site.launch(root, id, { capabilities: { save: true } })
    assert.equal(await guest.call('list'), ['slot'])
  }
  assert.equal(readdirSync(folder).sort(), [`.tmp-${process.ppid}-x`, `${hex(utf8('slot'))}-1.save`, 'index'])
  clear(root, id)
})

test("a folder in a save's place is a damaged save, not a crash", async () => {
  const { root, id } = titles.certificate
  using store = storeOf(root, id)
  await write(store, 'slot', filled(5))
  const path = fileOf(root, id, 'slot')
  renameSync(path, `${path}.aside`)
  mkdirSync(path)
  await rejectsWith('COFFER_SAVE_DAMAGED', () => site.launch(root, id, { capabilities: { save: true } }))
  clear(root, id)
})

test('a title hears that a save is damaged, and no path of its host', async () => {
  const { root, id } = titles.certificate
  using store = storeOf(root, id)
  await write(store, 'slot', filled(5))
  const path = fileOf(root, id, 'slot')
  const bytes = readFileSync(path)
  const guest = await site.launch(root, id, { capabilities: { save: true } })
  bytes[bytes.length - 1]! ^= 1
  writeFileSync(path, bytes)
  assert.equal(await guest.call('told', 'slot'), ['COFFER_SAVE_DAMAGED', 'Cannot go on: a save is damaged.'])
  rmSync(path)
  mkdirSync(path)
  assert.not.match(JSON.stringify(await guest.call('told', 'slot')), root)
  await guest.dispose()
  rmSync(path, { recursive: true })
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
  await rejectsWith('COFFER_RECORD_DAMAGED', () => write(store, 'slot', filled(5)))
  await rejectsWith('COFFER_RECORD_DAMAGED', () => remove(store, 'slot'))
  assert.equal(readdirSync(elsewhere), ['.tmp-1-other'])
  rmSync(folder)
})

test('a title that asks for saves does not start without them', async () => {
  const { root, id } = titles.certificate
  const error = await rejectsWith('COFFER_PERMISSION_NEEDED', () => site.launch(root, id))
  assert.match(error.hint!, '--allow save')
})

const textOf = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes)

test('a transaction changes all of its slots or none, and sees its own changes', async () => {
  const { root, id } = titles.certificate
  await using guest = await site.launch(root, id, { capabilities: { save: true } })
  assert.is(await guest.call('both'), 1)
  assert.is(await guest.call('both'), 2)
  assert.equal(await guest.call('state'), ['2', '2', ['a', 'b', 'gone-2']])
  await guest.call('fails').then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'changed my mind')
  )
  assert.equal(await guest.call('state'), ['2', '2', ['a', 'b', 'gone-2']])
  assert.equal(await guest.call('isolated'), ['inside', null, ['a', 'gone-2'], '2'])
  assert.equal(await guest.call('state'), ['inside', null, ['a', 'gone-2']])
  clear(root, id)
})

test('a transaction whose saves were changed meanwhile is done again with what is there now', async () => {
  const { root, id } = titles.conversion
  await using guest = await site.launch(root, id, { capabilities: { save: true } })
  await guest.call('write', 'a', utf8('first'))
  assert.equal(await guest.call('reads'), [2, 'changed outside', 'after changed outside'])
  clear(root, id)
})

test('a commit on an older revision is refused, and so is one by a store that is gone', async () => {
  const { root, id } = titles.certificate
  using one = storeOf(root, id)
  using two = storeOf(root, id)
  const basis = one.revision()
  await write(two, 'a', filled(1))
  await rejectsWith('COFFER_BUSY', () => one.commit([{ slot: 'b', bytes: filled(1) }], basis))
  await rejectsWith('COFFER_BUSY', () => one.commit([], basis))
  await one.commit([], one.revision())
  assert.equal(one.list(), ['a'])
  two[Symbol.dispose]()
  await rejectsWith('COFFER_GUEST_GONE', () => write(two, 'c', filled(1)))
  await rejectsWith('COFFER_GUEST_GONE', () => two.list())
  clear(root, id)
})

test('killed wherever it writes, a title finds all of its last transaction or none of it', async () => {
  const { root, id } = titles.conversion
  const child = fileURLToPath(new URL('../helpers/library-child.js', import.meta.url))
  const both = (dieAt: number) =>
    spawnSync(process.execPath, [child, 'call', site.home.folder, root, id, String(dieAt), 'both'], {
      encoding: 'utf8'
    })
  assert.is(both(0).status, 0)
  let expected = 1
  let kills = 0
  for (let dieAt = 1; ; dieAt++) {
    const { status, signal, stderr } = both(dieAt)
    using store = storeOf(root, id)
    const [a, b] = ['a', 'b'].map(slot => Number(textOf(store.read(slot))))
    assert.is(a, b, `killed at ${dieAt}`)
    assert.ok(a === expected || a === expected + 1, `killed at ${dieAt}: ${a} after ${expected}`)
    assert.equal(store.list(), ['a', 'b', `gone-${a}`])
    expected = a!
    if (status === 0) break
    assert.is(signal, 'SIGKILL', stderr)
    kills++
  }
  assert.ok(kills >= 5, `it was killed ${kills} times`)
  // Nothing of the killed ones stays.
  const names = readdirSync(mediumPaths(root).saves(id))
  assert.equal(
    names.filter(name => !name.endsWith('.save')),
    ['index']
  )
  assert.is(names.length, 4)
  clear(root, id)
})

test('what was opened of a snapshot is wiped where the rest of it cannot be had', async () => {
  const { root, id } = titles.certificate
  using store = storeOf(root, id)
  const secrets = ['a', 'b'].map(slot => utf8(`what is secret in ${slot}`))
  await store.commit([
    { slot: 'a', bytes: secrets[0]! },
    { slot: 'b', bytes: secrets[1]! }
  ])
  const whole = store.snapshot()
  assert.equal(
    whole.slots.map(({ bytes }) => bytes),
    secrets
  )
  const failing = () =>
    store.snapshot(doneBytes => {
      if (doneBytes > secrets[0]!.length) throw new RangeError('enough')
    })
  assert.equal(
    await wipedWhile(secrets[0]!.length, () => assert.throws(failing, 'enough')),
    secrets.map(secret => hex(secret))
  )
  clear(root, id)
})

test('two processes that save at once lose nothing', async () => {
  const { root, id } = titles.certificate
  const child = fileURLToPath(new URL('../helpers/library-child.js', import.meta.url))
  const run = () =>
    new Promise<number | null>(resolve =>
      spawn(process.execPath, [child, 'call', site.home.folder, root, id, '0', 'manyTimes'], {
        stdio: ['ignore', 'ignore', 'inherit']
      }).once('close', resolve)
    )
  assert.equal(await Promise.all([run(), run()]), [0, 0])
  using store = storeOf(root, id)
  assert.is(textOf(store.read('a')), '12')
  assert.is(textOf(store.read('b')), '12')
  clear(root, id)
})

test('an older file of a slot does not open in place of the newer one; one that is taken out is a slot without a save', async () => {
  const { root, id } = titles.certificate
  using store = storeOf(root, id)
  await write(store, 'a', utf8('old'))
  const old = readFileSync(fileOf(root, id, 'a'))
  await write(store, 'a', utf8('new'))
  writeFileSync(fileOf(root, id, 'a'), old)
  await rejectsWith('COFFER_SAVE_DAMAGED', () => store.read('a'))
  rmSync(fileOf(root, id, 'a'))
  assert.is(store.read('a'), undefined)
  store.verify()
  const index = mediumPaths(root).saveIndex(id)
  writeFileSync(index, Buffer.concat([readFileSync(index), filled(1)]))
  const error = await rejectsWith('COFFER_SAVE_DAMAGED', () => store.verify())
  assert.match(error.hint!, 'folder')
  clear(root, id)
})

test('a title learns by a code that its space is used up, and may have as much as its manifest asks for', async () => {
  const { root, id } = await site.copied('org.small.saves', {
    ...TITLE,
    fields: { ...TITLE.fields, limits: { saveMiB: 1 } }
  })
  await using guest = await site.launch(root, id, { capabilities: { save: true } })
  assert.is(await guest.call('full', filled(1024 * 1024)), undefined)
  assert.equal(await guest.call('full', filled(1024 * 1024 + 1)), [
    'CofferError',
    'COFFER_SAVE_QUOTA',
    'The title has used up its space for saves on this medium.'
  ])
  assert.equal(await guest.call('read', 'big'), filled(1024 * 1024))
})

test('two users of one title on one medium have saves of their own', async () => {
  const { root, id, master } = await site.copied('org.saves.shared', TITLE)
  const other = await site.newHome()
  await site.copy(master, root, id, { home: other })
  const save = { capabilities: { save: true } } as const
  for (const [home, byte] of [
    [site.home, 1],
    [other, 2]
  ] as const) {
    await using guest = await site.launch(root, id, save, home)
    assert.equal(await guest.call('list'), [])
    await guest.call('write', 'slot', filled(10, byte))
  }
  for (const [home, byte] of [
    [site.home, 1],
    [other, 2]
  ] as const) {
    await using guest = await site.launch(root, id, save, home)
    assert.equal(await guest.call('read', 'slot'), filled(10, byte))
  }
})

test('saves outlive a change of scheme', async () => {
  const id = 'org.saves.scheme'
  const { root } = await site.copied(id, { ...TITLE, scheme: 'certificate' })
  {
    await using guest = await site.launch(root, id, { capabilities: { save: true } })
    await guest.call('write', 'slot', filled(10))
  }
  const { master } = await site.press(id, { ...TITLE, scheme: 'conversion', release: 2 })
  await site.copy(master, root, id)
  await using guest = await site.launch(root, id, { capabilities: { save: true } })
  assert.equal(await guest.call('read', 'slot'), filled(10))
})

test('a title whose folder of saves is moved in the midst of a save is told so, and makes no other', async () => {
  const { root, id } = titles.certificate
  const folder = mediumPaths(root).saves(id)
  const move = () => {
    if (existsSync(folder)) renameSync(folder, `${folder}.apart`)
  }
  using store = storeOf(root, id, {
    ...site.powers,
    random: (length: number) => (move(), site.powers.random(length))
  })
  const error = await rejectsWith('COFFER_FILE_MISSING', () => write(store, 'late', utf8('x')))
  assert.is(error.message, 'Cannot save: its saves have just been set apart.')
  assert.not(existsSync(folder))
  renameSync(`${folder}.apart`, folder)
})

test.run()
