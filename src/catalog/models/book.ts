import type { Secret } from '../../kernel/index.ts'
import type { Endpoint, EndpointRef, Model, Models } from '../model.ts'
import { DiscoveredModels, type Listed } from './discovered.ts'
import { type EndpointRecord, endpointOf } from './endpoint.ts'
import { Places } from './places.ts'
import { type ModelRecord, modelOf, placeKey, replaced } from './record.ts'

/** A stored endpoint, with its key opened; `fault` says why it could not be. */
export interface StoredEndpoint {
  readonly record: EndpointRecord
  readonly key: Secret | null
  readonly fault: string | null
}

interface Shelved {
  record: ModelRecord
  model: Model
  /** Those that its places were at when it was made. */
  endpoints: readonly (Endpoint | undefined)[]
  /** Up to which change of endpoints that was looked after. */
  seen: number
}

/** Steps between two turns of the event loop: about 1 ms. */
const FRESHENED_AT_ONCE = 250

/**
 * Every endpoint and model in memory. Each `Model` and each `Endpoint` is made once and never changed: an edit puts another in its place within one turn, so that
 * whoever holds one sees all of it as it was, and whoever asks sees all of it as it is. An endpoint may have ten thousand models: after a change of it each is made
 * anew when somebody asks for it, or by and by.
 */
export class Book implements Omit<Models, 'settled'> {
  #builtin: ReadonlyMap<EndpointRef, Endpoint> = new Map()
  readonly #stored = new Map<EndpointRef, StoredEndpoint & { readonly endpoint: Endpoint }>()
  readonly #refs = new Map<string, EndpointRef>()
  readonly #models = new Map<string, Shelved>()
  readonly #places = new Places()
  /** Deleted, while there may be models that have not noticed. */
  readonly #gone = new Set<EndpointRef>()
  /** Counts changes of endpoints. */
  #round = 0
  #sorted: readonly Shelved[] | null = null
  readonly #discovered = new DiscoveredModels()
  #isStale = false
  #version = 0
  #list: readonly Model[] | null = null
  #endpoints: readonly Endpoint[] | null = null

  find(name: string): Model | undefined {
    const model = this.model(name)
    // One that was switched off keeps its name, or it would come back by discovery, free.
    if (model !== undefined) return model.active ? model : undefined
    return this.#found().get(name)
  }

  get version(): number {
    return this.#version
  }

  list(): readonly Model[] {
    this.#list ??= this.all().filter(({ active }) => active)
    return this.#list
  }

  at(ref: EndpointRef, upstream: string | null): Model | undefined {
    const key = placeKey(ref, upstream, this.endpoint(ref)?.dialect)
    let best: Model | undefined
    for (const name of this.#namesAt(ref, key)) {
      const model = this.model(name)
      if (model !== undefined && (best === undefined || goesBefore(model, best))) best = model
    }
    return best ?? this.#found().at(key)
  }

