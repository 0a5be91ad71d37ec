/** What a title saved, in a file of its user's: what opens it, what it may replace, and that it is all or nothing. */
import { spawn } from 'node:child_process'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex, utf8 } from '../../formats/bytes.js'
import { includesHistory, type SavesHistory } from '../../formats/saves.js'
import { exportSaves, importSaves, type ImportSavesOptions } from '../../loader/copier/index.js'
import { ownGrant } from '../../loader/copier/held.js'
import { transferTitle } from '../../loader/copier/move.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { closeSites, librarySite, SCHEMES, snapshot } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'
import { Seeded } from '../helpers/seeded.js'

const site = await librarySite()
test.after(closeSites)

const SOURCE = `
  import { transaction } from 'coffer:save'
  export { list, readText, remove, write } from 'coffer:save'
  /** Two slots that always say the same. */
  export const manyTimes = async () => {
    for (let round = 0; round < 60; round++)
      await transaction(saves => { for (const slot of ['a', 'b']) saves.write(slot, String(round)) })
  }
  export default () => 0`
const TITLE = { source: SOURCE, fields: { permissions: ['save'] } }
const CHILD = fileURLToPath(new URL('../helpers/library-child.js', import.meta.url))
const SAVE = { capabilities: { save: true } } as const

/** A title on so many media. */
async function onMedia(id: string, count: number, title: object = TITLE, home = site.home) {
  const { master } = await site.press(id, title)
  const roots = Array.from({ length: count }, () => site.prepare())
  for (const root of roots) await site.copy(master, root, id, { home })
  return { id, master, roots: roots as [string, ...string[]] }
}

/** Change saves as the title does; undefined removes. */
async function change(root: string, id: string, slots: Record<string, string | undefined>, home = site.home) {
  await using guest = await site.launch(root, id, SAVE, home)
  for (const [slot, text] of Object.entries(slots))
    if (text === undefined) await guest.call('remove', slot)
    else await guest.call('write', slot, utf8(text))
}

/** What a launched title finds. */
async function found(root: string, id: string, home = site.home): Promise<Record<string, unknown>> {
  await using guest = await site.launch(root, id, SAVE, home)
  const slots = (await guest.call('list')) as string[]
  const texts = await Promise.all(slots.map(slot => guest.call('readText', slot)))
  return Object.fromEntries(slots.map((slot, index) => [slot, texts[index]]))
}

const exported = (root: string, id: string, home = site.home): string => {
  const path = site.path('saves')
  exportSaves(root, id, path, { home, powers: site.powers })
  return path
}
const imports = (path: string, root: string, options: Partial<ImportSavesOptions> = {}) =>
  importSaves(path, root, { home: site.home, powers: site.powers, ...options })

for (const scheme of SCHEMES)
  test(`saves of a ${scheme} title go to another medium of the same user, all of them`, async () => {
    const { id, roots } = await onMedia(`org.export.${scheme}`, 2, { ...TITLE, scheme })
    const [from, to] = roots as [string, string]
    await change(from, id, { a: 'one', B: '', gone: 'x' })
    await change(from, id, { gone: undefined })
    const before = snapshot(from)
    const path = site.path('saves')
    assert.equal(exportSaves(from, id, path, { home: site.home, powers: site.powers }), {
      title: id,
      path,
      slots: 2,
      bytes: 3,
      created: site.clock.at
    })
    assert.equal(snapshot(from), before, 'the medium is only read')
    if (process.platform !== 'win32') assert.is(statSync(path).mode & 0o777, 0o600)
    assert.is(readFileSync(path).includes('one'), false)

    assert.equal(await imports(path, to), { title: id, path, slots: 2, bytes: 3, created: site.clock.at })
    assert.equal(await found(to, id), { B: '', a: 'one' })
    // Again: nothing is lost by it, nothing is in its way.
    await imports(path, to)
    assert.equal(await found(to, id), { B: '', a: 'one' })
  })

