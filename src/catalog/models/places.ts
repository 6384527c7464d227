import type { EndpointRef } from '../model.ts'
import type { DialectName } from '../service.ts'
import { type ModelRecord, placeKey } from './record.ts'

type Dialect = (ref: EndpointRef) => DialectName | undefined

const NOBODY: ReadonlySet<string> = new Set()

/** Which models stand at an endpoint, and by which names. The keys of an endpoint's places change with its language, and are made when somebody asks for one. */
export class Places {
  readonly #at = new Map<EndpointRef, Set<string>>()
  readonly #byKey = new Map<EndpointRef, Map<string, Set<string>>>()

  /** The names of the models there. */
  at(ref: EndpointRef): ReadonlySet<string> {
    return this.#at.get(ref) ?? NOBODY
  }

  /** The names of the models that mean this place. */
  named(
    ref: EndpointRef,
    key: string,
    recordOf: (name: string) => ModelRecord | undefined,
    dialect: DialectName | undefined,
  ): ReadonlySet<string> {
    let keys = this.#byKey.get(ref)
    if (keys === undefined) {
      keys = new Map()
      this.#byKey.set(ref, keys)
      for (const name of this.at(ref)) {
        const record = recordOf(name)
        if (record !== undefined) addKeys(keys, record, ref, dialect)
      }
    }
    return keys.get(key) ?? NOBODY
  }

  add(record: ModelRecord, dialectOf: Dialect): void {
    for (const { endpoint } of record.places) {
      addTo(this.#at, endpoint, record.name)
      const keys = this.#byKey.get(endpoint)
      if (keys !== undefined) addKeys(keys, record, endpoint, dialectOf(endpoint))
    }
  }

  remove({ places, name }: ModelRecord, dialectOf: Dialect): void {
    for (const { endpoint, upstream } of places) {
      removeFrom(this.#at, endpoint, name)
      const keys = this.#byKey.get(endpoint)
      if (keys !== undefined) removeFrom(keys, placeKey(endpoint, upstream, dialectOf(endpoint)), name)
    }
  }

  forgetKeys(ref: EndpointRef): void {
    this.#byKey.delete(ref)
  }

  forget(ref: EndpointRef): void {
    this.#at.delete(ref)
    this.#byKey.delete(ref)
  }
}

function addKeys(keys: Map<string, Set<string>>, { places, name }: ModelRecord, ref: EndpointRef, dialect: DialectName | undefined): void {
  for (const { endpoint, upstream } of places) if (endpoint === ref) addTo(keys, placeKey(ref, upstream, dialect), name)
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
