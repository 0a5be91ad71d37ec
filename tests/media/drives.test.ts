/**
 * The seed's FIG. 2 and FIG. 7 on drives: a CD-ROM with sealed titles, USB sticks with serial numbers, and a computer that
 * has them, emulated. From the CD to the stick, run from the stick; the stick's whole image on another stick: refused.
 *
 * And a folder on a disk of that computer, which is switched off and on again: the second time the disk has another device
 * number. A copy of the whole disk beside it is another medium.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MKFS, XORRISO, missing, runMachine, type Step } from '../helpers/machine.js'
import { COFFER, HELLO, HELLO_OUTPUT, newSite } from '../helpers/site.js'

const SERIAL = '4C530001230821117365'
const OTHER_SERIAL = '4C530001230821117366'
const SHARED_SERIAL = '0123456789ABCDEF'
const DISK_SERIAL = 'WD-WX11A1'
const DRIVE_BYTES = 8 * 1024 * 1024

const INSTALL = join(process.cwd(), 'build/loader/copier/install.js')

const lacking = missing()

type Steps = ReadonlyMap<string, Step>

/** What was done before the computer was switched off, and after. */
async function onMachine(): Promise<{ before: Steps; after: Steps }> {
  const site = await newSite()
  try {
    // Both schemes on one master, as one release each of two titles.
    const master = await site.press(join(process.cwd(), 'samples/titles/hello'), 'certificate')
    await site.press(
      site.app('org.drives.converted', "export default () => console.log('converted')"),
      'conversion',
      master
    )
    const folder = site.fresh('machine')
    const [first, second] = ['first', 'second'].map(name => join(folder, name)) as [string, string]
    for (const path of [folder, first, second]) mkdirSync(path)
    const cdrom = join(folder, 'master.iso')
    execFileSync(XORRISO, ['-as', 'mkisofs', '-quiet', '-J', '-r', '-V', 'MASTER', '-o', cdrom, master], {
      stdio: 'ignore'
    })
    const image = (name: string): string => {
      const path = join(folder, `${name}.img`)
      execFileSync('truncate', ['-s', String(DRIVE_BYTES), path])
      return path
    }
    const fat = (name: string): string => {
      const path = image(name)
      execFileSync(MKFS.vfat, ['-n', name, path], { stdio: 'ignore' })
      return path
    }
    const disk = image('disk')
    execFileSync(MKFS.ext4, ['-q', '-F', disk], { stdio: 'ignore' })
    const center = site.url.replace('127.0.0.1', '10.0.2.2')
    const begin = `
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin COFFER_HOME=/media/home HOME=/media
coffer() { ${process.execPath} ${COFFER} "$@"; }
cp -r ${site.home} /media/home
`
    const script = `${begin}
mkdir /media/cd /media/a /media/b /media/c /media/d /media/copy /media/disk
# Which stick has which letter is up to the kernel.
stick() { for disk in /sys/block/sd*; do
  [ "$(cat "$(readlink -f $disk)/../../../../../../serial")" = "$1" ] && echo /dev/\${disk##*/}; done; }
a=$(stick ${SERIAL}); b=$(stick ${OTHER_SERIAL}); d=$(stick ${SHARED_SERIAL})
mount -t iso9660 -o ro /dev/sr0 /media/cd
mount -t vfat $a /media/a; mount -t vfat /dev/vda /media/c; mount -t vfat $d /media/d
mount -t ext4 /dev/vdb /media/disk
step prepare coffer prepare /media/a --kind drive --json
step devices coffer devices --json
step none coffer prepare /media/c --kind drive --json
step copy coffer copy /media/cd /media/a --title ${HELLO} --center ${center} --json
step convert coffer copy /media/cd /media/a --title org.drives.converted --center ${center} --json
step run coffer run /media/a ${HELLO}
step room ${process.execPath} -e "import('${INSTALL}').then(({ checkSpace }) => {
  for (const sizeBytes of [4294967295, 4294967296])
    try { checkSpace('/media/a', { file: { sizeBytes } }) } catch (error) { console.log(error.code) }
})"
umount /media/a; cat $a >$b; sync
mount -t vfat $a /media/a; mount -t vfat $b /media/b
cp -a /media/a/.coffer /media/copy/
step again coffer run /media/a org.drives.converted
step image coffer run /media/b ${HELLO}
step files coffer run /media/copy ${HELLO}
step folder coffer prepare /media/disk/titles --json
step folder-copy coffer copy /media/cd /media/disk/titles --title ${HELLO} --center ${center} --json
step folder-run coffer run /media/disk/titles ${HELLO}
umount /media/disk; sync
`
    const before = await runMachine(first, script, {
      cdrom,
      sticks: [
        { image: fat('COFFER'), serial: SERIAL },
        { image: image('other-stick'), serial: OTHER_SERIAL },
        { image: fat('SHARED'), serial: SHARED_SERIAL }
      ],
      disks: [{ image: fat('NONE') }, { image: disk, serial: DISK_SERIAL }]
    })
    const later = `${begin}
mkdir /media/disk /media/other
mount -t ext4 -o ro /dev/vda /media/disk
step run coffer run /media/disk/titles ${HELLO}
umount /media/disk; cat /dev/vda >/dev/vdb; sync
mount -t ext4 -o ro /dev/vdb /media/other
step other coffer run /media/other/titles ${HELLO}
`
    const after = await runMachine(second, later, {
      sticks: [],
      disks: [
        { image: disk, serial: DISK_SERIAL },
        { image: image('other-disk'), serial: 'WD-WX11A2' }
      ]
    })
    return { before, after }
  } finally {
    await site.close()
  }
}

