/**
 * Make dist/, what is published: the library's entries and the two programs, from the compiled tree.
 *
 *   *.js, chunk-*.js          library entries (ES modules); packages stay imports
 *   coffer-program.cjs        the buyer's program, everything in one file: sixty modules start slower than one
 *   coffer-run.cjs            the same for `coffer run` alone: half of it starts faster than the whole
 *   coffer-center.cjs         the center's program
 *   bin/*.cjs                 start them, with V8's code cache (scripts/cache.ts) where that fits
 *   coffer.mjs                the buyer's program again, engines and all in this one file: what a medium can carry
 *   thread-worker.cjs         what the sandbox starts in a thread,
 *   ses-child.cjs             and in a process of its own,
 *   ses-child-program.cjs     all of which is here; a thread in it is
 *   ses-watchdog.cjs
 *   payload-thread.cjs        a thread that helps with large payloads
 *   aside-thread.js           a thread that drafts orders, of a center that sells much
 *   keep-code.js              keeps what V8 compiles at a start, for the next ones
 *   licenses.txt              of the packages whose code is inside these files
 *
 * What went into each file stands in build/bundles.json, for tests/house/bundle.test.ts.
 */
import { build, type BuildOptions, type Metafile, type OutputFile } from 'esbuild'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import {
  EMBEDDED,
  notPressing,
  PRESSING,
  PROCESSES,
  resources,
  ROOT as root,
  THREADS,
  WITH_SES
} from './one-file.js'
import { write } from './write.js'

process.chdir(root)
mkdirSync('dist/bin', { recursive: true })

interface Program {
  readonly entry: string
  readonly external: string[]
  readonly names: BuildOptions
}
/** Native, or loaded by those alone who use it: they stay the packages that they are. */
const DATABASES = ['@photostructure/sqlite', 'pg']

/** Started with a code cache: what a person types by scripts/start.cjs, a SES guest's process by sandbox/ses/start.cjs. */
const PROGRAMS: Record<string, Program> = {
  'coffer-program': { entry: 'loader/cli/bin.ts', external: PRESSING, names: { minify: true } },
  'coffer-run': { entry: 'loader/cli/bin-run.ts', external: PRESSING, names: { minify: true } },
  'coffer-center': {
    entry: 'center/cli/bin.ts',
    external: [...DATABASES, 'nodemailer', 'stripe'],
    names: { minify: true }
  },
  'ses-child-program': {
    entry: 'sandbox/ses-child.ts',
    external: [],
    names: WITH_SES
  }
}
const outputs: Metafile['outputs'] = {}

/** Bundle in memory, then write each file in one step, those first that others import. */
async function bundle(options: BuildOptions): Promise<void> {
  const { outputFiles, metafile } = await build({
    bundle: true,
    platform: 'node',
    target: 'node20',
    charset: 'utf8',
    logLevel: 'warning',
    absWorkingDir: root,
    write: false,
    metafile: true,
    ...options
  })
  const pathOf = (file: OutputFile) => relative(root, file.path).replaceAll('\\', '/')
  const isEntry = (file: OutputFile) => metafile!.outputs[pathOf(file)]!.entryPoint !== undefined
  for (const file of [...outputFiles!].sort((a, b) => Number(isEntry(a)) - Number(isEntry(b)))) {
    const path = pathOf(file)
    if (existsSync(path) && readFileSync(path).equals(file.contents)) continue
    // V8 tells a cache's program by its length alone: what was made for an older one must be gone before.
    const [, program = ''] = /^dist\/(.*)\.cjs$/.exec(path) ?? []
    if (program in PROGRAMS)
      for (const folder of ['dist', 'build/sandbox'])
        for (const name of readdirSync(folder))
          if (name.startsWith(`${program}.`) && name.endsWith('.cache')) rmSync(`${folder}/${name}`)
    write(path, file.contents)
  }
  Object.assign(outputs, metafile!.outputs)
}

