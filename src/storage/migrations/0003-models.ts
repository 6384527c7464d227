import { type Kysely, type Migration, sql } from 'kysely'

/** What users and keys may use, and what stands behind the gate for the /v1 face: endpoints, models, and which model is where. */
export const models0003: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await allowances(db)
    await endpoints(db)
    await models(db)
    await credits(db)
  },
}

const LIMIT_COLUMNS = ['tokens_per_minute', 'budget_day_micro', 'budget_month_micro'] as const

async function allowances(db: Kysely<unknown>): Promise<void> {
  const add = (table: string, column: string, type: 'text' | 'bigint'): Promise<void> =>
    db.schema.alterTable(table).addColumn(column, type).execute()
  for (const column of ['email', 'organisation', 'rate']) await add('users', column, 'text')
  for (const column of ['disabled_ms', 'balance_micro', ...LIMIT_COLUMNS]) await add('users', column, 'bigint')
  await db.schema
    .alterTable('users')
    .addColumn('concurrency', 'integer', (c) => c.notNull().defaultTo(0))
    .execute()
  for (const column of ['models', 'networks']) await add('keys', column, 'text')
  for (const column of LIMIT_COLUMNS) await add('keys', column, 'bigint')
  await db.schema
    .alterTable('keys')
    .addColumn('log_content', 'integer', (c) => c.notNull().defaultTo(0))
    .execute()
}

async function endpoints(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('endpoints')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('tenant', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('url', 'text', (c) => c.notNull())
    .addColumn('dialect', 'text', (c) => c.notNull())
    .addColumn('speaks', 'text')
    .addColumn('sealed_key', 'text')
    .addColumn('rpm', 'bigint')
    .addColumn('per_day', 'bigint')
    .addColumn('tokens_per_minute', 'bigint')
    .addColumn('budget_day_micro', 'bigint')
    .addColumn('budget_month_micro', 'bigint')
    .addColumn('concurrency', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('priority', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('abort', 'text', (c) => c.notNull().defaultTo('cancel'))
    .addColumn('remote', 'text', (c) => c.notNull().defaultTo('refuse'))
    .addColumn('discover', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('created_ms', 'bigint', (c) => c.notNull())
    .addColumn('disabled_ms', 'bigint')
    .addColumn('deleted_ms', 'bigint')
    .execute()
  await nameIsFreeAgain(db, 'endpoints')
}

async function models(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('models')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('tenant', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('capability', 'text', (c) => c.notNull())
    .addColumn('unit', 'text', (c) => c.notNull())
    .addColumn('price_in_micro', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('price_out_micro', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('rpm', 'bigint')
    .addColumn('per_day', 'bigint')
    .addColumn('tokens_per_minute', 'bigint')
    .addColumn('budget_day_micro', 'bigint')
    .addColumn('budget_month_micro', 'bigint')
    .addColumn('concurrency', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('fallback', 'text')
    .addColumn('options', 'text', (c) => c.notNull().defaultTo('{}'))
    .addColumn('created_ms', 'bigint', (c) => c.notNull())
    .addColumn('disabled_ms', 'bigint')
    .addColumn('deleted_ms', 'bigint')
    .execute()
  await nameIsFreeAgain(db, 'models')
  await db.schema
    .createTable('model_endpoints')
    .addColumn('model_id', 'text', (c) => c.notNull().references('models.id'))
    // Not a reference: the four services of the gate are endpoints too, and have no row.
    .addColumn('endpoint', 'text', (c) => c.notNull())
    .addColumn('upstream', 'text')
    .addColumn('position', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('model_endpoints_once', ['model_id', 'endpoint'])
    .execute()
}

async function credits(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('credits')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('user_id', 'text', (c) => c.notNull().references('users.id'))
    .addColumn('amount_micro', 'bigint', (c) => c.notNull())
    .addColumn('time_ms', 'bigint', (c) => c.notNull())
    .addColumn('note', 'text', (c) => c.notNull().defaultTo(''))
    .execute()
  await db.schema.createIndex('credits_user').on('credits').columns(['user_id', 'time_ms']).execute()
}

/** What is deleted keeps its row, because the ledger names it. */
async function nameIsFreeAgain(db: Kysely<unknown>, table: 'endpoints' | 'models'): Promise<void> {
  await db.schema
    .createIndex(`${table}_name`)
    .on(table)
    .columns(['tenant', 'name'])
    .unique()
    .where(sql.ref('deleted_ms'), 'is', null)
    .execute()
}
