/** Copying: whatever goes wrong, the medium has what it had or what it was to get. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { applyAnswer, CenterClient, listMaster, requestCopy, type Home } from '../../loader/copier/index.js'
import { authenticate } from '../../loader/authenticate.js'
import { checkSpace, type CopyEvent } from '../../loader/copier/install.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { readLicense, readTitle } from '../../loader/read.js'
import { clone } from '../helpers/clone.js'
import { closeSites, filesUnder, librarySite, release, SCHEMES, snapshot } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

const site = await librarySite()
test.after(closeSites)

const CHILD = fileURLToPath(new URL('../helpers/library-child.js', import.meta.url))
const options = { home: site.home, powers: site.powers }

// ---------------------------------------------------------------- once, again, and the next release

for (const scheme of SCHEMES) {
  test(`copying a ${scheme} title again costs nothing and changes nothing that counts`, async () => {
    const id = `org.again.${scheme}`
    const { master } = await site.press(id, { scheme })
    await site.center.desk.setTerms(id, { priceMinor: 500, currency: 'EUR' })
    const root = site.prepare()
    const first = await site.copy(master, root, id)
    assert.equal([first.chargedMinor, first.currency], [500, 'EUR'])
    const files = [...snapshot(root).keys()]
    const second = await site.copy(master, root, id)
    assert.is(second.chargedMinor, 0)
    assert.equal([...snapshot(root).keys()], files)
    await site.runs(root, id)
  })

  test(`the old release of a ${scheme} title stays until the new one is in place, and goes then`, async () => {
    const id = `org.update.${scheme}`
    const one = await site.press(id, { scheme, ...release(1) })
    const two = await site.press(id, { scheme, ...release(2) })
    const root = site.prepare()
    const paths = mediumPaths(root)
    await site.copy(one.master, root, id)
    const before = snapshot(root)
    const steps: string[] = []
    await site.copy(two.master, root, id, {
      onEvent({ step }) {
        if (steps.at(-1) !== step) steps.push(step)
        for (const [name, bytes] of before)
          assert.is(readFileSync(join(paths.folder, name)).toString('base64'), bytes, `${name} at ${step}`)
      }
    })
    assert.equal(
      steps,
      scheme === 'certificate'
        ? ['S1', 'S2', 'S3', 'S4', 'S5', 'S6', 'S7', 'verify']
        : ['S11', 'S14', 'S15', 'unwrapped', 'S16', 'verify']
    )
    assert.is(await site.running(root, id), 'release 2')
    assert.equal(readdirSync(paths.titles), [`${id}-2.title`])
    // Not back from an old master, and nothing is ordered for it; but when the person asks for it.
    const current = snapshot(root)
    const older = await rejectsWith('COFFER_DOWNGRADE', () => site.copy(one.master, root, id))
    assert.match(older.hint!, '--release 1')
    await rejectsWith('COFFER_DOWNGRADE', () => requestCopy(one.master, root, id, options))
    assert.equal(snapshot(root), current)
    clone(one.path, join(two.master, `${id}-1.title`))
    await site.copy(two.master, root, id)
    assert.is(await site.running(root, id), 'release 2')
    await site.copy(two.master, root, id, { release: 1 })
    assert.is(await site.running(root, id), 'release 1')
    assert.equal(readdirSync(paths.titles), [`${id}-1.title`])
  })
}

test('an answer that was ordered before a newer release came is applied only when the person asks for it', async () => {
  const id = 'org.update.late'
  const one = await site.press(id, release(1))
  const two = await site.press(id, release(2))
  const root = site.prepare()
  const answer = await site.center.issue(requestCopy(one.master, root, id, options).bytes)
  await site.copy(two.master, root, id)
  await rejectsWith('COFFER_DOWNGRADE', () => applyAnswer(answer, one.master, root, options))
  await rejectsWith('COFFER_DOWNGRADE', () =>
    applyAnswer(answer, one.master, root, { ...options, release: 2 })
  )
  assert.is(await site.running(root, id), 'release 2')
  await applyAnswer(answer, one.master, root, { ...options, release: 1 })
  assert.is(await site.running(root, id), 'release 1')
})

test('where there is no medium, nothing is asked about its space', async () => {
  const { master } = await site.press('org.nowhere')
  const root = site.path('nowhere')
  await rejectsWith('COFFER_MEDIUM_MISSING', () => site.copy(master, root, 'org.nowhere'))
  await rejectsWith('COFFER_MEDIUM_MISSING', () => requestCopy(master, root, 'org.nowhere', options))
  await rejectsWith('COFFER_FILE_MISSING', () => checkSpace(root, { file: { sizeBytes: 1 } }))
})

test('a medium that is pulled out while it is written is said to be gone, and takes the copy when it is back', async () => {
  if (process.platform === 'win32') return console.log('skip: no folder with open files is renamed there')
  const { master } = await site.press('org.pulled')
  for (const when of ['S2', 'S3', 'S7', 'verify'] as const) {
    const root = site.prepare()
    const away = `${root}-away`
    const pull = ({ step }: CopyEvent) => {
      if (step === when && existsSync(root)) renameSync(root, away)
    }
    const gone = await rejectsWith('COFFER_MEDIUM_MISSING', () =>
      site.copy(master, root, 'org.pulled', { onEvent: pull })
    )
    assert.is(gone.message, `The medium at ${root} is gone.`)
    rmSync(root, { recursive: true, force: true })
    renameSync(away, root)
    // It was this process that had it, which lives on.
    rmSync(join(mediumPaths(root).folder, 'lock'), { recursive: true })
    await site.copy(master, root, 'org.pulled')
    await site.runs(root, 'org.pulled')
  }
})

test('a medium that is gone before its title is read is said to be missing, not the title', async () => {
  const { root, id } = await site.copied('org.gone')
  const license = readLicense(root, id, site.home.userKeys()!.userId)
  const { grant } = authenticate(license, site.home)
  renameSync(root, `${root}-away`)
  await rejectsWith('COFFER_MEDIUM_MISSING', () => readTitle(root, grant))
  await rejectsWith('COFFER_MEDIUM_MISSING', () => readLicense(root, id))
})

test('a title changes its scheme on a medium and back, and nothing is left of the other', async () => {
  const id = 'org.update.scheme'
  const pressed = {
    certificate: await site.press(id, { scheme: 'certificate', ...release(1) }),
    conversion: await site.press(id, { scheme: 'conversion', ...release(1) })
  }
  const root = site.prepare()
  const paths = mediumPaths(root)
  await site.copy(pressed.certificate.master, root, id)
  for (const [from, to] of [
    ['certificate', 'conversion'],
    ['conversion', 'certificate'],
    ['certificate', 'certificate'],
    ['certificate', 'conversion'],
    ['conversion', 'conversion']
  ] as const) {
    await site.copy(pressed[to].master, root, id)
    assert.is(readdirSync(paths.titles).length, 1, `${from} to ${to}`)
    assert.is(await site.running(root, id), 'release 1')
  }
})

// ---------------------------------------------------------------- several on one medium

for (const scheme of SCHEMES) {
  test(`two users have one ${scheme} title on one medium, each his own license and release`, async () => {
    const id = `org.shared.${scheme}`
    const one = await site.press(id, { scheme, ...release(1) })
    const two = await site.press(id, { scheme, ...release(2) })
    const [root, other] = [site.prepare(), await site.newHome()]
    const paths = mediumPaths(root)
    const runningFor = (home: Home) => site.running(root, id, home)
    await site.copy(one.master, root, id)
    await rejectsWith('COFFER_USER_MISMATCH', () => site.launch(root, id, {}, other))
    await site.copy(one.master, root, id, { home: other })
    assert.equal([await runningFor(site.home), await runningFor(other)], ['release 1', 'release 1'])
    assert.equal(readdirSync(paths.titles).length, 1)
    await site.copy(two.master, root, id, { home: other })
    assert.equal([await runningFor(site.home), await runningFor(other)], ['release 1', 'release 2'])
    assert.equal(readdirSync(paths.titles).length, 2)
    await site.copy(two.master, root, id)
    assert.equal([await runningFor(site.home), await runningFor(other)], ['release 2', 'release 2'])
    assert.equal(readdirSync(paths.titles), [`${id}-2.title`])
    assert.is(readdirSync(paths.grants).length, 2)
    // Again, and each stays with his own.
    const before = [...snapshot(root).keys()]
    await site.copy(two.master, root, id, { home: other })
    await site.copy(two.master, root, id)
    assert.equal([...snapshot(root).keys()], before)
    // The second's grant under the first's name opens nothing for the first.
    const [mine, own] = readdirSync(paths.grants).sort((a, b) => a.length - b.length) as [string, string]
    writeFileSync(join(paths.grants, mine), readFileSync(join(paths.grants, own)))
    await rejectsWith('COFFER_USER_MISMATCH', () => site.launch(root, id))
  })
}

test('titles of two centers lie on one medium, but not two of one name', async () => {
  const other = await librarySite()
  const { master, id } = await site.press('org.of.both')
  const root = site.prepare()
  await site.copy(master, root, id)
  const both = site.home
  both.pin(await new CenterClient(other.url).roots(), other.url)
  const named = await other.press('org.of.other')
  await site.copy(named.master, root, named.id)
  await site.runs(root, id)
  await site.runs(root, named.id)
  const same = await other.press(id)
  const before = snapshot(root)
  await rejectsWith('COFFER_EXISTS', () => site.copy(same.master, root, id))
  assert.equal(snapshot(root), before)
})

// ---------------------------------------------------------------- plaintext

const hasStrace = spawnSync('strace', ['-V']).status === 0

/** Run the child under strace. Not waited for in one call: the center answers from this process. @returns Its exit code. */
async function underStrace(watching: readonly string[], args: readonly string[]): Promise<number | null> {
  const child = spawn('strace', ['-f', '-qq', ...watching, process.execPath, CHILD, ...args], {
    stdio: 'ignore'
  })
  const [status] = (await once(child, 'exit')) as [number | null]
  return status
}

