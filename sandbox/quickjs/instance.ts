/**
 * One instance of the metered engine: its memory, its functions, and the few imports it needs. No Emscripten glue,
 * no files, no environment. What a call means stands in machine.ts; here are only bytes and pointers.
 */
import { CofferError } from '../../formats/errors.js'
import {
  FUEL,
  FUNCTION,
  PAGE_BYTES,
  TAG_EXCEPTION,
  TAG_OBJECT,
  type EngineExports,
  type EngineImports,
  type Pointer
} from './abi.js'
import { CLASS, OBJECT, TAG } from './layout.js'

/** What an instance asks of its owner. Whatever these throw ends the instance. */
export interface Hooks {
  /** Guest code runs: may throw to end it. */
  poll(): void
  /**
   * The driver called, with a value or without; with a second one for bytes that are to become text.
   *
   * @returns a JSValue from malloc, or 0 for undefined.
   */
  call(argument: Pointer | undefined, toText: boolean): Pointer
  /** A call's result: two JSValues, its number and the value. @returns whether it was taken. */
  result(pair: Pointer): boolean
  /**
   * A function of the host's was called.
   *
   * @param index - Counted from 0.
   * @param self - The JSValue of its `this`; the answer may be written there.
   * @returns a JSValue from malloc, or `self`; 0 for undefined.
   */
  host(index: number, self: Pointer, argumentCount: number, args: Pointer): Pointer
  /** @returns source text of a module; undefined after {@link Instance.refuse}. */
  load(name: string): string | undefined
  /** A promise and its reason: two JSValues in a row. */
  rejection(pair: Pointer, handled: boolean): void
  /** Milliseconds since 1970, for the guest's Date. */
  now(): number
  /** The memory would have to be this large. */
  outOfMemory(sizeBytes: number): Error
}

const nobody = (): never => {
  throw new Error('internal: an instance that no guest has was asked for something')
}
/** Of an instance that no guest has. */
export const RESTING: Hooks = {
  poll: nobody,
  call: nobody,
  result: nobody,
  host: nobody,
  load: nobody,
  rejection: nobody,
  now: nobody,
  outOfMemory: nobody
}

/** Below this a loop is faster than a converter. */
const SHORT_TEXT = 12

