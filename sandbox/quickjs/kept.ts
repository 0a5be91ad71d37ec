/**
 * Instances that wait for the next guests in this thread, of whatever program. Most of what a small guest takes is its
 * instance: each page of the memory is one that the system has to find and clear.
 *
 * One is put back to the engine's own image before its guest has gone, and nothing that its memory says of itself is
 * believed. Only a guest that its host had no more need of leaves one: after a limit, a trap or an abort it is dropped.
 *
 * @see docs/decisions/0048-an-instance-for-the-next-guest.md
 */
import { Spares } from '../spare.js'
import { STACK_BYTES } from './abi.js'
import type { ImageFields } from './image.js'
import { type Instance, RESTING } from './instance.js'
import { clearStack, type Pristine } from './pristine.js'

const MOST_KEPT = 4
/** Of their memory, together, beyond what guests start from. All of it is written after each guest. */
const MOST_GROWTH_BYTES = 16 * 1024 * 1024

interface Waiting {
  readonly instance: Instance
  /** Nothing is left in its stack, however deep. */
  readonly isSearched: boolean
}

export class Kept {
  readonly #base: Pristine
  readonly #fields: ImageFields
  readonly #spares: Spares<Waiting>

  /** @param base - What guests start from. @param keptMs - How long each waits. */
  constructor(base: Pristine, fields: ImageFields, keptMs?: number) {
    this.#base = base
    this.#fields = fields
    this.#spares = new Spares({ most: MOST_KEPT, keptMs })
  }

  /** One whose memory WebAssembly itself lets grow just as far. */
  take(maxPages: number): Instance | undefined {
    const found = this.#spares.take(({ instance }) => instance.maxPages === maxPages)
    if (found === undefined) return undefined
    const { instance, isSearched } = found
    const { stackTop } = this.#fields
    if (!isSearched) clearStack(instance.bytes, stackTop - STACK_BYTES, stackTop, STACK_BYTES)
    return instance
  }

  /**
   * Put an instance back, if it may wait.
   *
   * @param stackBytes - What its guest may have used of the C stack, before its native code.
   * @param foreign - Its guest came out of an image. One made by hand could go deeper, and leave word there for another such.
   *   To look through a stack that nobody touched takes as long as a new instance, so it is left to whoever takes this one.
   * @returns whether it waits; otherwise nothing was done.
   */
  keep(instance: Instance, stackBytes: number, foreign: boolean): boolean {
    if (this.#growthBytes(instance) > MOST_GROWTH_BYTES) return false
    this.#base.heal(instance, stackBytes, false)
    instance.hooks = RESTING
    this.#spares.leave({ instance, isSearched: !foreign })
    while (this.#growthOfAll() > MOST_GROWTH_BYTES) this.#spares.drop(this.#spares.waiting[0]!)
    return true
  }

  #growthBytes({ bytes }: Instance): number {
    return bytes.length - this.#base.lengthBytes
  }

  #growthOfAll(): number {
    return this.#spares.waiting.reduce((sum, { instance }) => sum + this.#growthBytes(instance), 0)
  }
}
