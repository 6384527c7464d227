import { asKeyId, asTenantId, asUserId, type KeyLimits, parseRate, type Right, rightsOf } from '../kernel/index.ts'
import { KeyRecord } from './record.ts'
import type { KeyRow } from './store.ts'

/** Rows into records. Equal rights and limits share one object: 100,000 keys have a handful of each. */
export class RecordMaker {
  readonly #rights = new Map<string, ReadonlySet<Right>>()
  readonly #limits = new Map<string, KeyLimits>()

  /** Throws on a row that no version of ours wrote. */
  recordOf(row: KeyRow): KeyRecord {
    const fields = {
      id: asKeyId(row.id),
      tenant: asTenantId(row.tenant),
      userId: asUserId(row.user_id),
      user: row.user,
      rights: this.rights(row.rights),
      description: row.description,
      limits: this.limits(row.rate ?? null, row.concurrency),
      createdMs: row.created_ms,
      legacySource: row.legacy_source ?? null,
      lookup: row.lookup_hmac ?? null,
    }
    const state = {
      expiresMs: row.expires_ms ?? null,
      disabledMs: row.disabled_ms ?? null,
      rotatedMs: row.rotated_ms ?? null,
      usedMs: row.last_used_ms,
    }
    const old = row.old_secret_phc ? { phc: row.old_secret_phc, untilMs: row.old_secret_until_ms ?? 0 } : null
    return new KeyRecord(fields, state, { phc: row.secret_phc, old, alias: row.alias ? asKeyId(row.alias) : null })
  }

  rights(json: string): ReadonlySet<Right> {
    const known = this.#rights.get(json)
    if (known) return known
    const words: unknown = JSON.parse(json)
    if (!Array.isArray(words)) throw new TypeError('rights are not a list')
    const rights = new Set<Right>()
    for (const word of words) {
      for (const right of rightsOf(String(word)) ?? []) rights.add(right)
    }
    this.#rights.set(json, rights)
    return rights
  }

  limits(rateText: string | null, concurrency: number): KeyLimits {
    const name = `${rateText ?? ''} ${concurrency}`
    const known = this.#limits.get(name)
    if (known) return known
    const rate = rateText === null ? null : parseRate(rateText)
    if (rateText !== null && rate === null) throw new TypeError(`${rateText} is no rate`)
    const limits = Object.freeze({ rate, concurrency })
    this.#limits.set(name, limits)
    return limits
  }
}
