/**
 * Memory images: all of the engine's state, as the parts of its memory that are not zero. Copying one in is how a guest
 * starts. Images are code.
 *
 * The base image comes from our own build: the engine after the SDK has run.
 *
 *   8 bytes   magic "coffrqjs"
 *   32 bytes  SHA-256 of the wasm that it belongs to; with any other it would be nonsense that runs
 *   u32le     one per field of {@link ImageFields}, in its order
 *   parts     u32le offset, u32le length, the bytes; until the end
 *
 * A title image comes out of a sealed title that was verified: a guest whose program has started, told as what differs
 * from the base image.
 *
 *   8 bytes   magic "coffrttl"
 *   32 bytes  SHA-256 of the base image, which in turn names its wasm
 *   u32le     size of the memory in pages
 *   u32le n   links, n bytes: UTF-8 of JSON, [[module, [export, ...]], ...]
 *   states    until the end, one at least:
 *     u32le n   constants, n bytes: what the linked modules' exports that are no functions were
 *     u32le n   parts, n bytes, as above; those of a later state go on top of the first one's
 *
 * @see docs/spec.md §9.4
 */
import { concat, equalBytes, utf8, utf8Decode } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { MAX_PAGES, PAGE_BYTES, STACK_BYTES, type Pointer } from './abi.js'

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
  /** Head of the list of modules. */
  'modules',
  /** SCRATCH.bytes for arguments and results. */
  'scratch',
  /** Where the address of the engine's table of names stands. */
  'names',
  /** First byte of the mailbox, and the JSValue of the ArrayBuffer over it. */
  'mailbox',
  'mailboxValue',
  /** Where the C stack begins, growing down; the heap begins there too, growing up. */
  'stackTop',
  /** Address of the word that says where the heap ends. */
  'heapEnd',
  /** The byte that keeps the engine from keeping the text of functions. */
  'stripFlags'
] as const

export type ImageFields = Record<(typeof FIELDS)[number], number>

/** Bytes and where they belong. */
export interface Part {
  readonly offset: Pointer
  readonly bytes: Uint8Array
}

export interface Image {
  readonly fields: ImageFields
  /** Lengths add up to a fraction of the memory. */
  readonly parts: readonly Part[]
}

/** Modules that a program was linked with, and their exports, in order. */
export type Links = readonly (readonly [module: string, exports: readonly string[]])[]

export interface TitleState {
  readonly constants: Uint8Array
  readonly parts: readonly Part[]
}

export interface TitleImage {
  readonly pages: number
  readonly links: Links
  readonly states: readonly TitleState[]
}

const MAGIC = 'coffrqjs'
const TITLE_MAGIC = 'coffrttl'
const HEADER_BYTES = 40 + 4 * FIELDS.length
/** A stretch without difference that is shorter than this costs less as bytes than as a new part. */
const GAP_BYTES = 64

/** SHA-256 of the wasm that a base image belongs to, or of the base image that a title image belongs to. */
export const imageBelongsTo = (image: Uint8Array): Uint8Array => image.subarray(8, 40)

export function encodeImage(memory: Uint8Array, fields: ImageFields, wasmHash: Uint8Array): Uint8Array {
  const parts = differences(memory)
  const out = new Uint8Array(HEADER_BYTES + partsBytes(parts))
  out.set(utf8(MAGIC))
  out.set(wasmHash, 8)
  const view = new DataView(out.buffer)
  FIELDS.forEach((name, i) => view.setUint32(40 + 4 * i, fields[name], true))
  writeParts(out, HEADER_BYTES, parts)
  return out
}

/**
 * @param image - Kept: the parts are views of it.
 * @throws CofferError COFFER_ENGINE_FAILED when it is no image or a damaged one.
 */
export function decodeImage(image: Uint8Array): Image {
  const view = viewOf(image)
  if (image.length < HEADER_BYTES || !hasMagic(image, MAGIC)) throw damaged()
  const fields = Object.fromEntries(
    FIELDS.map((name, i) => [name, view.getUint32(40 + 4 * i, true)])
  ) as ImageFields
  return { fields, parts: readParts(image.subarray(HEADER_BYTES), fields.pages) }
}

/**
 * @param base - Memory of a fresh guest.
 * @param stackTop - Its stack is empty, as those of all states are.
 * @param states - Memory of the started program for each set of constants, all of one size.
 */
export function encodeTitleImage(
  baseHash: Uint8Array,
  base: Uint8Array,
  stackTop: Pointer,
  links: Links,
  states: readonly { readonly constants: Uint8Array; readonly memory: Uint8Array }[]
): Uint8Array {
  const [first] = states
  const linksText = utf8(JSON.stringify(links))
  const told = states.map(({ constants, memory }) => ({
    constants,
    parts: differences(memory, memory === first!.memory ? base : first!.memory, stackTop)
  }))
  const length = told.reduce(
    (sum, { constants, parts }) => sum + 8 + constants.length + partsBytes(parts),
    48 + linksText.length
  )
  const out = new Uint8Array(length)
  const view = new DataView(out.buffer)
  out.set(utf8(TITLE_MAGIC))
  out.set(baseHash, 8)
  view.setUint32(40, Math.max(...states.map(({ memory }) => memory.length)) / PAGE_BYTES, true)
  let at = 44
  const put = (bytes: Uint8Array) => {
    view.setUint32(at, bytes.length, true)
    out.set(bytes, at + 4)
    at += 4 + bytes.length
  }
  put(linksText)
  for (const { constants, parts } of told) {
    put(constants)
    view.setUint32(at, partsBytes(parts), true)
    at = writeParts(out, at + 4, parts)
  }
  return out
}

