/** The runner of these tests, on files that do what a test should not. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const build = join(import.meta.dirname, '../..')

test('a file whose child in a group of its own holds the output fails, and the others run', () => {
  if (process.platform === 'win32') return console.log('skip: no groups of processes')
  const root = mkdtempSync(join(tmpdir(), 'coffer-runner-'))
  const tests = join(root, 'build/tests')
  mkdirSync(tests, { recursive: true })
  mkdirSync(join(root, 'build/scripts'))
  copyFileSync(join(build, 'scripts/test.js'), join(root, 'build/scripts/test.js'))
  symlinkSync(join(build, 'scripts/postgres.js'), join(root, 'build/scripts/postgres.js'))
  symlinkSync(join(build, 'tests/helpers'), join(tests, 'helpers'))
  writeFileSync(join(root, 'package.json'), '{"type":"module"}')
  const summary = "console.log('  Total: 1\\n  Passed: 1\\n  Skipped: 0\\n  Duration: 1ms')"
  writeFileSync(
    join(tests, 'holds.test.js'),
    `import { spawn } from 'node:child_process'
     const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], { detached: true, stdio: 'inherit' })
     child.unref()
     console.log('held by ' + child.pid + '.')
     ${summary}`
  )
  writeFileSync(join(tests, 'well.test.js'), summary)
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(root, 'build/scripts/test.js')], {
    encoding: 'utf8',
    timeout: 50_000
  })
  rmSync(root, { recursive: true })
  const holder = /held by (\d+)\./.exec(stdout)?.[1]
  if (holder !== undefined) process.kill(Number(holder), 'SIGKILL')
  assert.is(status, 1, stderr)
  assert.match(stdout, /FAIL tests\/holds\.test[^]*still running 5 s after its last test/)
  assert.match(stdout, /ok {3}tests\/well\.test/)
  assert.match(stdout, /\n2 passed, 1 failed\n/)
})

test.run()