  standing(ref: EndpointRef): readonly Model[] {
    const stored = [...this.#places.at(ref)].flatMap((name) => this.model(name) ?? [])
    const found = [...this.#found().all()].filter(({ places }) => places.some(({ endpoint }) => endpoint.ref === ref))
    return [...stored, ...found]
  }

  endpoints(): readonly Endpoint[] {
    this.#endpoints ??= [...this.#builtin.values(), ...[...this.#stored.values()].map(({ endpoint }) => endpoint).sort(byPriorityAndName)]
    return this.#endpoints
  }

  /** Every model by name, those that are switched off too. */
  all(): readonly Model[] {
    this.#sorted ??= [...this.#models.values()].sort((a, b) => byName(a.record, b.record))
    const models = this.#sorted.map((shelved) => this.#fresh(shelved).model)
    const stored = models.length
    for (const model of this.#found().all()) models.push(model)
    return models.length === stored ? models : models.sort(byName)
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
    const shelved = this.#models.get(name)
    return shelved && this.#fresh(shelved).model
  }

  record(name: string): ModelRecord | undefined {
    const shelved = this.#models.get(name)
    return shelved && this.#fresh(shelved).record
  }

  get storedModels(): number {
    return this.#models.size
  }

  /** How many models name it, those that appeared by themselves included. */
  modelsAt(ref: EndpointRef): number {
    return this.#places.at(ref).size + this.#found().countAt(ref)
  }

  setBuiltin(endpoints: readonly Endpoint[]): void {
    const before = this.#builtin
    this.#builtin = new Map(endpoints.map((endpoint) => [endpoint.ref, endpoint]))
    for (const ref of new Set([...before.keys(), ...this.#builtin.keys()])) {
      if (!sameAddress(before.get(ref), this.#builtin.get(ref))) this.#discovered.set(ref, [], 0)
      if (before.get(ref)?.dialect !== this.#builtin.get(ref)?.dialect) this.#places.forgetKeys(ref)
    }
    this.#endpointsChanged()
  }

  setEndpoint(stored: StoredEndpoint): void {
    const { id, name } = stored.record
    const before = this.#stored.get(id)
    if (before !== undefined) this.#refs.delete(before.record.name)
    const endpoint = endpointOf(stored.record, stored.key, stored.fault === null)
    this.#stored.set(id, { ...stored, endpoint })
    this.#refs.set(name, id)
    if (!sameAddress(before?.endpoint, endpoint)) this.#discovered.set(id, [], 0)
    if (before?.endpoint.dialect !== endpoint.dialect) this.#places.forgetKeys(id)
    this.#endpointsChanged()
  }

  deleteEndpoint(ref: EndpointRef): void {
    const stored = this.#stored.get(ref)
    if (stored === undefined) return
    this.#refs.delete(stored.record.name)
    this.#stored.delete(ref)
    this.#discovered.set(ref, [], 0)
    this.#gone.add(ref)
    this.#places.forget(ref)
    this.#endpointsChanged()
  }

  /** `formerName` is the one it had, where it got another; whoever falls back to it is told. */
  setModel(record: ModelRecord, formerName = record.name): void {
    this.#unshelve(formerName)
    this.#shelve(record)
    if (formerName !== record.name) {
      for (const shelved of [...this.#models.values()]) {
        if (shelved.record.fallback === formerName) this.setModel({ ...this.#fresh(shelved).record, fallback: record.name })
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

  /** Makes anew, step by step, what a change of endpoints has made old, so that nobody has to wait for all of it at once. */
  *freshen(): Generator<void> {
    let steps = 0
    for (const shelved of this.#models.values()) {
      this.#fresh(shelved)
      steps += 1
      if (steps % FRESHENED_AT_ONCE === 0) yield
    }
    this.#gone.clear()
  }

  #endpointsChanged(): void {
    this.#round += 1
    this.#changed()
  }

  #changed(): void {
    this.#version += 1
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
        hasPlace: (ref, key) => this.#namesAt(ref, key).size > 0,
      })
    }
    return this.#discovered
  }

  #namesAt(ref: EndpointRef, key: string): ReadonlySet<string> {
    return this.#places.named(ref, key, (name) => this.#models.get(name)?.record, this.endpoint(ref)?.dialect)
  }

  /** As its endpoints are by now. */
  #fresh(shelved: Shelved): Shelved {
    if (shelved.seen === this.#round) return shelved
    shelved.seen = this.#round
    const { places } = shelved.record
    if (this.#gone.size > 0 && places.some(({ endpoint }) => this.#gone.has(endpoint)))
      shelved.record = { ...shelved.record, places: places.filter(({ endpoint }) => !this.#gone.has(endpoint)) }
    if (this.#hasEndpoints(shelved)) return shelved
    shelved.endpoints = this.#endpointsOf(shelved.record)
    shelved.model = replaced(shelved.model, shelved.record, this.#endpointAt)
    return shelved
  }

  #hasEndpoints({ record: { places }, endpoints }: Shelved): boolean {
    return places.length === endpoints.length && places.every(({ endpoint }, at) => this.endpoint(endpoint) === endpoints[at])
  }

  #endpointsOf({ places }: ModelRecord): readonly (Endpoint | undefined)[] {
    return places.map(({ endpoint }) => this.endpoint(endpoint))
  }

  readonly #endpointAt = (ref: EndpointRef): Endpoint | undefined => this.endpoint(ref)

  #shelve(record: ModelRecord): void {
    if (!this.#models.has(record.name)) this.#sorted = null
    this.#models.set(record.name, {
      record,
      model: modelOf(record, this.#endpointAt),
      endpoints: this.#endpointsOf(record),
      seen: this.#round,
    })
    this.#places.add(record, (ref) => this.endpoint(ref)?.dialect)
  }

  #unshelve(name: string): void {
    const shelved = this.#models.get(name)
    if (shelved === undefined) return
    this.#models.delete(name)
    this.#sorted = null
    this.#places.remove(shelved.record, (ref) => this.endpoint(ref)?.dialect)
  }
}

/** Which of two models at one place is meant by the place's own name: an active one, and then the older. */
function goesBefore(one: Model, other: Model): boolean {
  if (one.active !== other.active) return one.active
  return one.createdMs === other.createdMs ? one.name < other.name : one.createdMs < other.createdMs
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
