/**
 * What every command of package.json begins with: install when the tree is bare or older than package.json, then
 * build. Not a `pre` script, which npm leaves out for whoever has switched scripts off; and no package's own install
 * script is run, since none is needed.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamp = `${root}/node_modules/.package-lock.json`
const installed = existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(`${root}/package.json`).mtimeMs

/** Standard output is the command's own. */
function run(command, args, shell = false) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell })
  if (status !== 0) process.exit(status ?? 1)
}

if (!installed) {
  console.error('Installing packages (once) ...')
  // npm is a script of the shell's on Windows.
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  run('npm', ['install', ...flags], process.platform === 'win32')
}
run(process.execPath, ['scripts/build.mjs'])
