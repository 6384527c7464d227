import { type Kysely, type Migration, sql } from 'kysely'

/** Users, keys, when each key was last used, and the rotations that were done. */
export const keys0001: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await users(db)
    await keys(db)
    await keyUse(db)
    await rotations(db)
  },
}

async function users(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('users')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('tenant', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('created_ms', 'bigint', (c) => c.notNull())
    .addColumn('deleted_ms', 'bigint')
    .execute()
  // A deleted user keeps the row, because the ledger names it; the name is free again.
  await db.schema
    .createIndex('users_name')
    .on('users')
    .columns(['tenant', 'name'])
    .unique()
    .where(sql.ref('deleted_ms'), 'is', null)
    .execute()
}

async function keys(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('keys')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('tenant', 'text', (c) => c.notNull())
    .addColumn('user_id', 'text', (c) => c.notNull().references('users.id'))
    .addColumn('secret_phc', 'text', (c) => c.notNull())
    .addColumn('old_secret_phc', 'text')
    .addColumn('old_secret_until_ms', 'bigint')
    .addColumn('rights', 'text', (c) => c.notNull())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('rate', 'text')
    .addColumn('concurrency', 'integer', (c) => c.notNull())
    .addColumn('created_ms', 'bigint', (c) => c.notNull())
    .addColumn('expires_ms', 'bigint')
    .addColumn('disabled_ms', 'bigint')
    .addColumn('rotated_ms', 'bigint')
    .addColumn('deleted_ms', 'bigint')
    .addColumn('legacy', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('legacy_source', 'text')
    .addColumn('lookup_hmac', 'text', (c) => c.unique())
    .addColumn('alias', 'text', (c) => c.unique())
    .execute()
  await db.schema.createIndex('keys_user').on('keys').column('user_id').execute()
}

async function keyUse(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('key_use')
    .addColumn('key_id', 'text', (c) => c.primaryKey().references('keys.id'))
    .addColumn('last_used_ms', 'bigint', (c) => c.notNull())
    .execute()
}

async function rotations(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('rotations')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('key_id', 'text', (c) => c.notNull().references('keys.id'))
    .addColumn('idempotency_key', 'text')
    .addColumn('rotated_ms', 'bigint', (c) => c.notNull())
    .addColumn('old_secret_until_ms', 'bigint', (c) => c.notNull())
    // Both dialects count NULLs as different, so rotations without an idempotency key do not collide.
    .addUniqueConstraint('rotations_once', ['key_id', 'idempotency_key'])
    .execute()
}
