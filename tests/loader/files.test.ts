/** The door to the file system: whole files or none, and a full disk that costs nothing. */
import { execFileSync, spawnSync } from 'node:child_process'
import fs, {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatPublicKeys } from '../../formats/keys.js'
import { createKeyFile, Home, prepare } from '../../loader/copier/index.js'
import {
  inspectFile,
  isFolder,
  listFolder,
  makeFolder,
  RandomFile,
  readFile,
  removeFile,
  translate
} from '../../loader/files.js'
import { leftovers, PendingFile, writeFile, writeNewFile } from '../../loader/pending.js'
import { readKeyFile } from '../../loader/key-files.js'
import { POWERS } from '../../loader/powers.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { closeSites, librarySite, SCHEMES, snapshot } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

const site = await librarySite()
test.after(closeSites)

const folder = site.path('files')
mkdirSync(folder)
const bytes = (text: string) => new TextEncoder().encode(text)

// ---------------------------------------------------------------- pending files

test('a PendingFile leaves its target as it was until it is committed, and nothing when it is not', () => {
  const path = join(folder, 'pending')
  writeFileSync(path, 'before')
  {
    using file = new PendingFile(path)
    file.write(bytes('after'))
    file.flush()
    assert.is(readFileSync(path, 'utf8'), 'before')
    assert.is(readFileSync(file.temporaryPath, 'utf8'), 'after')
    assert.equal(listFolder(folder), ['pending'], 'a file on its way is not listed')
  }
  assert.is(readFileSync(path, 'utf8'), 'before')
  assert.equal(readdirSync(folder), ['pending'])
  {
    using file = new PendingFile(path, 0o600)
    file.write(bytes('after'))
    assert.is(file.writtenBytes, 5)
    file.commit()
  }
  assert.is(readFileSync(path, 'utf8'), 'after')
  assert.is(statSync(path).mode & 0o777, 0o600)
  assert.equal(readdirSync(folder), ['pending'])
})

test('writeFile() leaves nothing behind where it cannot put its file', async () => {
  mkdirSync(join(folder, 'taken'))
  writeFileSync(join(folder, 'taken/inside'), 'x')
  await rejectsWith('COFFER_IO', () => writeFile(join(folder, 'taken'), bytes('x')))
  assert.equal(leftovers(folder), [])
  const error = await rejectsWith('COFFER_FILE_MISSING', () =>
    writeFile(join(folder, 'missing/file'), bytes('x'))
  )
  assert.match(error.message, 'the folder that it would be in is not there')
  await rejectsWith('COFFER_CANNOT_CREATE', () => writeFile(join(folder, 'pending/file'), bytes('x')))
})

test('a write that the disk has no space for is COFFER_DISK_FULL', async () => {
  if (!existsSync('/dev/full')) return console.log('skip: this system has no /dev/full')
  const error = await rejectsWith('COFFER_DISK_FULL', () => {
    try {
      writeFileSync('/dev/full', 'x')
    } catch (cause) {
      throw translate(cause, 'write', '/dev/full')
    }
  })
  assert.is(error.found, 'ENOSPC')
  assert.match(error.hint!, 'space')
})

test('a file that is larger than one may be there is COFFER_CANNOT_CREATE, and nothing is left of it', () => {
  if (process.platform === 'win32') return console.log('skip: this system has no ulimit')
  const pending = new URL('../../loader/pending.js', import.meta.url).href
  const program = `
    import { writeFile } from '${pending}'
    try { writeFile(process.argv[1], new Uint8Array(10_000)) }
    catch ({ code, found, hint }) { console.log(code, found, hint) }`
  const words = [process.execPath, '--input-type=module', '--eval', program, join(folder, 'large')]
  const { stdout, stderr } = spawnSync('sh', ['-c', 'ulimit -f 4; exec "$@"', 'sh', ...words], {
    encoding: 'utf8'
  })
  assert.match(stdout, /^COFFER_CANNOT_CREATE EFBIG .*FAT/, stderr)
  assert.equal(
    readdirSync(folder).filter(name => name.includes('large')),
    []
  )
})

// ---------------------------------------------------------------- odd things in a file's place

test("a pipe, a folder, a device or a socket in a file's place is refused at once", async () => {
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  for (const path of [pipe, folder, '/dev/zero', '/dev/full'])
    if (existsSync(path)) {
      const error = await rejectsWith('COFFER_RECORD_DAMAGED', () => readFile(path, 1000))
      assert.match(error.message, 'not a file')
    }
  // One with something in it is left as it is.
  const writer = openSync(pipe, 'r+')
  writeSync(writer, 'not a record')
  await rejectsWith('COFFER_RECORD_DAMAGED', () => readFile(pipe, 1000))
  const left = Buffer.alloc(100)
  assert.is(left.toString('utf8', 0, readSync(writer, left)), 'not a record')
  closeSync(writer)
  assert.is(readFile(join(folder, 'missing'), 1000), undefined)
  assert.is(readFile(join(folder, 'pending/below'), 1000), undefined)
  rmSync(pipe)
})

