/** Memory that Node's ciphers allocate, given back at once (docs/decisions/0033-memory-given-back-at-once.md). */

/** `ArrayBuffer.prototype.transfer`: the bytes move to a new buffer of that length, none for 0. */
export type Transfer = (this: ArrayBufferLike, newBytes: number) => unknown

let transfer: Transfer | undefined = (ArrayBuffer.prototype as { transfer?: Transfer }).transfer

/** For engines that hide it. */
export function releaseBy(hidden: Transfer): void {
  transfer ??= hidden
}

/**
 * Give back what a cipher allocated. Left to the collector, 32 MB pile up first, and every chunk goes through memory that
 * no cache holds; what is empty costs the collector as much (docs/decisions/0033-memory-given-back-at-once.md).
 */
export function release({ buffer, length }: Uint8Array): void {
  // Not what is shared with others, as Node's small buffers may be.
  if (transfer !== undefined && buffer.byteLength === length) transfer.call(buffer, 0)
}

/** How many outputs one that is kept serves: its own copy may be the slow one. */
const OUTPUTS_APART = 64
let outputs = 0
let kept: Uint8Array | undefined

/**
 * Give back an output of `update`. Node copies each once more into memory of its size, and allocators like to lay the two
 * side by side, where Zen 3 copies 25 times slower (docs/benchmarks.md): so one output is kept for a while, to lie between.
 */
export function releaseOutput(output: Uint8Array): void {
  if (outputs === 0) kept = output
  else release(output)
  outputs = (outputs + 1) % OUTPUTS_APART
  if (outputs === 0) release(kept!)
}
