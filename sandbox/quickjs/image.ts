/**
 * A memory image: all of the engine's state after the SDK has run, as the parts of its memory that are not zero. A
 * machine starts by copying it in.
 *
 *   8 bytes   magic "coffrqjs"
 *   32 bytes  SHA-256 of the wasm that it belongs to; with any other it would be nonsense that runs
 *   u32le     one per field of {@link ImageFields}, in its order
 *   parts     u32le offset, u32le length, the bytes; until the end
 *
 * Images are code, and come only from our own build.
 */
import { CofferError } from '../../formats/errors.js'
import { PAGE_BYTES, type Pointer } from './abi.js'

const FIELDS = [
  /** Size of the memory, in pages of 64 KiB: the engine's own share of it. */
  'pages',
  'runtime',
  'context',
  /** JSValue of the driver function (boot.ts). */
  'driver',
  /** Address of the constant undefined. */
  'undefinedPointer',
  /** 8 bytes of state of Math.random. */
  'randomState',
  /** Head of the list of jobs that wait. */
  'jobList',
  /** Class number of Uint8Array. */
  'typedArrayClass',
  /** 64 bytes for argument lists. */
  'scratch',
  /** Where the C stack begins, growing down; the heap begins there too, growing up. */
  'stackTop'
] as const

export type ImageFields = Record<(typeof FIELDS)[number], number>

export interface Image {
  readonly fields: ImageFields
  /** Lengths add up to a fraction of the memory. */
  readonly parts: readonly { readonly offset: Pointer; readonly bytes: Uint8Array }[]
}

const MAGIC = 'coffrqjs'
const HEADER_BYTES = 40 + 4 * FIELDS.length
/** A gap of zeros shorter than this costs less as bytes than as a new part. */
const GAP_BYTES = 64

/** SHA-256 of the wasm that an image belongs to. */
export const imageWasmHash = (image: Uint8Array): Uint8Array => image.subarray(8, 40)

export function encodeImage(memory: Uint8Array, fields: ImageFields, wasmHash: Uint8Array): Uint8Array {
  const words = new BigUint64Array(memory.buffer, memory.byteOffset, memory.length / 8)
  const parts: [start: number, end: number][] = []
  for (let at = 0; at < words.length; at++) {
    if (words[at] === 0n) continue
    const last = parts.at(-1)
    if (last !== undefined && at * 8 - last[1] < GAP_BYTES) last[1] = at * 8 + 8
    else parts.push([at * 8, at * 8 + 8])
  }
  const length = parts.reduce((sum, [start, end]) => sum + 8 + end - start, HEADER_BYTES)
  const out = new Uint8Array(length)
  const view = new DataView(out.buffer)
  for (let i = 0; i < 8; i++) out[i] = MAGIC.charCodeAt(i)
  out.set(wasmHash, 8)
  FIELDS.forEach((name, i) => view.setUint32(40 + 4 * i, fields[name], true))
  let at = HEADER_BYTES
  for (const [start, end] of parts) {
    view.setUint32(at, start, true)
    view.setUint32(at + 4, end - start, true)
    out.set(memory.subarray(start, end), at + 8)
    at += 8 + end - start
  }
  return out
}

/**
 * @param image - Kept: the parts are views of it.
 * @throws CofferError COFFER_ENGINE_FAILED when it is no image or a damaged one.
 */
export function decodeImage(image: Uint8Array): Image {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength)
  if (image.length < HEADER_BYTES || String.fromCharCode(...image.subarray(0, 8)) !== MAGIC) throw damaged()
  const fields = Object.fromEntries(
    FIELDS.map((name, i) => [name, view.getUint32(40 + 4 * i, true)])
  ) as ImageFields
  const parts: { offset: number; bytes: Uint8Array }[] = []
  for (let at = HEADER_BYTES; at < image.length;) {
    if (image.length - at < 8) throw damaged()
    const offset = view.getUint32(at, true)
    const length = view.getUint32(at + 4, true)
    if (length > image.length - at - 8 || offset + length > fields.pages * PAGE_BYTES) throw damaged()
    parts.push({ offset, bytes: image.subarray(at + 8, at + 8 + length) })
    at += 8 + length
  }
  return { fields, parts }
}

const damaged = () =>
  new CofferError('COFFER_ENGINE_FAILED', "The engine's memory image is damaged.", {
    hint: 'Install coffer again; its files are not what was released.'
  })