test('a pipe or a folder in the place of any file of a medium does not hang the launch', async () => {
  const { root, id } = await site.copied('org.pipes')
  const paths = mediumPaths(root)
  for (const path of [paths.grant(id), paths.revocations, paths.title(id, 1), paths.identity]) {
    const whole = readFileSync(path)
    rmSync(path)
    execFileSync('mkfifo', [path])
    assert.is((await site.failure(root, id))?.code, 'COFFER_RECORD_DAMAGED', path)
    rmSync(path)
    mkdirSync(path)
    assert.is((await site.failure(root, id))?.code, 'COFFER_RECORD_DAMAGED', path)
    rmSync(path, { recursive: true })
    writeFileSync(path, whole)
  }
})

test('RandomFile stays on its file and says when it ends early', async () => {
  const path = join(folder, 'random')
  writeFileSync(path, '0123456789')
  const file = RandomFile.open(path)!
  writeFile(path, bytes('another'))
  assert.is(file.sizeBytes, 10)
  assert.equal(file.read(3, 4), bytes('3456'))
  await rejectsWith('COFFER_RECORD_DAMAGED', () => file.read(8, 3))
  assert.equal(file.read(10, 0), new Uint8Array(0))
  file.close()
  file.close()
  await rejectsWith('COFFER_RECORD_DAMAGED', () => readFile(path, 6))
  assert.equal(readFile(path, 7), bytes('another'))
})

test('a title whose file shrinks while it is open is refused, not read past its end', async () => {
  const { root, id } = await site.copied('org.shrinks', {
    source: `import { read } from 'coffer:assets'
      export default () => 0
      export const look = async () => (await read('big')).length`,
    assets: { big: new Uint8Array(100_000) }
  })
  await using guest = await site.launch(root, id)
  assert.is(await guest.call('look'), 100_000)
  truncateSync(mediumPaths(root).title(id, 1), 5000)
  const seen = await guest.call('look').catch((error: Error) => error)
  assert.instance(seen, Error)
  assert.match((seen as Error).message, 'ends early')
  assert.is((await site.failure(root, id))?.code, 'COFFER_PAYLOAD_TRUNCATED')
})

test('folders and files that are not there are none, and removing them is no failure', () => {
  assert.equal(listFolder(join(folder, 'missing')), [])
  assert.equal(listFolder(join(folder, 'pending')), [])
  assert.is(inspectFile(join(folder, 'missing')), undefined)
  assert.is(inspectFile(join(folder, 'pending/below')), undefined)
  assert.not.ok(isFolder(join(folder, 'pending/below')))
  assert.not.ok(isFolder(join(folder, 'pending')))
  assert.ok(isFolder(folder))
  removeFile(join(folder, 'missing'))
  makeFolder(join(folder, 'a/b/c'))
  makeFolder(join(folder, 'a/b/c'))
})

// ---------------------------------------------------------------- left behind

test('the next writer clears away what a killed one left', async () => {
  const { root, id, master } = await site.copied('org.leftovers')
  const paths = mediumPaths(root)
  const before = snapshot(root)
  for (const place of [paths.folder, paths.grants, paths.titles]) {
    writeFileSync(join(place, '.tmp-999999999-half'), 'half')
    mkdirSync(join(place, '.tmp-999999999-claim'))
    writeFileSync(join(place, '.tmp-999999999-claim', 'holder'), '')
  }
  await site.runs(root, id)
  await site.copy(master, root, id)
  assert.equal([...snapshot(root).keys()], [...before.keys()])
  for (const place of [paths.folder, paths.grants, paths.titles]) assert.equal(leftovers(place), [])
  await site.runs(root, id)
})

test('createKeyFile() clears away half a secret key that a killed one left, and nothing else', () => {
  const folder = site.path()
  mkdirSync(folder)
  for (const name of ['.tmp-999999999-0a1b2c3d-my.key', '.tmp-999999999-notes'])
    writeFileSync(join(folder, name), 'half')
  createKeyFile('user', join(folder, 'my.key'), POWERS)
  assert.equal(readdirSync(folder).sort(), ['.tmp-999999999-notes', 'my.key'])
})

test("createKeyFile() makes the home of a user's key, as an app calls it, and says of a folder that it is one", async () => {
  const home = new Home(join(site.path(), 'app', 'home'))
  const made = createKeyFile('user', home.userKeyFile)
  assert.is(formatPublicKeys('user', home.requireUserKeys()), made)
  if (process.platform !== 'win32') assert.is(fs.statSync(home.folder).mode & 0o777, 0o700)
  for (const owner of ['user', 'publisher'] as const) {
    const { message, found } = await rejectsWith('COFFER_EXISTS', () => createKeyFile(owner, home.folder))
    assert.equal([found, /There is a folder at /.test(message)], ['a folder', true])
  }
})

test('of two keys that are made at one path at once, the one that was reported is there', async () => {
  const folder = site.path()
  mkdirSync(folder)
  const path = join(folder, 'my.key')
  let first = ''
  const between = (size: number) => {
    first = createKeyFile('user', path, POWERS)
    return POWERS.random(size)
  }
  await rejectsWith('COFFER_EXISTS', () => createKeyFile('user', path, { ...POWERS, random: between }))
  const { signKey, sealKey } = readKeyFile('user', path)
  assert.is(formatPublicKeys('user', { signKey, sealKey }), first)
  assert.equal(readdirSync(folder), ['my.key'])
})

