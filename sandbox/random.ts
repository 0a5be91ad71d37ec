/** xoshiro128**: small, fast, the same on every engine. Not for secrets: a seeded guest, and Math.random. */
export function xoshiro128(state: Uint32Array): () => number {
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
