/**
 * The center's books: contents identifier file (FIG. 8, 33), user profile database (FIG. 4, 13; FIG. 8, 37), what was
 * granted, and the ledger. Public names, and key material only as wrapped by the vault.
 *
 * Identifiers and keys are hexadecimal text, so that they can be read, compared and typed; records are bytes.
 * Times are seconds since 1970, money is whole minor units (cents). They lie in the embedded SQLite (center/books/sqlite.ts) or
 * in PostgreSQL (center/books/postgres.ts), in the same tables.
 */
import { Kysely, Migrator } from 'kysely'
import type { GrantKind, Scheme } from '../../formats/records/fields.js'
import type { Revocation } from '../../formats/records/revocations.js'
import type { Database, OneOf } from './database.js'
import { groupCommits, single, type Conclude, type Groups } from './group.js'
import { migrations } from './migrations.js'

/** `media`: to another medium of the same user. `users`: to anyone. */
export type Transfer = 'no' | 'media' | 'users'
export type Ending = 'returned' | 'transferred' | 'refunded' | 'revoked'

export interface Tables {
  /** One row. */
  center: {
    centerId: string
    name: string
    /** Whether a first order makes its signer a user, 1 or 0. */
    enrolmentOpen: number
    /** Epoch of the vault's masters in use. */
    epoch: number
    /** Number of the newest revocation list, and that list as signed. */
    revocationSequence: number
    revocationList: Uint8Array
  }
  roots: { sequence: number; record: Uint8Array }
  publishers: { signKey: string; sealKey: string; name: string; added: number }
  /** What is sold, by whom, on which terms. */
  titles: {
    titleId: string
    name: string
    /** `signKey` of its publisher. */
    publisher: string
    registered: number
    priceMinor: number
    currency: string
    /** How many media one user may hold it on; null: as many as he pays for. */
    copies: number | null
    /** How many copies all users together may hold; null: no bound. */
    titleCopies: number | null
    /** For how long a copy is bought; null: for good. */
    expiresDays: number | null
    /** What another such time costs; null: it cannot be renewed. */
    renewPriceMinor: number | null
    /** How long a copy that ended goes on running and can still be renewed. */
    graceDays: number
    /** For how long it can be tried for nothing, once per user; null: not at all. */
    trialDays: number | null
    /** What a copy has beyond the title itself, separated by blanks. */
    features: string
    /** How long after a payment a return is paid back; null: never. */
    refundDays: number | null
    /** Whom a copy may go to. */
    transfer: Transfer
    /** Whether it may be bound to the medium alone, 1 or 0. */
    bearerAllowed: number
  }
  releases: {
    titleId: string
    release: number
    scheme: Scheme
    registered: number
    /** Epoch that Ka was derived in: a later one would give another key than the one it was pressed with. */
    epoch: number
    /** Kd as wrapped by the vault; null for the scheme `conversion`, whose Ka is derived. */
    storedTitleKey: Uint8Array | null
  }
  users: {
    userId: string
    signKey: string
    sealKey: string
    /** As the seller calls him; orders carry no name. */
    name: string | null
    enrolled: number
    /** 1: no new grants. Those he has keep working unless they are revoked. */
    blocked: number
  }
  /** Terms of one user for one title; null: as everyone's. */
  personalTerms: {
    userId: string
    titleId: string
    priceMinor: number | null
    copies: number | null
    expiresDays: number | null
    features: string | null
  }
  /** Every request that was answered, with the answer's bytes, so that a repeated one gets the same. */
  requests: {
    requestId: string
    /** `transfer`: an order that came within a return. */
    kind: 'order' | 'return' | 'registration' | 'transfer'
    requestHash: string
    /** userId, or the publisher's `signKey`. */
    signer: string
    record: Uint8Array
    /** Encrypted by the vault. */
    sealedAnswer: Uint8Array
    answered: number
  }
  /** A copy that a user holds: one title on one medium, however often it was issued anew. */
  grants: {
    grantId: string
    userId: string
    titleId: string
    mediumId: string
    release: number
    bearer: number
    bought: number
    issued: number
    expires: number | null
    /** 1: no longer held. */
    revoked: number
    /** Why it is no longer held. */
    ending: Ending | null
    kind: GrantKind
    graceSeconds: number
    /** Separated by blanks. */
    features: string
    /** Epoch its keys are derived in: another one would make what was saved on the medium unreadable. */
    epoch: number
    /** 1: it was, or began as, a trial. */
    tried: number
    /** The last payment for it and when: what a return may pay back. */
    paidMinor: number
    currency: string
    paid: number
    /** The latest time until which any issue of it runs, grace included; null: for ever, or unknown. */
    runsUntil: number | null
  }
  /** Double entry: the rows of one posting add up to 0 (center/books/ledger.ts). */
  ledger: {
    /**
     * The id of the request that was charged or paid back; `refund/<grantId>` of what the seller paid back by himself;
     * `payment/<provider>/<id>` of what was collected or paid back.
     */
    posting: string
    account: string
    amountMinor: number
    currency: string
    posted: number
  }
  revocations: {
    /** Number of the first list that has it. */
    sequence: number
    kind: Revocation['kind']
    /** Text of a title, hexadecimal of all else. */
    id: string
    release: number | null
    revoked: number
    /** Whether the list names it, the parts below have it, or neither any more (center/orders/ended.ts). */
    place: number
    /** When the copy runs no more by itself; null: never, or unknown. */
    ends: number | null
  }
  /** Copies that have ended and that the list does not name: the record of one row, and the 256 parts that it counts. */
  ended: { one: number; sequence: number; record: Uint8Array }
  endedParts: { first: number; ids: Uint8Array }
  /** Who may do from afar what the seller does here (center/admins.ts). */
  admins: { signKey: string; name: string; added: number }
  /** What was asked of the desk by signed requests lately, so that each is taken once (center/http/acts.ts). */
  acts: {
    /** Hash of the signer and his nonce. */
    nonceHash: string
    signer: string
    act: string
    /** SHA-256 of what was asked, hexadecimal. */
    digest: string
    asked: number
  }
  /** Who is logged in on the pages (center/pages/sessions.ts). */
  sessions: {
    tokenHash: string
    kind: 'link' | 'seller' | 'buyer'
    /** Whose or for what: see there. */
    subject: string
    created: number
    expires: number
  }
}

