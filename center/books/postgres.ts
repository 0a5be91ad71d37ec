/**
 * Kysely on PostgreSQL, for any number of instances side by side. A transaction that writes first takes the one lock of
 * the books, as SQLite's does; so what holds on one database holds on the other. With group commit (center/books/group.ts) the
 * lock is held once for many requests, and what costs most, signatures, is done outside of it by all instances at once.
 */
import {
  CompiledQuery,
  sql,
  PostgresAdapter,
  PostgresDriver,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type PostgresPool,
  type PostgresPoolClient,
  type TransactionSettings
} from 'kysely'
import pg from 'pg'
import { hex, utf8 } from '../../formats/bytes.js'
import { CofferError } from '../../formats/errors.js'
import { sha256 } from '../../formats/primitives.js'
import { Bundle, type Ahead, type Database } from './database.js'

/** Of the books, in this database. */
const WRITE_LOCK = 0x636f_6666
/** How long a writer waits for others, whose transactions take milliseconds each. */
const BUSY_LIMIT_MS = 10_000
/** After this an instance that was frozen while it held the lock loses it. */
const FROZEN_LIMIT_MS = 10_000
const CONNECT_LIMIT_MS = 5_000
/**
 * Whoever is gone without a word, as a server from which another took over, would be waited for without end: the system repeats what
 * was sent for a quarter of an hour. Longer than a writer waits for others, shorter than the 30 s of silence that a client bears.
 */
const STATEMENT_LIMIT_MS = 25_000
/** Of a snapshot, which reads whole tables. */
const WHOLE_LIMIT_MS = 600_000
/** After so much silence the system asks whether the other side is there. */
const KEEP_ALIVE_MS = 10_000
const MAX_READERS = 8

/**
 * @param url - `postgres://user:password@host:port/database`.
 * @param limitMs - How long a statement may take, but those of snapshots and those that make tables.
 */
export function openPostgres(url: string, limitMs = STATEMENT_LIMIT_MS): Database {
  if (!/^postgres(?:ql)?:\/\//i.test(url)) throw noUrl()
  return {
    isShared: true,
    columns: { bytes: sql`bytea`, text: sql`text collate "C"` },
    oneOf: (column, values) => sql`${sql.ref(column)} = any(${values})`,
    making: () => postgresDialect(openPool(url, { max: 1, options: BY_KEYS })),
    writing: () => postgresDialect(openPool(url, { max: 1, options: BY_KEYS, query_timeout: limitMs })),
    reading: () =>
      postgresDialect(
        openPool(url, { max: MAX_READERS, options: `${READ_ONLY} ${BY_KEYS}`, query_timeout: limitMs })
      ),
    readingWhole: () =>
      postgresDialect(openPool(url, { max: 1, options: READ_ONLY, query_timeout: WHOLE_LIMIT_MS }))
  }
}

const noUrl = () =>
  new CofferError('COFFER_USAGE', 'This is not the URL of a database.', {
    expected: 'postgres://user:password@host:port/database',
    hint: 'Leave out --database for the embedded database, which needs no set-up.'
  })

const READ_ONLY = '-c default_transaction_read_only=on'
/**
 * Rows are found by their keys. A plan that the server made while a table had few rows, and keeps as long as nobody has counted them
 * anew, would read the whole table for each group of orders.
 */
const BY_KEYS = '-c enable_seqscan=off'

function postgresDialect(pool: PostgresPool): Dialect {
  return {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new LockingDriver({ pool }),
    createIntrospector: db => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler()
  }
}

class LockingDriver extends PostgresDriver {
  /** Each statement after the lock sees all that was committed before the lock was had: read committed, on purpose. */
  override async beginTransaction(
    connection: DatabaseConnection,
    settings: TransactionSettings
  ): Promise<void> {
    if (settings.accessMode === 'read only') return super.beginTransaction(connection, settings)
    const lock = `begin isolation level read committed; select pg_advisory_xact_lock(${WRITE_LOCK})`
    await connection.executeQuery(CompiledQuery.raw('', [new Bundle([CompiledQuery.raw(lock)], true)]))
  }

  /** A connection that broke is rolled back by its server; what is told is why it broke. */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await super.rollbackTransaction(connection).catch(() => {})
  }
}

/** The driver's pool, with values as SQLite gives them, statements that are parsed once, and failures in our words. */
function openPool(url: string, options: pg.PoolConfig): PostgresPool {
  const pool = new pg.Pool({
    ...options,
    connectionString: url,
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    pipeline: true,
    lock_timeout: BUSY_LIMIT_MS,
    idle_in_transaction_session_timeout: FROZEN_LIMIT_MS,
    application_name: 'coffer-center',
    types: { getTypeParser: ((oid: number) => PARSERS.get(oid) ?? pg.types.getTypeParser(oid)) as never }
  })
  // Of a connection that nobody is using: the next who needs one opens it anew.
  pool.on('error', () => {})
  return {
    async connect() {
      try {
        return wrapped(await pool.connect())
      } catch (cause) {
        throw translated(cause)
      }
    },
    end: () => pool.end()
  }
}

