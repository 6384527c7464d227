import { type Allowance, asKeyId, asTenantId, asUserId, NO_LIMITS, parseRate, type Right, reasonOf, rightsOf } from '../kernel/index.ts'
import type { IdentityLog } from './log.ts'
import { KeyRecord } from './record.ts'
import type { KeyRow } from './store.ts'

/** Rows into records. What many keys have alike (rights, limits, user, tenant) is one object for them all: a driver makes a text anew for each row. */
export class RecordMaker {
  readonly #rights = new Map<string, ReadonlySet<Right>>()
  readonly #limits = new Map<string, Allowance>()
  readonly #texts = new Map<string, string>()

  /** Null for a row that no version of ours wrote: one damaged row must not keep every other key out. */
  readable(row: KeyRow, log: IdentityLog): KeyRecord | null {
    try {
      return this.recordOf(row)
    } catch (thrown) {
      log.error({ key: row.id, reason: reasonOf(thrown) }, 'a key of the store cannot be read and is unknown here')
      return null
    }
  }

  /** Throws on a row that no version of ours wrote. */
  recordOf(row: KeyRow): KeyRecord {
    const fields = {
      id: asKeyId(row.id),
      tenant: asTenantId(this.#one(row.tenant)),
      userId: asUserId(this.#one(row.user_id)),
      user: this.#one(row.user),
      rights: this.rights(row.rights),
      description: row.description,
      limits: this.limits(row.rate ?? null, row.concurrency),
      createdMs: row.created_ms,
      legacySource: row.legacy_source ? this.#one(row.legacy_source) : null,
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

  #one(text: string): string {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    this.#texts.set(text, text)
    return text
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

  limits(rateText: string | null, concurrency: number): Allowance {
    const name = `${rateText ?? ''} ${concurrency}`
    const known = this.#limits.get(name)
    if (known) return known
    const rate = rateText === null ? null : parseRate(rateText)
    if (rateText !== null && rate === null) throw new TypeError(`${rateText} is no rate`)
    const limits = Object.freeze({ ...NO_LIMITS, rates: rate === null ? [] : [rate], concurrency })
    this.#limits.set(name, limits)
    return limits
  }
}
