import { sql } from 'kysely'
import { beginDay, daysOf, dropDay, type UsageDb } from '../days/store.ts'
import { type ContentsTable, contentsOf } from '../tables.ts'
import type { ContentStore } from './contents.ts'

export const contentStore = (db: UsageDb): ContentStore => ({
  days: () => daysOf(db, 'contents'),
  begin: (day) => db.transaction().execute((tx) => beginDay(tx, 'contents', day)),
  drop: (day) => dropDay(db, 'contents', day),
  bytesOf: (day) => bytesOf(db, day),
  keep: async (day, row) => {
    await db
      .insertInto(contentsOf(day))
      .values(row)
      .onConflict((conflict) => conflict.column('request').doNothing())
      .execute()
  },
})

async function bytesOf(db: UsageDb, day: string): Promise<number> {
  const { bytes } = await db.selectFrom(contentsOf(day)).select(sql<number | null>`sum(bytes)`.as('bytes')).executeTakeFirstOrThrow()
  return Number(bytes ?? 0)
}

export async function findContent(db: UsageDb, id: string): Promise<ContentsTable | null> {
  for (const day of (await daysOf(db, 'contents')).reverse()) {
    const row = await db.selectFrom(contentsOf(day)).selectAll().where('request', '=', id).executeTakeFirst()
    if (row) return row
  }
  return null
}
