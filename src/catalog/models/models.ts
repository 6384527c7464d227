import type { CreateModelInput, EditModelInput } from '../../contract/index.ts'
import { type Capability, DEFAULT_TENANT, GatewayError, LIMITS, NO_PRICE, newModelId, type Price } from '../../kernel/index.ts'
import type { Model } from '../model.ts'
import type { DialectName } from '../service.ts'
import { NO_OWN_LIMITS, type OwnLimits, ownLimitsEdited, ownLimitsOf } from './own-limits.ts'
import { type CatalogParts, endpointMeant, type Page, type PageWanted, pageOf } from './parts.ts'
import { type ModelRecord, modelRowOf, type PlaceRef, placeRowsOf } from './record.ts'
import { orMeant, refuseHugeRates, refuseIdlePrice, refuseRequestsOwn, refuseUnspoken, shown, usualUnit, wrong } from './rules.ts'

/** All that people may know of a model. */
export interface ModelInfo extends OwnLimits {
  readonly name: string
  readonly capability: Capability
  readonly price: Price
  readonly concurrency: number
  /** By the names that the endpoints have now; those that are switched off too. */
  readonly places: readonly { readonly endpoint: string; readonly upstream: string | null }[]
  readonly fallback: string | null
  readonly options: Readonly<Record<string, unknown>>
  readonly active: boolean
  readonly discovered: boolean
  readonly createdMs: number
}

/** Management of models, whoever asks for it. Every change answers after the store has it. */
export interface ModelService {
  create(input: CreateModelInput): Promise<ModelInfo>
  list(wanted?: PageWanted): Page<ModelInfo>
  show(name: string): ModelInfo
  edit(name: string, input: EditModelInput): Promise<ModelInfo>
  delete(name: string): Promise<ModelInfo>
}

export function createModelService(parts: CatalogParts): ModelService {
  const { book } = parts
  return {
    create: (input) => parts.inTurn(() => create(parts, input)),
    list: (wanted = {}) => {
      const { items, next } = pageOf(book.all(), wanted, Math.min(wanted.limit ?? LIMITS.listPageEntitiesMax, LIMITS.listPageEntitiesMax))
      return { items: items.map((model) => infoOf(parts, model)), next }
    },
    show: (name) => {
      const model = book.find(name) ?? book.model(name)
      if (model === undefined) throw unknownModel(parts, name)
      return infoOf(parts, model)
    },
    edit: (name, input) => parts.inTurn(() => edit(parts, name, input)),
    delete: (name) => parts.inTurn(() => remove(parts, name)),
  }
}

function infoOf({ book }: CatalogParts, model: Model): ModelInfo {
  const { name, capability, price, fallback, options, active, id, createdMs } = model
  const record = id === null ? undefined : book.record(name)
  const places =
    record === undefined
      ? model.places.map(({ endpoint, upstream }) => ({ endpoint: endpoint.name, upstream }))
      : record.places.map(({ endpoint, upstream }) => ({ endpoint: book.endpoint(endpoint)?.name ?? endpoint, upstream }))
  const limits = { ...ownLimitsOf(record ?? NO_OWN_LIMITS), concurrency: record?.concurrency ?? 0 }
  return { name, capability, price, ...limits, places, fallback, options, active, discovered: id === null, createdMs }
}

async function create(parts: CatalogParts, input: CreateModelInput): Promise<ModelInfo> {
  const { book, store, clock } = parts
  refuseTakenName(parts, input.name)
  if (book.storedModels >= LIMITS.modelsMax) throw new GatewayError('CONFLICT', { detail: `There are ${LIMITS.modelsMax} models already` })
  const blank: ModelRecord = {
    id: newModelId(),
    tenant: DEFAULT_TENANT,
    name: input.name,
    capability: input.capability,
    price: { ...NO_PRICE, unit: usualUnit(input.capability) },
    ...NO_OWN_LIMITS,
    concurrency: 0,
    places: [],
    fallback: null,
    options: {},
    createdMs: clock.nowMs(),
    disabledMs: null,
  }
  const record = edited(parts, blank, input)
  await store.addModel(modelRowOf(record), placeRowsOf(record))
  book.setModel(record)
  return infoOfRecord(parts, record)
}

async function edit(parts: CatalogParts, name: string, input: EditModelInput): Promise<ModelInfo> {
  const { book, store } = parts
  const before = changeable(parts, name)
  const { name: wanted = before.name } = input
  const isRenamed = wanted !== before.name
  if (isRenamed) refuseTakenName(parts, wanted)
  const record = edited(parts, before, input)
  const places = input.endpoints === undefined ? null : placeRowsOf(record)
  await store.setModel({ row: modelRowOf(record), places, formerName: isRenamed ? before.name : null })
  book.setModel(record, before.name)
  return infoOfRecord(parts, record)
}

