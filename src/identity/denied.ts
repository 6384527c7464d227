import { LIMITS } from '../kernel/index.ts'
import type { KeyRecord } from './record.ts'

interface Denial {
  readonly record: KeyRecord
  readonly version: number
}

/** Wrong secrets that argon2 has already refused, by their full HMAC, so that repeating one is cheap. Forgotten when the key's row changes. */
export class DeniedSecrets {
  readonly #byDigest = new Map<string, Denial>()

  get size(): number {
    return this.#byDigest.size
  }

  add(digest: string, record: KeyRecord, version: number): void {
    if (this.#byDigest.size >= LIMITS.deniedKeysMax) {
      // A map keeps insertion order: the first is the oldest.
      for (const oldest of this.#byDigest.keys()) {
        this.#byDigest.delete(oldest)
        break
      }
    }
    this.#byDigest.set(digest, { record, version })
  }

  has(digest: string, record: KeyRecord): boolean {
    const denial = this.#byDigest.get(digest)
    if (!denial) return false
    if (denial.record === record && denial.version === record.version) return true
    this.#byDigest.delete(digest)
    return false
  }
}
