/**
 * Use one instance for guest after guest. Each finds memory and globals as they are in a fresh one, to the byte, and
 * nothing of those before: whatever ended the last guest, a call, a limit or a trap, the whole of its memory is put
 * back from a copy that no guest can reach.
 */
import { PAGE_BYTES, STACK_BYTES } from './abi.js'
import type { ImageFields, Part } from './image.js'
import type { Instance } from './instance.js'

/** The unit in which memory is looked through: what the system hands out, and what costs nothing until it is used. */
const BLOCK_BYTES = 4096
/** How finely what a guest has changed is told apart. */
const PIECE_BYTES = 256
/** What the instances of a pool that nobody uses keep of memory, together, beyond what guests start from. */
const KEPT_GROWTH_BYTES = 32 * 1024 * 1024

/** The memory that guests start from: where it is not zero, as few stretches as pay. */
export class Pristine {
  readonly lengthBytes: number
  /** How much of it is not zero, about. */
  readonly contentBytes: number
  private readonly fields: ImageFields
  private readonly stretches: readonly Part[]

  /** @param stretches - In their order; zeros elsewhere. Kept. */
  constructor(fields: ImageFields, lengthBytes: number, stretches: readonly Part[]) {
    this.fields = fields
    this.lengthBytes = lengthBytes
    this.stretches = stretches
    this.contentBytes = stretches.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  /** @param instance - As a guest is to find it, apart from what its stack was used for. Copied. */
  static of({ bytes, view }: Instance, fields: ImageFields): Pristine {
    const { stackTop } = fields
    const heapEnd = view.getUint32(fields.heapEnd, true)
    const lengthBytes = Math.ceil(heapEnd / PAGE_BYTES) * PAGE_BYTES
    const stretches: [start: number, end: number][] = []
    const look = (start: number, end: number) => {
      for (let at = start; at < end; at += BLOCK_BYTES) {
        if (isZero(bytes, at)) continue
        const last = stretches.at(-1)
        const next = Math.min(at + BLOCK_BYTES, end)
        if (last?.[1] === at) last[1] = next
        else stretches.push([at, next])
      }
    }
    look(0, stackTop - STACK_BYTES)
    look(stackTop, lengthBytes)
    const parts = stretches.map(([start, end]) => ({ offset: start, bytes: bytes.slice(start, end) }))
    return new Pristine(fields, lengthBytes, parts)
  }

  /**
   * Where an instance's memory is another than this, but for its stack.
   *
   * @param mostBytes - Undefined for more.
   * @returns offset and length of each place, in pairs.
   */
  changes({ bytes }: Instance, mostBytes: number): number[] | undefined {
    const places: number[] = []
    let changed = 0
    let last = -1
    this.walk(bytes.length, (start, end, content) => {
      const isSame = (at: number, next: number) =>
        content === undefined
          ? isZero(bytes, at, next)
          : Buffer.compare(bytes.subarray(at, next), content.subarray(at - start, next - start)) === 0
      for (let block = start; block < end && changed <= mostBytes; block += BLOCK_BYTES) {
        const blockEnd = Math.min(block + BLOCK_BYTES, end)
        if (isSame(block, blockEnd)) continue
        for (let at = block; at < blockEnd; at += PIECE_BYTES) {
          const next = Math.min(at + PIECE_BYTES, blockEnd)
          if (isSame(at, next)) continue
          changed += next - at
          if (at === last) places[places.length - 1]! += next - at
          else places.push(at, next - at)
          last = next
        }
      }
    })
    return changed <= mostBytes ? places : undefined
  }

  /** Go through memory but the stack: what stands there in a fresh guest; undefined for zeros. */
  private walk(
    lengthBytes: number,
    visit: (start: number, end: number, content: Uint8Array | undefined) => void
  ): void {
    const { stackTop } = this.fields
    const stackBottom = stackTop - STACK_BYTES
    let at = 0
    const zeros = (end: number) => {
      if (at < Math.min(end, stackBottom)) visit(at, Math.min(end, stackBottom), undefined)
      if (Math.max(at, stackTop) < end) visit(Math.max(at, stackTop), end, undefined)
    }
    for (const { offset, bytes } of this.stretches) {
      zeros(offset)
      at = offset + bytes.length
      visit(offset, at, bytes)
    }
    zeros(lengthBytes)
  }

  /** @param memory - All zeros. */
  copyTo(memory: Uint8Array): void {
    for (const { offset, bytes } of this.stretches) memory.set(bytes, offset)
  }

  /** Whether an instance may wait for a guest beside these. */
  hasRoom(instance: Instance, idle: readonly Instance[]): boolean {
    let grown = instance.bytes.length - this.lengthBytes
    if (grown === 0) return true
    for (const { bytes } of idle) grown += bytes.length - this.lengthBytes
    return grown <= KEPT_GROWTH_BYTES
  }

  /**
   * Put an instance back, all of it.
   *
   * @param stackBytes - What a guest may have used of the C stack, before its native code.
   * @param believed - Its memory says how far the heap reached; otherwise all of it is written.
   */
  heal(instance: Instance, stackBytes: number, believed: boolean): void {
    const { bytes, view, engine } = instance
    const { heapEnd, stackTop } = this.fields
    const used = believed ? Math.min(view.getUint32(heapEnd, true), bytes.length) : bytes.length
    // Apart from the rest: it is mostly memory that nobody ever touched, and to write there costs.
    clearStack(bytes, stackTop - STACK_BYTES, stackTop, stackBytes)
    this.walk(used, (start, end, content) => {
      if (content === undefined) bytes.fill(0, start, end)
      else bytes.set(content, start)
    })
    engine.stack.value = stackTop
    engine.fuel.value = 0
  }

  /** Overwrite an instance that has been put back and is not needed any more. */
  erase(instance: Instance): void {
    for (const { offset, bytes } of this.stretches) instance.bytes.fill(0, offset, offset + bytes.length)
  }

  /** Overwrite the copy: it holds the program. */
  wipe(): void {
    for (const { bytes } of this.stretches) bytes.fill(0)
  }
}

/**
 * Overwrite what was used of the C stack. It is used from its top, and mostly not far down: what is used is found block by
 * block, the rest at once. To write where nobody ever wrote would cost a page each.
 *
 * @param stackBytes - How deep a guest may have gone, before its native code.
 */
export function clearStack(bytes: Uint8Array, bottom: number, top: number, stackBytes: number): void {
  let at = top
  while (at > bottom && !isZero(bytes, at - BLOCK_BYTES)) at -= BLOCK_BYTES
  bytes.fill(0, at, top)
  for (let end = at; end > bottom; end -= ZEROS.length) {
    const start = Math.max(bottom, end - ZEROS.length)
    if (Buffer.compare(bytes.subarray(start, end), ZEROS.subarray(0, end - start)) === 0) {
      if (end <= top - stackBytes - NATIVE_BYTES) return
      continue
    }
    for (let block = start; block < end; block += BLOCK_BYTES) {
      if (!isZero(bytes, block)) bytes.fill(0, block, block + BLOCK_BYTES)
    }
  }
}

/** Native code goes no deeper than this between two of the engine's own checks. */
export const NATIVE_BYTES = 64 * 1024
const ZEROS = new Uint8Array(64 * 1024)

/** A block at most, or what is left of it. */
function isZero(bytes: Uint8Array, start: number, end = start + BLOCK_BYTES): boolean {
  // What is not shows soon.
  for (let at = start; at < end; at += 256) if (bytes[at]! > 0) return false
  const block = bytes.subarray(start, end)
  return Buffer.compare(block, ZEROS.subarray(0, block.length)) === 0
}
