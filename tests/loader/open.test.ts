/** What an app hands to the library, and what it is told where that is wrong. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  applyAnswer,
  copy,
  exportSaves,
  Home,
  importSaves,
  listMaster,
  prepare,
  press,
  renewTitle,
  requestCopy,
  returnTitle,
  transferTitle
} from '../../loader/copier/index.js'
import { openMedium } from '../../loader/open.js'
import { rejectsWith } from '../helpers/rejects.js'

const root = mkdtempSync(join(tmpdir(), 'coffer-open-'))
test.after(() => rmSync(root, { recursive: true, force: true }))
prepare(root)
const ID = 'org.example.hello'
/** As a caller whom no types hold back. */
const untyped = openMedium as unknown as (...args: unknown[]) => Promise<any>

test('openMedium() without a folder, or with an option that there is not', async () => {
  for (const args of [[], [undefined], [''], [7]]) {
    const { message } = await rejectsWith('COFFER_USAGE', () => untyped(...args))
    assert.match(message, 'openMedium() needs the folder of a medium')
  }
  const { message, hint } = await rejectsWith('COFFER_USAGE', () => untyped(root, { hoem: root }))
  assert.is(message, 'openMedium() has no option "hoem".')
  assert.match(hint!, 'Did you mean "home"?')
})

test('launch(), pool() and verify() without an id', async () => {
  const medium = await untyped(root)
  for (const name of ['launch', 'pool', 'verify'])
    for (const id of [undefined, '', 7, null]) {
      const { message } = await rejectsWith('COFFER_USAGE', () => medium[name](id, { size: 1 }))
      assert.is(message, `${name}() needs the id of a title.`)
    }
})

test('an option that there is not is refused with the one that was meant; those that there are pass', async () => {
  const medium = await untyped(root)
  for (const [name, options, near] of [
    ['launch', { limit: 3 }, 'limits'],
    ['pool', { size: 1, awoke: 3 }, 'awake'],
    ['verify', { signl: undefined }, 'signal']
  ] as const) {
    const { hint } = await rejectsWith('COFFER_USAGE', () => medium[name](ID, options))
    assert.match(hint!, `Did you mean "${near}"?`)
  }
  const options = { engine: 'ses', limits: {}, capabilities: {}, args: [], images: false, seed: 1 }
  await rejectsWith('COFFER_TITLE_MISSING', () => medium.launch(ID, options))
  await rejectsWith('COFFER_TITLE_MISSING', () => medium.launch(ID))
})

test('what is no object of options is refused; a home is a folder, or the Home that the copier takes', async () => {
  const medium = await untyped(root, { home: new Home(root) })
  assert.is(medium.mediumId, (await untyped(root, { home: root })).mediumId)
  await rejectsWith('COFFER_USAGE', () => untyped(root, null))
  for (const [name, options] of [
    ['launch', null],
    ['launch', 'inline'],
    ['verify', null],
    ['pool', undefined]
  ] as const) {
    const { message } = await rejectsWith('COFFER_USAGE', () => medium[name](ID, options))
    assert.is(message, `${name}() takes options as an object.`)
  }
})

test('the copier refuses what it cannot mean: an agreement that is misspelt would be none', async () => {
  const home = new Home(root)
  const calls: readonly [(...args: never[]) => unknown, readonly unknown[], string, string][] = [
    [copy, ['master', root, ID], 'agrees', 'agree'],
    [requestCopy, ['master', root, ID], 'biind', 'bind'],
    [applyAnswer, [new Uint8Array(3), 'master', root], 'releas', 'release'],
    [renewTitle, [root, ID], 'agreee', 'agree'],
    [returnTitle, [root, ID], 'centerurl', 'centerUrl'],
    [transferTitle, [root, ID, root], 'masters', 'master'],
    [press, ['app'], 'shceme', 'scheme'],
    [exportSaves, [root, ID, 'file'], 'onevent', 'onEvent'],
    [importSaves, ['file', root], 'replcae', 'replace']
  ]
  for (const [called, words, wrong, near] of calls) {
    const { name } = called
    const call = called as (...args: unknown[]) => unknown
    const { hint } = await rejectsWith('COFFER_USAGE', () => call(...words, { home, [wrong]: true }))
    assert.match(hint!, `Did you mean "${near}"?`)
    for (const options of [undefined, null, {}, { home: root }])
      await rejectsWith('COFFER_USAGE', () => call(...words, options))
    for (const [n, word] of words.entries()) {
      if (typeof word !== 'string') continue
      const { message } = await rejectsWith('COFFER_USAGE', () =>
        call(...words.map((one, i) => (i === n ? undefined : one)), { home })
      )
      assert.match(message, `${name}() needs `)
    }
  }
  for (const call of [prepare, listMaster])
    await rejectsWith('COFFER_USAGE', () => (call as (path: unknown) => unknown)(undefined))
})

test.run()
