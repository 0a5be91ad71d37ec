/** Many statements at once, and many rows in few statements, whose texts are made once for each table and parsed once by the database. */
import {
  CompiledQuery,
  type Compilable,
  type DialectAdapter,
  type Kysely,
  type OnConflictBuilder
} from 'kysely'
import { Bundle, type Ahead, type OneOf } from './database.js'
import type { AllTables, Books } from './store.js'

type RowsOf<Q extends readonly Compilable[]> = {
  [K in keyof Q]: Q[K] extends Compilable<infer Row> ? Row[] : never
}

/**
 * Execute statements one after the other, without waiting for one's rows before the next is sent.
 *
 * @returns The rows of each.
 */
export async function inOneGo<const Q extends readonly Compilable[]>(
  books: Books,
  queries: Q
): Promise<RowsOf<Q>> {
  if (queries.length === 0) return [] as unknown as RowsOf<Q>
  return (await executed(books, queries, false)) as RowsOf<Q>
}

/** The same inside of a transaction, without waiting for the database: it goes on with whatever comes next. */
export async function ahead<const Q extends readonly Compilable[]>(
  books: Books,
  queries: Q
): Promise<Ahead<RowsOf<Q>>> {
  const [one] = await executed(books, queries, true)
  return one as Ahead<RowsOf<Q>>
}

async function executed(
  books: Books,
  queries: readonly Compilable[],
  isAhead: boolean
): Promise<readonly unknown[]> {
  const bundle = new Bundle(
    queries.map(query => query.compile()),
    isAhead
  )
  return (await books.executeQuery(CompiledQuery.raw('', [bundle]))).rows
}

/** Stands in a compiled statement for a value that is known when it is executed. */
class Asked {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

/**
 * Statements that are built and compiled once for each database, which takes longer than their execution.
 *
 * @param build - Puts what it is `asked` into the statements as it is, as parameters, and knows nothing else that changes.
 */
export function prepared<A extends object, const Q extends readonly Compilable[]>(
  build: (books: Books, oneOf: OneOf, asked: A) => Q
): (books: Books, oneOf: OneOf, asked: A) => Q {
  const known = new WeakMap<DialectAdapter, readonly CompiledQuery[]>()
  return (books, oneOf, asked) => {
    const { adapter } = books.getExecutor()
    let compiled = known.get(adapter)
    if (compiled === undefined) {
      const names = new Proxy(asked, { get: (_, name) => new Asked(String(name)) })
      compiled = build(books, oneOf, names).map(query => query.compile())
      known.set(adapter, compiled)
    }
    const valueOf = (value: unknown) => (value instanceof Asked ? asked[value.name as keyof A] : value)
    return compiled.map(({ sql, parameters }) => ({
      compile: () => CompiledQuery.raw(sql, parameters.map(valueOf))
    })) as unknown as Q
  }
}

/** Rows of one statement: powers of two up to this, so that there are few texts. */
const MAX_ROWS = 32

interface Statement {
  readonly text: string
  /** In the order of its parameters. */
  readonly columns: readonly string[]
}

/** By database: one process may have two open, which number parameters differently. */
const statements = new WeakMap<DialectAdapter, Map<string, Statement>>()

/**
 * Statements that write rows, to be executed in this order. Past the journal: who calls this says what he wrote.
 *
 * @param rows - Whole.
 * @param key - Columns of the primary key: rows that are there are overwritten. Without it they must be new.
 */
export function writing<T extends keyof AllTables>(
  books: Books,
  table: T,
  rows: readonly AllTables[T][],
  ...key: readonly (string & keyof AllTables[T])[]
): Compilable[] {
  const written: Compilable[] = []
  for (let at = 0; at < rows.length;) {
    const count = Math.min(MAX_ROWS, 2 ** Math.floor(Math.log2(rows.length - at)))
    const some = rows.slice(at, at + count) as Record<string, unknown>[]
    const { text, columns } = statementFor(books, table, some, key)
    const values = some.flatMap(row => columns.map(column => row[column]))
    written.push({ compile: () => CompiledQuery.raw(text, values) })
    at += count
  }
  return written
}

function statementFor(
  books: Books,
  table: keyof AllTables,
  rows: readonly Record<string, unknown>[],
  key: readonly string[]
): Statement {
  const { adapter } = books.getExecutor()
  let known = statements.get(adapter)
  if (known === undefined) statements.set(adapter, (known = new Map()))
  const name = `${table} ${rows.length}`
  let statement = known.get(name)
  if (statement === undefined) {
    const columns = Object.keys(rows[0]!)
    const insert = (books as Kysely<any>).insertInto(table).values(rows)
    const { sql } = (key.length === 0 ? insert : insert.onConflict(overwrite(key, columns))).compile()
    known.set(name, (statement = { text: sql, columns }))
  }
  return statement
}

/** What becomes of a row that is there already: it takes the values of the new one. */
export const overwrite =
  (key: readonly string[], columns: readonly string[]) => (conflict: OnConflictBuilder<any, any>) =>
    conflict
      .columns(key)
      .doUpdateSet(({ ref }) =>
        Object.fromEntries(columns.map(column => [column, ref(`excluded.${column}`)]))
      )
