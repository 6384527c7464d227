import type { Kysely, Migration } from 'kysely'

/** Keys in the order they are read and listed in: a page of them is found without reading the others. */
export const keysByAge0002: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.createIndex('keys_age').on('keys').columns(['created_ms', 'id']).execute()
  },
}
