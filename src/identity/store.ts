import { type Expression, type Kysely, type Selectable, sql } from 'kysely'
import type { KeyId, RotationId } from '../kernel/index.ts'
import type { Database, KeysTable, RotationsTable, Store } from '../storage/index.ts'
import { guarded } from './guarded.ts'

export type NewKeyRow = Selectable<KeysTable>
/** What a key is made of in memory: its row and its last use. */
export type KeyRow = Omit<NewKeyRow, 'legacy' | 'deleted_ms'> & { readonly last_used_ms: number | null }
/** A row with what is told of its user beside it. */
export type ListedRow = KeyRow & { readonly user: string; readonly user_disabled_ms: number | null }
/** What an edit may change. */
export type KeyChanges = Partial<
  Pick<
    NewKeyRow,
    | 'rights'
    | 'description'
    | 'rate'
    | 'concurrency'
    | 'tokens_per_minute'
    | 'budget_day_micro'
    | 'budget_month_micro'
    | 'models'
    | 'networks'
    | 'log_content'
    | 'expires_ms'
  >
>

export interface KeyUse {
  readonly id: KeyId
  readonly usedMs: number
}

export interface RotationWrite {
  readonly id: RotationId
  readonly keyId: KeyId
  readonly idempotencyKey: string | null
  readonly rotatedMs: number
  readonly oldUntilMs: number
  readonly phc: string
  readonly oldPhc: string
  readonly alias: string | null
}

/** Where a key stands when keys are ordered by age; the id decides between those of the same millisecond. */
export interface KeyPlace {
  readonly createdMs: number
  readonly id: string
}

export interface PageWanted {
  /** Only those that are neither disabled nor expired at this moment. */
  readonly activeAtMs: number | null
  readonly user: string | null
  readonly olderThan: KeyPlace | null
  readonly limit: number
}

export interface KeyStore {
  /** Every key, oldest first, in pieces: rows that nobody holds any longer are garbage while they are still young, which costs half the time of all at once. */
  keysByAge(take: (rows: readonly KeyRow[]) => void): Promise<void>
  /** The newest of those wanted, newest first. */
  newestKeys(wanted: PageWanted): Promise<readonly ListedRow[]>
  countKeys(wanted: Pick<PageWanted, 'activeAtMs' | 'user'>): Promise<number>
  placeOf(id: string): Promise<KeyPlace | undefined>
  addKey(row: NewKeyRow): Promise<void>
  editKey(id: KeyId, changes: KeyChanges): Promise<void>
  setDisabled(id: KeyId, disabledMs: number | null): Promise<void>
  rotate(rotation: RotationWrite): Promise<void>
  rotationOf(id: KeyId, idempotencyKey: string): Promise<RotationsTable | undefined>
  saveUses(uses: readonly KeyUse[]): Promise<void>
}

/** SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535; a use has two. Powers of two, so that there are few different statements. */
const USES_PER_STATEMENT = 4_096

export function createKeyStore({ db }: Pick<Store, 'db'>): KeyStore {
  return {
    keysByAge: (take) => guarded('keys cannot be read', () => keysByAge(db, take)),
    newestKeys: (wanted) => guarded('keys cannot be read', () => newestKeys(db, wanted)),
    countKeys: (wanted) => guarded('keys cannot be read', () => countKeys(db, wanted)),
    placeOf: (id) => guarded('keys cannot be read', () => placeOf(db, id)),
    addKey: (row) => guarded('a key cannot be written', () => db.insertInto('keys').values(row).execute()).then(nothing),
    editKey: (id, changes) =>
      guarded('a key cannot be written', () => db.updateTable('keys').set(changes).where('id', '=', id).execute()).then(nothing),
    setDisabled: (id, disabledMs) =>
      guarded('the state of a key cannot be written', () =>
        db.updateTable('keys').set({ disabled_ms: disabledMs }).where('id', '=', id).execute(),
      ).then(nothing),
    rotate: (rotation) => guarded('a rotation cannot be written', () => rotate(db, rotation)),
    rotationOf: (id, idempotencyKey) =>
      guarded('rotations cannot be read', () =>
        db.selectFrom('rotations').selectAll().where('key_id', '=', id).where('idempotency_key', '=', idempotencyKey).executeTakeFirst(),
      ),
    saveUses: (uses) => guarded('last uses cannot be written', () => saveUses(db, uses)),
  }
}

const nothing = () => undefined

const KEYS_PER_PIECE = 2_000

async function keysByAge(db: Kysely<Database>, take: (rows: readonly KeyRow[]) => void): Promise<void> {
  for (let rows = await pieceAfter(db, null); rows.length > 0; ) {
    take(rows)
    const last = rows.at(-1)
    if (last === undefined || rows.length < KEYS_PER_PIECE) return
    rows = await pieceAfter(db, { createdMs: last.created_ms, id: last.id })
  }
}

