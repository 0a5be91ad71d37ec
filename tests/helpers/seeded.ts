/** Repeatable randomness for properties. Print the seed; COFFER_SEED=<seed> repeats a run. */

export class Seeded {
  #state: number

  constructor(what: string) {
    this.#state = Number(process.env.COFFER_SEED ?? Date.now() % 2 ** 32) >>> 0
    console.log(`seed of ${what}: ${this.#state}`)
  }

  /** From 0 to `bound` - 1; splitmix32, good enough to pick cases. */
  below(bound: number): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return Math.floor((((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32) * bound)
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!
  }
}
