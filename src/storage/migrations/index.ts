import { type Kysely, Migrator, sql } from 'kysely'
import { GatewayError } from '../../kernel/index.ts'
import type { Database } from '../schema.ts'
import { keys0001 } from './0001-keys.ts'
import { keysByAge0002 } from './0002-keys-by-age.ts'
import { models0003 } from './0003-models.ts'
import { usage0004 } from './0004-usage.ts'

/** Every migration there is, by a name that sorts in the order they run. A name once released never changes. */
const MIGRATIONS = {
  '0001-keys': keys0001,
  '0002-keys-by-age': keysByAge0002,
  '0003-models': models0003,
  '0004-usage': usage0004,
} as const

/** Brings a store to this version and says which migrations that took. A store that a newer version wrote is refused, not guessed at. */
export async function migrate(db: Kysely<Database>): Promise<readonly string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } })
  const { error, results = [] } = await migrator.migrateToLatest()
  if (error) throw new GatewayError('STORE_UNAVAILABLE', { reason: await whyNot(db), cause: error })
  return results.filter((result) => result.status === 'Success').map((result) => result.migrationName)
}

async function whyNot(db: Kysely<Database>): Promise<string> {
  const plain = 'the store could not be migrated'
  try {
    const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db)
    const unknown = rows.map((row) => row.name).filter((name) => !Object.hasOwn(MIGRATIONS, name))
    if (unknown.length === 0) return plain
    return `the store was written by a newer version (${unknown.join(', ')}): start that version, or restore a backup`
  } catch {
    return plain
  }
}