async function remove(parts: CatalogParts, name: string): Promise<ModelInfo> {
  const { book, store, clock } = parts
  const record = changeable(parts, name)
  const info = { ...infoOfRecord(parts, record), active: false }
  await store.deleteModel(record.id, clock.nowMs())
  book.deleteModel(record.name)
  return info
}

function infoOfRecord(parts: CatalogParts, { name }: ModelRecord): ModelInfo {
  const model = parts.book.model(name)
  if (model === undefined) throw new Error(`the model ${name} was put on its shelf and is not there`)
  return infoOf(parts, model)
}

function changeable(parts: CatalogParts, name: string): ModelRecord {
  const record = parts.book.record(name)
  if (record !== undefined) return record
  const discovered = parts.book.find(name)
  if (discovered === undefined) throw unknownModel(parts, name)
  const places = discovered.places.map(({ endpoint, upstream }) => (upstream === null ? endpoint.name : `${endpoint.name}=${upstream}`))
  throw new GatewayError('CONFLICT', {
    detail: `${discovered.name} appeared by itself, at ${places.join(', ')}; add a model of that name, and that one is yours to edit`,
  })
}

function refuseTakenName({ book }: CatalogParts, name: string): void {
  if (book.record(name) !== undefined) throw new GatewayError('CONFLICT', { detail: `There is a model "${name}" already` })
}

function unknownModel({ book }: CatalogParts, name: string): GatewayError {
  const names = book.all().map((model) => model.name)
  return new GatewayError('NOT_FOUND', { detail: `There is no model "${shown(name)}"${orMeant(name, names)}` })
}

/** The model with the fields that were given; what is undefined stays, and null takes away. */
function edited(parts: CatalogParts, before: ModelRecord, input: EditModelInput): ModelRecord {
  const name = input.name ?? before.name
  const capability = input.capability ?? before.capability
  const limits = ownLimitsEdited(before, input)
  refuseHugeRates(limits)
  const price = {
    unit: input.unit ?? (capability === before.capability ? before.price.unit : usualUnit(capability)),
    inMicro: input.price_in ?? before.price.inMicro,
    outMicro: input.price_out ?? before.price.outMicro,
  }
  refuseIdlePrice(capability, price)
  if (input.options !== undefined) refuseRequestsOwn(input.options)
  const fallback = input.fallback === undefined ? before.fallback : input.fallback
  // A ring of several is not looked for: whoever follows it stops after a few, and a name may be taken by another model tomorrow.
  if (fallback === name) throw wrong('"fallback" names the model itself', 'its own fallback')
  const places = input.endpoints === undefined ? before.places : placesOf(parts, input.endpoints, { name, capability })
  if (input.endpoints === undefined && capability !== before.capability) {
    for (const { endpoint: ref } of places) {
      const endpoint = parts.book.endpoint(ref)
      if (endpoint !== undefined) refuseUnspoken(capability, endpoint)
    }
  }
  return {
    ...before,
    name,
    capability,
    price: Object.freeze(price),
    ...limits,
    concurrency: input.concurrency ?? before.concurrency,
    places,
    fallback,
    options: input.options === undefined ? before.options : { ...input.options },
    disabledMs: input.active === undefined ? before.disabledMs : input.active ? null : (before.disabledMs ?? parts.clock.nowMs()),
  }
}

type PlaceInput = CreateModelInput['endpoints'][number]

/** Backends that ask for a model by its name; the others take what they have loaded. */
const NAMED: ReadonlySet<DialectName> = new Set(['openai', 'ollama', 'anthropic'])

function placesOf(
  { book }: CatalogParts,
  given: readonly PlaceInput[],
  model: Pick<ModelRecord, 'name' | 'capability'>,
): readonly PlaceRef[] {
  const seen = new Set<string>()
  return given.map(({ endpoint: text, upstream }) => {
    const endpoint = endpointMeant(book, text)
    if (seen.has(endpoint.ref)) throw wrong(`"endpoints" names ${endpoint.name} twice`, 'an endpoint named twice')
    seen.add(endpoint.ref)
    refuseUnspoken(model.capability, endpoint)
    return { endpoint: endpoint.ref, upstream: upstream ?? (NAMED.has(endpoint.dialect) ? model.name : null) }
  })
}
