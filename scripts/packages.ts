/**
 * Popular packages, unmodified, in the guest world of both engines: `npm run packages [-- <folder>] [--only <name>]`.
 *
 * They are installed, at the versions below, into a folder outside the project; each is bundled as a title's imports
 * are, started in a guest, and does a small job whose result is known. Prints a table, and ends with 1 when one fails
 * that is not expected to.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { doJob, writeJob } from './package-job.js'
import { PACKAGES } from './packages-list.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, engine: { type: 'string' } }
})
const folder = positionals[0] ?? join(tmpdir(), 'coffer-packages')
const chosen = PACKAGES.filter(({ name }) => values.only === undefined || name === values.only)
install()

const ENGINES = ['quickjs', 'ses'] as const
let failures = 0
const passed = { quickjs: 0, ses: 0 }
for (const job of chosen) {
  const { name, version, fails = [] } = job
  const app = join(folder, 'apps', name.replace('/', '-'))
  writeJob(app, job)
  const cells: string[] = []
  for (const engine of ENGINES) {
    if (values.engine !== undefined && values.engine !== engine) continue
    const startedMs = performance.now()
    const problem = await doJob(app, job, engine)
    if (problem === undefined) passed[engine]++
    else if (!fails.includes(engine)) failures++
    const how = problem === undefined ? 'ok' : fails.includes(engine) ? 'as known' : 'FAILS'
    cells.push(
      `${engine} ${how} ${Math.round(performance.now() - startedMs)} ms${problem === undefined ? '' : `: ${problem}`}`
    )
  }
  console.log(`${name}@${version}  ${cells.join('  ')}`)
}
console.log(`of ${chosen.length}: QuickJS ${passed.quickjs}, SES ${passed.ses}`)
process.exitCode = failures === 0 ? 0 : 1

function install(): void {
  mkdirSync(folder, { recursive: true })
  const dependencies = Object.fromEntries(
    PACKAGES.flatMap(({ name, version, beside = {} }) => [[name, version], ...Object.entries(beside)])
  )
  const wanted = JSON.stringify({ private: true, dependencies })
  const manifest = join(folder, 'package.json')
  if (
    existsSync(join(folder, 'node_modules')) &&
    existsSync(manifest) &&
    readFileSync(manifest, 'utf8') === wanted
  )
    return
  writeFileSync(manifest, wanted)
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const { status } = spawnSync(npm, ['install', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit']
  })
  if (status !== 0) process.exit(status ?? 1)
}
