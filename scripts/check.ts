/**
 * Everything that must be green: `npm run check`, which installs and builds first where that is needed.
 *
 * One line per step with its time. It stops at the first step that fails, shows what that step said, and ends with 1.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('../..', import.meta.url)))

const MODULES = 'node_modules'
const tsc = `${MODULES}/typescript/bin/tsc`
const oxlint = `${MODULES}/oxlint/bin/oxlint`
// By contents: a checkout or a build that touches files does not make them new.
const cached = ['--cache', '--cache-strategy=content', '--cache-location=build/prettier.cache']
const prettier = [`${MODULES}/prettier/bin/prettier.cjs`, '--log-level=warn', ...cached, '.']

/** What each step is called, and what it runs with node. */
const STEPS: readonly (readonly [name: string, ...command: string[]])[] = [
  ['types', tsc, '-p', '.'],
  ['types of titles', tsc, '-p', 'samples/titles'],
  ['types of the guest', tsc, '-p', 'sandbox/guest'],
  ['declarations', 'scripts/types.mjs'],
  ['format', ...prettier, '--check'],
  ['lint', oxlint, '--deny-warnings', '.'],
  ['vectors', 'build/scripts/vectors.js', '--check'],
  ['tests', 'build/scripts/test.js']
]

const started = performance.now()
const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** @returns whether the step succeeded. The tests are watched while they run; the others speak only when they fail. */
function succeeds([name, ...command]: (typeof STEPS)[number]): boolean {
  const since = performance.now()
  const output = name === 'tests' ? 'inherit' : 'pipe'
  const { status, stdout, stderr } = spawnSync(process.execPath, command, {
    stdio: ['ignore', output, output],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024
  })
  if (status !== 0) console.log(`${stdout ?? ''}${stderr ?? ''}`)
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${name.padEnd(20)} ${seconds(since)}`)
  return status === 0
}

const failed = STEPS.find(step => !succeeds(step))
console.log(failed === undefined ? `\nall green, ${seconds(started)}` : `\nnot green: ${failed[0]}`)
process.exitCode = failed === undefined ? 0 : 1
