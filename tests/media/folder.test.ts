/**
 * A folder on a volume of its own: what it outlives, and what makes another medium of it. The volumes are ext4 in files,
 * mounted, which takes root.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { prepare, requestCopy } from '../../loader/copier/index.js'
import { closeSites, librarySite } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

const site = await librarySite()
const mounted = new Set<string>()
test.after(async () => {
  for (const place of mounted) unmount(place)
  await closeSites()
})

const quietly = { stdio: 'ignore' } as const
const has = (tool: string): boolean => {
  try {
    execFileSync('sh', ['-c', `command -v "$0"`, tool], quietly)
    return true
  } catch {
    return false
  }
}

function mount(image: string, place = site.path('volume')): string {
  mkdirSync(place, { recursive: true })
  execFileSync('mount', ['-o', 'loop', image, place], quietly)
  mounted.add(place)
  return place
}

function unmount(place: string): void {
  execFileSync('umount', [place], quietly)
  mounted.delete(place)
}

function volume(): { image: string; place: string } | undefined {
  const image = site.path('image')
  try {
    execFileSync('truncate', ['-s', '8M', image], quietly)
    execFileSync('mkfs.ext4', ['-q', '-F', image], quietly)
    return { image, place: mount(image) }
  } catch {
    return undefined
  }
}

const made = volume()
if (made === undefined) {
  test('skip: volumes', () => console.log('skip: this user may not mount a volume'))
} else {
  const { image, place } = made
  const id = 'org.volume'
  const { master } = await site.press(id)
  const root = join(place, 'stick')
  prepare(root, 'folder', site.powers)
  await site.copy(master, root, id)

  test('a folder outlives renaming, moving within its volume, and mounting it again, elsewhere too', async () => {
    await site.runs(root, id)
    mkdirSync(join(place, 'below'))
    renameSync(root, join(place, 'below/renamed'))
    await site.runs(join(place, 'below/renamed'), id)
    renameSync(join(place, 'below/renamed'), root)
    unmount(place)
    const elsewhere = mount(image)
    await site.runs(join(elsewhere, 'stick'), id)
    unmount(elsewhere)
    mount(image, place)
    await site.runs(root, id)
  })

  test('copies of its files do not run, on the same volume or on another', async () => {
    const other = volume()!
    const ways: Record<string, (to: string) => void> = {
      'cp -a': to => execFileSync('cp', ['-a', root, to]),
      tar: to => {
        mkdirSync(to)
        execFileSync('sh', ['-c', 'tar -C "$0" -cf - . | tar -C "$1" -xpf -', root, to])
      },
      ...(has('rsync') && { 'rsync -a': (to: string) => execFileSync('rsync', ['-a', `${root}/`, to]) })
    }
    if (!has('rsync')) console.log('skip: rsync is not installed')
    for (const [how, copy] of Object.entries(ways))
      for (const folder of [place, other.place]) {
        const to = join(folder, 'copy')
        copy(to)
        const error = await site.refuses('COFFER_CERTIFICATE_MISMATCH', to, id)
        assert.match(error.message, /not the same|another medium/, how)
        rmSync(to, { recursive: true })
      }
    // Where it was, nothing has changed.
    await site.runs(root, id)
  })

  test('a title that there is no room for is not ordered, by the network or by files', async () => {
    const large = await site.press('org.large', { assets: { data: new Uint8Array(8 * 1024 * 1024) } })
    const before = await site.center.desk.grants()
    const options = { home: site.home, powers: site.powers }
    const full = await rejectsWith('COFFER_DISK_FULL', () => site.copy(large.master, root, large.id))
    for (const said of [full.expected!, full.found!])
      assert.match(said, /^(?:[\d.]+ [KMG]iB|\d+ bytes?) free$/)
    await rejectsWith('COFFER_DISK_FULL', () => requestCopy(large.master, root, large.id, options))
    assert.equal(await site.center.desk.grants(), before)
    await site.runs(root, id)
  })

  test("the volume's image on another disk does not run, though all that is in it is the same", async () => {
    unmount(place)
    const copy = site.path('image')
    copyFileSync(image, copy)
    const elsewhere = mount(copy)
    const error = await site.refuses('COFFER_CERTIFICATE_MISMATCH', join(elsewhere, 'stick'), id)
    assert.match(error.message, 'whose disk is not the same')
    unmount(elsewhere)
    mount(image, place)
    await site.runs(root, id)
  })

  test('the image written back to the same disk runs: this is what no fact of a folder tells', async () => {
    unmount(place)
    const kept = site.path('image')
    copyFileSync(image, kept)
    execFileSync('dd', [`if=${kept}`, `of=${image}`, 'bs=1M', 'conv=notrunc'], quietly)
    mount(image, place)
    await site.runs(root, id)
  })

  test('a volume that is gone while a title runs is an error, and what was saved is there again with it', async () => {
    const saving = await site.press('org.volume.saves', {
      source: `import { read, write } from 'coffer:save'
        export { read, write }
        export default () => 0`,
      fields: { permissions: ['save'] }
    })
    const stick = join(place, 'saving')
    prepare(stick, 'folder', site.powers)
    await site.copy(saving.master, stick, saving.id)
    const save = { capabilities: { save: true } } as const
    {
      await using guest = await site.launch(stick, saving.id, save)
      await guest.call('write', 'slot', new Uint8Array([1]))
      // Lazily: the title's own file is open, so the device stays; its name is gone, as with a pulled plug.
      execFileSync('umount', ['-l', place], quietly)
      mounted.delete(place)
      const failed = await guest.call('write', 'slot', new Uint8Array([2])).then(
        () => undefined,
        (error: Error) => error
      )
      assert.instance(failed, Error)
      assert.match(failed!.message, 'the medium is gone')
    }
    await site.refuses('COFFER_MEDIUM_MISSING', stick, saving.id)
    mount(image, place)
    await using guest = await site.launch(stick, saving.id, save)
    assert.equal(await guest.call('read', 'slot'), new Uint8Array([1]))
  })
}

test.run()
