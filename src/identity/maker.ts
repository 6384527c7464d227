import { asKeyId, asTenantId, reasonOf } from '../kernel/index.ts'
import type { IdentityLog } from './log.ts'
import { KeyRecord } from './record.ts'
import type { KeyRow } from './store.ts'
import { TermsMaker } from './terms.ts'
import type { Owner } from './users/record.ts'

/** Rows into records. What many keys have alike (terms, user, tenant) is one object for them all. */
export class RecordMaker {
  readonly terms = new TermsMaker()
  readonly #texts = new Map<string, string>()

  /** Null for a row that no version of ours wrote: one damaged row must not keep every other key out. */
  readable(row: KeyRow, owner: Owner | undefined, log: IdentityLog): KeyRecord | null {
    try {
      if (owner === undefined) throw new TypeError('there is no such user')
      return this.recordOf(row, owner)
    } catch (thrown) {
      log.error({ key: row.id, reason: reasonOf(thrown) }, 'a key of the store cannot be read and is unknown here')
      return null
    }
  }

  /** Throws on a row that no version of ours wrote. */
  recordOf(row: KeyRow, owner: Owner): KeyRecord {
    const fields = {
      id: asKeyId(row.id),
      tenant: asTenantId(this.#one(row.tenant)),
      owner,
      terms: this.terms.of(row),
      description: row.description,
      createdMs: row.created_ms,
      legacySource: row.legacy_source ? this.#one(row.legacy_source) : null,
      lookup: row.lookup_hmac,
    }
    const state = {
      expiresMs: row.expires_ms,
      disabledMs: row.disabled_ms,
      rotatedMs: row.rotated_ms,
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
}
