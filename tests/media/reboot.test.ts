/**
 * A folder on the disk of a computer that is switched off and on again, emulated: the second time under another device
 * number. A copy of the whole disk beside it is another medium.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { missing, runMachine, type Step } from '../helpers/machine.js'
import { COFFER, HELLO, HELLO_OUTPUT, newSite } from '../helpers/site.js'

const DISK_BYTES = 8 * 1024 * 1024
const lacking = missing()

/** What was done before the computer was switched off, and after. */
async function onMachine(): Promise<{ before: ReadonlyMap<string, Step>; after: ReadonlyMap<string, Step> }> {
  const site = await newSite()
  try {
    const master = await site.press(join(process.cwd(), 'samples/titles/hello'), 'certificate')
    const folder = site.fresh('machine')
    const [first, second] = ['first', 'second'].map(name => join(folder, name)) as [string, string]
    for (const path of [folder, first, second]) mkdirSync(path)
    const [disk, other, blank] = ['disk', 'other', 'blank'].map(name => join(folder, `${name}.img`)) as [
      string,
      string,
      string
    ]
    for (const image of [disk, other, blank]) execFileSync('truncate', ['-s', String(DISK_BYTES), image])
    execFileSync('/sbin/mkfs.ext4', ['-q', '-F', disk], { stdio: 'ignore' })
    const center = site.url.replace('127.0.0.1', '10.0.2.2')
    const begin = `
set -e
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin COFFER_HOME=/media/home HOME=/media
coffer() { ${process.execPath} ${COFFER} "$@"; }
mkdir /media/disk /media/other
cp -r ${site.home} /media/home
`
    const before = await runMachine(
      first,
      `${begin}
mount -t ext4 /dev/vda /media/disk
step prepare coffer prepare /media/disk/titles --json
step copy coffer copy ${master} /media/disk/titles --title ${HELLO} --center ${center} --json
step run coffer run /media/disk/titles ${HELLO}
umount /media/disk; sync
`,
      { sticks: [], disks: [{ image: disk, serial: 'WD-WX11A1' }] }
    )
    const after = await runMachine(
      second,
      `${begin}
mount -t ext4 -o ro /dev/vdb /media/disk
step run coffer run /media/disk/titles ${HELLO}
umount /media/disk; cat /dev/vdb >/dev/vdc; sync
mount -t ext4 -o ro /dev/vdc /media/other
step other coffer run /media/other/titles ${HELLO}
`,
      {
        sticks: [],
        disks: [{ image: blank }, { image: disk, serial: 'WD-WX11A1' }, { image: other, serial: 'WD-WX11A2' }]
      }
    )
    return { before, after }
  } finally {
    await site.close()
  }
}

if (lacking !== undefined) {
  test('skip: reboot', () =>
    console.log(`skip: no machine was emulated: ${lacking} (scripts/drives-setup.sh)`))
} else {
  const { before, after } = await onMachine()
  const runs = (steps: ReadonlyMap<string, Step>) => {
    const run = steps.get('run')
    assert.is(run?.stdout, HELLO_OUTPUT, run?.stderr)
    assert.is(run?.code, 0)
  }

  test('a folder is known by its disk, among others', () => {
    const prepared = before.get('prepare')!
    assert.is(prepared.code, 0, prepared.stderr + prepared.stdout)
    const factors = JSON.parse(prepared.stdout).factors as { name: string; strength: string }[]
    assert.ok(factors.some(({ name, strength }) => name === 'disk' && strength === 'hardware'))
    assert.is(before.get('copy')!.code, 0, before.get('copy')!.stdout)
    runs(before)
  })

  test('its titles run after the computer was switched off and on, also when the disk has another number', () =>
    runs(after))

  test('they do not run from a disk that the whole of the first was written to', () => {
    const other = after.get('other')!
    assert.is(other.code, 77)
    assert.match(other.stderr, /disk is not the same[^]*COFFER_CERTIFICATE_MISMATCH/)
    assert.is(other.stdout, '')
  })
}

test.run()
