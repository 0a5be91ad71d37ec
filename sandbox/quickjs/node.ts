/** Where QuickJS meets Node: its files, randomness and clock. */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CofferError } from '../../formats/errors.js'
import { resource } from '../resources.js'
import { imageWasmHash } from './image.js'
import { loadQuickjs, type QuickjsFactory } from './machine.js'

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
  if (!createHash('sha256').update(wasm).digest().equals(imageWasmHash(image))) {
    throw unusable('its memory image was made for another build of it')
  }
  return (loaded = loadQuickjs({ wasm, image, randomBytes, now: Date.now }))
}

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
