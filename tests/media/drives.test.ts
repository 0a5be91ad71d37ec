/**
 * The seed's FIG. 2 and FIG. 7 on drives: a CD-ROM with sealed titles, USB sticks with serial numbers, and a computer that
 * has them, emulated. From the CD to the stick, run from the stick; the stick's whole image on another stick: refused.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { missing, runMachine, type Step } from '../helpers/machine.js'
import { COFFER, HELLO, HELLO_OUTPUT, newSite } from '../helpers/site.js'

const SERIAL = '4C530001230821117365'
const OTHER_SERIAL = '4C530001230821117366'
const SHARED_SERIAL = '0123456789ABCDEF'
const STICK_BYTES = 8 * 1024 * 1024

const INSTALL = join(process.cwd(), 'build/loader/copier/install.js')

const lacking = missing()

async function onMachine(): Promise<ReadonlyMap<string, Step>> {
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
    mkdirSync(folder)
    const cdrom = join(folder, 'master.iso')
    execFileSync('xorriso', ['-as', 'mkisofs', '-quiet', '-J', '-r', '-V', 'MASTER', '-o', cdrom, master], {
      stdio: 'ignore'
    })
    const images = ['a', 'b', 'c', 'd'].map(name => join(folder, `${name}.img`))
    for (const image of images) execFileSync('truncate', ['-s', String(STICK_BYTES), image])
    execFileSync('/sbin/mkfs.vfat', ['-n', 'COFFER', images[0]!], { stdio: 'ignore' })
    execFileSync('/sbin/mkfs.vfat', ['-n', 'NONE', images[2]!], { stdio: 'ignore' })
    execFileSync('/sbin/mkfs.vfat', ['-n', 'SHARED', images[3]!], { stdio: 'ignore' })
    const center = site.url.replace('127.0.0.1', '10.0.2.2')
    const script = `
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin COFFER_HOME=/media/home HOME=/media
coffer() { ${process.execPath} ${COFFER} "$@"; }
mkdir /media/cd /media/a /media/b /media/c /media/d /media/copy
cp -r ${site.home} /media/home
# Which stick has which letter is up to the kernel.
stick() { for disk in /sys/block/sd*; do
  [ "$(cat "$(readlink -f $disk)/../../../../../../serial")" = "$1" ] && echo /dev/\${disk##*/}; done; }
a=$(stick ${SERIAL}); b=$(stick ${OTHER_SERIAL}); d=$(stick ${SHARED_SERIAL})
mount -t iso9660 -o ro /dev/sr0 /media/cd
mount -t vfat $a /media/a; mount -t vfat /dev/vda /media/c; mount -t vfat $d /media/d
step prepare coffer prepare /media/a --kind drive --json
step devices coffer devices --json
step none coffer prepare /media/c --kind drive --json
step copy coffer copy /media/cd /media/a --title ${HELLO} --center ${center} --json
step convert coffer copy /media/cd /media/a --title org.drives.converted --center ${center} --json
step run coffer run /media/a ${HELLO}
for bytes in 4294967295 4294967296; do
  step room-$bytes ${process.execPath} -e "import('${INSTALL}').then(({ checkSpace }) => checkSpace('/media/a', { file: { sizeBytes: $bytes } })).catch(error => console.log(error.code))"
done
umount /media/a; cat $a >$b; sync
mount -t vfat $a /media/a; mount -t vfat $b /media/b
cp -a /media/a/.coffer /media/copy/
step again coffer run /media/a org.drives.converted
step image coffer run /media/b ${HELLO}
step files coffer run /media/copy ${HELLO}
`
    return await runMachine(folder, script, {
      cdrom,
      sticks: [
        { image: images[0]!, serial: SERIAL },
        { image: images[1]!, serial: OTHER_SERIAL },
        { image: images[3]!, serial: SHARED_SERIAL }
      ],
      disks: [{ image: images[2]! }]
    })
  } finally {
    await site.close()
  }
}

if (lacking !== undefined) {
  test('skip: drives', () =>
    console.log(`skip: no machine was emulated: ${lacking} (scripts/drives-setup.sh)`))
} else {
  const steps = await onMachine()
  const step = (name: string): Step => {
    const found = steps.get(name)
    assert.ok(found, `step ${name} was not reached`)
    return found!
  }
  const succeeded = (name: string): Step => {
    assert.is(step(name).code, 0, `${name}: ${step(name).stderr}${step(name).stdout}`)
    return step(name)
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
    assert.is(succeeded('room-4294967295').stdout, 'COFFER_DISK_FULL\n')
    assert.is(succeeded('room-4294967296').stdout, 'COFFER_CANNOT_CREATE\n')
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
}

test.run()