await bundle({
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

/** Started by path, in a thread of their own; each whole, and no ES module, so that it starts fast. */
for (const [name, path] of Object.entries(THREADS))
  await bundle({
    entryPoints: [path],
    outfile: `dist/${name}`,
    format: 'cjs',
    define: { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' }
  })
await bundle({ entryPoints: { 'keep-code': 'sandbox/keep-code.ts' }, outdir: 'dist', format: 'esm' })
await bundle({
  entryPoints: { 'aside-thread': 'center/orders/aside-thread.ts' },
  outdir: 'dist',
  format: 'esm',
  external: DATABASES
})

for (const [name, { entry, external, names }] of Object.entries(PROGRAMS)) {
  await bundle({
    entryPoints: [entry],
    outfile: `dist/${name}.cjs`,
    format: 'cjs',
    // ASCII alone is read, and kept, as one byte per character.
    charset: 'ascii',
    define: { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' },
    // As Node itself would wrap it; to do so at each start would copy the text twice. Strict, as its modules are.
    banner: { js: "(function (exports, require, module, __filename, __dirname) {'use strict';" },
    footer: { js: '})' },
    external,
    // A script made from a code cache cannot import(); require() takes ES modules too since Node 20.19.
    supported: { 'dynamic-import': false },
    ...names
  })
  // Tagged templates are left as they are.
  const [other] = /[^\0-\x7f].*/.exec(readFileSync(`dist/${name}.cjs`, 'utf8')) ?? []
  if (other !== undefined) throw new Error(`dist/${name}.cjs is not ASCII: ${other.slice(0, 60)}`)
}

/** Packages of the older kind ask for Node's own modules in the older way. */
const REQUIRE =
  "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);"

await bundle({
  stdin: {
    contents: `
      const word = process.argv[2] ?? ''
      const part = /^--coffer-part=(.*)$/.exec(word)?.[1] ?? ''
      ${Object.entries({ ...THREADS, ...PROCESSES })
        .map(([name, path]) => `if (part === '${name}') await import('./${path}'); else`)
        .join('\n')}
      await import('./loader/cli/bin.ts')`,
    resolveDir: root,
    sourcefile: 'coffer.mjs',
    loader: 'js'
  },
  outfile: 'dist/coffer.mjs',
  format: 'esm',
  ...WITH_SES,
  banner: { js: `#!/usr/bin/env node\n${REQUIRE}` },
  logOverride: { 'import-is-undefined': 'silent' },
  plugins: [resources(embedded), notPressing()]
})

const STARTED = ['dist/bin/coffer.cjs', 'dist/bin/coffer-center.cjs']
for (const path of STARTED) write(path, readFileSync('scripts/start.cjs'))
write('dist/ses-child.cjs', readFileSync('sandbox/ses/start.cjs'))
// What the compiled tree starts is what the bundles start.
for (const name of ['ses-child.cjs', 'ses-child-program.cjs'])
  write(`build/sandbox/${name}`, readFileSync(`dist/${name}`))
for (const [name, path] of Object.entries(THREADS))
  write(`build/${dirname(path)}/${name}`, readFileSync(`dist/${name}`))
for (const program of [...STARTED, 'dist/coffer.mjs']) chmodSync(program, 0o755)

write('dist/licenses.txt', licenses())
write('build/bundles.json', JSON.stringify(outputs, undefined, 2))

/** Chunks are named by their contents: old ones would stay for ever, and so would a file that is made no more. */
const made = new Set([
  ...Object.keys(outputs),
  ...STARTED,
  'dist/ses-child.cjs',
  'dist/guest-sdk.js',
  'dist/guest-net.js'
])
for (const folder of ['dist', 'dist/bin'])
  for (const name of readdirSync(folder)) {
    const path = `${folder}/${name}`
    if (/\.[cm]?js$/.test(name) && !made.has(path)) rmSync(path, { force: true })
  }

/** sandbox/resources.ts, with the files inside. */
function embedded(): string {
  const text = (name: string) =>
    JSON.stringify(brotliCompressSync(readFileSync(join(root, 'dist', name))).toString('base64'))
  return `
    import { readFileSync } from 'node:fs'
    import { fileURLToPath } from 'node:url'
    import { brotliDecompressSync } from 'node:zlib'
    const files = { ${EMBEDDED.map(name => `'${name}': ${text(name)}`).join(', ')} }
    const here = new URL(import.meta.url)
    const PART = '--coffer-part='
    export const resource = name => new URL('./no-such-file/' + name, here)
    export const readResource = name =>
      name === 'coffer.mjs' ? readFileSync(here) : brotliDecompressSync(Buffer.from(files[name], 'base64'))
    export const threadStart = name => ({ url: here, argv: [PART + name] })
    export const processStart = (name, flags) => ({ words: [...flags, fileURLToPath(here), PART + name], env: {} })`
}

/** The terms of each package whose code is in dist/, as its authors wrote them. */
function licenses(): string {
  const inputs = Object.values(outputs).flatMap(output => Object.keys(output.inputs))
  const folders = new Set(
    inputs.flatMap(path => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path) ?? [])
  )
  // dist/quickjs.wasm
  folders.add('node_modules/@jitl/quickjs-wasmfile-release-sync')
  return [...folders]
    .sort()
    .map(licenseOf)
    .join(`\n${'-'.repeat(100)}\n\n`)
}

function licenseOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    name: string
    version: string
    license: string
  }
  const file = readdirSync(folder).find(entry => /^licen[cs]e(?:\.|$)/i.test(entry))
  const text = file === undefined ? '' : `\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
  return `${name} ${version} (${license})\n${text}`
}