test('neither copying nor running writes plaintext anywhere', async () => {
  const secret = 'plaintext-that-is-not-to-be-written'
  for (const scheme of SCHEMES) {
    const id = `org.plaintext.${scheme}`
    const now = site.clock.at
    site.clock.at = Math.floor(Date.now() / 1000)
    const { master } = await site.press(id, {
      scheme,
      source: `export const secret = '${secret}'; export default () => secret.length > 9 ? 0 : 1`,
      assets: { 'a.txt': `${secret} `.repeat(3000) }
    })
    const root = site.prepare()
    const trace = join(site.folder, 'trace')
    const watched = async (...args: string[]) => {
      const calls = 'trace=write,pwrite64,writev,pwritev,pwritev2'
      assert.is(await underStrace(['-s', '1048576', '-e', calls, '-o', trace], args), 0, args[0])
      const written = readFileSync(trace, 'latin1')
      rmSync(trace)
      assert.not.ok(written.includes(secret), `${args[0]} wrote plaintext (${scheme})`)
      return written
    }
    if (hasStrace) {
      const copied = await watched('copy', site.home.folder, master, root, id)
      assert.ok(copied.includes(String.raw`\211CFT`), 'the trace does not show the sealed title')
      await watched('run', site.home.folder, root, id)
    } else {
      await site.copy(master, root, id)
      await site.run(root, id)
    }
    for (const file of filesUnder(site.folder))
      if (!file.startsWith('app-'))
        assert.not.ok(readFileSync(join(site.folder, file)).includes(secret), `plaintext in ${file}`)
    site.clock.at = now
  }
  if (!hasStrace) console.log('skip: strace is not installed, so only files were searched')
})

