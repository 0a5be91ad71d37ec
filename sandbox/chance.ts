/** Randomness fit for secrets, drawn ahead: the system takes as long over 8 bytes as over a thousand. */
import { randomFillSync } from 'node:crypto'

const drawn = new Uint8Array(1024)
let at = drawn.length

/** Fill these bytes, and return them. Nothing that was handed out stays here. */
export function fillRandom(bytes: Uint8Array): Uint8Array {
  const { length } = bytes
  if (length > drawn.length) return randomFillSync(bytes)
  if (length > drawn.length - at) {
    randomFillSync(drawn)
    at = 0
  }
  bytes.set(drawn.subarray(at, at + length))
  drawn.fill(0, at, at + length)
  at += length
  return bytes
}
