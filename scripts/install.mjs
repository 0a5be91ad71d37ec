/**
 * Runs before `npm start` and `npm test`: install when the tree is bare or older than package.json, build when
 * it is not. `npm install` runs `prepare`, which builds, so either path ends with a fresh build.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamp = `${root}/node_modules/.package-lock.json`
const installed = existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(`${root}/package.json`).mtimeMs

const [command, args] = installed
  ? [process.execPath, ['scripts/build.mjs']]
  : ['npm', ['install', '--no-audit', '--no-fund', '--loglevel=error']]
if (!installed) console.error('Installing packages (once) ...')
const { status } = spawnSync(command, args, {
  cwd: root,
  stdio: ['ignore', 2, 2],
  shell: process.platform === 'win32'
})
process.exit(status ?? 1)
