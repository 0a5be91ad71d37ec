/** What the center needs from the world beside its folder. Tests hand over their own. */
import { randomBytes } from 'node:crypto'

/** @returns Fresh bytes that nobody else has. */
export type Random = (lengthBytes: number) => Uint8Array

export interface Powers {
  /** Seconds since 1970-01-01T00:00:00Z. */
  readonly now: () => number
  readonly random: Random
}

export const SYSTEM_POWERS: Powers = {
  now: () => Math.floor(Date.now() / 1000),
  // A copy: a Buffer from the pool shares its memory with others.
  random: lengthBytes => new Uint8Array(randomBytes(lengthBytes))
}
