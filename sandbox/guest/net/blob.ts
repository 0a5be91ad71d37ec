/** Blob (File API). */
import { tag } from '../globals.js'
import { ReadableStream } from './stream.js'

export type BlobPart = Blob | ArrayBuffer | ArrayBufferView | string

let bytesOf: (blob: Blob) => Uint8Array

export class Blob {
  readonly #bytes: Uint8Array
  readonly type: string

  static {
    bytesOf = blob => blob.#bytes
  }

  constructor(parts: Iterable<BlobPart> = [], { type = '' }: { type?: string } = {}) {
    const pieces = [...parts].map(toBytes)
    this.#bytes = joined(pieces)
    this.type = /[^\x20-\x7e]/.test(`${type}`) ? '' : `${type}`.toLowerCase()
  }

  get size(): number {
    return this.#bytes.length
  }

  slice(start = 0, end = this.size, type = ''): Blob {
    return new Blob([this.#bytes.slice(start, end)], { type })
  }

  async bytes(): Promise<Uint8Array> {
    return this.#bytes.slice()
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return this.#bytes.slice().buffer as ArrayBuffer
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(this.#bytes)
  }

  stream(): ReadableStream<Uint8Array> {
    return ReadableStream.from([this.#bytes.slice()])
  }
}
tag(Blob, 'Blob')

/** A copy of the bytes, or what text is in UTF-8. */
export function toBytes(part: unknown): Uint8Array {
  if (part instanceof Blob) return bytesOf(part)
  if (part instanceof ArrayBuffer) return new Uint8Array(part.slice(0))
  if (ArrayBuffer.isView(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength).slice()
  return new TextEncoder().encode(`${part as string}`)
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}
