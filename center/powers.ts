/** What the center needs from the world beside its folder. Tests hand over their own. */
import { randomFillSync } from 'node:crypto'

/** @returns Fresh bytes that nobody else has. */
export type Random = (lengthBytes: number) => Uint8Array

export interface Powers {
  /** Seconds since 1970-01-01T00:00:00Z. */
  readonly now: () => number
  readonly random: Random
}

export const SYSTEM_POWERS: Powers = {
  now: () => Math.floor(Date.now() / 1000),
  random: systemRandom
}

/** Drawn beforehand: to ask the system takes as long for many as for one. Those from `drawn` on are nobody's yet. */
const pool = new Uint8Array(4096)
let drawn = pool.length

function systemRandom(lengthBytes: number): Uint8Array {
  if (lengthBytes > pool.length) return randomFillSync(new Uint8Array(lengthBytes))
  if (drawn + lengthBytes > pool.length) {
    randomFillSync(pool)
    drawn = 0
  }
  const bytes = pool.slice(drawn, drawn + lengthBytes)
  pool.fill(0, drawn, (drawn += lengthBytes)) // whoever has them wipes his copy
  return bytes
}
