/** One writer at a time: whoever dies holds nothing, and of many who come at once one gets it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hex } from '../../formats/bytes.js'
import { lockFolders, takeLock } from '../../loader/lock.js'
import { mediumPaths } from '../../loader/medium/layout.js'
import { measureMedium } from '../../loader/medium/measure.js'
import { closeSites, librarySite } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

const site = await librarySite()
test.after(closeSites)

const CHILD = fileURLToPath(new URL('../helpers/lock-child.js', import.meta.url))

const child = (...args: readonly string[]): ChildProcess =>
  spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })

async function output(process: ChildProcess): Promise<string> {
  let text = ''
  process.stdout!.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(process, 'close')
  return text
}

/** The name of a lock that a process took and was killed with. */
async function deadLock(root: string): Promise<string> {
  const holder = child('hold', root)
  await once(holder.stdout!, 'data')
  holder.kill('SIGKILL')
  await once(holder, 'close')
  return readdirSync(join(mediumPaths(root).folder, 'lock'))[0]!
}

test('a medium has one writer, and the next when that is done', async () => {
  const paths = mediumPaths(site.prepare())
  const lock = join(paths.folder, 'lock')
  {
    using _held = lockFolders(paths)
    const error = await rejectsWith('COFFER_BUSY', () => lockFolders(paths))
    assert.is(error.found, `process ${process.pid}`)
    assert.ok(existsSync(lock))
  }
  assert.not.ok(existsSync(lock))
  assert.equal(readdirSync(paths.folder).sort(), ['grants', 'identity', 'titles'])
})

test('the lock of a live process stays, that of one that was killed is taken over at once', async () => {
  const root = site.prepare()
  const paths = mediumPaths(root)
  const holder = child('hold', root)
  await once(holder.stdout!, 'data')
  const error = await rejectsWith('COFFER_BUSY', () => lockFolders(paths))
  assert.is(error.found, `process ${holder.pid}`)
  assert.ok(error.hint)
  holder.kill('SIGKILL')
  await once(holder, 'close')
  lockFolders(paths)[Symbol.dispose]()
  assert.not.ok(existsSync(join(paths.folder, 'lock')))
})

test('a lock of another machine, of an earlier start, of a process number given away, or of nobody does not bind', async () => {
  const root = site.prepare()
  const paths = mediumPaths(root)
  const lock = join(paths.folder, 'lock')
  {
    using _held = lockFolders(paths)
    const [, started, machine] = readdirSync(lock)[0]!.split('-') as [string, string, string]
    if (started !== '') assert.match(started, /^[0-9]+$/)
    rmSync(lock, { recursive: true })
    for (const name of [
      `${process.pid}-${started}-0123456789abcdef-00000000`,
      ...(started === '' ? [] : [`${process.pid}-1-${machine}-00000000`]),
      `999999999-${started}-${machine}-00000000`,
      'noise',
      '{"host":"h","pid":1}'
    ]) {
      mkdirSync(lock)
      writeFileSync(join(lock, name), '')
      lockFolders(paths)[Symbol.dispose]()
      assert.not.ok(existsSync(lock), name)
    }
  }
  mkdirSync(lock)
  lockFolders(paths)[Symbol.dispose]()
  writeFileSync(lock, 'a file')
  lockFolders(paths)[Symbol.dispose]()
  const elsewhere = site.path('elsewhere')
  mkdirSync(elsewhere)
  writeFileSync(join(elsewhere, 'kept'), '')
  symlinkSync(elsewhere, lock)
  lockFolders(paths)[Symbol.dispose]()
  assert.equal(readdirSync(elsewhere), ['kept'])
})

test('whoever removes a dead lock too late does not remove the one that was taken since', async () => {
  const root = site.prepare()
  const paths = mediumPaths(root)
  const dead = await deadLock(root)
  using _ours = lockFolders(paths)
  // What a slower taker does with the name that it read before.
  const lock = join(paths.folder, 'lock')
  rmSync(join(lock, dead), { force: true })
  await rejectsWith('COFFER_BUSY', () => lockFolders(paths))
  assert.is(readdirSync(lock).length, 1)
})

test('of many processes that take a lock, dead ones among them, never two have it', async () => {
  const root = site.prepare()
  await deadLock(root)
  const hammers = ['a', 'b', 'c', 'd'].map(() => output(child('hammer', root, '150')))
  // And some that are killed wherever they are.
  for (let i = 0; i < 6; i++) {
    const killed = child('hammer', root, '1000000')
    await new Promise(resolve => setTimeout(resolve, 90 + 7 * i))
    killed.kill('SIGKILL')
    await once(killed, 'close')
  }
  for (const hammer of hammers) assert.is(await hammer, 'done')
})

test('a writer that may wait does so, and no longer than it said', async () => {
  const lock = join(site.prepare(), 'lock')
  const held = takeLock(lock, 'waiting')
  const error = await rejectsWith('COFFER_BUSY', () => takeLock(lock, 'waiting', 50))
  assert.match(error.message, 'Another program is waiting')
  held[Symbol.dispose]()
  takeLock(lock, 'waiting', 50)[Symbol.dispose]()
})

test('of many who prepare one folder at once, one does, and its identity stays', async () => {
  const root = site.path('prepared')
  const outcomes = await Promise.all(Array.from({ length: 5 }, () => output(child('prepare', root))))
  const made = outcomes.filter(text => /^[0-9a-f]{64}$/.test(text))
  assert.is(made.length, 1, outcomes.join(', '))
  assert.equal(
    outcomes.filter(text => text !== made[0]),
    Array.from({ length: 4 }, () => 'COFFER_EXISTS')
  )
  assert.is(hex(measureMedium(root).mediumId), made[0])
})

test('lockFolders() refuses a link in place of a folder of the medium, and writes nothing through it', async () => {
  const root = site.prepare()
  const paths = mediumPaths(root)
  const elsewhere = site.path('linked')
  mkdirSync(elsewhere)
  rmSync(paths.grants, { recursive: true })
  symlinkSync(elsewhere, paths.grants)
  await rejectsWith('COFFER_RECORD_DAMAGED', () => lockFolders(paths))
  assert.equal(readdirSync(elsewhere), [])
})

test.run()
