import type { Secret } from '../../kernel/index.ts'
import type { Endpoint, EndpointRef, Model, Models } from '../model.ts'
import type { DialectName } from '../service.ts'
import { DiscoveredModels, type Listed } from './discovered.ts'
import { type EndpointRecord, endpointOf } from './endpoint.ts'
import { type ModelRecord, modelOf, placeKey } from './record.ts'

/** A stored endpoint, with its key opened; `fault` says why it could not be. */
export interface StoredEndpoint {
  readonly record: EndpointRecord
  readonly key: Secret | null
  readonly fault: string | null
}

interface Shelved {
  readonly record: ModelRecord
  model: Model
  readonly keys: readonly string[]
}

/**
 * Every endpoint and model in memory. Each `Model` and each `Endpoint` is made once and never changed: an edit puts another in its place within one turn, so that
 * whoever holds one sees all of it as it was, and whoever asks sees all of it as it is.
 */
export class Book implements Models {
  #builtin: ReadonlyMap<EndpointRef, Endpoint> = new Map()
  readonly #stored = new Map<EndpointRef, StoredEndpoint & { readonly endpoint: Endpoint }>()
  readonly #refs = new Map<string, EndpointRef>()
  readonly #models = new Map<string, Shelved>()
  /** The names of the models at an endpoint, so that a change of it makes those anew and no others. */
  readonly #at = new Map<EndpointRef, Set<string>>()
  /** Their names by `placeKey`. */
  readonly #byPlace = new Map<string, Set<string>>()
  readonly #discovered = new DiscoveredModels()
  #isStale = false
  #list: readonly Model[] | null = null
  #endpoints: readonly Endpoint[] | null = null

  find(name: string): Model | undefined {
    const shelved = this.#models.get(name)
    // One that was switched off keeps its name, or it would come back by discovery, free.
    if (shelved !== undefined) return shelved.model.active ? shelved.model : undefined
    return this.#found().get(name)
  }

  list(): readonly Model[] {
    this.#list ??= this.all().filter(({ active }) => active)
    return this.#list
  }

  at(ref: EndpointRef, upstream: string | null): Model | undefined {
    const key = placeKey(ref, upstream, this.endpoint(ref)?.dialect)
    let best: Model | undefined
    for (const name of this.#byPlace.get(key) ?? []) {
      const model = this.#models.get(name)?.model
      if (model !== undefined && (best === undefined || goesBefore(model, best))) best = model
    }
    return best ?? this.#found().at(key)
  }

  endpoints(): readonly Endpoint[] {
    this.#endpoints ??= [...this.#builtin.values(), ...[...this.#stored.values()].map(({ endpoint }) => endpoint).sort(byPriorityAndName)]
    return this.#endpoints
  }