test('an older file, or one from beside, replaces newer saves only when told to; a newer one does', async () => {
  const { id, roots } = await onMedia('org.export.older', 2)
  const [a, b] = roots as [string, string]
  await change(a, id, { game: '1' })
  const first = exported(a, id)
  await imports(first, b)
  await change(a, id, { game: '2' })
  const second = exported(a, id)

  // On the medium it is from, too.
  const error = await rejectsWith('COFFER_SAVE_NEWER', () => imports(first, a))
  assert.match(error.hint!, '--replace')
  assert.equal(await found(a, id), { game: '2' })

  // B has seen 1 and nothing since; then 2 is newer, and 1 is not.
  await imports(second, b)
  assert.equal(await found(b, id), { game: '2' })
  await rejectsWith('COFFER_SAVE_NEWER', () => imports(first, b))

  // Played on in B, and back: A has nothing that is not in it.
  await change(b, id, { game: '3' })
  await rejectsWith('COFFER_SAVE_NEWER', () => imports(second, b))
  await imports(exported(b, id), a)
  assert.equal(await found(a, id), { game: '3' })

  // Played on in both: neither has all of the other's.
  await change(a, id, { game: '4a' })
  await change(b, id, { game: '4b' })
  const ofA = exported(a, id)
  await rejectsWith('COFFER_SAVE_NEWER', () => imports(ofA, b))
  await imports(ofA, b, { replace: true })
  assert.equal(await found(b, id), { game: '4a' })
  // What was replaced on purpose is newer than all that there was.
  await imports(exported(b, id), a)
  await rejectsWith('COFFER_SAVE_NEWER', () => imports(second, a))

  // All removed is a change like any other.
  await change(b, id, { game: undefined, other: 'x' })
  await rejectsWith('COFFER_SAVE_NEWER', () => imports(ofA, b))
})

test('a medium whose saves were begun anew by hand does not lose them to the older ones', async () => {
  const { id, roots } = await onMedia('org.export.anew', 1)
  await change(roots[0], id, { a: '1', b: '2', c: '3' })
  const path = exported(roots[0], id)
  rmSync(mediumPaths(roots[0]).saves(id), { recursive: true })
  await change(roots[0], id, { a: 'anew' })
  await rejectsWith('COFFER_SAVE_NEWER', () => imports(path, roots[0]))
  rmSync(mediumPaths(roots[0]).saves(id), { recursive: true })
  await imports(path, roots[0])
  assert.equal(await found(roots[0], id), { a: '1', b: '2', c: '3' })
})

test('saves outlive the medium, a transfer, a new release and the end of a lease', async () => {
  const { id, roots } = await onMedia('org.export.transfer', 1)
  await change(roots[0], id, { game: '1' })
  const path = exported(roots[0], id)
  const target = site.prepare()
  await transferTitle(roots[0], id, target, { home: site.home, powers: site.powers })
  assert.equal(await found(target, id), { game: '1' }, 'a transfer takes them along')
  await rejectsWith('COFFER_TITLE_MISSING', () => exported(roots[0], id))
  await change(target, id, { game: '2' })
  await rejectsWith('COFFER_SAVE_NEWER', () => imports(path, target))

  const next = await site.press(id, { ...TITLE, release: 2 })
  const other = site.prepare()
  await site.copy(next.master, other, id)
  await imports(exported(target, id), other)
  assert.equal(await found(other, id), { game: '2' })

  const lease = await onMedia('org.export.lease', 1)
  await site.center.desk.setTerms(lease.id, { priceMinor: 0, currency: 'EUR', expiresDays: 30 })
  const leased = site.prepare()
  await site.copy(lease.master, leased, lease.id)
  await change(leased, lease.id, { game: '1' })
  site.clock.at += 90 * 86400
  try {
    await site.refuses('COFFER_EXPIRED', leased, lease.id)
    const saved = exported(leased, lease.id)
    await imports(saved, lease.roots[0])
    assert.equal(await found(lease.roots[0], lease.id), { game: '1' })
  } finally {
    site.clock.at -= 90 * 86400
  }
})

