import { type Insertable, type Kysely, sql } from 'kysely'
import { asUserId, GatewayError, type KeyId, newUserId, type RotationId, type TenantId, type UserId } from '../kernel/index.ts'
import type { Database, KeysTable, RotationsTable, Store } from '../storage/index.ts'

export type KeyRow = Insertable<KeysTable> & { readonly user: string; readonly last_used_ms: number | null }

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

export interface KeyStore {
  allKeys(): Promise<readonly KeyRow[]>
  /** The user of this name, made if there is none. */
  userNamed(tenant: TenantId, name: string, nowMs: number): Promise<UserId>
  addKey(row: Insertable<KeysTable>): Promise<void>
  setDisabled(id: KeyId, disabledMs: number | null): Promise<void>
  rotate(rotation: RotationWrite): Promise<void>
  rotationOf(id: KeyId, idempotencyKey: string): Promise<RotationsTable | undefined>
  saveUses(uses: readonly KeyUse[]): Promise<void>
}

/** SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535; a use has two. Powers of two, so that there are few different statements. */
const USES_PER_STATEMENT = 4_096

export function createKeyStore({ db }: Pick<Store, 'db'>): KeyStore {
  return {
    allKeys: () => guarded('keys cannot be read', () => selectKeys(db)),
    userNamed: (tenant, name, nowMs) => guarded('a user cannot be written', () => userNamed(db, tenant, name, nowMs)),
    addKey: (row) => guarded('a key cannot be written', () => db.insertInto('keys').values(row).execute()).then(nothing),
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

/** What a database driver throws says nothing to a caller; it becomes the cause of an error of ours. */
async function guarded<T>(reason: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause
    throw new GatewayError('STORE_UNAVAILABLE', { reason, cause })
  }
}

function selectKeys(db: Kysely<Database>): Promise<readonly KeyRow[]> {
  return db
    .selectFrom('keys')
    .innerJoin('users', 'users.id', 'keys.user_id')
    .leftJoin('key_use', 'key_use.key_id', 'keys.id')
    .selectAll('keys')
    .select(['users.name as user', 'key_use.last_used_ms'])
    .where('keys.deleted_ms', 'is', null)
    .orderBy('keys.created_ms')
    .execute()
}

async function userNamed(db: Kysely<Database>, tenant: TenantId, name: string, nowMs: number): Promise<UserId> {
  const found = await db
    .selectFrom('users')
    .select('id')
    .where('tenant', '=', tenant)
    .where('name', '=', name)
    .where('deleted_ms', 'is', null)
    .executeTakeFirst()
  if (found) return asUserId(found.id)
  const id = newUserId()
  await db.insertInto('users').values({ id, tenant, name, created_ms: nowMs, deleted_ms: null }).execute()
  return id
}

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
