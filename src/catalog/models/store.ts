import type { Kysely, Transaction } from 'kysely'
import { GatewayError } from '../../kernel/index.ts'
import type { Database, EndpointsTable, ModelEndpointsTable, ModelsTable, Store } from '../../storage/index.ts'

export type EndpointRow = Omit<EndpointsTable, 'deleted_ms'>
export type ModelRow = Omit<ModelsTable, 'deleted_ms'>
export type PlaceRow = ModelEndpointsTable

export interface CatalogRows {
  readonly endpoints: readonly EndpointRow[]
  readonly models: readonly ModelRow[]
  /** In the order of the models' ids, and in each the order in which they were named. */
  readonly places: readonly PlaceRow[]
}

/** A model as it is to be from now on; null leaves its places as they are. */
export interface ModelWrite {
  readonly row: ModelRow
  readonly places: readonly PlaceRow[] | null
  /** The name it had, where it gets another: those who fall back to it are told. */
  readonly formerName: string | null
}

export interface CatalogStore {
  read(): Promise<CatalogRows>
  addEndpoint(row: EndpointRow): Promise<void>
  setEndpoint(row: EndpointRow): Promise<void>
  /** The row stays, because the ledger names it; the places at it are read no more. */
  deleteEndpoint(id: string, deletedMs: number): Promise<void>
  addModel(row: ModelRow, places: readonly PlaceRow[]): Promise<void>
  setModel(write: ModelWrite): Promise<void>
  deleteModel(id: string, deletedMs: number): Promise<void>
}

export function createCatalogStore({ db }: Pick<Store, 'db'>): CatalogStore {
  const write = (what: string, work: (tx: Transaction<Database>) => Promise<unknown>): Promise<void> =>
    guarded(`${what} cannot be written`, async () => {
      await db.transaction().execute(work)
    })
  return {
    read: () => guarded('endpoints and models cannot be read', () => readAll(db)),
    addEndpoint: (row) =>
      write('an endpoint', (tx) =>
        tx
          .insertInto('endpoints')
          .values({ ...row, deleted_ms: null })
          .execute(),
      ),
    setEndpoint: ({ id, ...row }) => write('an endpoint', (tx) => tx.updateTable('endpoints').set(row).where('id', '=', id).execute()),
    deleteEndpoint: (id, deletedMs) =>
      // Its key goes with it: nothing that is deleted needs one. Places at it stay until their models change: to delete ten thousand would hold everybody up.
      write('an endpoint', (tx) =>
        tx.updateTable('endpoints').set({ deleted_ms: deletedMs, sealed_key: null }).where('id', '=', id).execute(),
      ),
    addModel: (row, places) =>
      write('a model', async (tx) => {
        await tx
          .insertInto('models')
          .values({ ...row, deleted_ms: null })
          .execute()
        await addPlaces(tx, places)
      }),
    setModel: (change) => write('a model', (tx) => setModel(tx, change)),
    deleteModel: (id, deletedMs) =>
      write('a model', async (tx) => {
        await tx.updateTable('models').set({ deleted_ms: deletedMs }).where('id', '=', id).execute()
        await tx.deleteFrom('model_endpoints').where('model_id', '=', id).execute()
      }),
  }
}

/** What a database driver throws says nothing to a caller; it becomes the cause of an error of ours. */
async function guarded<T>(reason: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause
    throw new GatewayError('STORE_UNAVAILABLE', { reason, cause })
  }
}

async function readAll(db: Kysely<Database>): Promise<CatalogRows> {
  return {
    endpoints: await db.selectFrom('endpoints').selectAll().where('deleted_ms', 'is', null).orderBy('created_ms').orderBy('id').execute(),
    models: await db.selectFrom('models').selectAll().where('deleted_ms', 'is', null).orderBy('created_ms').orderBy('id').execute(),
    places: await db
      .selectFrom('model_endpoints')
      .selectAll()
      .where('endpoint', 'not in', (e) => e.selectFrom('endpoints').select('id').where('deleted_ms', 'is not', null))
      .orderBy('model_id')
      .orderBy('position')
      .execute(),
  }
}

async function addPlaces(tx: Transaction<Database>, places: readonly PlaceRow[]): Promise<void> {
  // One by one, so that there is one statement however many places a model has: statements are kept for ever.
  for (const place of places) await tx.insertInto('model_endpoints').values(place).execute()
}

async function setModel(tx: Transaction<Database>, { row: { id, ...row }, places, formerName }: ModelWrite): Promise<void> {
  await tx.updateTable('models').set(row).where('id', '=', id).execute()
  if (formerName !== null) {
    await tx
      .updateTable('models')
      .set({ fallback: row.name })
      .where('tenant', '=', row.tenant)
      .where('fallback', '=', formerName)
      .where('deleted_ms', 'is', null)
      .execute()
  }
  if (places === null) return
  await tx.deleteFrom('model_endpoints').where('model_id', '=', id).execute()
  await addPlaces(tx, places)
}
