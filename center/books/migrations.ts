/**
 * How the database came to be, step by step, the same on SQLite and PostgreSQL. A step that was published is never
 * changed: add another. A column that is added later is null in the rows that were there.
 */
import { sql, type Kysely, type Migration, type SqlBool } from 'kysely'
import type { ColumnTypes } from './database.js'

/** In the order of their names. */
export const migrations = ({ bytes, text }: ColumnTypes): Record<string, Migration> => ({
  '0001-books': {
    async up({ schema }: Kysely<unknown>) {
      await schema
        .createTable('center')
        .addColumn('centerId', text, column => column.primaryKey())
        .addColumn('name', text, column => column.notNull())
        .addColumn('enrolmentOpen', 'integer', column => column.notNull())
        .addColumn('epoch', 'bigint', column => column.notNull())
        .addColumn('revocationSequence', 'bigint', column => column.notNull())
        .addColumn('revocationList', bytes, column => column.notNull())
        .execute()
      await schema
        .createTable('roots')
        .addColumn('sequence', 'bigint', column => column.primaryKey())
        .addColumn('record', bytes, column => column.notNull())
        .execute()
      await schema
        .createTable('publishers')
        .addColumn('signKey', text, column => column.primaryKey())
        .addColumn('sealKey', text, column => column.notNull())
        .addColumn('name', text, column => column.notNull())
        .addColumn('added', 'bigint', column => column.notNull())
        .execute()
      await schema
        .createTable('titles')
        .addColumn('titleId', text, column => column.primaryKey())
        .addColumn('name', text, column => column.notNull())
        .addColumn('publisher', text, column => column.notNull().references('publishers.signKey'))
        .addColumn('registered', 'bigint', column => column.notNull())
        .addColumn('priceMinor', 'bigint', column => column.notNull().check(sql`"priceMinor" >= 0`))
        .addColumn('currency', text, column => column.notNull())
        .addColumn('copies', 'bigint')
        .addColumn('expiresDays', 'bigint')
        .addColumn('bearerAllowed', 'integer', column => column.notNull())
        .execute()
      await schema
        .createTable('releases')
        .addColumn('titleId', text, column => column.notNull().references('titles.titleId'))
        .addColumn('release', 'bigint', column => column.notNull())
        .addColumn('scheme', text, column => column.notNull())
        .addColumn('registered', 'bigint', column => column.notNull())
        .addColumn('epoch', 'bigint', column => column.notNull())
        .addColumn('storedTitleKey', bytes)
        .addPrimaryKeyConstraint('releases_key', ['titleId', 'release', 'scheme'])
        .addCheckConstraint(
          'releases_stored_key',
          sql`("scheme" = 'certificate') = ("storedTitleKey" is not null)`
        )
        .execute()
      await schema
        .createTable('users')
        .addColumn('userId', text, column => column.primaryKey())
        .addColumn('signKey', text, column => column.notNull())
        .addColumn('sealKey', text, column => column.notNull())
        .addColumn('name', text)
        .addColumn('enrolled', 'bigint', column => column.notNull())
        .addColumn('blocked', 'integer', column => column.notNull())
        .execute()
      await schema
        .createTable('personalTerms')
        .addColumn('userId', text, column => column.notNull().references('users.userId'))
        .addColumn('titleId', text, column => column.notNull().references('titles.titleId'))
        .addColumn('priceMinor', 'bigint')
        .addColumn('copies', 'bigint')
        .addColumn('expiresDays', 'bigint')
        .addPrimaryKeyConstraint('personalTerms_key', ['userId', 'titleId'])
        .execute()
      await schema
        .createTable('requests')
        .addColumn('requestId', text, column => column.primaryKey())
        .addColumn('kind', text, column => column.notNull())
        .addColumn('requestHash', text, column => column.notNull())
        .addColumn('signer', text, column => column.notNull())
        .addColumn('record', bytes, column => column.notNull())
        .addColumn('sealedAnswer', bytes, column => column.notNull())
        .addColumn('answered', 'bigint', column => column.notNull())
        .execute()
      await schema
        .createTable('grants')
        .addColumn('grantId', text, column => column.primaryKey())
        .addColumn('userId', text, column => column.notNull().references('users.userId'))
        .addColumn('titleId', text, column => column.notNull().references('titles.titleId'))
        .addColumn('mediumId', text, column => column.notNull())
        .addColumn('release', 'bigint', column => column.notNull())
        .addColumn('bearer', 'integer', column => column.notNull())
        .addColumn('bought', 'bigint', column => column.notNull())
        .addColumn('issued', 'bigint', column => column.notNull())
        .addColumn('expires', 'bigint')
        .addColumn('revoked', 'integer', column => column.notNull())
        .execute()
      // A copy is held once; a revoked one may be bought again.
      await schema
        .createIndex('grants_held')
        .on('grants')
        .columns(['userId', 'titleId', 'mediumId'])
        .unique()
        .where(sql.ref('revoked'), '=', sql.lit(0))
        .execute()
      await schema
        .createTable('ledger')
        .addColumn('posting', text, column => column.notNull())
        .addColumn('account', text, column => column.notNull())
        .addColumn('amountMinor', 'bigint', column => column.notNull())
        .addColumn('currency', text, column => column.notNull())
        .addColumn('posted', 'bigint', column => column.notNull())
        // One charge per request, even if the code above it were wrong.
        .addPrimaryKeyConstraint('ledger_key', ['posting', 'account'])
        .execute()
      await schema.createIndex('ledger_account').on('ledger').columns(['account', 'currency']).execute()
      await schema
        .createTable('revocations')
        .addColumn('sequence', 'bigint', column => column.primaryKey())
        .addColumn('kind', text, column => column.notNull())
        .addColumn('id', text, column => column.notNull())
        .addColumn('release', 'bigint')
        .addColumn('revoked', 'bigint', column => column.notNull())
        .execute()
      await schema.createIndex('revocations_of').on('revocations').columns(['kind', 'id']).execute()
    }
  },

  '0002-terms': {
    async up(db: Kysely<unknown>) {
      const { schema } = db
      // Several columns in one statement is not SQL that every database has.
      const add = (
        table: string,
        name: string,
        type: 'bigint' | 'text' | 'integer',
        otherwise?: string | number
      ) =>
        schema
          .alterTable(table)
          .addColumn(name, type, column =>
            otherwise === undefined ? column : column.notNull().defaultTo(otherwise)
          )
          .execute()
      await add('titles', 'titleCopies', 'bigint')
      await add('titles', 'renewPriceMinor', 'bigint')
      await add('titles', 'graceDays', 'bigint', 0)
      await add('titles', 'trialDays', 'bigint')
      await add('titles', 'features', 'text', '')
      await add('titles', 'refundDays', 'bigint')
      await add('titles', 'transfer', 'text', 'media')
      await add('personalTerms', 'features', 'text')
      await add('grants', 'kind', 'text', 'perpetual')
      await add('grants', 'graceSeconds', 'bigint', 0)
      await add('grants', 'features', 'text', '')
      await add('grants', 'epoch', 'bigint', 1)
      await add('grants', 'tried', 'integer', 0)
      await add('grants', 'paidMinor', 'bigint', 0)
      await add('grants', 'currency', 'text', 'EUR')
      await add('grants', 'paid', 'bigint', 0)
      await add('grants', 'ending', 'text')
      await sql`update ${sql.table('grants')} set ${sql.ref('kind')} = 'expiring'
        where ${sql.ref('expires')} is not null`.execute(db)
      await sql`update ${sql.table('grants')} set ${sql.ref('ending')} = 'revoked'
        where ${sql.ref('revoked')} = 1`.execute(db)
      await schema.createIndex('grants_of_title').on('grants').columns(['titleId', 'revoked']).execute()
    }
  },

  '0003-log': {
    async up({ schema }: Kysely<unknown>) {
      await schema
        .createTable('log')
        .addColumn('index', 'bigint', column => column.primaryKey())
        .addColumn('request', text)
        .addColumn('entry', bytes, column => column.notNull())
        .execute()
      await schema.createIndex('log_request').on('log').column('request').execute()
      await schema
        .createTable('logNodes')
        .addColumn('level', 'integer', column => column.notNull())
        .addColumn('index', 'bigint', column => column.notNull())
        .addColumn('hash', bytes, column => column.notNull())
        .addPrimaryKeyConstraint('logNodes_key', ['level', 'index'])
        .execute()
      await schema
        .createTable('logHead')
        .addColumn('one', 'integer', column => column.primaryKey().check(sql`"one" = 1`))
        .addColumn('size', 'bigint', column => column.notNull())
        .addColumn('frontier', bytes, column => column.notNull())
        .addColumn('checkpoint', bytes, column => column.notNull())
        .execute()
    }
  },

  '0004-pages': {
    async up({ schema }: Kysely<unknown>) {
      await schema
        .createTable('sessions')
        .addColumn('tokenHash', text, column => column.primaryKey())
        .addColumn('kind', text, column => column.notNull())
        .addColumn('subject', text, column => column.notNull())
        .addColumn('created', 'bigint', column => column.notNull())
        .addColumn('expires', 'bigint', column => column.notNull())
        .execute()
      // What pages show first: the newest.
      await schema.createIndex('grants_bought').on('grants').columns(['bought', 'grantId']).execute()
      await schema.createIndex('grants_user').on('grants').columns(['userId', 'bought']).execute()
      await schema.createIndex('requests_signer').on('requests').columns(['signer', 'answered']).execute()
      await schema.createIndex('ledger_posted').on('ledger').column('posted').execute()
    }
  },

  '0005-orders-in-groups': {
    async up(db: Kysely<unknown>) {
      const { schema } = db
      // Held once, as before; found by their media, held or not.
      await schema.dropIndex('grants_held').execute()
      await schema
        .createIndex('grants_copy')
        .unique()
        .on('grants')
        .expression(
          sql`"mediumId", "userId", "titleId", (case when "revoked" = 0 then '' else "grantId" end)`
        )
        .execute()
      await schema.dropIndex('grants_user').execute()
      await schema.createIndex('grants_user').on('grants').columns(['userId', 'titleId', 'bought']).execute()
    }
  },

  '0006-desk': {
    async up({ schema }: Kysely<unknown>) {
      await schema
        .createTable('admins')
        .addColumn('signKey', text, column => column.primaryKey())
        .addColumn('name', text, column => column.notNull())
        .addColumn('added', 'bigint', column => column.notNull())
        .execute()
      await schema
        .createTable('acts')
        .addColumn('nonceHash', text, column => column.primaryKey())
        .addColumn('signer', text, column => column.notNull())
        .addColumn('act', text, column => column.notNull())
        .addColumn('digest', text, column => column.notNull())
        .addColumn('asked', 'bigint', column => column.notNull())
        .execute()
      await schema.createIndex('acts_asked').on('acts').column('asked').execute()
    }
  },

  '0007-ended': {
    async up({ schema }: Kysely<unknown>) {
      await schema
        .alterTable('revocations')
        .addColumn('place', 'integer', column => column.notNull().defaultTo(0))
        .execute()
      await schema.alterTable('revocations').addColumn('ends', 'bigint').execute()
      await schema.alterTable('grants').addColumn('runsUntil', 'bigint').execute()
      await schema.createIndex('revocations_place').on('revocations').columns(['place', 'sequence']).execute()
      await schema.createIndex('revocations_ends').on('revocations').columns(['place', 'ends']).execute()
      await schema
        .createTable('ended')
        .addColumn('one', 'integer', column => column.primaryKey().check(sql`"one" = 1`))
        .addColumn('sequence', 'bigint', column => column.notNull())
        .addColumn('record', bytes, column => column.notNull())
        .execute()
      await schema
        .createTable('endedParts')
        .addColumn('first', 'integer', column => column.primaryKey())
        .addColumn('ids', bytes, column => column.notNull())
        .execute()
    }
  },

  '0008-counts': {
    async up(db: Kysely<unknown>) {
      const { schema } = db
      await schema
        .createTable('counts')
        .addColumn('titleId', text, column => column.notNull())
        .addColumn('userId', text, column => column.notNull())
        .addColumn('copies', 'bigint', column => column.notNull())
        .addPrimaryKeyConstraint('counts_key', ['titleId', 'userId'])
        .execute()
      const held = sql`from "grants" where "revoked" = 0 and "kind" <> 'trial' and "expires" is null`
      await sql`insert into "counts" ("titleId", "userId", "copies")
        select "titleId", "userId", count(*) ${held} group by "titleId", "userId"`.execute(db)
      await sql`insert into "counts" ("titleId", "userId", "copies")
        select "titleId", '', count(*) ${held} group by "titleId"`.execute(db)
      // Copies that end by themselves are counted where they are asked for: those that run, and no others.
      const running = sql<SqlBool>`"revoked" = 0 and "kind" <> 'trial' and "expires" is not null`
      await schema
        .createIndex('grants_ending_user')
        .on('grants')
        .expression(sql`"userId", "titleId", ("expires" + "graceSeconds")`)
        .where(running)
        .execute()
      await schema
        .createIndex('grants_ending')
        .on('grants')
        .expression(sql`"titleId", ("expires" + "graceSeconds")`)
        .where(running)
        .execute()
      await schema
        .createIndex('grants_tried')
        .on('grants')
        .columns(['userId', 'titleId'])
        .where(sql<SqlBool>`"tried" = 1`)
        .execute()
    }
  }
})
