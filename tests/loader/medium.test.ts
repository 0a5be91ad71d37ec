/** What tells a medium from its copy: folders on a real disk, drives as recorded systems describe them. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { prepare } from '../../loader/copier/index.js'
import { driveKind } from '../../loader/medium/drive.js'
import { folderKind } from '../../loader/medium/folder.js'
import type { KindOfMedium, MeasureContext } from '../../loader/medium/kind.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { KINDS, measureMedium } from '../../loader/medium/measure.js'
import {
  deviceNumbers,
  diskIdentity,
  driveSerial,
  machineId,
  SYSTEM,
  toolPath,
  volumeUuid
} from '../../loader/medium/system.js'
import { volumes, WINDOWS_COMMAND } from '../../loader/medium/volumes.js'
import { clone } from '../helpers/clone.js'
import { closeSites, librarySite } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'
import * as systems from './recorded-systems.js'

const site = await librarySite()
test.after(closeSites)

const { root, id } = await site.copied('org.folder')

test('Windows is asked by tools of its own folder, never by what lies in the folder that a person is in', () => {
  const windows = (env: Record<string, string>) => ({ platform: 'win32' as const, env })
  for (const tool of ['reg.exe', 'powershell.exe']) {
    const path = toolPath(tool, windows({ SystemRoot: 'C:\\Windows' }))
    assert.ok(path.startsWith('C:\\Windows\\System32\\') && path.endsWith(`\\${tool}`), path)
    for (const SystemRoot of ['', '.', 'Windows'])
      assert.throws(() => toolPath(tool, windows({ SystemRoot })))
    assert.throws(() => toolPath(tool, windows({})))
  }
  assert.is(toolPath('/usr/sbin/ioreg', { platform: 'darwin', env: {} }), '/usr/sbin/ioreg')
})

/** Run `body` as if this machine were another. */
async function withKind(
  kind: 'folder' | 'drive',
  module: KindOfMedium,
  body: () => Promise<void>
): Promise<void> {
  const kinds = KINDS as Record<'folder' | 'drive', KindOfMedium>
  const before = kinds[kind]
  kinds[kind] = module
  try {
    await body()
  } finally {
    kinds[kind] = before
  }
}

// ---------------------------------------------------------------- folder

test('a folder that was copied, packed, rsynced or hard-linked is another medium', async () => {
  const copies: Record<string, (to: string) => void> = {
    'cp -a': to => execFileSync('cp', ['-a', root, to]),
    'cp -al': to => execFileSync('cp', ['-al', root, to]),
    tar: to => {
      mkdirSync(to)
      execFileSync('sh', ['-c', `tar -C "$0" -cf - . | tar -C "$1" -xpf -`, root, to])
    },
    'a copy with the same times': to => clone(root, to),
    'hard links made one by one': to => {
      clone(root, to)
      rmSync(mediumPaths(to).identity)
      linkSync(mediumPaths(root).identity, mediumPaths(to).identity)
    },
    'a link to the identity': to => {
      clone(root, to)
      rmSync(mediumPaths(to).identity)
      symlinkSync(mediumPaths(root).identity, mediumPaths(to).identity)
    }
  }
  for (const [how, make] of Object.entries(copies)) {
    const other = site.path('copy')
    make(other)
    assert.ok(existsSync(mediumPaths(other).identity), how)
    const error = await site.refuses('COFFER_CERTIFICATE_MISMATCH', other, id)
    assert.match(error.message, 'place on the volume', how)
    // Hard links have changed nothing of the original.
    await site.runs(root, id)
    rmSync(other, { recursive: true })
  }
})

test('a folder that was renamed or moved within its volume, or is reached by a link, is the same medium', async () => {
  const medium = (await site.copied('org.moved')).root
  const renamed = site.path('renamed')
  renameSync(medium, renamed)
  await site.runs(renamed, 'org.moved')
  const below = site.path('below')
  mkdirSync(join(below, 'deeper'), { recursive: true })
  execFileSync('mv', [renamed, join(below, 'deeper/stick')])
  await site.runs(join(below, 'deeper/stick'), 'org.moved')
  const link = site.path('link')
  symlinkSync(join(below, 'deeper/stick'), link)
  await site.runs(link, 'org.moved')
})

test('a folder keeps its identity through everything that is done to it in place', async () => {
  const medium = site.prepare()
  const before = measureMedium(medium)
  const { identity, folder } = mediumPaths(medium)
  chmodSync(identity, 0o644)
  const bytes = readFileSync(identity)
  writeFileSync(identity, bytes)
  writeFileSync(join(folder, 'more'), 'a file more')
  chmodSync(identity, 0o444)
  assert.equal(measureMedium(medium).mediumId, before.mediumId)
})

