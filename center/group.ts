/**
 * Group commit. A commit waits for the disk, some milliseconds each; works that wait for the same writer are done one
 * after another in one transaction and made durable by one commit. Each keeps the promise of a transaction of its own:
 * it sees what those before it did, what it wrote is undone when it fails, and its outcome, a refusal too, is told only
 * when what it was based on is on the disk.
 */
import { CompiledQuery, type Kysely, type Transaction } from 'kysely'
import { setImmediate } from 'node:timers/promises'
import { Journal, type Change } from './journal.js'

/** More would make the first wait longer than the disk does. */
const MAX_GROUP = 64

type Work<DB, T> = (books: Transaction<DB>) => Promise<T>

/** Writes down what each work of a group wrote, before the commit. */
export type Conclude<DB> = (books: Transaction<DB>, works: readonly (readonly Change[])[]) => Promise<void>

/** @returns Runs a work in the next group; resolves with what it returned, or rejects with what it threw. */
export function groupCommits<DB>(
  books: Kysely<DB>,
  conclude: Conclude<DB>
): <T>(work: Work<DB, T>) => Promise<T> {
  const waiting: Waiting<DB>[] = []
  let busy = false

  const commitAll = async () => {
    busy = true
    while (waiting.length > 0) {
      // Whoever is on the way, having just read his request, comes along.
      await setImmediate()
      await commitGroup(books, waiting.splice(0, MAX_GROUP), conclude)
    }
    busy = false
  }
  return work =>
    new Promise((resolve, reject) => {
      waiting.push({
        async run(inside) {
          const result = await work(inside)
          return () => resolve(result)
        },
        reject
      })
      if (!busy) void commitAll()
    })
}

interface Waiting<DB> {
  /** @returns What tells the result, once it is on the disk. */
  run(inside: Transaction<DB>): Promise<() => void>
  reject(reason: unknown): void
}

async function commitGroup<DB>(
  books: Kysely<DB>,
  group: readonly Waiting<DB>[],
  conclude: Conclude<DB>
): Promise<void> {
  let settle: (() => void)[]
  try {
    settle = await books.transaction().execute(async inside => {
      const outcomes: Outcome[] = []
      for (const one of group) outcomes.push(await runOne(inside, one))
      await conclude(
        inside,
        outcomes.map(({ changes }) => changes)
      )
      return outcomes.map(outcome => outcome.settle)
    })
  } catch (cause) {
    // Nothing was written, or nobody knows: each may ask again.
    settle = group.map(one => () => one.reject(cause))
  }
  for (const tell of settle) tell()
}

interface Outcome {
  readonly settle: () => void
  readonly changes: readonly Change[]
}

async function runOne<DB>(inside: Transaction<DB>, one: Waiting<DB>): Promise<Outcome> {
  const journal = new Journal()
  await execute(inside, 'savepoint work')
  try {
    const settle = await one.run(inside.withPlugin(journal))
    await execute(inside, 'release savepoint work')
    return { settle, changes: journal.changes }
  } catch (reason) {
    // When the database itself failed this fails too, and the whole group with it.
    await execute(inside, 'rollback to savepoint work')
    await execute(inside, 'release savepoint work')
    return { settle: () => one.reject(reason), changes: [] }
  }
}

const execute = (inside: Transaction<any>, text: string) => inside.executeQuery(CompiledQuery.raw(text))
