/**
 * Memory for programs in the clear, used again. Each of its pages is one that the system has to find and clear: a seventh of
 * what a large title takes to start. What is given back is wiped, and waits for the next title for ten seconds.
 */
import { wipe } from '../formats/bytes.js'

const KEPT_MS = 10_000
/** Less costs nothing to have anew, and of more is kept no more than this. */
const LEAST_BYTES = 1024 * 1024
const MOST_BYTES = 16 * 1024 * 1024

let waiting: ArrayBufferLike | undefined
let timer: NodeJS.Timeout | undefined

/** @returns zeros, which nobody else has until they are given back. */
export function takeRoom(bytes: number): Uint8Array {
  if (waiting === undefined || bytes < LEAST_BYTES || bytes > waiting.byteLength) return new Uint8Array(bytes)
  const room = new Uint8Array(waiting, 0, bytes)
  drop()
  return room
}

/** Wipe a room. Nobody may look into it from here on: another title may be there. */
export function giveRoom(room: Uint8Array): void {
  wipe(room)
  const { buffer } = room
  const { byteLength } = buffer
  if (byteLength < LEAST_BYTES || byteLength > MOST_BYTES || byteLength < (waiting?.byteLength ?? 0)) return
  drop()
  waiting = buffer
  timer = setTimeout(drop, KEPT_MS).unref()
}

function drop(): void {
  clearTimeout(timer)
  waiting = undefined
}
