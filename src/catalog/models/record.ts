import {
  asModelId,
  asTenantId,
  BILLING_UNITS,
  CAPABILITIES,
  type Capability,
  type ModelId,
  type Price,
  type TenantId,
} from '../../kernel/index.ts'
import type { Endpoint, EndpointRef, Model, Place } from '../model.ts'
import type { DialectName } from '../service.ts'
import { allowanceOf, type OwnLimits, ownLimitsIn, ownLimitsRow } from './own-limits.ts'
import type { ModelRow, PlaceRow } from './store.ts'

/** Where a model is, by the endpoint's reference: a name may change. */
export interface PlaceRef {
  readonly endpoint: EndpointRef
  readonly upstream: string | null
}

/** A model of the store, as people made it. */
export interface ModelRecord extends OwnLimits {
  readonly id: ModelId
  readonly tenant: TenantId
  readonly name: string
  readonly capability: Capability
  readonly price: Price
  readonly concurrency: number
  readonly places: readonly PlaceRef[]
  readonly fallback: string | null
  readonly options: Readonly<Record<string, unknown>>
  readonly createdMs: number
  readonly disabledMs: number | null
}

/** Throws on a row that no version of ours wrote. */
export function modelRecordOf(row: ModelRow, places: readonly PlaceRow[]): ModelRecord {
  const capability = CAPABILITIES.find((name) => name === row.capability)
  const unit = BILLING_UNITS.find((name) => name === row.unit)
  const options: unknown = JSON.parse(row.options)
  if (capability === undefined) throw new TypeError(`${row.capability} is no capability`)
  // A price in a unit that nobody counts would make the model free.
  if (unit === undefined) throw new TypeError(`${row.unit} is no unit`)
  if (typeof options !== 'object' || options === null || Array.isArray(options)) throw new TypeError('its options are no object')
  return {
    id: asModelId(row.id),
    tenant: asTenantId(row.tenant),
    name: row.name,
    capability,
    price: Object.freeze({ unit, inMicro: row.price_in_micro, outMicro: row.price_out_micro }),
    ...ownLimitsIn(row),
    concurrency: row.concurrency,
    places: places.map(({ endpoint, upstream }) => ({ endpoint: asEndpointRef(endpoint), upstream })),
    fallback: row.fallback,
    options: { ...options },
    createdMs: row.created_ms,
    disabledMs: row.disabled_ms,
  }
}

const asEndpointRef = (text: string): EndpointRef => text as EndpointRef // a column that holds nothing else

export const modelRowOf = (record: ModelRecord): ModelRow => ({
  id: record.id,
  tenant: record.tenant,
  name: record.name,
  capability: record.capability,
  unit: record.price.unit,
  price_in_micro: record.price.inMicro,
  price_out_micro: record.price.outMicro,
  ...ownLimitsRow(record),
  concurrency: record.concurrency,
  fallback: record.fallback,
  options: JSON.stringify(record.options),
  created_ms: record.createdMs,
  disabled_ms: record.disabledMs,
})

export const placeRowsOf = ({ id, places }: ModelRecord): readonly PlaceRow[] =>
  places.map(({ endpoint, upstream }, position) => ({ model_id: id, endpoint, upstream, position }))

type EndpointAt = (ref: EndpointRef) => Endpoint | undefined

function placesOf({ places: refs }: ModelRecord, endpointAt: EndpointAt): readonly Place[] {
  const places: Place[] = []
  for (const { endpoint: ref, upstream } of refs) {
    const endpoint = endpointAt(ref)
    if (endpoint?.active) places.push({ endpoint, upstream })
  }
  if (places.length > 1) places.sort((a, b) => a.endpoint.priority - b.endpoint.priority) // stable, so those of one priority stay as they were named
  return places
}

/** The same model after a change of its endpoints, which is all that changes of ten thousand at once. */
export const replaced = (model: Model, record: ModelRecord, endpointAt: EndpointAt): Model =>
  Object.freeze({ ...model, places: placesOf(record, endpointAt) })

/** The model as requests find it: with the endpoints that are there and active at this moment. */
export function modelOf(record: ModelRecord, endpointAt: EndpointAt): Model {
  const { id, tenant, name, capability, price, fallback, options, createdMs } = record
  const places = placesOf(record, endpointAt)
  const limits = allowanceOf(record, record.concurrency)
  return Object.freeze({
    id,
    tenant,
    name,
    capability,
    price,
    limits,
    places,
    fallback,
    options,
    createdMs,
    active: record.disabledMs === null,
  })
}

const OLLAMA_LIBRARY = /^(?:registry\.ollama\.ai\/)?(?:library\/)?/

/** Backends that have one model, whatever it is called. */
const NAMELESS: ReadonlySet<DialectName> = new Set(['speak', 'asr', 'whispercpp'])

/** The same for all names by which an endpoint knows the same model: a price on one of them must not be gone around by another. */
export function placeKey(ref: EndpointRef, upstream: string | null, dialect: DialectName | undefined): string {
  if (upstream === null || (dialect !== undefined && NAMELESS.has(dialect))) return ref
  return `${ref} ${dialect === 'ollama' ? ollamaName(upstream) : upstream}`
}

/** Ollama reads names without case, `llama3.2` as `llama3.2:latest`, and both as those of its own library. */
function ollamaName(name: string): string {
  const { base, isCloud } = sourceOf(trimmed(name).toLowerCase())
  const scheme = base.indexOf('://') // whatever it is
  const local = trimmed(scheme === -1 ? base : base.slice(scheme + '://'.length)).replace(OLLAMA_LIBRARY, '')
  const whole = local.includes(':', local.lastIndexOf('/') + 1) ? local : `${local}:latest`
  return isCloud ? `${whole}${CLOUD}` : whole
}

const CLOUD = '-cloud'

/** Behind the last colon may stand where Ollama is to find the model: `:local` says nothing more, and `x:1b:cloud` is `x:1b-cloud`. */
function sourceOf(name: string): { readonly base: string; readonly isCloud: boolean } {
  const colon = name.lastIndexOf(':')
  const suffix = colon === -1 ? '' : trimmed(name.slice(colon + 1))
  if (suffix === 'local' || suffix === 'cloud') return { base: name.slice(0, colon), isCloud: suffix === 'cloud' }
  if (!suffix.endsWith(CLOUD) || suffix.includes('/')) return { base: name, isCloud: false }
  return { base: name.slice(0, colon + 1) + suffix.slice(0, -CLOUD.length), isCloud: true }
}

/** As Go trims, for which U+0085 is white space too. */
const trimmed = (text: string): string => text.replaceAll('\u0085', ' ').trim()
