import { CompiledQuery, sql } from 'kysely'
import type { LedgerPlace } from '../../audit/index.ts'
import type { UsageDaysTable } from '../../storage/index.ts'
import { beginDay, type UsageDb } from '../days/store.ts'
import { evened, type RequestsOfDay, type RequestsTable, requestsOf } from '../tables.ts'
import { type Batch, COUNT_COLUMNS } from './batch.ts'

/** The name of this projection among those that may come. */
const NAME = 'usage'

/** How far the ledger is in the accounts; null when it was never read. */
export async function readPlace(db: UsageDb): Promise<LedgerPlace | null> {
  const columns = ['segment', 'bytes', 'seq', 'hash'] as const
  return (await db.selectFrom('projections').select(columns).where('name', '=', NAME).executeTakeFirst()) ?? null
}

/** Where a store that has never counted begins; one that has stays where it is. */
export async function beginAt(db: UsageDb, { segment, bytes, seq, hash }: LedgerPlace): Promise<boolean> {
  const made = await db
    .insertInto('projections')
    .values({ name: NAME, segment, bytes, seq, hash })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .executeTakeFirst()
  return made.numInsertedOrUpdatedRows === 1n
}

/** Counts from here on, whatever was before. */
export async function setPlace(db: UsageDb, { segment, bytes, seq, hash }: LedgerPlace): Promise<void> {
  await db
    .insertInto('projections')
    .values({ name: NAME, segment, bytes, seq, hash })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ segment, bytes, seq, hash }))
    .execute()
}

/** Whose the keys are. A key keeps its user, and its row when it is deleted. */
export async function usersOf(db: UsageDb, keys: readonly string[]): Promise<Map<string, string>> {
  const rows = await db.selectFrom('keys').select(['id', 'user_id']).where('id', 'in', evened(keys)).execute()
  return new Map(rows.map(({ id, user_id }) => [id, user_id]))
}

export const namesOn = (db: UsageDb, day: string): Promise<{ key_id: string; model: string }[]> =>
  db.selectFrom('usage_days').select(['key_id', 'model']).distinct().where('day', '=', day).execute()

/** Somebody else has moved the place, so what was to be written may stand there already. */
export class PlaceMoved extends Error {
  override readonly name = 'PlaceMoved'
}

/** All that a batch comes to and the place behind it, or nothing of it. Days before `logFrom` have no request log any more. */
export async function apply(db: UsageDb, batch: Batch, from: LedgerPlace, to: LedgerPlace, logFrom: string): Promise<void> {
  // What can be prepared is, before the others have to wait.
  const logs = [...batch.rows]
    .filter(([day]) => day >= logFrom)
    .map(([day, rows]) => ({ day, inserts: insertsOf(db, requestsOf(day), rows) }))
  const counters = batch.counts.map((row) => countInto(db, row).compile())
  await db.transaction().execute(async (tx) => {
    const { segment, bytes, seq, hash } = to
    const moved = await tx
      .updateTable('projections')
      .set({ segment, bytes, seq, hash })
      .where('name', '=', NAME)
      .where('seq', '=', from.seq)
      .where('hash', '=', from.hash)
      .executeTakeFirst()
    if (moved.numUpdatedRows !== 1n) throw new PlaceMoved(`the accounts are not at sequence ${from.seq} any more`)
    for (const { day, inserts } of logs) {
      await beginDay(tx, 'requests', day)
      for (const insert of inserts) await tx.executeQuery(insert)
    }
    for (const counter of counters) await tx.executeQuery(counter)
    // Relative, because a credit may come in between; and a user who is not billed has null, of which null remains.
    for (const [user, micro] of batch.charges) {
      await tx
        .updateTable('users')
        .set({ balance_micro: sql<number>`balance_micro - ${micro}` })
        .where('id', '=', user)
        .execute()
    }
  })
}

const countInto = (db: UsageDb, row: UsageDaysTable) =>
  db
    .insertInto('usage_days')
    .values(row)
    .onConflict((conflict) =>
      conflict
        .columns(['day', 'user_id', 'key_id', 'model', 'endpoint'])
        .doUpdateSet(
          Object.fromEntries(COUNT_COLUMNS.map((column) => [column, sql`usage_days.${sql.ref(column)} + excluded.${sql.ref(column)}`])),
        ),
    )

const ROWS_PER_INSERT = 64

/** In powers of two, so that there are few different statements for each day. */
function insertsOf(db: UsageDb, table: RequestsOfDay, rows: readonly RequestsTable[]): CompiledQuery[] {
  const inserts: CompiledQuery[] = []
  for (let from = 0; from < rows.length; ) {
    const count = Math.min(ROWS_PER_INSERT, 2 ** Math.floor(Math.log2(rows.length - from)))
    inserts.push(insertOf(db, table, rows.slice(from, from + count)))
    from += count
  }
  return inserts
}

const texts = new Map<string, string>()
const TEXTS_MAX = 64

/** Kysely takes longer to make the text than SQLite to obey it, and it is the same for as many rows. */
function insertOf(db: UsageDb, table: RequestsOfDay, rows: readonly RequestsTable[]): CompiledQuery {
  const id = `${table} ${rows.length}`
  const known = texts.get(id)
  if (known !== undefined) return CompiledQuery.raw(known, rows.flatMap(valuesOf))
  const insert = db.insertInto(table).values(rows).compile()
  if (texts.size >= TEXTS_MAX) texts.clear()
  texts.set(id, insert.sql)
  return insert
}

/** In the order of the columns, which is that in which rows are made. */
const valuesOf = (row: RequestsTable): unknown[] => Object.values(row)
