/**
 * The Merkle tree of a log, as in RFC 9162 §2.1, over SHA-256. A log only grows; its root at a size pins every entry
 * before it, and a path of some twenty hashes proves that one entry is among them.
 */
import { concat, equalBytes } from './bytes.js'
import { sha256 } from './primitives.js'

export const HASH_BYTES = 32
/** More entries than a number can count. */
export const MAX_PATH_HASHES = 53

const LEAF = new Uint8Array([0])
const NODE = new Uint8Array([1])

export const leafHash = (entry: Uint8Array): Uint8Array => sha256(LEAF, entry)
export const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array => sha256(NODE, left, right)

/** What an append needs of all that was appended before: the roots of the complete subtrees, largest first. */
export class Frontier {
  #size: number
  readonly #roots: Uint8Array[]

  /** @param packed - As {@link bytes} gave it. @throws RangeError for bytes that are not of this size. */
  constructor(size = 0, packed: Uint8Array = new Uint8Array(0)) {
    if (packed.length !== HASH_BYTES * bitsOf(size)) throw new RangeError('no frontier of this size')
    this.#size = size
    this.#roots = Array.from({ length: bitsOf(size) }, (_, n) =>
      packed.slice(n * HASH_BYTES, (n + 1) * HASH_BYTES)
    )
  }

  get size(): number {
    return this.#size
  }

  /**
   * @param onComplete - Told of each subtree that this leaf completes: 2^level leaves, the index-th of its level. The leaf
   *   itself is one of level 0.
   */
  append(
    leaf: Uint8Array,
    onComplete: (level: number, index: number, root: Uint8Array) => void = () => {}
  ): void {
    let root = leaf
    onComplete(0, this.#size, root)
    let level = 0
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      root = nodeHash(this.#roots.pop()!, root)
      level++
      onComplete(level, (rest - 1) / 2, root)
    }
    this.#roots.push(root)
    this.#size++
  }

  root(): Uint8Array {
    if (this.#roots.length === 0) return sha256()
    return this.#roots.reduceRight((right, left) => nodeHash(left, right))
  }

  bytes(): Uint8Array {
    return concat(...this.#roots)
  }
}

function bitsOf(size: number): number {
  let bits = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2
  return bits
}

/** The root of 2^level leaves that begin at index * 2^level. */
export type Subtree = (level: number, index: number) => Promise<Uint8Array>

/** @returns The hashes that lead from the entry at `index` to the root of the first `size` entries, leaf to root. */
export async function inclusionPath(index: number, size: number, subtree: Subtree): Promise<Uint8Array[]> {
  const rootOf = async (start: number, end: number): Promise<Uint8Array> => {
    const split = start + largestPowerBelow(end - start)
    if (end - start === 1 || split * 2 - start === end) {
      const level = Math.round(Math.log2(end - start))
      if (start % (end - start) === 0) return subtree(level, start / (end - start))
    }
    return nodeHash(await rootOf(start, split), await rootOf(split, end))
  }
  const path: Uint8Array[] = []
  let start = 0
  let end = size
  while (end - start > 1) {
    const split = start + largestPowerBelow(end - start)
    if (index < split) {
      path.unshift(await rootOf(split, end))
      end = split
    } else {
      path.unshift(await rootOf(start, split))
      start = split
    }
  }
  return path
}

/** The largest power of 2 that is less than `count`; 1 for 1. */
function largestPowerBelow(count: number): number {
  let power = 1
  while (power * 2 < count) power *= 2
  return power
}

/** @returns Whether the path proves that this leaf is the index-th of the log with this root. RFC 9162 §2.1.3.2. */
export function provesInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
  root: Uint8Array
): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false
  let at = index
  let last = size - 1
  let hash = leaf
  for (const sibling of path) {
    if (last === 0) return false
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(sibling, hash)
      while (at % 2 === 0 && at !== 0) {
        at = at / 2
        last = Math.floor(last / 2)
      }
    } else hash = nodeHash(hash, sibling)
    at = Math.floor(at / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && equalBytes(hash, root)
}
