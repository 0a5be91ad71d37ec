/**
 * Guests of a pool that rest without an instance. Of a guest that nobody calls only what it has changed is kept, in place of all
 * of its memory; when it is next entered it has an instance again, with the same bytes in the same places.
 *
 * @see docs/decisions/0051-guests-that-rest.md
 */
import type { Instance } from './instance.js'
import type { Pristine } from './pristine.js'

/** What a guest has changed of the memory that it started from. */
export class Resting {
  /** What its instance was put back to. */
  readonly pristine: Pristine
  /** What the guest occupies, as it is told. */
  readonly memoryBytes: number
  readonly #lengthBytes: number
  readonly #fuel: number
  /** Offset and length of each change, in pairs; and their bytes, one after the other. */
  readonly #places: readonly number[]
  readonly #content: Uint8Array

  /**
   * @param instance - Not entered, its stack empty.
   * @returns undefined for a guest that has changed so much that there is little to be had.
   */
  static of(instance: Instance, pristine: Pristine, memoryBytes: number): Resting | undefined {
    const places = pristine.changes(instance, pristine.contentBytes / 2)
    return places && new Resting(instance, pristine, memoryBytes, places)
  }

  private constructor(
    { bytes, engine }: Instance,
    pristine: Pristine,
    memoryBytes: number,
    places: readonly number[]
  ) {
    this.pristine = pristine
    this.memoryBytes = memoryBytes
    this.#lengthBytes = bytes.length
    this.#fuel = engine.fuel.value as number
    this.#places = places
    let total = 0
    for (let i = 1; i < places.length; i += 2) total += places[i]!
    this.#content = new Uint8Array(total)
    this.#each((offset, kept) => kept.set(bytes.subarray(offset, offset + kept.length)))
  }

  /** @param instance - As {@link pristine} leaves it. */
  wake(instance: Instance): void {
    instance.reach(this.#lengthBytes)
    this.#each((offset, kept) => instance.bytes.set(kept, offset))
    instance.engine.fuel.value = this.#fuel
    this.wipe()
  }

  /** Overwrite what was kept: it is the guest's. */
  wipe(): void {
    this.#content.fill(0)
  }

  #each(visit: (offset: number, kept: Uint8Array) => void): void {
    let at = 0
    for (let i = 0; i < this.#places.length; i += 2) {
      const length = this.#places[i + 1]!
      visit(this.#places[i]!, this.#content.subarray(at, at + length))
      at += length
    }
  }
}

/** Whoever has an instance and may give it up. */
export interface Sleeper {
  /** Whether it was entered since this was last asked. */
  wasEntered(): boolean
  /** Give the instance up, if that can be. */
  rest(): boolean
}

/** The guests of a pool that have an instance: at most so many, but for those that cannot rest. */
export class Awake {
  readonly #most: number
  /** In the order in which they came or were last found in use. */
  readonly #guests = new Set<Sleeper>()

  constructor(most: number) {
    this.#most = most
  }

  /** One more needs an instance: have others rest until there is room, those first that were not entered for longest. */
  add(guest: Sleeper): void {
    // Where many cannot rest, whoever comes next goes on behind those that were asked.
    for (let tries = 2 * this.#most; tries > 0 && this.#guests.size >= this.#most; tries--) {
      const [first] = this.#guests
      this.#guests.delete(first!)
      if (first!.wasEntered() || !first!.rest()) this.#guests.add(first!)
    }
    this.#guests.add(guest)
  }

  delete(guest: Sleeper): void {
    this.#guests.delete(guest)
  }
}
