/**
 * Kysely on the embedded database: durable at every commit, with failures in our words. Several processes may have the
 * file open; writers take turns, and readers see what was committed.
 */
import { DatabaseSync } from '@photostructure/sqlite'
import {
  CompiledQuery,
  sql,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver,
  type DatabaseConnection,
  type Dialect,
  type QueryResult,
  type SqliteDatabase,
  type SqliteStatement,
  type TransactionSettings
} from 'kysely'
import { setTimeout } from 'node:timers/promises'
import { CofferError } from '../../formats/errors.js'
import { Bundle, type Ahead, type Database } from './database.js'

/** How long a writer waits for another's transaction, each of which takes milliseconds. */
const BUSY_LIMIT_MS = 10_000
const BUSY_STEP_MS = 5
/** A command is done with the books in less; a server is not. */
const ALONE_LIMIT_MS = 1000

/** @param path - Created when it is not there. */
export const openSqlite = (path: string): Database => ({
  isShared: false,
  columns: { bytes: sql`blob`, text: sql`text` },
  oneOf: (column, values) => sql`${sql.ref(column)} in (select value from json_each(${values}))`,
  writing: () => sqliteDialect(openDatabase(path, false)),
  reading: () => sqliteDialect(openDatabase(path, true)),
  readingWhole: () => sqliteDialect(openDatabase(path, true))
})

/** Nobody else may have a file open. */
export interface Alone {
  release(): void
}

/**
 * Be the only one who has a database open, until released.
 *
 * @throws CofferError COFFER_BUSY when another has it open.
 */
export function holdAlone(path: string): Alone {
  const database = translating(() => new DatabaseSync(path, { timeout: ALONE_LIMIT_MS }))
  try {
    // Set before the file is first touched, it takes the lock that every open connection shares.
    translating(() => database.exec('pragma locking_mode = exclusive; begin immediate; commit'))
  } catch (cause) {
    database.close()
    throw cause
  }
  return { release: () => database.close() }
}

function sqliteDialect(database: SqliteDatabase): Dialect {
  const dialect = new SqliteDialect({ database })
  return {
    createAdapter: () => new TransactionalAdapter(),
    createDriver: () => new WaitingDriver({ database }),
    createIntrospector: db => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler()
  }
}

/** SQLite does run DDL in transactions; so that two processes do not migrate at once, the migrator is to use one. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

class WaitingDriver extends SqliteDriver {
  override async acquireConnection(): Promise<DatabaseConnection> {
    const connection = await super.acquireConnection()
    const one = <R>(query: CompiledQuery) => retryWhileBusy(() => connection.executeQuery<R>(query))
    return {
      async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
        const bundle = Bundle.of(query.parameters)
        if (bundle === undefined) return one<R>(query)
        const rows: unknown[] = []
        for (const each of bundle.queries) rows.push((await one(each)).rows)
        const done: Ahead<unknown> = { rows: Promise.resolve(rows) }
        return { rows: (bundle.isAhead ? [done] : rows) as R[] }
      },
      streamQuery: (query, chunkSize) => connection.streamQuery(query, chunkSize)
    }
  }

  /**
   * A transaction that writes takes the write lock when it begins. One that read first and wanted to write later would be refused
   * whenever somebody else had written in between, however long it waited.
   */
  override async beginTransaction(
    connection: DatabaseConnection,
    { accessMode }: TransactionSettings = {}
  ): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(accessMode === 'read only' ? 'begin' : 'begin immediate'))
  }

  /** SQLite has already rolled back when the disk was full; what is told is why, not that. */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await super.rollbackTransaction(connection).catch(() => {})
  }
}

/**
 * Wait on the event loop, not inside of SQLite as its own timeout does: a server goes on serving, and two centers in
 * one process do not stop one another from finishing. A statement that found the database busy has done nothing.
 */
async function retryWhileBusy<T>(run: () => Promise<T>): Promise<T> {
  for (const started = performance.now(); ;) {
    try {
      return await run()
    } catch (error) {
      const isBusy = error instanceof CofferError && BUSY_KINDS.has(kindOf(error.cause))
      if (!isBusy || performance.now() - started > BUSY_LIMIT_MS) throw error
      // Not in step with others who wait.
      await setTimeout(BUSY_STEP_MS * (1 + Math.random()))
    }
  }
}

