/** Where QuickJS meets Node: its files. */
import { hash } from 'node:crypto'
import { equalBytes } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { readResource } from '../resources.js'
import { imageBelongsTo } from './image.js'
import { loadQuickjs, type QuickjsFactory } from './factory.js'
import { compileEngine } from './native.js'

const sha256 = (bytes: Uint8Array) => hash('sha256', bytes, 'buffer')

let loaded: QuickjsFactory | undefined

/**
 * The factory of QuickJS machines, made at the first call: 3 to 10 ms, most of it compiling.
 *
 * @throws CofferError COFFER_ENGINE_FAILED when the engine's files are missing or do not belong together.
 */
export function quickjs(): QuickjsFactory {
  if (loaded !== undefined) return loaded
  const wasm = read('quickjs.wasm')
  const image = read('quickjs.image')
  const wasmHash = sha256(wasm)
  if (!equalBytes(wasmHash, imageBelongsTo(image))) {
    throw unusable('its memory image was made for another build of it')
  }
  return (loaded = loadQuickjs({ wasm, image, sha256, compile: bytes => compileEngine(bytes, wasmHash) }))
}

function read(name: string): Uint8Array {
  try {
    return readResource(name)
  } catch (cause) {
    throw unusable(`cannot read ${name}`, cause)
  }
}

const unusable = (what: string, cause?: unknown) =>
  new CofferError('COFFER_ENGINE_FAILED', `Cannot start the QuickJS engine: ${what}.`, {
    hint: 'An app that is bundled keeps "coffer" external. Otherwise install coffer again; its files are not as they were released.',
    cause
  })