function wrapped(client: pg.PoolClient): PostgresPoolClient {
  let broken: Error | undefined
  const onError = (error: Error) => (broken = error)
  client.on('error', onError)
  const one = async (text: string, values: readonly unknown[]) => {
    try {
      const named = values.length > 0 && { name: nameOf(text), values: values as unknown[] }
      return await client.query({ text, ...named })
    } catch (cause) {
      if (isOfNoUse(cause as pg.DatabaseError)) broken ??= cause as Error
      throw translated(cause)
    }
  }
  // The server takes them in order; after one that fails it refuses the others of its transaction.
  const all = async ({ queries }: Bundle) => {
    const sent = await Promise.allSettled(
      inOneWrite(client, () => queries.map(({ sql, parameters }) => one(sql, parameters)))
    )
    return sent.map(outcome => {
      if (outcome.status === 'rejected') throw outcome.reason
      return outcome.value.rows
    })
  }
  /** Of all that nobody has waited for yet. */
  let before: Promise<unknown> = Promise.resolve()
  /** Why the first failed says more than what the server tells of those behind it. */
  const after = async <T>(earlier: Promise<unknown>, outcome: Promise<T>): Promise<T> => {
    outcome.catch(() => {})
    await earlier
    return outcome
  }
  const waitFor = async <T>(outcome: Promise<T>): Promise<T> => {
    const earlier = before
    try {
      return await after(earlier, outcome)
    } finally {
      if (before === earlier) before = Promise.resolve() // what failed has been told
    }
  }
  const query = async (text: string, values: readonly unknown[]) => {
    const bundle = Bundle.of(values)
    if (bundle === undefined) return waitFor(one(text, values))
    if (!bundle.isAhead) return answer(await waitFor(all(bundle)))
    const rows = after(before, all(bundle))
    rows.catch(() => {})
    before = rows
    return answer([{ rows } satisfies Ahead<unknown>])
  }
  return {
    query: query as unknown as PostgresPoolClient['query'], // cursors are not used
    release() {
      client.off('error', onError)
      client.release(broken)
    }
  }
}

/** As the driver says it of a statement that took too long. */
const NO_ANSWER = 'Query read timeout'
const READ_ONLY_TRANSACTION = '25006'

/**
 * Whether the next should have another connection. Of one that does not answer the driver hangs up too, but it may have been given back
 * by then. One that takes no writes leads to a server in whose place there may be another.
 */
const isOfNoUse = ({ code, message }: pg.DatabaseError): boolean =>
  message === NO_ANSWER || code === READ_ONLY_TRANSACTION

const answer = (rows: readonly unknown[]) => ({ command: 'SELECT', rowCount: rows.length, rows })

/** What is sent takes the system one call, and wakes the server once. */
function inOneWrite<T>(client: pg.PoolClient, send: () => T): T {
  const { stream } = (client as pg.PoolClient & pg.Client).connection
  stream.cork()
  try {
    return send()
  } finally {
    stream.uncork()
  }
}

/** Statements are as many as places that ask; each is parsed once per connection, under a name that is its own. */
const names = new Map<string, string>()
function nameOf(text: string): string {
  let name = names.get(text)
  if (name === undefined) names.set(text, (name = hex(sha256(utf8(text)).subarray(0, 12))))
  return name
}

const BIGINT = 20
const NUMERIC = 1700
const BYTEA = 17

function wholeNumber(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value)) return value
  throw new Error('internal: a number in the books is too large')
}

const PARSERS = new Map<number, (text: string) => unknown>([
  [BIGINT, wholeNumber],
  [NUMERIC, wholeNumber], // sums
  [BYTEA, text => new Uint8Array(Buffer.from(text.slice(2), 'hex'))]
])

/** Constraint failures and wrong SQL are bugs of ours, and stay as they are. */
function translated(cause: unknown): unknown {
  const { code, message } = cause as { code?: string; message?: string }
  if (code === undefined) {
    // The driver's own, without a code: a connection that ended, or that could not be had in time.
    return /connection|timeout/i.test(message ?? '') ? unreachable(cause) : cause
  }
  // Socket failures; and by class: connection, out of resources, shut down by an operator.
  if (/^(?:E[A-Z]+|08...|57P..)$/.test(code) || code === '53300') return unreachable(cause)
  switch (code) {
    case 'ERR_INVALID_URL':
      return noUrl() // without its cause, which quotes the password
    case '25P03': // idle in transaction: this process stood still while it held the lock
    case '40001':
    case '40P01':
    case '55P03': // lock not available in time
      return new CofferError('COFFER_BUSY', "The center's database is busy.", {
        hint: 'Try again in a moment.',
        cause
      })
    case READ_ONLY_TRANSACTION: // a primary that was demoted
      return new CofferError('COFFER_BUSY', "The center's database can only be read now.", {
        expected: 'a database that takes writes',
        found: 'a standby, or one that was set to be read',
        hint: 'Try again later. The seller checks that the URL leads to the primary.',
        cause
      })
    case '53100':
      return new CofferError('COFFER_DISK_FULL', "There is no room for the center's database.", {
        hint: 'Make room and try again; nothing was charged.',
        cause
      })
    case '28000':
    case '28P01':
    case '3D000':
    case '42501':
      return new CofferError('COFFER_IO', "The center's database does not let us in.", {
        expected: 'a database that this user owns',
        found: message,
        hint: 'Check user, password and name in the URL of the database.',
        cause
      })
    default:
      return cause
  }
}

const unreachable = (cause: unknown) =>
  new CofferError('COFFER_BUSY', "The center's database cannot be reached.", {
    hint: 'Try again later. The seller checks that it runs and that its URL is right.',
    cause
  })