test("a disk's serial number is asked for once, and again when another disk takes its device number", () => {
  let asked = 0
  let plugged = 1
  const system = {
    ...systems.USB_STICK,
    identify: () => `entry ${plugged}`,
    read(path: string) {
      if (path.endsWith('/serial')) asked++
      const content = systems.USB_STICK.read(path)
      return content !== undefined && path.endsWith('/serial') ? `${content.trim()}-${plugged}` : content
    }
  }
  const device = systems.USB_STICK_DEVICE
  const first = diskIdentity(system, device)
  assert.match(first, /-1$/)
  const once = asked
  assert.is(diskIdentity(system, device), first)
  assert.is(asked, once)
  plugged = 2
  assert.is(diskIdentity(system, device), first.replace(/1$/, '2'))
})

test('a message says which facts of a folder changed', async () => {
  const elsewhere = folderKind({
    ...SYSTEM,
    read: path => (path === '/etc/machine-id' ? 'another\n' : SYSTEM.read(path))
  })
  await withKind('folder', elsewhere, async () => {
    const error = await site.refuses('COFFER_CERTIFICATE_MISMATCH', root, id)
    assert.match(error.message, 'this is a folder whose machine is not the same')
  })
  await withKind('folder', { available: () => [], measure: () => '' }, async () => {
    const error = await site.refuses('COFFER_CERTIFICATE_MISMATCH', root, id)
    assert.match(error.message, /machine, .*birth time and place on the volume are not the same/)
  })
  const other = site.prepare()
  await rejectsWith('COFFER_GRANT_MISSING', async () => {
    clone(mediumPaths(root).titles, mediumPaths(other).titles)
    await site.launch(other, id)
  })
  clone(mediumPaths(root).grants, mediumPaths(other).grants)
  writeFileSync(mediumPaths(other).revocations, readFileSync(mediumPaths(root).revocations))
  const error = await site.refuses('COFFER_CERTIFICATE_MISMATCH', other, id)
  assert.match(error.message, 'this is another medium of kind folder')
  await site.runs(root, id)
})

// ---------------------------------------------------------------- prepare

test('prepare() makes an identity once, read-only, and never again', async () => {
  const medium = site.path('once')
  const { mediumId, factors } = prepare(medium)
  assert.ok(factors.length > 0)
  const path = mediumPaths(medium).identity
  assert.is(statSync(path).mode & 0o777, 0o444)
  assert.is(hex(measureMedium(medium).mediumId), mediumId)
  const before = readFileSync(path)
  const error = await rejectsWith('COFFER_EXISTS', () => prepare(medium))
  assert.ok(error.hint)
  assert.equal(readFileSync(path), before)
  assert.equal(readdirSync(mediumPaths(medium).folder).sort(), ['grants', 'identity', 'titles'])
  assert.is.not(prepare(site.path('twice')).mediumId, mediumId)
})

test('prepare() refuses a folder that nothing tells from a copy, and leaves no identity', async () => {
  await withKind('folder', { available: () => [], measure: () => '' }, async () => {
    const medium = site.path('nothing')
    const error = await rejectsWith('COFFER_CANNOT_CREATE', () => prepare(medium))
    assert.match(error.hint!, '--kind drive')
    assert.equal(readdirSync(mediumPaths(medium).folder), ['grants', 'titles'])
    await rejectsWith('COFFER_MEDIUM_MISSING', () => measureMedium(medium))
  })
})

test('prepare() says of a damaged identity that it is one, and leaves it', async () => {
  for (const torn of ['', 'noise', readFileSync(mediumPaths(root).identity).subarray(0, 60)]) {
    const medium = site.path('torn')
    mkdirSync(mediumPaths(medium).folder, { recursive: true })
    writeFileSync(mediumPaths(medium).identity, torn)
    const error = await rejectsWith('COFFER_EXISTS', () => prepare(medium))
    assert.match(error.hint!, mediumPaths(medium).identity)
    rmSync(mediumPaths(medium).identity)
    prepare(medium)
  }
})

test('prepare() refuses what cannot be a folder', async () => {
  const file = site.path('file')
  writeFileSync(file, 'x')
  const error = await rejectsWith('COFFER_CANNOT_CREATE', () => prepare(join(file, 'below')))
  assert.ok(error.hint)
  await rejectsWith('COFFER_MEDIUM_MISSING', () => measureMedium(file))
  await rejectsWith('COFFER_MEDIUM_MISSING', () => measureMedium(join(file, 'below')))
  const missing = await rejectsWith('COFFER_MEDIUM_MISSING', () => measureMedium(site.path('missing')))
  assert.match(missing.found!, 'no such folder')
})

