import { type Capability, DEFAULT_TENANT, NO_LIMITS, NO_PRICE } from '../../kernel/index.ts'
import type { Endpoint, EndpointRef, Model } from '../model.ts'
import { placeKey } from './record.ts'

/** A model that an endpoint says it has. */
export interface Listed {
  readonly name: string
  readonly upstream: string | null
  readonly capability: Capability
}

interface Known extends Listed {
  readonly sinceMs: number
}

/** What was configured of the same thing, which a discovered model gives way to. */
export interface Configured {
  hasName(name: string): boolean
  hasPlace(ref: EndpointRef, key: string): boolean
}

/** What each endpoint lists at this moment, and the models that this makes. */
export class DiscoveredModels {
  readonly #lists = new Map<EndpointRef, readonly Known[]>()
  #byName: Map<string, Model> = new Map()
  #byPlace: Map<string, Model> = new Map()
  #counts: Map<EndpointRef, number> = new Map()

  /** False when the list is the one that was there. */
  set(ref: EndpointRef, list: readonly Listed[], nowMs: number): boolean {
    if (sameList(this.#lists.get(ref) ?? [], list)) return false
    const sinceMs = new Map(this.#lists.get(ref)?.map((known) => [known.name, known.sinceMs]))
    if (list.length === 0) this.#lists.delete(ref)
    else
      this.#lists.set(
        ref,
        list.map((listed) => ({ ...listed, sinceMs: sinceMs.get(listed.name) ?? nowMs })),
      )
    return true
  }

  has(ref: EndpointRef): boolean {
    return this.#lists.has(ref)
  }

  get(name: string): Model | undefined {
    return this.#byName.get(name) ?? this.#untagged(name)
  }

  at(key: string): Model | undefined {
    return this.#byPlace.get(key)
  }

  all(): Iterable<Model> {
    return this.#byName.values()
  }

  countAt(ref: EndpointRef): number {
    return this.#counts.get(ref) ?? 0
  }

  /**
   * Made anew after a change of anything it depends on. A name that two endpoints list is the first one's alone: that requests for a model at home go out to a
   * provider who has one of that name is for people to decide, by adding a model.
   */
  rebuild(endpoints: readonly Endpoint[], configured: Configured): void {
    const [byName, byPlace, counts] = [new Map<string, Model>(), new Map<string, Model>(), new Map<EndpointRef, number>()]
    for (const endpoint of endpoints) {
      if (!endpoint.active || !endpoint.discover) continue
      for (const listed of this.#lists.get(endpoint.ref) ?? []) {
        const key = placeKey(endpoint.ref, listed.upstream, endpoint.dialect)
        if (byName.has(listed.name) || configured.hasName(listed.name) || configured.hasPlace(endpoint.ref, key)) continue
        const model = discoveredModel(listed, endpoint)
        byName.set(listed.name, model)
        if (!byPlace.has(key)) byPlace.set(key, model)
        counts.set(endpoint.ref, (counts.get(endpoint.ref) ?? 0) + 1)
      }
    }
    this.#byName = byName
    this.#byPlace = byPlace
    this.#counts = counts
  }

  /** Ollama lists `llama3.2:latest`, and everybody writes `llama3.2`. */
  #untagged(name: string): Model | undefined {
    if (name.includes(':', name.lastIndexOf('/') + 1)) return undefined
    const model = this.#byName.get(`${name}:latest`)
    return model?.places[0]?.endpoint.dialect === 'ollama' ? model : undefined
  }
}

/** Free and without limits: whoever wants either of them adds a model of that name. */
const discoveredModel = ({ name, upstream, capability, sinceMs }: Known, endpoint: Endpoint): Model =>
  Object.freeze({
    id: null,
    tenant: DEFAULT_TENANT,
    name,
    capability,
    price: NO_PRICE,
    limits: NO_LIMITS,
    places: [{ endpoint, upstream }],
    fallback: null,
    options: NO_OPTIONS,
    createdMs: sinceMs,
    active: true,
  })

const NO_OPTIONS: Readonly<Record<string, unknown>> = Object.freeze({})

const sameList = (one: readonly Listed[], other: readonly Listed[]): boolean =>
  one.length === other.length &&
  one.every((listed, at) => {
    const its = other[at]
    return its !== undefined && its.name === listed.name && its.upstream === listed.upstream && its.capability === listed.capability
  })