/** The log of all that was written into the tables above, and its Merkle tree (center/audit/log.ts). */
export interface LogTables {
  log: {
    index: number
    /** The request that was answered; null for what the seller did. */
    request: string | null
    entry: Uint8Array
  }
  logNodes: { level: number; index: number; hash: Uint8Array }
  /** One row. */
  logHead: { one: number; size: number; frontier: Uint8Array; checkpoint: Uint8Array }
}

/** What follows from the grants, kept so that no order counts them (center/orders/counts.ts). Not in the log: the audit counts anew. */
export interface CountTables {
  /** Copies that count and never end, by title and user; of all users together under the user ''. */
  counts: { titleId: string; userId: string; copies: number }
}

export type AllTables = Tables & LogTables & CountTables

/** The books as everyone sees them, or inside of one transaction. */
export type Books = Kysely<AllTables>

export interface Store {
  /** Outside of a transaction: what was committed. */
  readonly books: Books
  /**
   * All of it or nothing, one at a time, whoever else has the books open: what `work` reads stays true until it is done.
   * `work` waits for nothing but the books. Works that come together share a commit (center/books/group.ts).
   *
   * @returns When it is on the disk.
   */
  transaction<T>(work: (books: Books) => Promise<T>): Promise<T>
  /** The same for one of many works of a kind, which are done together when they come together. */
  readonly together: Groups<AllTables>['together']
  readonly unlocked: Groups<AllTables>['unlocked']
  /** The condition that a column has one of these values, in the same words however many they are. */
  readonly oneOf: OneOf
  /** Whether writers of other machines take turns with ours. */
  readonly isShared: boolean
  /** Read the books as they are at one moment, however long it takes, while others go on writing. */
  snapshot<T>(work: (books: Books) => Promise<T>): Promise<T>
  /** Whether what is written would be taken now. @throws CofferError why not. */
  writable(): Promise<void>
  close(): Promise<void>
}

/**
 * Open the books, made or brought up to date as needed.
 *
 * @param conclude - Logs what was written (center/audit/log.ts). Books that are opened without it can only be read.
 * @param place - The path of a database file, made when it is not there; or the URL of a PostgreSQL database.
 * @throws CofferError COFFER_IO, COFFER_BUSY, COFFER_USAGE.
 */
export async function openStore(place: string, conclude: Conclude<AllTables> = onlyRead): Promise<Store> {
  const database = await openDatabase(place)
  const writer: Books = new Kysely({ dialect: database.writing() })
  const provider = { getMigrations: async () => migrations(database.columns) }
  const maker: Books = database.making === undefined ? writer : new Kysely({ dialect: database.making() })
  const { error } = await new Migrator({ db: maker, provider }).migrateToLatest()
  if (maker !== writer) await maker.destroy()
  if (error !== undefined) {
    await writer.destroy()
    throw error
  }
  const books: Books = new Kysely({ dialect: database.reading() })
  const groups = groupCommits(writer, conclude)
  /** Shared by all who ask while it is under way: the writer is for orders. */
  let asked: Promise<void> | undefined
  return {
    books,
    ...groups,
    transaction: work => groups.together(single(work), undefined),
    oneOf: database.oneOf,
    isShared: database.isShared,
    async snapshot(work) {
      // A connection of its own: on SQLite one that reads for long would keep all other readers waiting.
      const own: Books = new Kysely({ dialect: database.readingWhole() })
      try {
        return await own
          .transaction()
          .setAccessMode('read only')
          .setIsolationLevel('repeatable read')
          .execute(work)
      } finally {
        await own.destroy()
      }
    },
    writable: () => (asked ??= writeNothing(writer).finally(() => (asked = undefined))),
    async close() {
      await books.destroy()
      await writer.destroy()
    }
  }
}

/** What only a writer may do, and what changes nothing: there is no such center. */
async function writeNothing(writer: Books): Promise<void> {
  await writer.updateTable('center').set({ enrolmentOpen: 0 }).where('centerId', '=', '').execute()
}

const onlyRead = () => {
  throw new Error('internal: these books were opened to be read')
}

/** Whether this is the URL of a database, not the path of a file. */
export const isUrl = (place: string): boolean => /^[a-z][a-z0-9+.-]+:\/\//i.test(place)

/** Each database's library is loaded by those alone who use it. */
export async function openDatabase(place: string): Promise<Database> {
  if (!isUrl(place)) return (await import('./sqlite.js')).openSqlite(place)
  return (await import('./postgres.js')).openPostgres(place)
}
