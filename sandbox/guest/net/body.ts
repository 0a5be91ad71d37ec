/** What requests and responses have in common: a body that is read once (Fetch, 5.3 Body mixin, without forms). */
import { Blob, joined, toBytes } from './blob.js'
import { ReadableStream } from './stream.js'

export type BodyInit =
  ReadableStream<Uint8Array> | Blob | ArrayBuffer | ArrayBufferView | URLSearchParams | string

export class Body {
  #stream: ReadableStream<Uint8Array> | null
  #used = false

  constructor(stream: ReadableStream<Uint8Array> | null) {
    this.#stream = stream
  }

  get body(): ReadableStream<Uint8Array> | null {
    return this.#stream
  }

  get bodyUsed(): boolean {
    return this.#used
  }

  async bytes(): Promise<Uint8Array> {
    this.#use()
    if (this.#stream === null) return new Uint8Array()
    const pieces: Uint8Array[] = []
    for await (const chunk of this.#stream) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError('A body is made of Uint8Arrays')
      pieces.push(chunk)
    }
    return joined(pieces)
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer as ArrayBuffer
  }

  async blob(): Promise<Blob> {
    return new Blob([await this.bytes()], { type: this.contentType() ?? '' })
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes())
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text())
  }

  protected contentType(): string | null {
    return null
  }

  /** The body for a copy of this; both have all of it. */
  protected fork(): ReadableStream<Uint8Array> | null {
    if (this.#used || this.#stream?.locked === true) throw new TypeError('The body is used already')
    if (this.#stream === null) return null
    const [mine, copy] = this.#stream.tee()
    this.#stream = mine
    return copy
  }

  #use(): void {
    if (this.#used || this.#stream?.locked === true) throw new TypeError('The body is used already')
    this.#used = this.#stream !== null
  }
}

/** The stream of a body's bytes, and the type that such a body has by itself. */
export function extract(init: BodyInit): { stream: ReadableStream<Uint8Array>; type: string | null } {
  if (init instanceof ReadableStream) {
    if (init.locked) throw new TypeError('The stream is locked to a reader')
    return { stream: init, type: null }
  }
  const stream = ReadableStream.from([toBytes(init)])
  if (typeof init === 'string') return { stream, type: 'text/plain;charset=UTF-8' }
  if (init instanceof URLSearchParams)
    return { stream, type: 'application/x-www-form-urlencoded;charset=UTF-8' }
  return { stream, type: init instanceof Blob && init.type !== '' ? init.type : null }
}
