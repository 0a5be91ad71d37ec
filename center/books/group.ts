/**
 * Group commit. A commit waits for the disk, some milliseconds each; works that wait for the same writer are done one
 * after another in one transaction and made durable by one commit. Each keeps the promise of a transaction of its own:
 * it sees what those before it did, what it wrote is undone when it fails, and its outcome, a refusal too, is told only
 * when what it was based on is on the disk.
 *
 * Works of one kind that come together may be done as one, with one query where each alone would need its own.
 */
import { CompiledQuery, type Kysely, type Transaction } from 'kysely'
import { CofferError } from '../../formats/errors.js'
import { gather } from './gather.js'
import { entryOf, type Entry } from './entry.js'
import { Journal } from './journal.js'

/** More would make the first wait longer than the disk does. */
const MAX_GROUP = 64

/** What came of one work, and what the log keeps of the rows that it left in the books: nothing of a refusal. */
export type Outcome<T> =
  | { readonly value: T; readonly entry: Entry | undefined }
  | { readonly reason: unknown; readonly entry: undefined }

/** How works of one kind are done, each by its input. */
export interface Kind<DB, I, T> {
  /**
   * The works of a group, in the order in which they came.
   *
   * @returns As many outcomes. One that throws is undone, and done again for each input by itself.
   */
  perform(books: Transaction<DB>, inputs: readonly I[]): Promise<readonly Outcome<T>[]>
}

/** Asked when a group begins. */
export type Conclude<DB> = (books: Transaction<DB>) => Promise<Conclusion>

export interface Conclusion {
  /** Resolves when the lock is had. */
  readonly begun: Promise<unknown>
  /** Write down what each work of the group wrote, before the commit. */
  writeDown(entries: readonly Entry[]): Promise<void>
}

/** Puts a work into the next group; resolves with what came of it, or rejects with why nothing did. */
export type Enqueue<DB> = <I, T>(kind: Kind<DB, I, T>, input: I) => Promise<T>

export interface Groups<DB> {
  readonly together: Enqueue<DB>
  /** Resolves while no group of ours holds the lock: what can wait does, since all writers wait for whoever holds it. */
  unlocked(): Promise<void>
}

export function groupCommits<DB>(books: Kysely<DB>, conclude: Conclude<DB>): Groups<DB> {
  const nothing = () => {}
  let held = Promise.resolve()
  // Its commit, for which the database works and waits for the disk, comes after the work.
  const commit: Commit<DB> = perform =>
    books.transaction().execute(async inside => {
      const { begun, writeDown } = await conclude(inside)
      const result = perform(inside).then(async outcomes => {
        await writeDown(outcomes.flatMap(({ entry }) => entry ?? []))
        return outcomes
      })
      const done = result.then(nothing, nothing)
      begun.then(() => (held = done), nothing)
      return result.catch(async (reason: unknown) => {
        await begun // without the lock none of them is at fault
        throw reason
      })
    })
  const doneTogether = gather<Waiting<DB>>(MAX_GROUP, group => commitGroup(commit, group))
  return {
    together: (kind, input) =>
      new Promise((resolve, reject) => {
        void doneTogether({ kind, input, resolve, reject } as Waiting<DB>)
      }),
    unlocked: () => held
  }
}

/** A work by itself, by whatever queries it makes. */
export const single = <DB, T>(work: (books: Transaction<DB>) => Promise<T>): Kind<DB, void, T> => ({
  async perform(books) {
    const journal = new Journal()
    const value = await work(books.withPlugin(journal))
    return [{ value, entry: entryOf(journal.changes) }]
  }
})

interface Waiting<DB> {
  readonly kind: Kind<DB, unknown, unknown>
  readonly input: unknown
  resolve(value: unknown): void
  reject(reason: unknown): void
}

async function commitGroup<DB>(commit: Commit<DB>, group: readonly Waiting<DB>[]): Promise<void> {
  let outcomes: readonly Outcome<unknown>[]
  try {
    outcomes = await committed(commit, runsOf(group))
  } catch (reason) {
    // Nothing was written, or nobody knows: each may ask again.
    outcomes = group.map(() => ({ reason, entry: undefined }))
  }
  for (const [n, { resolve, reject }] of group.entries()) {
    const outcome = outcomes[n]!
    if ('reason' in outcome) reject(outcome.reason)
    else resolve(outcome.value)
  }
}

/** What comes of works in one transaction. */
type Commit<DB> = (
  perform: (inside: Transaction<DB>) => Promise<readonly Outcome<unknown>[]>
) => Promise<readonly Outcome<unknown>[]>

/** Thrown for works that failed, out of the transaction that is undone with them. */
class Undone {
  readonly reason: unknown

  constructor(reason: unknown) {
    this.reason = reason
  }
}

async function committed<DB>(
  commit: Commit<DB>,
  runs: readonly Run<DB>[]
): Promise<readonly Outcome<unknown>[]> {
  const [run] = runs
  if (run !== undefined && runs.length === 1) {
    const { kind, inputs } = run
    try {
      // Of works of one kind alone no savepoint is needed, for which SQLite copies each page that they change.
      return await commit(inside =>
        kind.perform(inside, inputs).catch((reason: unknown) => {
          throw new Undone(reason)
        })
      )
    } catch (error) {
      // What the database itself cannot do, now or ever, has a code; all else is a fault of one of them.
      if (!(error instanceof Undone) && error instanceof CofferError) throw error
      if (inputs.length === 1) throw error instanceof Undone ? error.reason : error
      runs = alone(run)
    }
  }
  return commit(inside => inTurn(inside, runs))
}

interface Run<DB> {
  readonly kind: Kind<DB, unknown, unknown>
  readonly inputs: unknown[]
}

/** Neighbours of one kind: so the order in which all came is kept. */
function runsOf<DB>(group: readonly Waiting<DB>[]): Run<DB>[] {
  const runs: Run<DB>[] = []
  for (const { kind, input } of group) {
    const last = runs.at(-1)
    if (last?.kind === kind) last.inputs.push(input)
    else runs.push({ kind, inputs: [input] })
  }
  return runs
}

/** One of them is at fault: each by itself, so that it fails alone. */
const alone = <DB>({ kind, inputs }: Run<DB>): Run<DB>[] => inputs.map(input => ({ kind, inputs: [input] }))

/** One run after the other, each behind a savepoint. */
async function inTurn<DB>(inside: Transaction<DB>, runs: readonly Run<DB>[]): Promise<Outcome<unknown>[]> {
  const outcomes: Outcome<unknown>[] = []
  for (const run of runs) outcomes.push(...(await performed(inside, run)))
  return outcomes
}

async function performed<DB>(inside: Transaction<DB>, run: Run<DB>): Promise<readonly Outcome<unknown>[]> {
  const { kind, inputs } = run
  await execute(inside, 'savepoint work')
  try {
    const outcomes = await kind.perform(inside, inputs)
    await execute(inside, 'release savepoint work')
    return outcomes
  } catch (reason) {
    // When the database itself failed this fails too, and the whole group with it.
    await execute(inside, 'rollback to savepoint work')
    await execute(inside, 'release savepoint work')
    if (inputs.length === 1) return [{ reason, entry: undefined }]
  }
  return inTurn(inside, alone(run))
}

const execute = (inside: Transaction<any>, text: string) => inside.executeQuery(CompiledQuery.raw(text))