function openDatabase(path: string, readOnly: boolean): SqliteDatabase {
  const database = translating(() => new DatabaseSync(path, { timeout: BUSY_LIMIT_MS }))
  translating(() => {
    database.exec('pragma journal_mode = wal')
    database.exec('pragma synchronous = full') // one fsync per commit: an answer that went out is on the disk
    // Pages that many commits change are copied into the file once for all of them: 64 MB of them.
    database.exec('pragma wal_autocheckpoint = 16000')
    // What a savepoint may have to put back, a copy of each page: in memory, not in a file that is made for each group.
    database.exec('pragma temp_store = memory')
    database.exec('pragma cache_size = -32768') // KiB: a group of orders changes more pages than the 2 MB of old hold
    database.exec('pragma foreign_keys = on')
    database.exec('pragma trusted_schema = off')
    database.exec('pragma busy_timeout = 0') // from here on retryWhileBusy waits
    if (readOnly) database.exec('pragma query_only = on')
  })
  // Prepared once: the driver frees a statement only when it is collected. There are as many as places that ask.
  const statements = new Map<string, SqliteStatement>()
  return {
    prepare(text) {
      let statement = statements.get(text)
      if (statement === undefined) {
        statement = prepare(database, text)
        statements.set(text, statement)
      }
      return statement
    },
    close() {
      statements.clear()
      // The driver really closes when the statements are collected; until then nothing is left to write.
      if (!readOnly) translating(() => database.exec('pragma wal_checkpoint(truncate)'))
      database.close()
    }
  }
}

function prepare(database: InstanceType<typeof DatabaseSync>, text: string): SqliteStatement {
  const statement = translating(() => database.prepare(text))
  return {
    reader: statement.columns().length > 0,
    // Ordinary objects: the driver's have no prototype, which comparing and cloning trip over.
    all: parameters => translating(() => statement.all(...bound(parameters))).map(row => ({ ...row })),
    run: parameters => translating(() => statement.run(...bound(parameters))),
    iterate: parameters => statement.iterate(...bound(parameters))
  }
}

/** SQLite has no lists: one is JSON on its way in. */
const bound = (parameters: readonly unknown[]): unknown[] =>
  parameters.map(value => (Array.isArray(value) ? JSON.stringify(value) : value))

const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6
const BUSY_KINDS: ReadonlySet<number> = new Set([SQLITE_BUSY, SQLITE_LOCKED])
const SQLITE_READONLY = 8
const SQLITE_IOERR = 10
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_CANTOPEN = 14
const SQLITE_CONSTRAINT = 19
const SQLITE_NOTADB = 26

/** The low byte is the kind; the rest says more than anyone can act on. */
const kindOf = (cause: unknown): number => Number((cause as { errcode?: number } | undefined)?.errcode) & 0xff

/** Begins what a trigger says in books that were moved; where to follows. */
const MOVED = 'coffer: moved to '

/** Statements after which whatever is written into a table is refused, also by who has the file open. */
export const closingStatements = (table: string, movedTo: string): string[] =>
  ['insert', 'update', 'delete'].map(
    event => `create trigger if not exists "moved_${table}_${event}" before ${event} on "${table}"
      begin select raise(abort, '${(MOVED + movedTo).replaceAll("'", "''")}'); end`
  )

/** Constraint failures and wrong SQL are bugs of ours, and stay as they are. */
function translating<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    switch (kindOf(cause)) {
      case SQLITE_CONSTRAINT: {
        const { message } = cause as Error
        if (!message.startsWith(MOVED)) throw cause
        throw new CofferError('COFFER_BUSY', 'The books of this center have moved to another database.', {
          expected: `a server that uses ${message.slice(MOVED.length)}`,
          found: 'one that still uses the old file',
          hint: 'Try again in a moment. The seller stops this server, and starts it again.',
          cause
        })
      }
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        throw new CofferError('COFFER_BUSY', "The center's database is in use by another program.", {
          hint: 'Try again in a moment.',
          cause
        })
      case SQLITE_FULL:
        throw new CofferError('COFFER_DISK_FULL', "There is no room for the center's database.", {
          hint: 'Make room and try again; nothing was charged.',
          cause
        })
      case SQLITE_READONLY:
      case SQLITE_IOERR:
      case SQLITE_CANTOPEN:
        throw new CofferError('COFFER_IO', "The center's database cannot be read or written.", {
          hint: "Check the disk and the owner and mode of the center's folder.",
          cause
        })
      case SQLITE_CORRUPT:
      case SQLITE_NOTADB:
        throw new CofferError('COFFER_IO', "The center's database is damaged.", {
          hint: "Restore the center's folder, vault and database together, from a backup.",
          cause
        })
      default:
        throw cause
    }
  }
}
