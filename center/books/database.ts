/** What the two databases have in common: all that the store needs to know of the one it has. */
import type { CompiledQuery, Dialect, RawBuilder, SqlBool } from 'kysely'

export type OneOf = (column: string, values: readonly string[]) => RawBuilder<SqlBool>

export interface Database {
  /** Whether writers of other machines take turns with ours, so that what is done while the lock is held keeps them waiting. */
  readonly isShared: boolean
  readonly columns: ColumnTypes
  /** One parameter for all of them: a statement is parsed once. */
  readonly oneOf: OneOf
  /** One for making tables, which may take its time, where {@link writing} bounds that. */
  making?(): Dialect
  /** A connection that may write; writers, in whichever process, take turns. */
  writing(): Dialect
  /** Connections that cannot write, and wait for nobody: for what is found by keys. */
  reading(): Dialect
  /** One more, for whole tables. */
  readingWhole(): Dialect
}

/** What the two databases call the same thing. */
export interface ColumnTypes {
  readonly bytes: RawBuilder<unknown>
  /** Compared byte by byte: the same order everywhere. */
  readonly text: RawBuilder<unknown>
}

/** Statements that are sent together: each database's connection takes one for what it is (sqlite.ts, postgres.ts). */
export class Bundle {
  readonly queries: readonly CompiledQuery[]
  /** Whether nobody waits for them: one row then is all that the connection gives at once, an {@link Ahead}. */
  readonly isAhead: boolean

  constructor(queries: readonly CompiledQuery[], isAhead = false) {
    this.queries = queries
    this.isAhead = isAhead
  }

  /** @returns undefined for a statement that stands alone. */
  static of(parameters: readonly unknown[]): Bundle | undefined {
    return parameters[0] instanceof Bundle ? parameters[0] : undefined
  }
}

/** What comes of statements that nobody waited for. If one fails so does whatever is executed after it, the commit at the latest. */
export interface Ahead<Rows> {
  readonly rows: Promise<Rows>
}
