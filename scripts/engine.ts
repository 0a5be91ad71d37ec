/**
 * Build step: the engine's own files, beside the compiled tree and beside the bundles.
 *
 *   quickjs.wasm    the released engine, metered (scripts/meter.ts)
 *   quickjs.image   its memory after the SDK has started, bound to exactly that wasm
 *   guest-sdk.js    the SDK as one script, for the other engine
 *   guest-net.js    what a guest that was granted the network gets beside it
 *
 * Metering takes seconds, so each result is kept until one of its inputs changes. The same inputs give the same bytes.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { write } from './write.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
process.chdir(root)

const KEEP = 'build/engine'
const TARGETS = ['build/sandbox', 'dist']
const SDK = 'sandbox/guest/sdk.ts'
const NET = 'sandbox/guest/net/fetch.ts'

const require = createRequire(import.meta.url)
const engineRequire = createRequire(require.resolve('quickjs-emscripten'))
const wasmPath = engineRequire.resolve('@jitl/quickjs-wasmfile-release-sync/wasm')
const gluePath = engineRequire.resolve('@jitl/quickjs-wasmfile-release-sync/emscripten-module')

const sha256 = (...parts: readonly (Uint8Array | string)[]) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${part.length}:`).update(part)
  return hash.digest()
}

function* filesUnder(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1
  )) {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) yield* filesUnder(path)
    else if (path.endsWith('.ts')) yield path
  }
}

const hashFiles = (paths: readonly string[]) =>
  sha256(...paths.flatMap(path => [path, readFileSync(path)])).toString('hex')

/** Do the work unless its result is there, made of the same inputs. */
async function keep(
  name: string,
  inputs: string,
  results: readonly string[],
  work: () => Promise<void>
): Promise<void> {
  const stamp = `${KEEP}/${name}.stamp`
  const fresh =
    existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs && results.every(path => existsSync(path))
  if (fresh) return
  await work()
  write(stamp, inputs)
}

const METERED = `${KEEP}/quickjs.wasm`
const BOOT = `${KEEP}/boot.wasm`

await keep(
  'meter',
  hashFiles([
    wasmPath,
    gluePath,
    'scripts/meter.ts',
    'scripts/dispatch.ts',
    'scripts/frames.ts',
    'scripts/indirect.ts',
    'scripts/repeats.ts',
    'sandbox/quickjs/abi.ts',
    'sandbox/quickjs/layout.ts',
    require.resolve('binaryen/package.json')
  ]),
  [METERED, BOOT],
  async () => {
    const { meterEngine } = await import('./meter.js')
    const metered = meterEngine(readFileSync(wasmPath), readFileSync(gluePath, 'utf8'))
    write(METERED, metered.wasm)
    write(BOOT, metered.bootWasm)
    console.error(
      `engine: metered ${metered.loops} loops and ${metered.meteredCalls} functions, ${metered.longestStretch} instructions at most to a unit; padded ${metered.paddedFrames} frames`
    )
  }
)

const outputs = ['quickjs.wasm', 'quickjs.image', 'guest-sdk.js', 'guest-net.js']
if (existsSync(SDK)) {
  await keep(
    'image',
    hashFiles([
      METERED,
      BOOT,
      'scripts/engine.ts',
      ...filesUnder('sandbox'),
      ...filesUnder('formats'),
      'tsconfig.json'
    ]),
    TARGETS.flatMap(target => outputs.map(name => `${target}/${name}`)),
    async () => {
      const { makeImage } = await import('../sandbox/quickjs/boot.js')
      const wasm = readFileSync(METERED)
      const sdk = await bundleScript(SDK)
      const net = await bundleScript(NET)
      const image = makeImage(readFileSync(BOOT), sha256Of(wasm), sdk)
      for (const target of TARGETS) {
        write(`${target}/quickjs.wasm`, wasm)
        write(`${target}/quickjs.image`, image)
        write(`${target}/guest-sdk.js`, sdk)
        write(`${target}/guest-net.js`, net)
      }
      const kb = (bytes: number) => `${Math.round(bytes / 1024)} KB`
      console.error(
        `engine: wasm ${kb(wasm.length)}, image ${kb(image.length)}, SDK ${kb(sdk.length)}, net ${kb(net.length)}`
      )
    }
  )
}

/** A part of the guest's side as one classic script, whose completion value is its default export. */
async function bundleScript(entry: string): Promise<string> {
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'script',
    minify: true,
    target: 'es2023',
    platform: 'neutral',
    charset: 'ascii',
    legalComments: 'none',
    logLevel: 'warning',
    banner: { js: '(()=>{"use strict";' },
    footer: { js: 'return script.default})()' }
  })
  return outputFiles[0]!.text
}

function sha256Of(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}
