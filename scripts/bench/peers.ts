/**
 * What we are measured against. Only benchmarks need these packages, and one of them compiles for minutes, so they are
 * no dependencies of this project: they are installed once, at these versions, into the user's folder for caches.
 */
import envPaths from 'env-paths'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** The newest of each that installs on the oldest Node that we run on. */
const VERSIONS = {
  'quickjs-emscripten': '0.32.0',
  'quickjs-wasi': '3.6.2',
  // 6 wants Node 22.
  'isolated-vm': '5.0.4',
  '@sebastianwessel/quickjs': '3.1.0',
  '@jitl/quickjs-ng-wasmfile-release-sync': '0.32.0',
  ses: '2.3.0'
} as const

export type Peer = keyof typeof VERSIONS

const id = createHash('sha256').update(JSON.stringify(VERSIONS)).digest('hex').slice(0, 8)
export const PEERS_FOLDER = join(
  envPaths('coffer', { suffix: '' }).cache,
  `bench-peers-${id}-${process.versions.modules}`
)

const missing = new Map<Peer, string>()
const require = createRequire(join(PEERS_FOLDER, 'package.json'))

/** Install what is not there yet. */
export function installPeers(): void {
  const done = join(PEERS_FOLDER, 'installed')
  if (!existsSync(done)) {
    mkdirSync(PEERS_FOLDER, { recursive: true })
    writeFileSync(
      join(PEERS_FOLDER, 'package.json'),
      JSON.stringify({ private: true, allowScripts: { 'isolated-vm': true } })
    )
    for (const [name, version] of Object.entries(VERSIONS)) {
      console.error(`Installing ${name} ${version}, to measure against (once) ...`)
      npm(name === 'isolated-vm' ? [] : ['--ignore-scripts'], `${name}@${version}`)
    }
    writeFileSync(done, '')
  }
  for (const name of Object.keys(VERSIONS) as Peer[]) {
    try {
      if (name === 'isolated-vm') require(name)
      else require.resolve(`${name}/package.json`)
    } catch {
      const built = existsSync(join(PEERS_FOLDER, 'node_modules', name))
      missing.set(name, `${name} ${VERSIONS[name]} does not ${built ? 'build' : 'install'} here`)
    }
  }
}

function npm(flags: readonly string[], specifier: string): void {
  // A package that compiles needs Node's headers: those that came with this Node, where they did.
  const home = dirname(dirname(process.execPath))
  const headers = existsSync(join(home, 'include/node/node.h')) ? { npm_config_nodedir: home } : {}
  spawnSync(
    'npm',
    ['install', '--save-exact', '--no-audit', '--no-fund', '--loglevel=error', ...flags, specifier],
    {
      cwd: PEERS_FOLDER,
      stdio: ['ignore', 2, 2],
      env: { ...process.env, ...headers },
      shell: process.platform === 'win32'
    }
  )
}

/** Why there is no such peer here; undefined where there is one. */
export const lacking = (name: Peer): string | undefined => missing.get(name)

/** Import a peer, or a file of its. */
export async function importPeer(name: Peer, path = ''): Promise<any> {
  const module = (await import(pathToFileURL(require.resolve(name + path)).href)) as { default?: object }
  return module
}

export const readPeer = (name: Peer, path: string): Buffer => readFileSync(require.resolve(name + path))