test('nobody else opens it, and no other title gets it', async () => {
  const { id, roots, master } = await onMedia('org.export.bound', 1)
  await change(roots[0], id, { game: 'mine' })
  const path = exported(roots[0], id)

  const other = await site.newHome()
  const theirs = site.prepare()
  await site.copy(master, theirs, id, { home: other })
  const error = await rejectsWith('COFFER_USER_MISMATCH', () => imports(path, theirs, { home: other }))
  assert.match(error.message, 'another user key')

  // A head that names him opens nothing.
  const bytes = readFileSync(path)
  const [mine, his] = [site.home, other].map(home => Buffer.from(home.requireUserKeys().userId))
  const forged = site.path('forged')
  writeFileSync(forged, Buffer.from(hex(bytes).replace(hex(mine!), hex(his!)), 'hex'))
  await rejectsWith('COFFER_SAVE_DAMAGED', () => imports(forged, theirs, { home: other }))

  // Another title, though somebody writes its name into the head; as long as that of the first, for the lengths.
  const twin = await onMedia('org.export.bounx', 1)
  writeFileSync(forged, Buffer.from(bytes.toString('latin1').replace(id, twin.id), 'latin1'))
  await rejectsWith('COFFER_SAVE_DAMAGED', () => imports(forged, twin.roots[0]))
  assert.equal(await found(twin.roots[0], twin.id), {})

  // Of another publisher, or another center, that has a title of this name.
  const { publisher, centerId } = ownGrant(roots[0], id, site.home)
  for (const [field, word] of [
    [publisher, 'publisher'],
    [centerId, 'center']
  ] as const) {
    const of = Buffer.from(field)
    of[5]! ^= 1
    writeFileSync(forged, Buffer.from(hex(bytes).replace(hex(field), hex(of)), 'hex'))
    const error = await rejectsWith('COFFER_TITLE_MISMATCH', () =>
      imports(forged, roots[0], { replace: true })
    )
    assert.match(error.expected!, word)
  }

  // A medium without the title.
  await rejectsWith('COFFER_TITLE_MISSING', () => imports(path, site.prepare()))
  await rejectsWith('COFFER_MEDIUM_MISSING', () => imports(path, site.folder))
  await rejectsWith('COFFER_FILE_MISSING', () => imports(`${path}-none`, roots[0]))
})

test('two users of one medium export and import each his own', async () => {
  const { id, roots, master } = await onMedia('org.export.two', 1)
  const [root] = roots
  const other = await site.newHome()
  await change(root, id, { game: 'first' })
  await site.copy(master, root, id, { home: other })
  await change(root, id, { game: 'second' }, other)
  const [ofFirst, ofSecond] = [exported(root, id), exported(root, id, other)]
  await change(root, id, { game: 'first, later' })
  await imports(ofSecond, root, { home: other })
  await imports(ofFirst, root, { replace: true })
  assert.equal(await found(root, id), { game: 'first' })
  assert.equal(await found(root, id, other), { game: 'second' })

  const stranger = await site.newHome()
  const error = await rejectsWith('COFFER_USER_MISMATCH', () => exported(root, id, stranger))
  assert.match(error.message, "another user's")
})

test('whatever is turned or cut, nothing is changed; and the last byte is held against the first', async () => {
  const { id, roots } = await onMedia('org.export.damage', 2)
  const [from, to] = roots as [string, string]
  await change(from, id, { game: 'x'.repeat(20_000), other: 'y' })
  await change(to, id, { game: 'kept' })
  const whole = readFileSync(exported(from, id))
  const before = snapshot(to)
  const path = site.path('damaged')
  const refused = async (bytes: Uint8Array, what: string) => {
    writeFileSync(path, bytes)
    let code = ''
    try {
      await imports(path, to, { replace: true })
    } catch (error) {
      code = (error as { code: string }).code
    }
    assert.ok(
      [
        'COFFER_RECORD_DAMAGED',
        'COFFER_VERSION_UNSUPPORTED',
        'COFFER_ENCODING',
        'COFFER_SAVE_DAMAGED',
        'COFFER_USER_MISMATCH',
        'COFFER_TITLE_MISMATCH',
        'COFFER_TITLE_MISSING'
      ].includes(code),
      `${what}: ${code}`
    )
  }
  const random = new Seeded('exported saves')
  const places = [...Array(300).keys(), ...Array.from({ length: 60 }, () => random.below(whole.length))]
  for (const at of places) {
    const bytes = Uint8Array.from(whole)
    bytes[at]! ^= 1 << random.below(8)
    await refused(bytes, `bit at ${at}`)
  }
  for (const length of [0, 1, 11, 12, 13, 200, 300, whole.length - 16400, whole.length - 1])
    await refused(whole.subarray(0, length), `cut to ${length}`)
  await refused(Buffer.concat([whole, Buffer.of(0)]), 'one byte more')
  assert.equal(snapshot(to), before)
  writeFileSync(path, whole)
  await imports(path, to, { replace: true })
  assert.equal(await found(to, id), { game: 'x'.repeat(20_000), other: 'y' })
})