async function pieceAfter(db: Kysely<Database>, place: KeyPlace | null): Promise<readonly KeyRow[]> {
  const all = fromKeys(db).orderBy('keys.created_ms').orderBy('keys.id').limit(KEYS_PER_PIECE)
  const piece = place === null ? all : all.where(age, '>', ageOf(place))
  try {
    const rows = await piece.select(packed.as('packed')).execute()
    return rows.map(({ packed: text }) => JSON.parse(text) as KeyRow) // made of the same columns
  } catch {
    // JSON cannot hold a BLOB, which no version of ours wrote: one damaged row must not keep every other key out.
    return piece.select(KEY_COLUMNS).execute()
  }
}

const KEY_COLUMNS = [
  'keys.id',
  'keys.tenant',
  'keys.user_id',
  'keys.secret_phc',
  'keys.old_secret_phc',
  'keys.old_secret_until_ms',
  'keys.rights',
  'keys.description',
  'keys.rate',
  'keys.concurrency',
  'keys.tokens_per_minute',
  'keys.budget_day_micro',
  'keys.budget_month_micro',
  'keys.models',
  'keys.networks',
  'keys.log_content',
  'keys.created_ms',
  'keys.expires_ms',
  'keys.disabled_ms',
  'keys.rotated_ms',
  'keys.legacy_source',
  'keys.lookup_hmac',
  'keys.alias',
  'key_use.last_used_ms',
] as const

/** A row as one text: better-sqlite3 hands over a column at a time, and two dozen take twice as long as this and `JSON.parse`. */
const packed = sql<string>`json_object(${sql.join(
  KEY_COLUMNS.flatMap((column) => [sql.lit(column.slice(column.indexOf('.') + 1)), sql.ref(column)]),
)})`

const fromKeys = (db: Kysely<Database>) =>
  db.selectFrom('keys').leftJoin('key_use', 'key_use.key_id', 'keys.id').where('keys.deleted_ms', 'is', null)

function newestKeys(db: Kysely<Database>, { activeAtMs, user, olderThan, limit }: PageWanted): Promise<readonly ListedRow[]> {
  let rows = fromKeys(db)
    .innerJoin('users', 'users.id', 'keys.user_id')
    .select([...KEY_COLUMNS, 'users.name as user', 'users.disabled_ms as user_disabled_ms'])
    .orderBy('keys.created_ms', 'desc')
    .orderBy('keys.id', 'desc')
    .limit(limit)
  if (activeAtMs !== null) rows = rows.where(isActive(activeAtMs))
  if (user !== null) rows = rows.where('users.name', '=', user)
  if (olderThan !== null) rows = rows.where(age, '<', ageOf(olderThan))
  return rows.execute()
}

async function countKeys(db: Kysely<Database>, { activeAtMs, user }: Pick<PageWanted, 'activeAtMs' | 'user'>): Promise<number> {
  let keys = db
    .selectFrom('keys')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('keys.deleted_ms', 'is', null)
  if (activeAtMs !== null) keys = keys.where(isActive(activeAtMs))
  if (user !== null) keys = keys.where('user_id', 'in', db.selectFrom('users').select('id').where('name', '=', user))
  return Number((await keys.executeTakeFirstOrThrow()).count)
}

async function placeOf(db: Kysely<Database>, id: string): Promise<KeyPlace | undefined> {
  const row = await db.selectFrom('keys').select(['id', 'created_ms']).where('id', '=', id).executeTakeFirst()
  return row && { id: row.id, createdMs: row.created_ms }
}

/** Compared as one value, so that the index on both is walked from that place. */
const age = sql<string>`(keys.created_ms, keys.id)`
const ageOf = ({ createdMs, id }: KeyPlace): Expression<string> => sql`(${createdMs}, ${id})`

const isActive = (nowMs: number) =>
  sql<boolean>`keys.disabled_ms is null and (keys.expires_ms is null or keys.expires_ms > ${nowMs})
    and keys.user_id not in (select id from users where disabled_ms is not null)`

async function rotate(db: Kysely<Database>, rotation: RotationWrite): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await tx
      .insertInto('rotations')
      .values({
        id: rotation.id,
        key_id: rotation.keyId,
        idempotency_key: rotation.idempotencyKey,
        rotated_ms: rotation.rotatedMs,
        old_secret_until_ms: rotation.oldUntilMs,
      })
      .execute()
    await tx
      .updateTable('keys')
      .set({
        secret_phc: rotation.phc,
        old_secret_phc: rotation.oldPhc,
        old_secret_until_ms: rotation.oldUntilMs,
        rotated_ms: rotation.rotatedMs,
        alias: rotation.alias,
      })
      .where('id', '=', rotation.keyId)
      .execute()
  })
}

async function saveUses(db: Kysely<Database>, uses: readonly KeyUse[]): Promise<void> {
  let from = 0
  while (from < uses.length) {
    const count = Math.min(USES_PER_STATEMENT, 2 ** Math.floor(Math.log2(uses.length - from)))
    const rows = uses.slice(from, from + count).map(({ id, usedMs }) => ({ key_id: id, last_used_ms: usedMs }))
    await db
      .insertInto('key_use')
      .values(rows)
      .onConflict((conflict) => conflict.column('key_id').doUpdateSet({ last_used_ms: sql`excluded.last_used_ms` }))
      .execute()
    from += count
  }
}