/**
 * @param image - Kept: the parts are views of it.
 * @param baseHash - Of the base image that is here.
 * @returns undefined when the image belongs to another build of the engine.
 * @throws CofferError COFFER_PACKAGE_DAMAGED when it is no image or a damaged one.
 */
export function decodeTitleImage(image: Uint8Array, baseHash: Uint8Array): TitleImage | undefined {
  if (image.length < 48 || !hasMagic(image, TITLE_MAGIC)) throw damagedTitle()
  if (!equalBytes(imageBelongsTo(image), baseHash)) return undefined
  const view = viewOf(image)
  const pages = view.getUint32(40, true)
  if (pages > MAX_PAGES) throw damagedTitle()
  let at = 44
  const take = () => {
    if (image.length - at < 4) throw damagedTitle()
    const length = view.getUint32(at, true)
    at += 4
    if (length > image.length - at) throw damagedTitle()
    at += length
    return image.subarray(at - length, at)
  }
  const links = parseLinks(take())
  const states: TitleState[] = []
  do {
    states.push({ constants: take(), parts: readParts(take(), pages, damagedTitle) })
  } while (at < image.length)
  return { pages, links, states }
}

function parseLinks(text: Uint8Array): Links {
  let links: unknown
  try {
    links = JSON.parse(utf8Decode(text))
  } catch {
    throw damagedTitle()
  }
  const isText = (value: unknown) => typeof value === 'string'
  const valid =
    Array.isArray(links) &&
    links.every(
      link => Array.isArray(link) && isText(link[0]) && Array.isArray(link[1]) && link[1].every(isText)
    )
  if (!valid) throw damagedTitle()
  return links as Links
}

/**
 * Where memory differs from what it is compared with; zeros beyond its end. All of memory's own length: what was there
 * before and is zero now is told as zeros.
 *
 * @param stackTop - Of a stack that is empty in both, and that is not touched: it has more pages than all else.
 */
function differences(
  memory: Uint8Array,
  before: Uint8Array = new Uint8Array(),
  stackTop: Pointer = 0
): Part[] {
  const words = new Uint32Array(memory.buffer, memory.byteOffset, memory.length / 4)
  const others = new Uint32Array(before.buffer, before.byteOffset, before.length / 4)
  const parts: [start: number, end: number][] = []
  let last: [start: number, end: number] | undefined
  const stackBottom = stackTop - STACK_BYTES
  for (let i = 0; i < words.length; i++) {
    if (4 * i === stackBottom) {
      i = stackTop / 4 - 1
      continue
    }
    if (words[i] === (i < others.length ? others[i] : 0)) continue
    const at = 4 * i
    if (last !== undefined && at - last[1] < GAP_BYTES) last[1] = at + 4
    else parts.push((last = [at, at + 4]))
  }
  return parts.map(([start, end]) => ({ offset: start, bytes: memory.subarray(start, end) }))
}

const partsBytes = (parts: readonly Part[]): number =>
  parts.reduce((sum, { bytes }) => sum + 8 + bytes.length, 0)

/** @returns where they end. */
function writeParts(out: Uint8Array, start: number, parts: readonly Part[]): number {
  const view = viewOf(out)
  let at = start
  for (const { offset, bytes } of parts) {
    view.setUint32(at, offset, true)
    view.setUint32(at + 4, bytes.length, true)
    out.set(bytes, at + 8)
    at += 8 + bytes.length
  }
  return at
}

function readParts(encoded: Uint8Array, pages: number, fault = damaged): Part[] {
  const view = viewOf(encoded)
  const parts: Part[] = []
  for (let at = 0; at < encoded.length;) {
    if (encoded.length - at < 8) throw fault()
    const offset = view.getUint32(at, true)
    const length = view.getUint32(at + 4, true)
    if (length > encoded.length - at - 8 || offset + length > pages * PAGE_BYTES) throw fault()
    parts.push({ offset, bytes: encoded.subarray(at + 8, at + 8 + length) })
    at += 8 + length
  }
  return parts
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const hasMagic = (image: Uint8Array, magic: string): boolean => equalBytes(image.subarray(0, 8), utf8(magic))

const damaged = () =>
  new CofferError('COFFER_ENGINE_FAILED', "The engine's memory image is damaged.", {
    hint: 'Install coffer again; its files are not what was released.'
  })

const damagedTitle = () =>
  new CofferError('COFFER_PACKAGE_DAMAGED', "The title's memory image is damaged.", {
    hint: 'Tell the publisher of the title.'
  })

/** The part of an image for these grants; undefined where it was linked with others. */
export function fittingState(
  { links, states }: TitleImage,
  modules: ReadonlyMap<string, readonly string[]>,
  constants: ReadonlyMap<string, Uint8Array>
): TitleState | undefined {
  const granted = links.map(([module]) => module.replace(/\/.*$/, ''))
  const fits = links.every(([module, exports], i) => {
    const names = modules.get(granted[i]!)
    // A program that imports by name alone cannot tell whether there is more.
    const byName = module !== granted[i]
    return (
      names !== undefined &&
      (byName || names.length === exports.length) &&
      exports.every(name => names.includes(name))
    )
  })
  if (!fits) return undefined
  const known = concat(...granted.map(module => constants.get(module) ?? new Uint8Array()))
  return states.find(({ constants }) => equalBytes(constants, known))
}
