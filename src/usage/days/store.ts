import type { Kysely } from 'kysely'
import type { Database } from '../../storage/index.ts'
import { contentsOf, type DayTables, requestsOf, type UsageDatabase } from '../tables.ts'

/** The store, with the tables that each day has of its own. */
export type UsageDb = Kysely<UsageDatabase>

export const withDays = (db: Kysely<Database>): UsageDb => db.withTables<DayTables>()

export type DayKind = 'requests' | 'contents'

/** Days that have a table of this kind, oldest first. */
export async function daysOf(db: UsageDb, kind: DayKind): Promise<string[]> {
  const rows = await db.selectFrom('log_days').select('day').where('kind', '=', kind).orderBy('day').execute()
  return rows.map(({ day }) => day)
}

/** Makes the table of a day, unless there is one. Within a transaction. */
export async function beginDay(tx: UsageDb, kind: DayKind, day: string): Promise<void> {
  const known = await tx.selectFrom('log_days').select('day').where('day', '=', day).where('kind', '=', kind).execute()
  if (known.length > 0) return
  await MADE[kind](tx, day)
  await tx.insertInto('log_days').values({ day, kind }).execute()
}

/**
 * A day at once: row by row would take as long as writing it took. Its pages are looked at all the same, a tenth of a second or more for a million requests, in which
 * nobody else can write; the index goes apart, so that they can in between.
 */
export async function dropDay(db: UsageDb, kind: DayKind, day: string): Promise<void> {
  if (kind === 'requests') await db.schema.dropIndex(indexOf(day)).ifExists().execute()
  await db.transaction().execute(async (tx) => {
    await tx.deleteFrom('log_days').where('day', '=', day).where('kind', '=', kind).execute()
    await tx.schema
      .dropTable(kind === 'requests' ? requestsOf(day) : contentsOf(day))
      .ifExists()
      .execute()
  })
}

const indexOf = (day: string): string => `${requestsOf(day)}_request`

const MADE: Readonly<Record<DayKind, (tx: UsageDb, day: string) => Promise<void>>> = { requests: makeRequests, contents: makeContents }

async function makeRequests(tx: UsageDb, day: string): Promise<void> {
  const table = requestsOf(day)
  await tx.schema
    .createTable(table)
    // Not a bigint, which these are in SQLite anyway: only of this word does it make the row's own number, and rows then lie in order.
    .addColumn('seq', 'integer', (c) => c.primaryKey())
    .addColumn('time_ms', 'bigint', (c) => c.notNull())
    .addColumn('request', 'text', (c) => c.notNull())
    .addColumn('user_id', 'text', (c) => c.notNull())
    .addColumn('user', 'text', (c) => c.notNull())
    .addColumn('key_id', 'text', (c) => c.notNull())
    .addColumn('model', 'text', (c) => c.notNull())
    .addColumn('endpoint', 'text', (c) => c.notNull())
    .addColumn('service', 'text', (c) => c.notNull())
    .addColumn('route', 'text', (c) => c.notNull())
    .addColumn('status', 'integer', (c) => c.notNull())
    .addColumn('code', 'text', (c) => c.notNull())
    .addColumn('units', 'text', (c) => c.notNull())
    .addColumn('cost_micro', 'bigint', (c) => c.notNull())
    .addColumn('estimated', 'integer', (c) => c.notNull())
    .addColumn('first_byte_ms', 'real')
    .addColumn('total_ms', 'real', (c) => c.notNull())
    .addColumn('bytes_in', 'bigint', (c) => c.notNull())
    .addColumn('bytes_out', 'bigint', (c) => c.notNull())
    .addColumn('ended', 'text', (c) => c.notNull())
    .execute()
  await tx.schema.createIndex(indexOf(day)).on(table).column('request').execute()
}

async function makeContents(tx: UsageDb, day: string): Promise<void> {
  await tx.schema
    .createTable(contentsOf(day))
    .addColumn('request', 'text', (c) => c.primaryKey())
    .addColumn('time_ms', 'bigint', (c) => c.notNull())
    .addColumn('bytes', 'bigint', (c) => c.notNull())
    .addColumn('prompt_bytes', 'bigint', (c) => c.notNull())
    .addColumn('answer_bytes', 'bigint', (c) => c.notNull())
    // Last, so that the others are read without it.
    .addColumn('sealed', 'blob', (c) => c.notNull())
    .execute()
}