test('prepare() makes a drive only where its hardware has a serial number', async () => {
  const medium = site.path('drive')
  mkdirSync(medium)
  const serial = driveSerial(SYSTEM, statSync(medium, { bigint: true }).dev)?.serial ?? ''
  if (serial === '') {
    const error = await rejectsWith('COFFER_CANNOT_CREATE', () => prepare(medium, 'drive'))
    assert.match(error.hint!, '--kind folder')
  } else assert.is(prepare(medium, 'drive').kind, 'drive')
})

// ---------------------------------------------------------------- drive

const context = (device: bigint): MeasureContext => ({
  root: '/media/drive',
  identityFile: { inode: 1n, birthTimeNs: 1n, device },
  folderInode: 2n
})

const windows = systems.WINDOWS_DRIVES(WINDOWS_COMMAND)
const at = (root: string): MeasureContext => ({ ...context(1n), root })

test('on macOS and Windows a drive is known by what their tools were recorded to say', () => {
  for (const [system, root, volume] of [
    [systems.MAC_DRIVES, '/Volumes/GAMES', 'B7C1F2A0-5B7E-3C55-9A35-AD3C6C4C1B11'],
    [systems.MAC_DRIVES, '/Volumes/GAMES/below', 'B7C1F2A0-5B7E-3C55-9A35-AD3C6C4C1B11'],
    [windows, 'E:\\', '5B1A0C2E'],
    [windows, 'e:\\games', '5B1A0C2E']
  ] as const) {
    assert.equal(driveKind(system).available(at(root)), [
      { name: 'serial', value: '4C530001230821117365', strength: 'hardware' },
      { name: 'volume', value: volume, strength: 'file-system' }
    ])
  }
  // What a tool does not say, or says in another way, is nothing, and not a failure.
  for (const text of ['', 'no JSON', '[]', '{}', 'null', '{"SPUSBDataType":3}'])
    for (const platform of ['darwin', 'win32'] as const)
      assert.equal(
        volumes({ ...systems.recorded({ platform }), run: () => text }).filter(({ path }) =>
          path?.startsWith('/')
        ),
        []
      )
})

test('devices are listed with label, serial number and free space, removable ones first', () => {
  const linux = {
    ...systems.USB_STICK,
    list: (folder: string) =>
      folder === '/sys/block'
        ? ['loop0', 'sdb']
        : folder.endsWith('/block/sdb')
          ? ['queue', 'sdb1']
          : systems.USB_STICK.list(folder),
    realPath: (path: string) =>
      path === '/sys/block/sdb'
        ? systems.USB_STICK.realPath('/sys/dev/block/8:17')!.replace(/\/sdb1$/, '')
        : systems.USB_STICK.realPath(path),
    read: (path: string) =>
      path === '/proc/self/mountinfo'
        ? '22 1 8:2 / / rw - ext4 /dev/sda2 rw\n36 22 8:17 / /media/my\\040stick rw,nosuid shared:1 - vfat /dev/sdb1 rw\n'
        : path.endsWith('/sdb1/dev')
          ? '8:17\n'
          : path.endsWith('/sdb1/size')
            ? '60062500\n'
            : path.endsWith('/device/model')
              ? 'DataTraveler 3.0\n'
              : systems.USB_STICK.read(path),
    freeBytes: () => 1000
  }
  assert.equal(volumes(linux), [
    {
      path: '/media/my stick',
      label: '',
      fileSystem: 'vfat',
      sizeBytes: 60062500 * 512,
      freeBytes: 1000,
      drive: 'DataTraveler 3.0',
      serial: '60A44C413FAEE2B1',
      uuid: '5B1A-0C2E',
      removable: true
    }
  ])
  assert.equal(
    volumes(windows).map(({ path, serial, removable }) => [path, serial, removable]),
    [
      ['E:\\', '4C530001230821117365', true],
      ['F:\\', '', true],
      ['C:\\', '', false]
    ]
  )
  assert.equal(
    volumes(systems.MAC_DRIVES).map(({ path, label, serial }) => [path, label, serial]),
    [
      ['/Volumes/GAMES', 'GAMES', '4C530001230821117365'],
      ['/Volumes/GAMES 2', 'NONE', '']
    ]
  )
})

test('a drive is known by its hardware serial number and its volume', async () => {
  const table = [
    [systems.USB_STICK, systems.USB_STICK_DEVICE, '60A44C413FAEE2B1', '5B1A-0C2E', true],
    [systems.SD_CARD, systems.SD_CARD_DEVICE, '035344534333324780a1b2c3d4014a00', '9c1e4f5a', false],
    [systems.UDEV_DISK, systems.UDEV_DEVICE, 'WD-1234', '', false]
  ] as const
  for (const [system, device, serial, volume, removable] of table) {
    assert.equal(driveSerial(system, device), { serial, removable })
    const kind = driveKind(system)
    assert.equal(kind.available(context(device)), [
      { name: 'serial', value: serial, strength: 'hardware' },
      ...(volume === '' ? [] : [{ name: 'volume', value: volume, strength: 'file-system' }])
    ])
    assert.is(kind.measure('serial', context(device)), serial)
    assert.is(kind.measure('volume', context(device)), volume)
    assert.is(kind.measure('inode', context(device)), '')
  }
})

