import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createModelCatalog, type ModelCatalog, type Service } from '../../src/catalog/index.ts'
import { loadConfig } from '../../src/config.ts'
import { type CreateEndpointInput, type CreateModelInput, createEndpointInput, createModelInput } from '../../src/contract/index.ts'
import { type Clock, systemClock } from '../../src/kernel/index.ts'
import { createSealer } from '../../src/secrets/index.ts'
import { openStore, type Store } from '../../src/storage/index.ts'

type Environment = Readonly<Record<string, string>>

/** Endpoints and models on a real store in a directory of their own; `reopen` is a restart. */
export interface CatalogHouse {
  readonly dir: string
  readonly keyFile: string
  readonly store: Store
  readonly catalog: ModelCatalog
  readonly log: readonly string[]
  /** The services of the gate as these variables configure them. */
  configure(env: Environment): void
  endpoint(input: Partial<CreateEndpointInput> & { readonly name: string }): Promise<void>
  /** With its prices as text, as they travel. */
  model(input: ModelWish): Promise<void>
  reopen(): Promise<CatalogHouse>
  close(): Promise<void>
}

export type ModelWish = Omit<Partial<CreateModelInput>, 'endpoints' | 'price_in' | 'price_out'> & {
  readonly name: string
  /** `builtin:chat=llama3.2`, or without `=` and what follows. */
  readonly at: readonly string[]
  readonly price_in?: string
  readonly price_out?: string
}

export interface CatalogHouseOptions {
  readonly env?: Environment
  readonly clock?: Clock
  readonly dir?: string
}

export const servicesOf = (env: Environment = {}): readonly Service[] =>
  loadConfig({ PORTCULLIS_CONFIG: '/dev/null', DATA_DIR: '/nowhere', ...env }).services

export const placesOf = (at: readonly string[]): CreateModelInput['endpoints'] =>
  at.map((text) => {
    const cut = text.indexOf('=')
    return cut === -1 ? { endpoint: text, upstream: null } : { endpoint: text.slice(0, cut), upstream: text.slice(cut + 1) }
  })

export async function openCatalogHouse(options: CatalogHouseOptions = {}): Promise<CatalogHouse> {
  const { clock = systemClock, dir = mkdtempSync(join(tmpdir(), 'portcullis-catalog-')) } = options
  const keyFile = join(dir, 'endpoints.key')
  const store = await openStore({ file: join(dir, 'portcullis.db') })
  const lines: string[] = []
  const write = (fields: object, message: string) => void lines.push(JSON.stringify({ ...fields, message }))
  const log = { info: write, warn: write, error: write }
  let services = servicesOf(options.env)
  const catalog = createModelCatalog({ store, sealer: createSealer(keyFile), services: () => services, clock, log })
  await catalog.load()
  return {
    dir,
    keyFile,
    store,
    catalog,
    log: lines,
    configure: (env) => {
      services = servicesOf(env)
      catalog.refresh()
    },
    endpoint: async (input) => {
      await catalog.manage.endpoints.create(createEndpointInput.parse({ url: 'http://127.0.0.1:9', ...input }))
    },
    model: async ({ at, ...input }) => {
      await catalog.manage.models.create(createModelInput.parse({ ...input, endpoints: placesOf(at) }))
    },
    reopen: async () => {
      await store.close()
      return openCatalogHouse({ ...options, dir })
    },
    close: async () => {
      await store.close().finally(() => rmSync(dir, { recursive: true, force: true }))
    },
  }
}
