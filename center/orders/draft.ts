/**
 * An order is decided on, and made from what was decided. What was made before the lock was had counts if the same is decided under it
 * (center/orders/issue.ts).
 */
import { entryOf, left, type Entry } from '../books/entry.js'
import type { Workshop } from '../site.js'
import { makeAnswer, type Decision, type Ground, type Made, type Order } from './make.js'
import type { Write } from './sheet.js'

export interface Draft extends Made {
  /** What the log keeps of its writes. */
  readonly entry: Entry | undefined
}

/** An order, and what was decided, or is likely to be. */
export interface Decided {
  readonly order: Order
  readonly decision: Decision
}

/** All that a draft follows from, beside the order. */
export const basisOf = ({ center, roots }: Ground, { title, sale }: Decision): string =>
  JSON.stringify([center.revocationSequence, center.epoch, roots.length, title.publisher, sale])

export function draftOf(site: Workshop, ground: Ground, { order, decision }: Decided): Draft {
  const { answer, writes } = makeAnswer(site, ground, order, decision)
  return { answer, writes, entry: entryFor(writes) }
}

/** The same before the lock is had; undefined for what fails, which is told under it. */
export function draftAhead(site: Workshop, ground: Ground, decided: Decided): Draft | undefined {
  try {
    return draftOf(site, ground, decided)
  } catch {
    return undefined
  }
}

export const entryFor = (writes: readonly Write[]): Entry | undefined =>
  entryOf(writes.map(({ table, row }) => left(table, row)))