test('a drive whose hardware tells nothing cannot be prepared as one', async () => {
  const none = await rejectsWith('COFFER_CANNOT_CREATE', () =>
    driveKind(systems.VIRTIO_DISK).available(context(systems.VIRTIO_DEVICE))
  )
  assert.match(none.found!, 'without one')
  const unknown = await rejectsWith('COFFER_CANNOT_CREATE', () =>
    driveKind(systems.VIRTIO_DISK).available(context(0x900n))
  )
  assert.match(unknown.found!, 'no drive')
  await rejectsWith('COFFER_CANNOT_CREATE', () => driveKind(systems.MAC).available(context(1n)))
  await rejectsWith('COFFER_CANNOT_CREATE', () => driveKind(windows).available(at('F:\\')))
  await rejectsWith('COFFER_CANNOT_CREATE', () => driveKind(windows).available(at('C:\\games')))
  await rejectsWith('COFFER_CANNOT_CREATE', () =>
    driveKind(systems.MAC_DRIVES).available(at('/Volumes/GAMES 2'))
  )
})

test('a serial number that whole production runs share is said to be weak', () => {
  for (const serial of [
    '0',
    '1',
    '000000000001',
    'AAAAAAAA',
    '123456789012',
    '00000000',
    '1234567890',
    '123456789ABCDEF'.replace('9A', '90A'),
    '0123456789ABCDEF',
    'FFFF',
    'None'
  ]) {
    const base = systems.USB_STICK
    const system = {
      ...base,
      read: (path: string) => (path.endsWith('2-1/serial') ? serial : base.read(path))
    }
    const [factor] = driveKind(system).available(context(systems.USB_STICK_DEVICE))
    assert.is(factor!.strength, 'weak', serial)
  }
})

test('a title on a drive runs from that drive alone, in whatever folder', async () => {
  const device = statSync(site.folder, { bigint: true }).dev
  const numbers = deviceNumbers(device)
  const drive = (serial: string) =>
    driveKind(
      systems.recorded({
        links: { [`/sys/dev/block/${numbers}`]: '/sys/devices/x/block/sdx' },
        files: { '/sys/devices/x/block/sdx/serial': `${serial}\n` }
      })
    )
  const medium = site.path('drive')
  const copied = site.path('drive')
  const { master } = await site.press('org.drive')
  await withKind('drive', drive('A1'), async () => {
    prepare(medium, 'drive')
    await site.copy(master, medium, 'org.drive')
    await site.runs(medium, 'org.drive')
    await site.runs(clone(medium, copied), 'org.drive')
  })
  await withKind('drive', drive('B2'), async () => {
    const error = await site.refuses('COFFER_CERTIFICATE_MISMATCH', copied, 'org.drive')
    assert.match(error.message, 'this is a drive whose hardware serial number is not the same')
  })
  // A serial that cannot be read now is not one that was empty then.
  await withKind('drive', drive(''), async () => {
    await site.refuses('COFFER_CERTIFICATE_MISMATCH', medium, 'org.drive')
  })
})

// ---------------------------------------------------------------- systems

test('device numbers come apart as the kernel puts them together', () => {
  const make = (major: bigint, minor: bigint) =>
    (minor & 0xffn) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n) | ((major & ~0xfffn) << 32n)
  for (const [major, minor] of [
    [8n, 17n],
    [259n, 5n],
    [254n, 300n],
    [8n, 0xfffffn],
    [0x1234n, 0x12345n]
  ] as const)
    assert.is(deviceNumbers(make(major, minor)), `${major}:${minor}`)
})

test('a machine is known by what its system says', () => {
  assert.is(machineId(systems.MAC), '8D5F2C6E-0B1A-5C3D-9E4F-112233445566')
  assert.is(machineId(systems.WINDOWS), '5f0c1a2b-3c4d-4e5f-8a9b-0c1d2e3f4a5b')
  assert.is(machineId(systems.recorded({ files: { '/etc/machine-id': 'abc\n' } })), 'abc')
  assert.is(machineId(systems.recorded({ files: { '/var/lib/dbus/machine-id': 'def\n' } })), 'def')
  for (const platform of ['linux', 'darwin', 'win32', 'freebsd'] as const) {
    assert.is(machineId(systems.recorded({ platform })), '')
    assert.is(volumeUuid(systems.recorded({ platform }), 1n), '')
  }
})

test.run()