test('a key is made where files can have but one name, and is not replaced there either', async () => {
  const folder = site.path()
  mkdirSync(folder)
  const path = join(folder, 'my.key')
  const { linkSync } = fs
  fs.linkSync = () => {
    throw Object.assign(new Error('no links here'), { code: 'EPERM' })
  }
  syncBuiltinESMExports()
  try {
    const made = createKeyFile('user', path, POWERS)
    assert.is(formatPublicKeys('user', readKeyFile('user', path)), made)
    await rejectsWith('COFFER_EXISTS', () => createKeyFile('user', path, POWERS))
    assert.not.ok(writeNewFile(path, bytes('other')))
    assert.equal(readdirSync(folder), ['my.key'])
  } finally {
    fs.linkSync = linkSync
    syncBuiltinESMExports()
  }
})

// ---------------------------------------------------------------- a disk that is full

/** A small real file system, removed when the process ends; undefined where mounting is not allowed. */
function smallDisk(mebibytes: number): string | undefined {
  const place = site.path('disk')
  mkdirSync(place)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'coffer-test', place], {
      stdio: 'ignore'
    })
  } catch {
    return undefined
  }
  process.prependListener('exit', () => {
    try {
      execFileSync('umount', [place], { stdio: 'ignore' })
    } catch {
      // Somebody else has it open: the folder stays.
    }
  })
  return place
}

/** Fill a disk until only so many bytes are left. */
function fillUp(place: string, leftBytes: number): string {
  const path = join(place, 'filler')
  const { bavail, bsize } = statfsSync(place)
  const descriptor = openSync(path, 'w')
  const block = new Uint8Array(4096)
  for (let left = bavail * bsize - leftBytes; left >= block.length; left -= block.length)
    writeSync(descriptor, block)
  closeSync(descriptor)
  return path
}

test('a full disk costs nothing: the old copy still runs, and repeating finishes', async () => {
  const disk = smallDisk(6)
  if (disk === undefined) return console.log('skip: this user may not mount a file system')
  for (const scheme of SCHEMES) {
    const id = `org.full.${scheme}`
    const assets = { big: new Uint8Array(700_000).fill(1) }
    const one = await site.press(id, { scheme, assets })
    const two = await site.press(id, { scheme, assets, release: 2 })
    const root = join(disk, scheme)
    prepare(root, 'folder', site.powers)
    await site.copy(one.master, root, id)
    const before = snapshot(root)
    // Asked before anything is ordered; then, when space goes while copying, in the middle of grant and payload.
    for (const [left, during] of [
      [900_000, undefined],
      [2_500_000, 'S2'],
      [2_500_000, 'S7']
    ] as const) {
      const filler = fillUp(disk, left)
      let more: string | undefined
      const error = await rejectsWith('COFFER_DISK_FULL', () =>
        site.copy(two.master, root, id, {
          onEvent: ({ step }) => {
            const now = during === 'S2' ? ['S2', 'S14'] : ['S7', 'S16']
            if (during === undefined || more !== undefined || !now.includes(step)) return
            more = join(disk, 'more')
            const descriptor = openSync(more, 'w')
            try {
              for (;;) writeSync(descriptor, new Uint8Array(4096))
            } catch {
              closeSync(descriptor)
            }
          }
        })
      )
      assert.ok(error.hint, String(during))
      rmSync(filler)
      if (more !== undefined) rmSync(more)
      assert.equal(snapshot(root), before, `${scheme}, full ${during ?? 'at once'}`)
      await site.runs(root, id)
    }
    await site.copy(two.master, root, id)
    await site.runs(root, id)
    rmSync(root, { recursive: true })
  }
})

test('a save that does not fit leaves the one before it', async () => {
  const disk = smallDisk(4)
  if (disk === undefined) return console.log('skip: this user may not mount a file system')
  const id = 'org.full.saves'
  const { master } = await site.press(id, {
    source: `import * as save from 'coffer:save'
      export const store = (slot, bytes) => save.write(slot, bytes)
      export const load = slot => save.read(slot)
      export default () => 0`,
    fields: { permissions: ['save'] }
  })
  const root = join(disk, 'stick')
  prepare(root, 'folder', site.powers)
  await site.copy(master, root, id)
  await using guest = await site.launch(root, id, { capabilities: { save: true } })
  await guest.call('store', 'slot', bytes('first'))
  fillUp(disk, 0)
  let failed = false
  await guest.call('store', 'slot', new Uint8Array(300_000)).catch((error: Error) => {
    failed = true
    assert.match(error.message, /space/)
  })
  assert.ok(failed, 'a save larger than the disk was stored')
  assert.equal(await guest.call('load', 'slot'), bytes('first'))
  assert.equal(leftovers(mediumPaths(root).saves(id)), [])
})

test.run()
