/**
 * Every fault at every call that changes a medium, under the shipped program: some minutes. `npm test` does a sample.
 *
 *   npm run faults                    all of it
 *   npm run faults -- update convers  scenarios whose name has these words
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('../..', import.meta.url)))
const file = 'build/tests/loader/faults.test.js'
const { status } = spawnSync(process.execPath, ['--enable-source-maps', file, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, COFFER_FAULTS: 'all' }
})
process.exitCode = status ?? 1
