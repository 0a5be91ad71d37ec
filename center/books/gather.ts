/** How works that come at once go on: several together, or side by side and each in its turn. */
import { setImmediate } from 'node:timers/promises'

interface Waiting<I> {
  readonly input: I
  resolve(): void
  reject(reason: unknown): void
}

/**
 * Works that come while others of their kind are being done are done together, next.
 *
 * @param most - At a time.
 * @param atOnce - How many times as many are under way at most: more begin before the first are done when `most` are waiting.
 * @returns Resolves when `work` has done the input, or rejects with what it threw.
 */
export function gather<I>(
  most: number,
  work: (inputs: readonly I[]) => Promise<void>,
  atOnce = 1
): (input: I) => Promise<void> {
  const waiting: Waiting<I>[] = []
  let underWay = 0
  /** Of those, how many have not taken their inputs yet. */
  let beginning = 0

  const doAll = async () => {
    underWay++
    // What one that begins has still to take is not another's.
    while (waiting.length > most * beginning) {
      // Whoever is on the way comes along.
      beginning++
      await setImmediate()
      beginning--
      const some = waiting.splice(0, most)
      try {
        await work(some.map(({ input }) => input))
        for (const { resolve } of some) resolve()
      } catch (reason) {
        for (const { reject } of some) reject(reason)
      }
    }
    underWay--
  }
  return input =>
    new Promise((resolve, reject) => {
      waiting.push({ input, resolve, reject })
      const isWhole = waiting.length >= most * (beginning + 1)
      if (underWay === 0 || (underWay < atOnce && isWhole)) void doAll()
    })
}

/**
 * Works that are done side by side, and whose outcomes are told in the order in which they came: what is done on several
 * threads ends in any order, and who asked first is to be served first.
 */
export function inOrder<I, T>(work: (input: I) => Promise<T>): (input: I) => Promise<T> {
  let last: Promise<void> = Promise.resolve()
  return input => {
    const before = last
    const outcome = work(input)
    // With no value: it would hold all that came before, for as long as works come.
    const both = () => before
    last = outcome.then(both, both)
    return before.then(() => outcome)
  }
}