// ---------------------------------------------------------------- a master that is damaged

test('a master that is damaged anywhere changes nothing on the medium', async () => {
  for (const scheme of SCHEMES) {
    const id = `org.master.${scheme}`
    const one = await site.press(id, { scheme, ...release(1) })
    const two = await site.press(id, { scheme, ...release(2) })
    const root = site.prepare()
    await site.copy(one.master, root, id)
    const before = snapshot(root)
    const whole = readFileSync(two.path)
    const [start] = [whole.length - listMaster(two.master).titles[0]!.payloadBytes]
    const places = [
      0,
      5,
      11,
      40,
      start - 1,
      start,
      start + 30,
      start + 100,
      whole.length >> 1,
      whole.length - 1
    ]
    for (const at of places) {
      const changed = Uint8Array.from(whole)
      changed[at]! ^= 1
      writeFileSync(two.path, changed)
      const error = await site.copy(two.master, root, id).then(
        () => assert.unreachable(`copied with byte ${at} changed`),
        (error: { exitCode: number; hint: string }) => error
      )
      assert.is(error!.exitCode, 65)
      assert.ok(error!.hint)
      assert.equal(snapshot(root), before, `byte ${at}`)
    }
    for (const length of [0, 100, start, whole.length - 1]) {
      writeFileSync(two.path, whole.subarray(0, length))
      const error = await site.copy(two.master, root, id).catch((error: { exitCode: number }) => error)
      assert.is((error as { exitCode: number }).exitCode, 65)
    }
    assert.equal(snapshot(root), before)
    assert.is(await site.running(root, id), 'release 1')
  }
})

test('a master names what it has, and what it cannot read', async () => {
  const { master, path } = await site.press('org.listed')
  clone(path, join(master, 'copy.title'))
  writeFileSync(join(master, 'broken.title'), 'no title')
  writeFileSync(join(master, 'notes.txt'), 'no title')
  const { titles, damaged } = listMaster(master)
  assert.equal(
    titles.map(({ id }) => id),
    ['org.listed', 'org.listed']
  )
  assert.equal(
    damaged.map(({ path, error }) => [path, error.code]),
    [[join(master, 'broken.title'), 'COFFER_RECORD_DAMAGED']]
  )
  assert.is(listMaster(path).titles.length, 1)
  const root = site.prepare()
  await rejectsWith('COFFER_RECORD_DAMAGED', () => site.copy(master, root, 'org.other'))
  rmSync(join(master, 'broken.title'))
  const missing = await rejectsWith('COFFER_TITLE_MISSING', () => site.copy(master, root, 'org.other'))
  assert.match(missing.found!, 'org.listed release 1')
  for (const nowhere of [site.path('nowhere'), join(path, 'below'), `${site.path('nowhere')}.title`]) {
    const error = await rejectsWith('COFFER_MEDIUM_MISSING', () => site.copy(nowhere, root, 'org.listed'))
    assert.ok(error.hint, nowhere)
  }
  await rejectsWith('COFFER_MEDIUM_MISSING', () => site.copy(master, site.path('nowhere'), 'org.listed'))
  await site.copy(path, root, 'org.listed')
  await site.runs(root, 'org.listed')
})

test.run()
