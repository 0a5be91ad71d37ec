/** What the loader takes from the world beside files: passed in, so that tests can hand over a fixed clock. */
import { randomFillSync } from 'node:crypto'

export interface Powers {
  /** Seconds since 1970. */
  now(): number
  /** Fresh random bytes, outside the shared buffer pool. */
  random(length: number): Uint8Array
}

export const POWERS: Powers = {
  now: () => Math.floor(Date.now() / 1000),
  random: length => randomFillSync(new Uint8Array(length))
}
