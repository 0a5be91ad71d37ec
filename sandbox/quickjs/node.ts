/** Where QuickJS meets Node: its files. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { CofferError } from '../../formats/errors.js'
import { resource } from '../resources.js'
import { imageBelongsTo } from './image.js'
import { loadQuickjs, type QuickjsFactory } from './machine.js'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()

let loaded: QuickjsFactory | undefined

/**
 * The factory of QuickJS machines, made at the first call: 5 to 10 ms, most of it compiling.
 *
 * @throws CofferError COFFER_ENGINE_FAILED when the engine's files are missing or do not belong together.
 */
export function quickjs(): QuickjsFactory {
  if (loaded !== undefined) return loaded
  const wasm = read('quickjs.wasm')
  const image = read('quickjs.image')
  if (!sha256(wasm).equals(imageBelongsTo(image))) {
    throw unusable('its memory image was made for another build of it')
  }
  for (const flag of COMPILE_FLAGS) setFlagsFromString(flag)
  try {
    return (loaded = loadQuickjs({ wasm, image, sha256 }))
  } finally {
    for (const flag of USUAL_FLAGS) setFlagsFromString(flag)
  }
}

/**
 * What V8 looks at while it compiles a module; set back right after.
 *
 * It optimizes a function of wasm once so many bytes of its code have run. The engine's interpreter is one function of
 * 29 KB, so by V8's own measure every program's first 60 instructions send it there, and a title that says hello
 * pays three times its own CPU time for that. And what the build has validated need not be validated at every start
 * (4 ms): only what is used.
 */
const COMPILE_FLAGS = ['--wasm-tiering-budget=400000000', '--wasm-lazy-validation']
const USUAL_FLAGS = ['--wasm-tiering-budget=1800000', '--no-wasm-lazy-validation']

function read(name: string): Uint8Array {
  try {
    return readFileSync(resource(name))
  } catch (cause) {
    throw unusable(`cannot read ${name}`, cause)
  }
}

const unusable = (what: string, cause?: unknown) =>
  new CofferError('COFFER_ENGINE_FAILED', `Cannot start the QuickJS engine: ${what}.`, {
    hint: 'Install coffer again; its files are not as they were released.',
    cause
  })
