/**
 * Build and tests on the releases of Node that came after the one that this project is made on.
 *
 *   npm run nodes                       22, 24 and 26
 *   npm run nodes -- 20.19.0 26 media   these, and the test files whose path contains one of the words
 *
 * Each release comes as an npm package, the newest of its number, into a temporary folder; there the tree is copied too,
 * and built anew by each. A closing line per release says what became of it.
 */
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const RELEASES = ['22', '24', '26']
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PATH = process.env['PATH']!

const isRelease = (word: string) => /^\d+(\.\d+)*$/.test(word)
const releases = process.argv.slice(2).filter(isRelease)
const words = process.argv.slice(2).filter(word => !isRelease(word))

const folder = mkdtempSync(join(tmpdir(), 'coffer-nodes-'))
const tree = join(folder, 'coffer')
try {
  copyTree()
  const lines: string[] = []
  for (const release of releases.length > 0 ? releases : RELEASES) lines.push(await tryOn(release))
  console.log(`\n${lines.join('\n')}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** With the packages that are installed; what was built was built by another Node. */
function copyTree(): void {
  for (const name of readdirSync(ROOT)) {
    if (name === 'build' || name === 'dist') continue
    cpSync(join(ROOT, name), join(tree, name), {
      recursive: true,
      preserveTimestamps: true,
      verbatimSymlinks: true
    })
  }
}

/** @returns Its closing line: the version, and how many tests passed, or what went wrong before. */
async function tryOn(release: string): Promise<string> {
  const node = install(release)
  if (node === undefined) return failed(release, 'cannot be installed')
  // What the tests start finds it too.
  process.env['PATH'] = `${dirname(node)}${delimiter}${PATH}`
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
  console.log(`\nNode ${version}`)
  for (const name of ['build', 'dist']) rmSync(join(tree, name), { recursive: true, force: true })
  if ((await run(node, ['scripts/build.mjs'])).status !== 0) return failed(version, 'does not build')
  const { status, last } = await run(node, ['build/scripts/test.js', ...words])
  return status === 0 ? `${version}: ${last}` : failed(version, last)
}

/** @returns Its program. */
function install(release: string): string | undefined {
  const onWindows = process.platform === 'win32'
  const name = `node-${onWindows ? 'win' : process.platform}-${process.arch}`
  const prefix = join(folder, release)
  const flags = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const words = ['install', `--prefix=${prefix}`, ...flags, `${name}@${release}`]
  // npm is a script of the shell's on Windows.
  const { status } = spawnSync('npm', words, { stdio: ['ignore', 2, 2], shell: onWindows })
  return status === 0 ? join(prefix, 'node_modules', name, 'bin', onWindows ? 'node.exe' : 'node') : undefined
}

/** Show what it says as it comes. @returns What it said last. */
function run(node: string, args: readonly string[]): Promise<{ status: number | null; last: string }> {
  return new Promise((resolve, reject) => {
    let output = ''
    const child = spawn(node, args, { cwd: tree, stdio: ['ignore', 'pipe', 'inherit'] })
    child.stdout.on('data', (chunk: Buffer) => {
      process.stdout.write(chunk)
      output = (output + chunk.toString('utf8')).slice(-1000)
    })
    child.on('error', reject)
    child.on('close', status => resolve({ status, last: output.trim().split('\n').at(-1)! }))
  })
}

function failed(release: string, why: string): string {
  process.exitCode = 1
  return `${release}: ${why}`
}
