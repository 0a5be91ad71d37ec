/**
 * The build, in plain JavaScript because it is what makes TypeScript run.
 *
 *   build/  every source file by itself, in the shape of the tree: what tests and scripts run
 *   dist/   the bundles that are published: library entries, the two programs, the engine's files
 *
 * The engine's files (metered wasm and its boot image) take seconds to make, so they are kept until one of their
 * inputs changes.
 */
import { build } from 'esbuild'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
process.chdir(root)

/** Folders whose TypeScript becomes build/. Titles are pressed, not built, and what types promise is only compiled. */
const SOURCES = ['formats', 'sandbox', 'loader', 'center', 'samples', 'tests', 'scripts']
const SKIP = new Set(['samples/titles', 'sandbox/guest', 'tests/sandbox/types'])

function* filesUnder(folder) {
  if (!existsSync(folder) || SKIP.has(folder)) return
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) yield* filesUnder(path)
    else if (path.endsWith('.ts') && !path.endsWith('.d.ts')) yield path
  }
}

/** Remove compiled files whose source is gone, so that a deleted test cannot go on passing. */
function sweep(kept) {
  const walk = folder => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) walk(path)
      else if (path.endsWith('.js') && !kept.has(relative('build', path).replaceAll('\\', '/')))
        rmSync(path, { force: true })
    }
  }
  for (const folder of SOURCES) if (existsSync(join('build', folder))) walk(join('build', folder))
}

const sources = SOURCES.flatMap(folder => [...filesUnder(folder)])
const { outputFiles } = await build({
  platform: 'node',
  target: 'node20',
  logLevel: 'warning',
  charset: 'utf8',
  entryPoints: sources,
  outdir: 'build',
  outbase: '.',
  format: 'esm',
  sourcemap: 'inline',
  sourcesContent: false,
  write: false
})
/** In one step: a test, or another build, may be reading what is there. */
function place(path, contents) {
  if (existsSync(path) && readFileSync(path).equals(contents)) return
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.${process.pid}`, contents)
  renameSync(`${path}.${process.pid}`, path)
}
for (const { path, contents } of outputFiles) place(path, contents)
// The guest's scripts are made by the engine's step.
sweep(
  new Set([
    ...sources.map(path => path.replace(/\.ts$/, '.js')),
    'sandbox/guest-sdk.js',
    'sandbox/guest-net.js'
  ])
)

/** Packages of hundreds of files: to load those takes longer than all else that a test of the center loads. */
const MANY_FILES = ['kysely']
const packages = await build({
  platform: 'node',
  target: 'node20',
  logLevel: 'warning',
  entryPoints: Object.fromEntries(MANY_FILES.map(name => [`${name}/index`, name])),
  // Where modules of build/ find it before the package itself.
  outdir: 'build/node_modules',
  format: 'esm',
  bundle: true,
  write: false
})
for (const { path, contents } of packages.outputFiles) place(path, contents)
for (const name of MANY_FILES)
  place(
    `build/node_modules/${name}/package.json`,
    Buffer.from('{ "type": "module", "exports": "./index.js" }\n')
  )

/** Steps that live in the compiled tree; each keeps its own result while its inputs stay the same. */
for (const step of ['build/scripts/engine.js', 'build/scripts/bundle.js', 'build/scripts/cache.js']) {
  if (!existsSync(step)) continue
  const { status } = spawnSync(process.execPath, ['--enable-source-maps', step], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