/** Buffer's own converters, which its `toString` and `write` choose from. */
declare global {
  interface Buffer {
    latin1Slice(start: number, end: number): string
    ucs2Slice(start: number, end: number): string
    utf8Write(text: string, start: number): number
    ucs2Write(text: string, start: number): number
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** In front of a block of the heap stands its size. */
const HEAD_BYTES = 4
/** What a free one begins with: its neighbours in the lists of free blocks. */
const FREE_HEAD_BYTES = 24
/** The least that a block of the heap holds. */
const MIN_BLOCK_BYTES = 4
/** The memory grows by multiples of this, 256 KiB, so that a heap that grows by small steps is not remapped at each. */
const GROWTH_PAGES = 4

export class Instance {
  readonly memory: WebAssembly.Memory
  readonly engine: EngineExports
  /** Who owns it now. */
  hooks: Hooks
  /** Who is asked in place of the engine's allocator, while an image is made. */
  placing: Pick<EngineImports, 'place'> | undefined
  maxPages: number
  /** The heap is not to grow, but to say that it is full. */
  private full = false
  /** Views of the memory; renewed whenever it grows, so never kept by anyone else. */
  bytes: Uint8Array
  words: Uint32Array
  view: DataView
  /** The same bytes, with converters of text. */
  units: Buffer

  /**
   * @param module - The metered wasm, compiled.
   * @param pages - Memory to start with, in pages of 64 KiB.
   * @param maxPages - Memory may not grow past this: COFFER_LIMIT_MEMORY.
   * @param ceilingPages - The most that may become of that: WebAssembly's own bound.
   */
  constructor(
    module: WebAssembly.Module,
    pages: number,
    maxPages: number,
    hooks: Hooks,
    ceilingPages = maxPages
  ) {
    try {
      this.memory = new WebAssembly.Memory({ initial: pages, maximum: ceilingPages })
    } catch (cause) {
      throw engineFailed('the system has no memory for it', cause)
    }
    this.hooks = hooks
    this.maxPages = maxPages
    const { buffer } = this.memory
    this.bytes = new Uint8Array(buffer)
    this.words = new Uint32Array(buffer)
    this.view = new DataView(buffer)
    this.units = Buffer.from(buffer)
    const host: EngineImports & { memory: WebAssembly.Memory } = {
      memory: this.memory,
      callFunction: (_context, self, argumentCount, args, id) => {
        if (id >= FUNCTION.host) return this.hooks.host(id - FUNCTION.host, self, argumentCount, args)
        if (id === FUNCTION.call)
          return this.hooks.call(argumentCount > 0 ? args : undefined, argumentCount > 1)
        this.words[self >> 2] = this.hooks.result(args) ? 1 : 0
        this.words[(self >> 2) + 1] = TAG.boolean
        return self
      },
      outOfFuel: () => {
        this.hooks.poll()
        return FUEL
      },
      loadModule: (_runtime, _context, name) => {
        const source = this.hooks.load(this.text(name))
        return source === undefined ? 0 : this.newText(source)
      },
      trackRejection: (pair, handled) => this.hooks.rejection(pair, handled !== 0),
      place: (state, block, sizeBytes) => {
        // Only a guest that has broken the engine asks by itself.
        if (this.placing === undefined) throw engineFailed('it asks for memory in another way')
        return this.placing.place(state, block, sizeBytes >>> 0)
      },
      grow: sizeBytes => this.grow(sizeBytes >>> 0),
      now: () => this.hooks.now()
    }
    const instance = new WebAssembly.Instance(module, { host: { ...host } })
    this.engine = instance.exports as unknown as EngineExports
  }

  /**
   * The engine's heap asks for memory. Refusing it would leave C code with null pointers and the guest with an error
   * it may swallow and try again, so the guest ends here and now.
   */
  private grow(sizeBytes: number): number {
    const { maxPages } = this
    const needed = Math.ceil(sizeBytes / PAGE_BYTES)
    const current = this.memory.buffer.byteLength / PAGE_BYTES
    if (this.full) return 0
    if (needed > maxPages) throw this.hooks.outOfMemory(sizeBytes)
    const target = Math.min(maxPages, Math.ceil(needed / GROWTH_PAGES) * GROWTH_PAGES)
    try {
      this.memory.grow(target - current)
    } catch (cause) {
      throw engineFailed('the system has no more memory for it', cause)
    }
    const { buffer } = this.memory
    this.bytes = new Uint8Array(buffer)
    this.words = new Uint32Array(buffer)
    this.view = new DataView(buffer)
    this.units = Buffer.from(buffer)
    return 1
  }

  /** Have at least this much memory. */
  reach(sizeBytes: number): void {
    if (sizeBytes > this.bytes.length) this.grow(sizeBytes)
  }

  /** Overwrite what is free of the heap: what was there once is none of the image's. */
  scrubHeap(): void {
    const blocks: [start: Pointer, end: Pointer][] = []
    this.full = true
    try {
      for (let size = this.bytes.length; size >= MIN_BLOCK_BYTES; size >>= 1) {
        for (let pointer; (pointer = this.engine.malloc(size)) !== 0;) {
          // A block may be a little larger than was asked for.
          const usable = this.blockBytes(pointer)
          if (usable < size || usable > size + 16) throw engineFailed('its heap is laid out in another way')
          this.bytes.fill(0, pointer, pointer + usable)
          blocks.push([pointer, pointer + usable])
        }
      }
    } finally {
      this.full = false
    }
    for (const [start] of blocks) this.engine.free(start)
    // What lay side by side is one now, and its size stands at both ends only: what stood between goes too.
    blocks.sort(([one], [other]) => one - other)
    for (let i = 0; i < blocks.length;) {
      const [start] = blocks[i]!
      let end
      do end = blocks[i++]![1]
      while (blocks[i]?.[0] === end + HEAD_BYTES)
      this.bytes.fill(0, start + FREE_HEAD_BYTES, end - HEAD_BYTES)
    }
  }

  /** Bytes that a block of the heap holds: its size stands in front of it. */
  blockBytes(pointer: Pointer): number {
    return (this.view.getUint32(pointer - 4, true) & ~7) - 4
  }

  /** Memory from the engine's heap. The caller frees it or hands it to the engine. */
  allocate(lengthBytes: number): Pointer {
    const pointer = this.engine.malloc(lengthBytes)
    // malloc answers 0 without asking for memory when a size overflows.
    if (pointer === 0) throw this.hooks.outOfMemory(this.bytes.length + lengthBytes)
    return pointer
  }

  /** Text that ends in a zero byte, on the engine's heap. */
  newText(text: string): Pointer {
    const encoded = encoder.encode(text)
    const pointer = this.allocate(encoded.length + 1)
    this.bytes.set(encoded, pointer)
    this.bytes[pointer + encoded.length] = 0
    return pointer
  }

  text(pointer: Pointer): string {
    return decoder.decode(this.bytes.subarray(pointer, this.bytes.indexOf(0, pointer)))
  }

  /** Text of `length` units of 8 bits. */
  latin1(start: Pointer, length: number): string {
    if (length > SHORT_TEXT) return this.units.latin1Slice(start, start + length)
    const { bytes } = this
    let text = ''
    for (let i = 0; i < length; i++) text += String.fromCharCode(bytes[start + i]!)
    return text
  }

  /** Text of `length` units of 16 bits, surrogates as they are. */
  utf16(start: Pointer, length: number): string {
    return this.units.ucs2Slice(start, start + 2 * length)
  }

  /** Bytes that belong to the caller, alone in their buffer. */
  copyOut(start: Pointer, length: number): Uint8Array {
    // Not by slice(), which has the new memory filled with zeros first.
    const copy = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
    copy.set(this.bytes.subarray(start, start + length))
    return copy
  }

  /** A fresh ArrayBuffer of the guest with these bytes, as a JSValue of the caller. */
  newArrayBuffer(context: Pointer, content: Uint8Array): Pointer {
    const length = content.length
    // One byte at least: a zero-sized block may have no address, and no address means a detached buffer.
    const pointer = this.allocate(length === 0 ? 1 : length)
    this.bytes.set(content, pointer)
    return this.engine.QTS_NewArrayBuffer(context, pointer, length)
  }

  /** A fresh ArrayBuffer with the UTF-8 of the guest's text, which is well-formed and holds no U+0000. */
  encodeText(context: Pointer, value: Pointer): Pointer {
    const pointer = this.engine.QTS_GetString(context, value)
    if (pointer === 0) throw this.hooks.outOfMemory(2 * this.bytes.length)
    const length = this.bytes.indexOf(0, pointer) - pointer
    const copy = this.allocate(length + 1)
    this.bytes.copyWithin(copy, pointer, pointer + length)
    this.engine.QTS_FreeCString(context, pointer)
    return this.engine.QTS_NewArrayBuffer(context, copy, length)
  }

  /** Text of the guest from these UTF-8 bytes of it, in place; 0 for bytes with a zero among them. */
  decodeText(context: Pointer, content: Uint8Array): Pointer {
    if (content.includes(0)) return 0
    // Taken first: memory that grows empties every view on it.
    const { byteOffset: start, length } = content
    const pointer = this.allocate(length + 1)
    this.bytes.copyWithin(pointer, start, start + length)
    this.bytes[pointer + length] = 0
    const text = this.engine.QTS_NewString(context, pointer)
    this.engine.free(pointer)
    return text
  }

  /** Entries of one of the engine's ring lists, counted up to `most`. */
  listLength(head: Pointer, most: number): number {
    let count = 0
    // Each entry begins with the addresses of the one before and the one after.
    for (let at = head; count < most; count++) {
      at = this.view.getUint32(at + 4, true)
      if (at === head) break
    }
    return count
  }

  tag(value: Pointer): number {
    return this.view.getUint32(value + 4, true)
  }

  isException(value: Pointer): boolean {
    return this.tag(value) === TAG_EXCEPTION
  }

  /**
   * The bytes of a guest's Uint8Array, where they are: valid until the guest runs again.
   *
   * @throws CofferError COFFER_ENGINE_FAILED when the value is anything else.
   */
  typedArray(value: Pointer): Uint8Array {
    const object = this.view.getUint32(value, true)
    if (this.tag(value) !== TAG_OBJECT || this.objectClass(value) !== CLASS.uint8Array) {
      throw engineFailed('the SDK sent something other than a Uint8Array')
    }
    const start = this.view.getUint32(object + OBJECT.values, true)
    const length = this.view.getUint32(object + OBJECT.count, true)
    if (start + length > this.bytes.length) throw engineFailed('a typed array reaches past the memory')
    return this.bytes.subarray(start, start + length)
  }

  /** Number of the class of a guest's object, as the engine counts them. */
  objectClass(value: Pointer): number {
    return this.view.getUint16(this.view.getUint32(value, true) + OBJECT.class, true)
  }
}

export const engineFailed = (what: string, cause?: unknown): CofferError =>
  new CofferError('COFFER_ENGINE_FAILED', `The QuickJS engine failed: ${what}.`, {
    hint: 'The guest was ended and its memory dropped; start it again.',
    cause
  })