if (lacking !== undefined) {
  test('skip: drives', () =>
    console.log(`skip: no machine was emulated: ${lacking} (scripts/drives-setup.sh)`))
} else {
  const { before, after } = await onMachine()
  const step = (name: string, steps = before): Step => {
    const found = steps.get(name)
    assert.ok(found, `step ${name} was not reached`)
    return found!
  }
  const succeeded = (name: string, steps = before): Step => {
    const found = step(name, steps)
    assert.is(found.code, 0, `${name}: ${found.stderr}${found.stdout}`)
    return found
  }
  const factorsOf = (name: string) =>
    (JSON.parse(step(name).stdout).factors as { name: string; strength: string }[]).map(
      ({ name, strength }) => `${name} ${strength}`
    )

  test('a stick with a serial number is prepared, and known by it', () => {
    succeeded('prepare')
    assert.ok(factorsOf('prepare').includes('serial hardware'))
  })

  test('FIG. 2 and FIG. 7: titles go from the CD to the stick, under both schemes, and run from it', () => {
    assert.is(JSON.parse(succeeded('copy').stdout).scheme, 'certificate')
    assert.is(JSON.parse(succeeded('convert').stdout).scheme, 'conversion')
    assert.is(succeeded('run').stdout, HELLO_OUTPUT)
    assert.is(succeeded('again').stdout, 'converted\n')
  })

  test('a title that FAT has no files for is refused as too large, also where there is no room either', () => {
    assert.is(succeeded('room').stdout, 'COFFER_DISK_FULL\nCOFFER_CANNOT_CREATE\n')
  })

  test("the stick's whole image on another stick is another medium, and so are its files elsewhere", () => {
    assert.is(step('image').code, 77)
    assert.match(
      step('image').stderr,
      /hardware serial number is not the same[^]*COFFER_CERTIFICATE_MISMATCH/
    )
    assert.is(step('files').code, 77)
    assert.is(step('image').stdout + step('files').stdout, '')
  })

  test('a disk without a serial number cannot be prepared as a drive, one with a shared number is called weak', () => {
    assert.is(step('none').code, 73)
    assert.match(step('none').stdout, 'COFFER_CANNOT_CREATE')
    const devices = JSON.parse(succeeded('devices').stdout).devices as Record<string, unknown>[]
    const told = (path: string) => devices.find(device => device['path'] === path)!
    assert.equal(
      [told('/media/a')['serial'], told('/media/a')['grade'], told('/media/a')['removable']],
      [SERIAL, 'hardware', true]
    )
    assert.equal([told('/media/a')['prepared'], told('/media/d')['prepared']], [true, false])
    assert.equal([told('/media/d')['serial'], told('/media/d')['grade']], [SHARED_SERIAL, 'weak'])
    assert.equal([told('/media/c')['serial'], told('/media/c')['grade']], ['', 'none'])
  })

  test('a folder is known by its disk, among others', () => {
    succeeded('folder')
    assert.ok(factorsOf('folder').includes('disk hardware'))
    succeeded('folder-copy')
    assert.is(succeeded('folder-run').stdout, HELLO_OUTPUT)
  })

  test('its titles run after the computer was switched off and on, also when the disk has another number', () =>
    assert.is(succeeded('run', after).stdout, HELLO_OUTPUT))

  test('they do not run from a disk that the whole of the first was written to', () => {
    const other = step('other', after)
    assert.is(other.code, 77)
    assert.match(other.stderr, /disk is not the same[^]*COFFER_CERTIFICATE_MISMATCH/)
    assert.is(other.stdout, '')
  })
}

test.run()
