import type { Kysely, Migration } from 'kysely'

/**
 * The projection of the ledger: how far it was read, what was used on each day, and which days have a request log. The log itself is a table for each day,
 * made when the day begins and dropped whole when its time is over.
 */
export const usage0004: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('projections')
      .addColumn('name', 'text', (c) => c.primaryKey())
      .addColumn('segment', 'text', (c) => c.notNull())
      .addColumn('bytes', 'bigint', (c) => c.notNull())
      .addColumn('seq', 'bigint', (c) => c.notNull())
      .addColumn('hash', 'text', (c) => c.notNull())
      .execute()
    await db.schema
      .createTable('usage_days')
      .addColumn('day', 'text', (c) => c.notNull())
      .addColumn('user_id', 'text', (c) => c.notNull())
      .addColumn('key_id', 'text', (c) => c.notNull())
      .addColumn('model', 'text', (c) => c.notNull())
      .addColumn('endpoint', 'text', (c) => c.notNull())
      .addColumn('requests', 'bigint', (c) => c.notNull().defaultTo(0))
      .addColumn('refused', 'bigint', (c) => c.notNull().defaultTo(0))
      .addColumn('tokens_in', 'bigint', (c) => c.notNull().defaultTo(0))
      .addColumn('tokens_out', 'bigint', (c) => c.notNull().defaultTo(0))
      .addColumn('characters', 'bigint', (c) => c.notNull().defaultTo(0))
      .addColumn('images', 'bigint', (c) => c.notNull().defaultTo(0))
      .addColumn('milliseconds', 'bigint', (c) => c.notNull().defaultTo(0))
      .addColumn('cost_micro', 'bigint', (c) => c.notNull().defaultTo(0))
      .addPrimaryKeyConstraint('usage_days_once', ['day', 'user_id', 'key_id', 'model', 'endpoint'])
      .execute()
    await db.schema
      .createTable('log_days')
      .addColumn('day', 'text', (c) => c.notNull())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('log_days_once', ['day', 'kind'])
      .execute()
  },
}
