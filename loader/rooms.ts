/**
 * Memory for programs in the clear, used again. Each of its pages is one that the system has to find and clear: a seventh of
 * what a large title takes to start. What is given back is wiped, and waits for the next title.
 */
import { wipe } from '../formats/bytes.js'
import { Spares } from '../sandbox/spare.js'

/** Less costs nothing to have anew, and of more is kept no more than this. */
const LEAST_BYTES = 1024 * 1024
const MOST_BYTES = 16 * 1024 * 1024

const spares = new Spares<ArrayBufferLike>()

/** @returns zeros, which nobody else has until they are given back. */
export function takeRoom(bytes: number): Uint8Array {
  const waiting = bytes < LEAST_BYTES ? undefined : spares.take(({ byteLength }) => byteLength >= bytes)
  return waiting === undefined ? new Uint8Array(bytes) : new Uint8Array(waiting, 0, bytes)
}

/** Wipe a room. Nobody may look into it from here on: another title may be there. */
export function giveRoom(room: Uint8Array): void {
  wipe(room)
  const { buffer } = room
  const { byteLength } = buffer
  if (byteLength < LEAST_BYTES || byteLength > MOST_BYTES) return
  if (!spares.waiting.some(waiting => waiting.byteLength > byteLength)) spares.leave(buffer)
}
