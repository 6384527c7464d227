import { type Clock, reasonOf } from '../../kernel/index.ts'
import type { Sealer } from '../../secrets/index.ts'
import type { Store } from '../../storage/index.ts'
import type { EndpointRef, Models } from '../model.ts'
import type { Service } from '../service.ts'
import { Book } from './book.ts'
import type { Listed } from './discovered.ts'
import { builtinEndpoints } from './endpoint.ts'
import { createEndpointService, type EndpointService, storedEndpoint } from './endpoints.ts'
import { createModelService, type ModelService } from './models.ts'
import { type CatalogLog, type CatalogParts, turnstile } from './parts.ts'
import { type ModelRecord, modelRecordOf } from './record.ts'
import { type CatalogRows, createCatalogStore, type PlaceRow } from './store.ts'

export interface ModelCatalogParts {
  readonly store: Pick<Store, 'db'>
  readonly sealer: Sealer
  /** The gate's own services as they are configured at this moment. */
  readonly services: () => readonly Service[]
  readonly clock: Clock
  readonly log: CatalogLog
}

/** Endpoints and models: in memory for whoever asks, in the store for ever, and how people change them. */
export interface ModelCatalog extends Models {
  readonly manage: { readonly endpoints: EndpointService; readonly models: ModelService }
  /** Takes all of the store into memory, once. Until then only the services of the gate are known. */
  load(): Promise<{ readonly endpoints: number; readonly models: number; readonly unreadable: number }>
  /** After a reload: looks at the services of the gate again. */
  refresh(): void
  /** What an endpoint lists at this moment; an empty list forgets it. False when that is what it listed before. */
  setListed(endpoint: EndpointRef, list: readonly Listed[]): boolean
  hasListed(endpoint: EndpointRef): boolean
  /** Calls after a change of endpoints. The answer ends the calls. */
  onEndpoints(listener: () => void): () => void
}

export function createModelCatalog({ store, sealer, services, clock, log }: ModelCatalogParts): ModelCatalog {
  const book = new Book()
  const listeners = new Set<() => void>()
  const freshener = bySteps(() => book.freshen())
  const changed = (): void => {
    freshener.begin()
    for (const listener of listeners) {
      try {
        listener()
      } catch (thrown) {
        // Whoever listens may fail; the change is made all the same.
        log.error({ reason: reasonOf(thrown) }, 'a listener failed when an endpoint was changed')
      }
    }
  }
  const parts: CatalogParts = { book, store: createCatalogStore(store), sealer, clock, log, inTurn: turnstile(), changed }
  const refresh = (): void => {
    book.setBuiltin(builtinEndpoints(services()))
    changed()
  }
  refresh()
  let loading: ReturnType<ModelCatalog['load']> | null = null
  return {
    get version() {
      return book.version
    },
    settled: () => freshener.done(),
    find: (name) => book.find(name),
    list: () => book.list(),
    at: (endpoint, upstream) => book.at(endpoint, upstream),
    standing: (endpoint) => book.standing(endpoint),
    endpoints: () => book.endpoints(),
    manage: { endpoints: createEndpointService(parts), models: createModelService(parts) },
    load: () => {
      loading ??= load(parts).catch((thrown: unknown) => {
        loading = null
        throw thrown
      })
      return loading
    },
    refresh,
    setListed: (endpoint, list) => book.setListed(endpoint, list, clock.nowMs()),
    hasListed: (endpoint) => book.hasListed(endpoint),
    onEndpoints: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

/** In turn with changes, so that none of them meets half a book. */
const load = (parts: CatalogParts): ReturnType<ModelCatalog['load']> =>
  parts.inTurn(async () => {
    const rows = await parts.store.read()
    let [endpoints, models] = [0, 0]
    for (const row of rows.endpoints) {
      const stored = storedEndpoint(row, parts)
      if (stored === null) continue
      parts.book.setEndpoint(stored)
      endpoints += 1
    }
    for (const record of readable(rows, parts.log)) {
      parts.book.setModel(record)
      models += 1
    }
    parts.changed()
    return { endpoints, models, unreadable: rows.endpoints.length - endpoints + rows.models.length - models }
  })

/** One damaged row must not keep every other model out. */
function* readable({ models, places }: CatalogRows, log: CatalogLog): Iterable<ModelRecord> {
  const byModel = new Map<string, PlaceRow[]>()
  for (const place of places) {
    const others = byModel.get(place.model_id)
    if (others) others.push(place)
    else byModel.set(place.model_id, [place])
  }
  for (const row of models) {
    try {
      yield modelRecordOf(row, byModel.get(row.id) ?? [])
    } catch (thrown) {
      log.error({ model: row.name, reason: reasonOf(thrown) }, 'a model of the store cannot be read and is unknown here')
    }
  }
}

interface Steps {
  /** What is begun anew takes the place of what was not done yet. */
  begin(): void
  /** Waits until it is done, or begun anew: whoever changes things without end must not have others wait without end. */
  done(): Promise<void>
}

/** Work in slices, with turns for others between them. It keeps no process alive, but for those who wait for it. */
function bySteps(work: () => Generator<void>): Steps {
  let running: Generator<void> | null = null
  let next: NodeJS.Immediate | null = null
  let waiting: (() => void)[] = []
  const tell = (): void => {
    const told = waiting
    waiting = []
    for (const resolve of told) resolve()
  }
  const goOn = (): void => {
    next = setImmediate(step)
    if (waiting.length === 0) next.unref()
  }
  const step = (): void => {
    if (running?.next().done === false) goOn()
    else {
      running = null
      tell()
    }
  }
  return {
    begin() {
      const isIdle = running === null
      running = work()
      tell()
      if (isIdle) goOn()
    },
    done() {
      if (running === null) return DONE
      next?.ref()
      return new Promise((resolve) => waiting.push(resolve))
    },
  }
}

const DONE = Promise.resolve()
