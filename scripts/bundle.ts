/**
 * Make dist/, what is published: the library's entries and the two programs, from the compiled tree.
 *
 *   *.js, chunk-*.js          library entries (ES modules); packages stay imports
 *   coffer-program.cjs        the buyer's program, everything in one file: sixty modules start slower than one
 *   bin/coffer.cjs            starts it, with V8's code cache (scripts/cache.ts) where that fits
 *   bin/coffer-center.js      the center's program
 *   ses-child.js              what the sandbox starts in a process of its own,
 *   thread-worker.js          and in a thread
 */
import { build, type BuildOptions } from 'esbuild'
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
process.chdir(root)
mkdirSync('dist/bin', { recursive: true })

const common: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  charset: 'utf8',
  logLevel: 'warning',
  absWorkingDir: root
}

/** Chunks are named by their contents: old ones would stay for ever. */
for (const name of readdirSync('dist')) if (name.startsWith('chunk-')) rmSync(join('dist', name))

await build({
  ...common,
  entryPoints: {
    index: 'loader/index.ts',
    sandbox: 'sandbox/index.ts',
    formats: 'formats/index.ts',
    copier: 'loader/copier/index.ts',
    center: 'center/index.ts'
  },
  outdir: 'dist',
  format: 'esm',
  splitting: true,
  packages: 'external',
  chunkNames: 'chunk-[hash]'
})

/** Started by path, in a thread or process of their own; each whole, so that it starts fast. */
await build({
  ...common,
  entryPoints: { 'ses-child': 'sandbox/ses-child.ts', 'thread-worker': 'sandbox/thread-worker.ts' },
  outdir: 'dist',
  format: 'esm'
})

/** `import.meta.url` as the ES modules see it: a file in dist/. */
const HERE = "const __coffer_here = require('node:url').pathToFileURL(__filename).href;"

await build({
  ...common,
  entryPoints: ['loader/cli/bin.ts'],
  outfile: 'dist/coffer-program.cjs',
  format: 'cjs',
  // ASCII alone is read, and kept, as one byte per character.
  charset: 'ascii',
  define: { 'import.meta.url': '__coffer_here' },
  banner: { js: HERE },
  // Large, or native, and only needed by those who press.
  external: ['esbuild', '@endo/evasive-transform', '@jridgewell/trace-mapping'],
  // A script made from a code cache cannot import(); require() takes ES modules too since Node 20.19.
  supported: { 'dynamic-import': false },
  minifySyntax: true
})

await build({
  ...common,
  entryPoints: ['center/cli.ts'],
  outfile: 'dist/bin/coffer-center.js',
  format: 'esm',
  // Native: it stays the package that it is.
  external: ['@photostructure/sqlite'],
  banner: {
    // Packages of the older kind ask for Node's own modules in the older way.
    js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);"
  }
})

copyFileSync('loader/cli/start.cjs', 'dist/bin/coffer.cjs')
for (const program of ['dist/bin/coffer.cjs', 'dist/bin/coffer-center.js']) chmodSync(program, 0o755)
