/**
 * A heap without holes, for images. The engine starts a program amid blocks of memory that it soon lets go of again, and
 * what stays lies scattered between the holes: half of each page that every guest is made of would be none of it.
 *
 * So what is to become an image is made twice. The first time it is noted of each block, in the order in which they are
 * asked for, whether it is there at the end. The second time those that are not go elsewhere, beyond the heap, and
 * the others stand in a row. A start that asked nothing of the world asks for the same blocks each time; one that does not
 * is found out, since something is left beyond the heap then.
 *
 * The engine asks here in place of its own allocator while its JSRuntime says so.
 *
 * @see docs/decisions/0044-heaps-without-holes.md
 */
import { PAGE_BYTES, PLACING, STACK_BYTES, type Pointer } from './abi.js'
import type { ImageFields } from './image.js'
import { engineFailed, Instance } from './instance.js'
import { NATIVE_BYTES } from './pristine.js'

/** What the first start tells the second. */
export interface Plan {
  /** Of each block, by its number, whether it is there at the end: 1 or 0. */
  readonly lasts: Uint8Array
  /** How far the heap reached. The second one's is smaller. */
  readonly heapBytes: number
}

/** Where the JSRuntime keeps the state of its allocator: count of blocks, then their bytes, of which it knows these only. */
const STATE = 16
const COUNTED_BYTES = 8
/** Malloc, free, realloc, at the very beginning of the JSRuntime. */
const FUNCTIONS = 3
/** What lies beyond the heap, and what is noted of either, grows by so much, */
const GROWTH_BYTES = 4 * 1024 * 1024
/** and this far: blocks are used again for their own size alone, so a program could ask for size after size. */
const MOST_BEYOND_BYTES = 32 * 1024 * 1024
/** How far a planned start of a program with such a heap reaches at most: what does not last comes behind it, and all of it in steps. */
export const plannedBytes = (heapBytes: number): number => heapBytes + MOST_BEYOND_BYTES + 2 * GROWTH_BYTES
/** What begins higher in the heap is not noted: this process would hold much for a program that can have no image. */
const HIGHEST_NOTED = 48 * 1024 * 1024
/** Nor are more blocks than these, of which the plan has a byte each. */
const MOST_ASKED = 16 * 1024 * 1024
/** No two blocks begin within so many bytes, of which their heads take some. */
const LEAST_BLOCK_BYTES = 8

export class Placing {
  readonly #instance: Instance
  readonly #runtime: Pointer
  readonly #own: readonly number[]
  readonly #plan: Plan | undefined
  /** How many blocks were asked for. */
  #count = 0
  /**
   * Of each block that is there, by where it begins in {@link LEAST_BLOCK_BYTES}: without a plan its number, from 1; with
   * one, of those beyond the heap alone, its size. 0 elsewhere.
   */
  #blocks = new Uint32Array(0)
  /** Blocks beyond the heap that are there. */
  #passing = 0
  /** Blocks beyond the heap that were let go of, by size. */
  readonly #free = new Map<number, Pointer[]>()
  /** Where what is noted begins: the heap, or with a plan what does not last, which ends at the second. */
  readonly #start: Pointer
  #end: Pointer
  #hasEnded = false

