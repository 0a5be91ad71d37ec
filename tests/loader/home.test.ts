/** Where a person's own side is, when nothing says so. */
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { rejectsWith } from '../helpers/rejects.js'

const os = process.getBuiltinModule('node:os')
const { homedir } = os
const { COFFER_HOME, XDG_CONFIG_HOME } = process.env

test.before.each(() => {
  delete process.env['COFFER_HOME']
  delete process.env['XDG_CONFIG_HOME']
})
test.after.each(() => {
  os.homedir = homedir
  for (const [name, value] of Object.entries({ COFFER_HOME, XDG_CONFIG_HOME }))
    if (value !== undefined) process.env[name] = value
})

/** As where HOME is not set, and the person has no entry in the system's list. */
function takeHomeAway(): void {
  os.homedir = () => {
    throw Object.assign(new Error('uv_os_homedir returned ENOENT'), { code: 'ERR_SYSTEM_ERROR' })
  }
}

test('Home asks for no home folder where COFFER_HOME names one, not even while it is loaded', async () => {
  takeHomeAway()
  process.env['COFFER_HOME'] = '/somewhere'
  const { Home } = await import('../../loader/home.js')
  assert.is(new Home().folder, '/somewhere')
  assert.is(new Home('/else').folder, '/else')
})

test('Home says what to do where the system knows no home folder', async () => {
  takeHomeAway()
  const { Home } = await import('../../loader/home.js')
  const error = await rejectsWith('COFFER_FILE_MISSING', () => new Home())
  assert.match(error.hint ?? '', 'COFFER_HOME')
})

test("Home is in the platform's folder for settings", async () => {
  const { default: envPaths } = await import('env-paths')
  const { Home } = await import('../../loader/home.js')
  assert.is(new Home().folder, envPaths('coffer', { suffix: '' }).config)
  if (process.platform !== 'linux') return
  process.env['XDG_CONFIG_HOME'] = '/settings'
  assert.is(new Home().folder, join('/settings', 'coffer'))
})

test('Home is never where the program happens to be started', async () => {
  const { Home } = await import('../../loader/home.js')
  process.env['COFFER_HOME'] = ''
  process.env['XDG_CONFIG_HOME'] = 'settings'
  os.homedir = () => '/person'
  assert.match(new Home().folder, /^[/\\]person/)
  for (const folder of ['', 'person']) {
    os.homedir = () => folder
    await rejectsWith('COFFER_FILE_MISSING', () => new Home())
  }
})

test.run()
