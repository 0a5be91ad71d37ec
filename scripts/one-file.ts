/** What the programs that are one file have in common: scripts/bundle.ts makes coffer.mjs, scripts/sea.ts the executable. */
import type { BuildOptions, Plugin } from 'esbuild'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Large, or native, and only needed by those who press. */
export const PRESSING = ['esbuild', '@jridgewell/trace-mapping', 'acorn']

/** The parts that start in a thread of their own, */
export const THREADS = {
  'thread-worker.cjs': 'sandbox/thread-worker.ts',
  'ses-watchdog.cjs': 'sandbox/ses-watchdog.ts',
  'payload-thread.cjs': 'loader/payload-thread.ts'
}
/** and in a process. */
export const PROCESSES = { 'ses-child.cjs': 'sandbox/ses-child.ts' }

/** The engine's files, which are in dist/. */
export const EMBEDDED = ['quickjs.wasm', 'quickjs.image', 'guest-sdk.js', 'guest-net.js']

/** Guests see the names of functions of SES, which esbuild changes where they are those of globals. */
export const WITH_SES: BuildOptions = { minifyWhitespace: true, keepNames: true }

/** Another module in the place of sandbox/resources.ts, with the same exports. */
export const resources = (contents: () => string): Plugin => ({
  name: 'resources',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]sandbox[\\/]resources\.ts$/ }, () => ({ contents: contents(), loader: 'js' }))
})

/** Bundling an app, for press and dev, needs packages that one file cannot hold. */
export function notPressing(): Plugin {
  const contents = `
    const { CofferError } = require('./formats/errors.ts')
    throw new CofferError('COFFER_USAGE', 'This one-file coffer has no part that bundles apps, which press and dev need.', {
      hint: 'Install coffer as a package, and repeat the command with that.'
    })`
  return {
    name: 'not pressing',
    setup({ onResolve, onLoad }) {
      onResolve(
        { filter: new RegExp(`^(?:${PRESSING.filter(name => name !== 'acorn').join('|')})$`) },
        ({ path }) => ({
          path,
          namespace: 'not-pressing'
        })
      )
      onLoad({ filter: /.*/, namespace: 'not-pressing' }, () => ({
        contents,
        resolveDir: ROOT,
        loader: 'js'
      }))
    }
  }
}
