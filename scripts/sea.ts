/**
 * `coffer` as one executable, for people without Node: this very Node with the program in it (a single executable
 * application). It fits the system and processor that it is made on.
 *
 *   npm run sea               build/coffer-linux-x64, or what this machine is
 *
 * All of coffer but pressing: that needs esbuild, which is a program of its own. On macOS the executable is signed for
 * this machine alone; who ships it signs it as its maker.
 */
import { build, type BuildOptions } from 'esbuild'
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { EMBEDDED, notPressing, PROCESSES, resources, ROOT, THREADS, WITH_SES } from './one-file.js'

/** What Node looks for in itself: half of the text, so that this file is not taken for it. */
const FUSE = ['NODE_SEA_FUSE', 'fce680ab2cc467b6e072b8b5df1996b2'].join('_')
const ON_MAC = process.platform === 'darwin'

process.chdir(ROOT)
const folder = 'build/sea'
const target = `build/coffer-${process.platform}-${process.arch}${process.platform === 'win32' ? '.exe' : ''}`
mkdirSync(folder, { recursive: true })

const common: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  charset: 'ascii',
  logLevel: 'warning',
  logOverride: { 'import-is-undefined': 'silent' },
  absWorkingDir: ROOT,
  ...WITH_SES,
  plugins: [resources(fromAssets), notPressing()]
}

/** A thread starts from the text of its own module. */
const threads = Object.entries(THREADS).map(([name, path]) => ({ in: path, out: name.replace(/\.cjs$/, '') }))
await build({
  ...common,
  entryPoints: threads,
  outdir: folder,
  outExtension: { '.js': '.cjs' },
  format: 'esm'
})

/** The program and, since a process of its own is this executable again, what starts in one. */
await build({
  ...common,
  stdin: {
    contents: `
      process.argv[1] = process.execPath
      ${Object.entries(PROCESSES)
        .map(([name, path]) => `if (process.argv[2] === '--coffer-part=${name}') require('./${path}'); else`)
        .join('\n')}
      require('./loader/cli/bin.ts')`,
    resolveDir: ROOT,
    sourcefile: 'coffer.js',
    loader: 'js'
  },
  outfile: `${folder}/coffer.cjs`,
  format: 'cjs',
  define: { 'import.meta.url': '__coffer_here', 'import.meta.dirname': '__dirname' },
  // Modules are strict, as SES insists that it be.
  banner: {
    js: "'use strict';const __coffer_here = require('node:url').pathToFileURL(process.execPath).href;"
  },
  // Nothing can be imported into an executable; all that import() asks for is inside.
  supported: { 'dynamic-import': false }
})

const parts = Object.keys(THREADS).map(name => [name, `${folder}/${name}`])
const files = [...EMBEDDED, 'coffer.mjs'].map(name => [name, `dist/${name}`])
const config = {
  main: `${folder}/coffer.cjs`,
  output: `${folder}/coffer.blob`,
  disableExperimentalSEAWarning: true,
  useCodeCache: true,
  assets: Object.fromEntries([...parts, ...files])
}
writeFileSync(`${folder}/config.json`, JSON.stringify(config))
execFileSync(process.execPath, ['--experimental-sea-config', `${folder}/config.json`], { stdio: 'pipe' })

const made = join(folder, 'coffer')
rmSync(made, { force: true })
copyFileSync(process.execPath, made)
chmodSync(made, 0o755)
if (ON_MAC) execFileSync('codesign', ['--remove-signature', made])
const words = [made, 'NODE_SEA_BLOB', config.output, '--sentinel-fuse', FUSE]
if (ON_MAC) words.push('--macho-segment-name', 'NODE_SEA')
execFileSync(process.execPath, [createRequire(import.meta.url).resolve('postject/dist/cli.js'), ...words], {
  // It warns of sections without a name that Node's own build has.
  stdio: 'pipe'
})
if (ON_MAC) execFileSync('codesign', ['--sign', '-', made])
renameSync(made, target)
console.log(`${target}  ${(statSync(target).size / 1e6).toFixed(1)} MB, of Node ${process.version}`)

/** sandbox/resources.ts, with the files as assets of the executable. */
function fromAssets(): string {
  return `
    import { getAsset } from 'node:sea'
    export const resource = name => new URL('file:///no-such-file/' + name)
    export const readResource = name => new Uint8Array(getAsset(name))
    export const threadStart = name => ({
      url: new URL('data:text/javascript;base64,' + Buffer.from(getAsset(name)).toString('base64')),
      argv: []
    })
    export const processStart = (name, flags) => ({
      // An executable takes no flags of Node but by this.
      words: ['--coffer-part=' + name],
      env: { NODE_OPTIONS: flags.join(' ') }
    })`
}
