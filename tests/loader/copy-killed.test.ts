/** A copy that ends before its time, killed, interrupted or failed: the medium has what it had or what it was to get. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs, { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { copy } from '../../loader/copier/index.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { closeSites, filesUnder, librarySite, release, SCHEMES, snapshot } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'
import { Seeded } from '../helpers/seeded.js'

const site = await librarySite()
test.after(closeSites)

const CHILD = fileURLToPath(new URL('../helpers/library-child.js', import.meta.url))

/** Put back what was on a medium, whatever is there now. */
function restore(root: string, before: ReadonlyMap<string, string>): void {
  const { folder } = mediumPaths(root)
  for (const file of filesUnder(folder)) if (!before.has(file)) rmSync(join(folder, file))
  for (const [file, bytes] of before)
    if (file !== 'identity') writeFileSync(join(folder, file), Buffer.from(bytes, 'base64'))
}

/** A copy in a process of its own, killed so long after it began to work, or in the place of a rename or removal. */
async function killedCopy(
  master: string,
  root: string,
  id: string,
  { afterMs = 60_000, atCall = 0 }: { afterMs?: number; atCall?: number }
): Promise<boolean> {
  const args = ['copy', site.home.folder, master, root, id, String(atCall)]
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>
  await once(child.stdout, 'data')
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs)
  const [, signal] = await ended
  clearTimeout(timer)
  return signal === 'SIGKILL'
}

const random = new Seeded('moments of the kill')
for (const scheme of SCHEMES) {
  test(`a copy of a ${scheme} title that is killed at any moment leaves the old or the new, and repeating finishes`, async () => {
    // The processes have the clock of the machine.
    const id = `org.killed.${scheme}`
    const now = site.clock.at
    site.clock.at = Math.floor(Date.now() / 1000)
    const one = await site.press(id, { scheme, ...release(1) })
    const two = await site.press(id, { scheme, ...release(2) })
    const root = site.prepare()
    await site.copy(one.master, root, id)
    const before = snapshot(root)

    const started = performance.now()
    assert.not.ok(await killedCopy(two.master, root, id, {}), 'a copy that nobody kills ends by itself')
    const wholeMs = Math.min(performance.now() - started, 500)
    assert.is(await site.running(root, id), 'release 2')

    const seen = new Map<string, number>()
    for (let i = 0; i < 20; i++) {
      restore(root, before)
      const killed = await killedCopy(two.master, root, id, { afterMs: random.below(wholeMs) })
      const found = await site.running(root, id)
      const what = `${killed ? 'killed' : 'finished'}, ${found}`
      seen.set(what, (seen.get(what) ?? 0) + 1)
      assert.match(found, killed ? /^release [12]$/ : /^release 2$/)
      await site.copy(two.master, root, id)
      assert.is(await site.running(root, id), 'release 2')
      assert.equal(
        [...snapshot(root).keys()],
        [`grants/${id}.grant`, 'identity', 'revocations', `titles/${id}-2.title`]
      )
    }
    console.log(`${scheme}: ${[...seen].map(([what, times]) => `${what} ${times} times`).join('; ')}`)
    site.clock.at = now
  })
}

const changes = [
  ...SCHEMES.map(scheme => ({ what: `a ${scheme} title`, from: { scheme }, to: { scheme, ...release(2) } })),
  {
    what: 'a title that changes its scheme',
    from: { scheme: 'certificate' },
    to: { scheme: 'conversion', ...release(2), release: 1 }
  }
] as const
for (const [index, { what, from, to }] of changes.entries()) {
  test(`a copy of ${what} that ends at any one of its renames and removals leaves the old or the new`, async () => {
    const id = `org.ended.${index}`
    const now = site.clock.at
    site.clock.at = Math.floor(Date.now() / 1000)
    const one = await site.press(id, { ...release(1), ...from })
    const two = await site.press(id, to)
    const root = site.prepare()
    await site.copy(one.master, root, id)
    const before = snapshot(root)
    const outcomes: string[] = []
    for (let call = 1; ; call++) {
      restore(root, before)
      const killed = await killedCopy(two.master, root, id, { atCall: call })
      const found = await site.running(root, id)
      assert.match(found, /^release [12]$/)
      outcomes.push(found.slice(-1))
      await site.copy(two.master, root, id)
      assert.is(await site.running(root, id), 'release 2')
      assert.is(readdirSync(mediumPaths(root).titles).length, 1)
      if (!killed) break
      assert.ok(call < 30, 'a copy that never comes to its end')
    }
    // Old ones, then new ones: there is one moment at which it changes.
    assert.match(outcomes.join(''), /^1+2+$/)
    site.clock.at = now
  })
}

for (const scheme of SCHEMES)
  test(`a copy of a ${scheme} title is interrupted wherever it is, and the medium is as it was`, async () => {
    const { home, powers } = site
    const id = `org.interrupted.${scheme}`
    const one = await site.press(id, { scheme, ...release(1) })
    const two = await site.press(id, { scheme, ...release(2) })
    const root = site.prepare()
    await site.copy(one.master, root, id)
    const files = () => filesUnder(mediumPaths(root).folder)
    const before = files()
    const steps = scheme === 'conversion' ? ['S14', 'S15', 'S16', 'verify'] : ['S2', 'S3', 'S7', 'verify']
    for (const step of steps) {
      const controller = new AbortController()
      const onEvent = (event: { step: string }) => {
        if (event.step === step) controller.abort()
      }
      const { signal } = controller
      await rejectsWith('COFFER_INTERRUPTED', () =>
        copy(two.master, root, id, { home, powers, onEvent, signal })
      )
      assert.equal(files(), before, step)
      assert.is(await site.running(root, id), 'release 1', step)
    }
    await rejectsWith('COFFER_INTERRUPTED', () =>
      copy(two.master, root, id, { home, powers, signal: AbortSignal.abort() })
    )
    await site.copy(two.master, root, id)
    assert.is(await site.running(root, id), 'release 2')
  })

test('a large title is flushed along the way, and a medium that fails then is told of, with nothing left on it', async () => {
  const { fsync } = fs
  let calls = 0
  let failing = 0
  fs.fsync = ((descriptor: number, done: (error: Error | null) => void) => {
    if (++calls === failing) setTimeout(done, 20, Object.assign(new Error('made to fail'), { code: 'EIO' }))
    else fsync(descriptor, done)
  }) as typeof fs.fsync
  syncBuiltinESMExports()
  try {
    const id = 'org.along'
    const { master } = await site.press(id, { assets: { large: new Uint8Array(33 * 1024 * 1024) } })
    const root = site.prepare()
    for (failing = 1; failing <= 3; failing++) {
      calls = 0
      const error = await rejectsWith('COFFER_IO', () => site.copy(master, root, id))
      assert.match(error.message, /Cannot write/)
      assert.is(calls, failing, 'nothing more is written')
      assert.equal(
        filesUnder(mediumPaths(root).folder).filter(file => file !== 'identity' && file !== 'revocations'),
        []
      )
    }
    calls = 0
    await site.copy(master, root, id)
    assert.is(calls, 3, 'after 16 and 32 MiB, and at the end')
    await site.runs(root, id)
  } finally {
    fs.fsync = fsync
    syncBuiltinESMExports()
  }
})

test.run()