test('the quota is that of the title on the medium, and a file that is too large is not even read', async () => {
  const small = { ...TITLE, fields: { ...TITLE.fields, limits: { saveMiB: 1 } } }
  const large = { ...TITLE, fields: { ...TITLE.fields, limits: { saveMiB: 2 } } }
  const id = 'org.export.quota'
  const { roots } = await onMedia(id, 1, small)
  const big = await site.press(id, { ...large, release: 2 })
  const from = site.prepare()
  await site.copy(big.master, from, id)
  await change(from, id, { full: 'x'.repeat(1 << 20) })
  const exactly = exported(from, id)
  await change(from, id, { one: 'x' })
  const more = exported(from, id)
  await change(from, id, { full: 'x'.repeat(3 << 19) })
  const far = exported(from, id)
  const before = snapshot(roots[0])
  for (const path of [more, far])
    assert.match((await rejectsWith('COFFER_SAVE_QUOTA', () => imports(path, roots[0]))).expected!, '1048576')
  assert.equal(snapshot(roots[0]), before)
  await imports(exactly, roots[0])
  assert.is(((await found(roots[0], id))['full'] as string).length, 1 << 20)
})

test('nothing is exported of a title that saved nothing, nor of a save that is damaged', async () => {
  const { id, roots } = await onMedia('org.export.none', 1)
  await rejectsWith('COFFER_FILE_MISSING', () => exported(roots[0], id))
  await change(roots[0], id, { game: '1' })
  const index = mediumPaths(roots[0]).saveIndex(id)
  writeFileSync(index, Buffer.concat([readFileSync(index), Buffer.of(1)]))
  await rejectsWith('COFFER_SAVE_DAMAGED', () => exported(roots[0], id))
})

test('an export while another process saves is one moment of it', async () => {
  const { id, roots } = await onMedia('org.export.moment', 2)
  const [from, to] = roots as [string, string]
  await change(from, id, { a: 'begin', b: 'begin' })
  const words = ['call', site.home.folder, from, id, '0', 'manyTimes', 'again']
  const child = spawn(process.execPath, [CHILD, ...words], { stdio: ['pipe', 'ignore', 'inherit'] })
  let running = true
  const closed = new Promise(resolve => child.once('close', resolve)).finally(() => (running = false))
  const seen = new Set<unknown>()
  let busy = 0
  while (running) {
    // All of the rest is done without ever waiting for the system.
    await new Promise(setImmediate)
    try {
      await imports(exported(from, id), to, { replace: true })
      const { a, b } = await found(to, id)
      assert.is(a, b)
      seen.add(a)
      if (seen.size === 3) child.stdin.end()
    } catch (error) {
      if ((error as { code?: string }).code !== 'COFFER_BUSY') throw error
      busy++
    }
  }
  assert.is(await closed, 0)
  assert.ok(seen.size >= 3, `saw ${[...seen].join()}, and was told to wait ${busy} times`)
})

test('histories: as new is who has at least as many changes of each line', () => {
  const line = (n: number) => new Uint8Array(16).fill(n)
  const of = (...counts: number[]): SavesHistory =>
    counts.map((changes, index) => ({ changes, line: line(index) }))
  for (const [newer, older, expected] of [
    [of(), of(), true],
    [of(), of(0), true],
    [of(), of(1), false],
    [of(1), of(), true],
    [of(2, 1), of(2, 1), true],
    [of(2, 1), of(1, 2), false],
    [of(2), of(2, 0, 0), true],
    [of(3, 1, 7), of(2, 1), true]
  ] as const)
    assert.is(includesHistory(newer, older), expected, JSON.stringify([newer, older]))
})

test.run()
