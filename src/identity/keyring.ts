import { createDigest } from './digest.ts'
import { LEGACY_KEY_PATTERN } from './format.ts'
import type { KeyRecord } from './record.ts'

/** Every key of the store, in memory: by key id, by the id inside a rotated legacy key's text, and by the lookup HMAC of a legacy key. */
export class Keyring {
  /** True once every key of the store is in it; until then only the store knows them all. */
  whole = false
  readonly #byId = new Map<string, KeyRecord>()
  /** Oldest first, the id deciding between those of the same millisecond, as the store has them. */
  readonly #byAge: KeyRecord[] = []
  readonly #byAlias = new Map<string, KeyRecord>()
  readonly #byLookup = new Map<string, KeyRecord>()
  readonly #lookupDigest: (text: string) => Buffer

  constructor(pepper: Buffer) {
    this.#lookupDigest = createDigest(pepper)
  }

  get size(): number {
    return this.#byId.size
  }

  /** Oldest first. */
  all(): readonly KeyRecord[] {
    return this.#byAge
  }

  /** How many keys are older than this one: where it stands in `all`. */
  olderThan(record: KeyRecord): number {
    let [from, to] = [0, this.#byAge.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      const other = this.#byAge[middle]
      if (other !== undefined && isOlder(other, record)) from = middle + 1
      else to = middle
    }
    return from
  }

  add(record: KeyRecord): void {
    this.#byId.set(record.fields.id, record)
    const newest = this.#byAge.at(-1)
    // An imported key may be older than those that are here already.
    if (newest === undefined || isOlder(newest, record)) this.#byAge.push(record)
    else this.#byAge.splice(this.olderThan(record), 0, record)
    if (record.fields.lookup !== null) this.#byLookup.set(record.fields.lookup, record)
    this.noteAlias(record)
  }

  noteAlias(record: KeyRecord): void {
    if (record.alias !== null) this.#byAlias.set(record.alias, record)
  }

  get(id: string): KeyRecord | undefined {
    return this.#byId.get(id)
  }

  /** By the id that a key's text bears. */
  bearing(id: string): KeyRecord | undefined {
    return this.#byId.get(id) ?? (this.#byAlias.size > 0 ? this.#byAlias.get(id) : undefined)
  }

  /** By the whole text of a legacy key. A miss costs one HMAC, and none at all in a house without legacy keys. */
  legacy(credential: string): KeyRecord | undefined {
    if (this.#byLookup.size === 0 || !LEGACY_KEY_PATTERN.test(credential)) return undefined
    return this.#byLookup.get(this.lookupOf(credential))
  }

  lookupOf(legacyKey: string): string {
    return this.#lookupDigest(legacyKey).toString('hex')
  }

  isTaken(id: string): boolean {
    return this.#byId.has(id) || this.#byAlias.has(id)
  }

  clear(): void {
    this.#byId.clear()
    this.#byAlias.clear()
    this.#byLookup.clear()
    this.#byAge.length = 0
    this.whole = false
  }
}

function isOlder({ fields: one }: KeyRecord, { fields: other }: KeyRecord): boolean {
  return one.createdMs === other.createdMs ? one.id < other.id : one.createdMs < other.createdMs
}
