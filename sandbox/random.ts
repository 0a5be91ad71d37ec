/** Numbers that are the same on every engine: a seeded guest's, and Math.random. Not for secrets. */

/** xoshiro128**, 32 bits at a time. */
function xoshiro128(state: Uint32Array): () => number {
  // All zeros is the one state that never moves.
  if ((state[0]! | state[1]! | state[2]! | state[3]!) === 0) state[0] = 1
  return () => {
    const product = multiply(state[1]!, 5)
    const output = multiply((product << 7) | (product >>> 25), 9)
    const shifted = state[1]! << 9
    state[2]! ^= state[0]!
    state[3]! ^= state[1]!
    state[1]! ^= state[2]!
    state[0]! ^= state[3]!
    state[2]! ^= shifted
    state[3] = (state[3]! << 11) | (state[3]! >>> 21)
    return output >>> 0
  }
}

const multiply = Math.imul

/** Bytes from a number: each bit of the seed moves all of the state (splitmix32). */
export function seededGenerator(seed: number): () => number {
  const halves = new Uint32Array(new Float64Array([seed]).buffer)
  let state = (halves[0]! ^ Math.imul(halves[1]!, 0x9e3779b1)) >>> 0
  const mixed = Uint32Array.from({ length: 4 }, () => {
    state = (state + 0x9e3779b9) >>> 0
    let word = state ^ (state >>> 16)
    word = Math.imul(word, 0x21f0aaad)
    word ^= word >>> 15
    word = Math.imul(word, 0x735a2d97)
    return (word ^ (word >>> 15)) >>> 0
  })
  return xoshiro128(mixed)
}

/**
 * Math.random as QuickJS rolls it: xorshift64*, of whose 64 bits the upper 52 become the number.
 *
 * @param dice - The state, 8 bytes, the lowest first; not all of them zero.
 */
export function rollDice(dice: Uint8Array): () => number {
  const word = (at: number) =>
    dice[at]! | (dice[at + 1]! << 8) | (dice[at + 2]! << 16) | (dice[at + 3]! << 24)
  let low = word(0)
  let high = word(4)
  return () => {
    low ^= (low >>> 12) | (high << 20)
    high ^= high >>> 12
    high ^= (high << 25) | (low >>> 7)
    low ^= low << 25
    low ^= (low >>> 27) | (high << 5)
    high ^= high >>> 27
    // Times 0x2545f4914f6cdd1d, modulo 2 ** 64: the upper half of the product of the lower halves, and the crosses.
    const upper =
      (upperProduct(low >>> 0, 0x4f6cdd1d) + multiply(low, 0x2545f491) + multiply(high, 0x4f6cdd1d)) >>> 0
    const lower = multiply(low, 0x4f6cdd1d) >>> 0
    return (upper * 2 ** 20 + (lower >>> 12)) / 2 ** 52
  }
}

/** Upper 32 bits of the product of two numbers of 32 bits. */
function upperProduct(a: number, b: number): number {
  const a0 = a & 0xffff
  const a1 = a >>> 16
  const b0 = b & 0xffff
  const b1 = b >>> 16
  const cross = a1 * b0 + (((a0 * b0) / 65536) >>> 0)
  const other = a0 * b1 + (cross & 0xffff)
  return a1 * b1 + ((cross / 65536) >>> 0) + ((other / 65536) >>> 0)
}