  /**
   * @param heapStart - Where the heap begins.
   * @param plan - Absent: all goes into the heap.
   */
  constructor(instance: Instance, runtime: Pointer, heapStart: Pointer, plan?: Plan) {
    this.#instance = instance
    this.#runtime = runtime
    this.#plan = plan
    this.#start = plan === undefined ? heapStart : Math.ceil(plan.heapBytes / PAGE_BYTES + 1) * PAGE_BYTES
    this.#end = this.#start
    const at = runtime >> 2
    const { words } = instance
    this.#own = Array.from(words.subarray(at, at + FUNCTIONS))
    const [count, bytes] = words.subarray((runtime + STATE) >> 2)
    if (bytes !== count! * COUNTED_BYTES || this.#own.some(index => index === 0 || index > PLACING))
      throw engineFailed('it counts its blocks of memory in another way')
    for (let i = 0; i < FUNCTIONS; i++) words[at + i] = PLACING + i
    instance.placing = this
  }

  /** The engine has its own allocator back, and nothing is noted any more. */
  end(): void {
    this.#hasEnded = true
    this.#blocks = new Uint32Array(0)
    this.#instance.words.set(this.#own, this.#runtime >> 2)
    this.#instance.placing = undefined
  }

  /**
   * Which blocks of those asked for so far are there; undefined where they were too many to be noted.
   *
   * @param heapEnd - Where the engine keeps the end of its heap.
   */
  plan(heapEnd: Pointer): Plan | undefined {
    if (this.#hasEnded) return undefined
    const lasts = new Uint8Array(this.#count)
    const heapBytes = this.#instance.view.getUint32(heapEnd, true)
    const blocks = this.#blocks.subarray(0, this.#placeOf(heapBytes))
    for (let i = 0; i < blocks.length; i++) if (blocks[i] !== 0) lasts[blocks[i]! - 1] = 1
    return { lasts, heapBytes }
  }

  /** All that is there is in the heap, and nothing else ever was. */
  isWhole(heapEnd: Pointer): boolean {
    if (this.#plan === undefined) return true
    return this.#passing === 0 && this.#instance.view.getUint32(heapEnd, true) <= this.#start
  }

  /** @see EngineImports.place */
  place(state: Pointer, block: Pointer, sizeBytes: number): Pointer {
    let made = 0
    if (sizeBytes !== 0) {
      made = this.#take(sizeBytes)
      if (made === 0) return 0
      if (block !== 0)
        this.#instance.bytes.copyWithin(made, block, block + Math.min(sizeBytes, this.#sizeOf(block)))
      this.#countBlock(state, 1)
    }
    if (block !== 0) {
      this.#letGo(block)
      this.#countBlock(state, -1)
    }
    return made
  }

  #countBlock(state: Pointer, change: 1 | -1): void {
    const { words } = this.#instance
    words[state >> 2]! += change
    words[(state >> 2) + 1]! += change * COUNTED_BYTES
  }

  #take(sizeBytes: number): Pointer {
    const number = this.#count++
    if (this.#plan !== undefined && this.#plan.lasts[number] !== 1) return this.#takeBeyond(sizeBytes)
    const made = this.#instance.engine.malloc(sizeBytes)
    if (this.#plan === undefined) {
      // All of them are in the heap, where the engine itself can go on.
      if (made > HIGHEST_NOTED || this.#count > MOST_ASKED) this.end()
      else this.#note(made, number + 1)
    } else if (made + sizeBytes > this.#start) throw engineFailed('it asks for other blocks than before')
    return made
  }

  #note(block: Pointer, what: number): void {
    const place = this.#placeOf(block)
    if (place >= this.#blocks.length) {
      const step = GROWTH_BYTES / LEAST_BLOCK_BYTES
      const blocks = new Uint32Array(Math.ceil((place + 1) / step) * step)
      blocks.set(this.#blocks)
      this.#blocks = blocks
    }
    this.#blocks[place] = what
  }

  #placeOf(block: Pointer): number {
    return Math.floor((block - this.#start) / LEAST_BLOCK_BYTES)
  }

  #takeBeyond(sizeBytes: number): Pointer {
    const size = Math.ceil(sizeBytes / 8) * 8
    let made = this.#free.get(size)?.pop()
    if (made === undefined) {
      made = this.#end
      this.#end += size
      if (this.#end - this.#start > MOST_BEYOND_BYTES)
        throw engineFailed('it has no room for what does not last')
      if (this.#end > this.#instance.bytes.length)
        this.#instance.reach(Math.ceil(this.#end / GROWTH_BYTES) * GROWTH_BYTES)
    }
    this.#note(made, size)
    this.#passing++
    return made
  }

  #letGo(block: Pointer): void {
    const size = this.#sizeBeyond(block)
    const place = this.#placeOf(block)
    if (place >= 0 && place < this.#blocks.length) this.#blocks[place] = 0
    if (size === 0) return this.#instance.engine.free(block)
    this.#passing--
    const free = this.#free.get(size)
    if (free === undefined) this.#free.set(size, [block])
    else free.push(block)
  }

  #sizeOf(block: Pointer): number {
    return this.#sizeBeyond(block) || this.#instance.blockBytes(block)
  }

  /** 0 for a block of the heap. */
  #sizeBeyond(block: Pointer): number {
    return this.#plan === undefined || block < this.#start ? 0 : this.#blocks[this.#placeOf(block)]!
  }
}

/**
 * Memory of a guest that is at rest, as an image holds it: as far as its heap reaches, and with all that is free in it
 * overwritten.
 */
export function frozenMemory(
  module: WebAssembly.Module,
  instance: Instance,
  { heapEnd, stackTop }: Pick<ImageFields, 'heapEnd' | 'stackTop'>
): Uint8Array {
  const pages = Math.ceil(instance.view.getUint32(heapEnd, true) / PAGE_BYTES)
  const stackBottom = stackTop - STACK_BYTES
  // In one of its own, whose heap cannot go on beyond.
  const copy = new Instance(module, pages, pages, instance.hooks)
  try {
    // What lies in the stack is done, and to touch each of its pages would take most of the time.
    copy.bytes.set(instance.bytes.subarray(0, stackBottom))
    copy.bytes.set(instance.bytes.subarray(stackTop, pages * PAGE_BYTES), stackTop)
    copy.scrubHeap()
    copy.bytes.fill(0, stackTop - NATIVE_BYTES, stackTop)
    // Nobody else has it: a second copy would be as large as the guest may be.
    return copy.bytes
  } catch (error) {
    copy.bytes.fill(0)
    throw error
  }
}