  /** Every model by name, those that are switched off too. */
  all(): readonly Model[] {
    const models = [...this.#models.values()].map(({ model }) => model)
    for (const model of this.#found().all()) models.push(model)
    return models.sort(byName)
  }

  endpoint(ref: EndpointRef): Endpoint | undefined {
    return this.#builtin.get(ref) ?? this.#stored.get(ref)?.endpoint
  }

  /** By its name or its id. */
  endpointNamed(text: string): Endpoint | undefined {
    const ref = this.#refs.get(text)
    return this.endpoint(ref ?? (text as EndpointRef)) // a text that is no reference leads to nothing
  }

  stored(ref: EndpointRef): StoredEndpoint | undefined {
    return this.#stored.get(ref)
  }

  get storedEndpoints(): number {
    return this.#stored.size
  }

  /** A stored one, switched off or not. */
  model(name: string): Model | undefined {
    return this.#models.get(name)?.model
  }

  record(name: string): ModelRecord | undefined {
    return this.#models.get(name)?.record
  }

  get storedModels(): number {
    return this.#models.size
  }

  /** How many models name it, those that appeared by themselves included. */
  modelsAt(ref: EndpointRef): number {
    return (this.#at.get(ref)?.size ?? 0) + this.#found().countAt(ref)
  }

  setBuiltin(endpoints: readonly Endpoint[]): void {
    const before = this.#builtin
    this.#builtin = new Map(endpoints.map((endpoint) => [endpoint.ref, endpoint]))
    for (const ref of new Set([...before.keys(), ...this.#builtin.keys()])) {
      if (!sameAddress(before.get(ref), this.#builtin.get(ref))) this.#discovered.set(ref, [], 0)
      this.#remakeModelsAt(ref, before.get(ref)?.dialect)
    }
    this.#changed()
  }

  setEndpoint(stored: StoredEndpoint): void {
    const { id, name } = stored.record
    const before = this.#stored.get(id)
    if (before !== undefined) this.#refs.delete(before.record.name)
    const endpoint = endpointOf(stored.record, stored.key, stored.fault === null)
    this.#stored.set(id, { ...stored, endpoint })
    this.#refs.set(name, id)
    if (!sameAddress(before?.endpoint, endpoint)) this.#discovered.set(id, [], 0)
    this.#remakeModelsAt(id, before?.endpoint.dialect)
    this.#changed()
  }

  deleteEndpoint(ref: EndpointRef): void {
    const stored = this.#stored.get(ref)
    if (stored === undefined) return
    this.#refs.delete(stored.record.name)
    this.#stored.delete(ref)
    this.#discovered.set(ref, [], 0)
    for (const name of [...(this.#at.get(ref) ?? [])]) {
      const record = this.record(name)
      if (record) this.setModel({ ...record, places: record.places.filter(({ endpoint }) => endpoint !== ref) })
    }
    this.#changed()
  }

  /** `formerName` is the one it had, where it got another; whoever falls back to it is told. */
  setModel(record: ModelRecord, formerName = record.name): void {
    this.#unshelve(formerName)
    this.#shelve(record)
    if (formerName !== record.name) {
      for (const { record: other } of [...this.#models.values()]) {
        if (other.fallback === formerName) this.setModel({ ...other, fallback: record.name })
      }
    }
    this.#changed()
  }

  deleteModel(name: string): void {
    this.#unshelve(name)
    this.#changed()
  }

  /** False when the endpoint lists what it listed before. */
  setListed(ref: EndpointRef, list: readonly Listed[], nowMs: number): boolean {
    const isOther = this.#discovered.set(ref, list, nowMs)
    if (isOther) this.#changed()
    return isOther
  }

  hasListed(ref: EndpointRef): boolean {
    return this.#discovered.has(ref)
  }

  #changed(): void {
    this.#isStale = true
    this.#list = null
    this.#endpoints = null
  }

  /** Made anew when somebody asks, so that a thousand changes at once cost one. */
  #found(): DiscoveredModels {
    if (this.#isStale) {
      this.#isStale = false
      this.#discovered.rebuild(this.endpoints(), {
        hasName: (name) => this.#models.has(name),
        hasPlace: (key) => this.#byPlace.has(key),
      })
    }
    return this.#discovered
  }

  /** The keys of a place change with the endpoint's language alone. */
  #remakeModelsAt(ref: EndpointRef, dialectBefore: DialectName | undefined): void {
    const isSameLanguage = this.endpoint(ref)?.dialect === dialectBefore
    for (const name of isSameLanguage ? (this.#at.get(ref) ?? []) : [...(this.#at.get(ref) ?? [])]) {
      const shelved = this.#models.get(name)
      if (shelved === undefined) continue
      if (isSameLanguage) shelved.model = this.#modelOf(shelved.record)
      else this.setModel(shelved.record)
    }
  }

  #modelOf(record: ModelRecord): Model {
    return modelOf(record, (ref) => this.endpoint(ref))
  }

  #shelve(record: ModelRecord): void {
    const keys = record.places.map(({ endpoint, upstream }) => placeKey(endpoint, upstream, this.endpoint(endpoint)?.dialect))
    this.#models.set(record.name, { record, model: this.#modelOf(record), keys })
    for (const { endpoint } of record.places) addTo(this.#at, endpoint, record.name)
    for (const key of keys) addTo(this.#byPlace, key, record.name)
  }

  #unshelve(name: string): void {
    const shelved = this.#models.get(name)
    if (shelved === undefined) return
    this.#models.delete(name)
    for (const { endpoint } of shelved.record.places) removeFrom(this.#at, endpoint, name)
    for (const key of shelved.keys) removeFrom(this.#byPlace, key, name)
  }
}

/** Which of two models at one place is meant by the place's own name: an active one, and then the older. */
function goesBefore(one: Model, other: Model): boolean {
  if (one.active !== other.active) return one.active
  return one.createdMs === other.createdMs ? one.name < other.name : one.createdMs < other.createdMs
}

function addTo<K>(map: Map<K, Set<string>>, key: K, name: string): void {
  const names = map.get(key)
  if (names) names.add(name)
  else map.set(key, new Set([name]))
}

function removeFrom<K>(map: Map<K, Set<string>>, key: K, name: string): void {
  const names = map.get(key)
  if (names?.delete(name) && names.size === 0) map.delete(key)
}

/** What was listed by another server, or for another account, says nothing of this one. */
const sameAddress = (one: Endpoint | undefined, other: Endpoint | undefined): boolean =>
  one !== undefined &&
  other !== undefined &&
  one.url === other.url &&
  one.apiRoot === other.apiRoot &&
  one.dialect === other.dialect &&
  one.auth?.value.reveal() === other.auth?.value.reveal()

const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
const byPriorityAndName = (a: Endpoint, b: Endpoint): number => a.priority - b.priority || byName(a, b)
