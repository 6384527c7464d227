import { timingSafeEqual } from 'node:crypto'
import type { KeyId, KeyPrincipal, TenantId } from '../kernel/index.ts'
import type { Terms } from './terms.ts'
import type { Owner } from './users/record.ts'

export interface KeyFields {
  readonly id: KeyId
  readonly tenant: TenantId
  readonly owner: Owner
  readonly terms: Terms
  readonly description: string
  readonly createdMs: number
  readonly legacySource: string | null
  /** HMAC of an imported key under the lookup pepper, hex; null for our own format. */
  readonly lookup: string | null
}

export interface KeyState {
  readonly expiresMs: number | null
  readonly disabledMs: number | null
  readonly rotatedMs: number | null
  readonly usedMs: number | null
}

/** One secret of a key: the current one, or the one before the last rotation. */
export class SecretSlot {
  readonly phc: string
  /** When this secret stops; Infinity for the current one. */
  untilMs: number
  /** HMAC under the per-process secret, once argon2 has accepted the secret in this process. */
  verified: Buffer | null = null
  readonly #record: KeyRecord
  #isOld: boolean
  #principal: KeyPrincipal | null = null

  constructor(phc: string, record: KeyRecord, old: { untilMs: number } | null = null) {
    this.phc = phc
    this.untilMs = old?.untilMs ?? Number.POSITIVE_INFINITY
    this.#record = record
    this.#isOld = old !== null
  }

  /** Made when the secret is first used, for most keys of a store are asleep; and anew when the user has another name. */
  get principal(): KeyPrincipal {
    const { fields } = this.#record
    if (this.#principal === null || this.#principal.user !== fields.owner.name) this.#principal = principalOf(fields, this.#isOld)
    return this.#principal
  }

  /** The key was edited: the next request sees it. What was verified stays so. */
  forgetPrincipal(): void {
    this.#principal = null
  }

  becomeOld(untilMs: number): void {
    this.untilMs = untilMs
    this.#isOld = true
    this.#principal = null
  }
}

const HEAT_MS = 10 * 60_000

/** A key as the hot path sees it. There is one object per key for the life of the process, so whoever holds it sees a change at once. */
export class KeyRecord {
  fields: KeyFields
  current: SecretSlot
  old: SecretSlot | null
  /** The id inside the key's text where it is not the key's own: an imported key that was rotated into our format. */
  alias: KeyId | null
  expiresMs: number
  disabledMs: number | null
  rotatedMs: number | null
  usedMs: number
  /** True while `usedMs` is newer than the store's. */
  useUnsaved = false
  /** Grows with every change of the row, so that answers remembered from before it are recognised. */
  version = 0
  #wrongSecrets = 0
  #wrongSinceMs = 0

  constructor(
    fields: KeyFields,
    state: KeyState,
    secrets: { phc: string; old: { phc: string; untilMs: number } | null; alias: KeyId | null },
  ) {
    this.fields = fields
    this.expiresMs = state.expiresMs ?? Number.POSITIVE_INFINITY
    this.disabledMs = state.disabledMs
    this.rotatedMs = state.rotatedMs
    this.usedMs = state.usedMs ?? 0
    this.alias = secrets.alias
    this.current = new SecretSlot(secrets.phc, this)
    this.old = secrets.old && new SecretSlot(secrets.old.phc, this, secrets.old)
  }

  /** The slot whose verified secret has this digest. */
  slotOf(digest: Buffer): SecretSlot | null {
    const { current, old } = this
    if (current.verified !== null && timingSafeEqual(current.verified, digest)) return current
    if (old !== null && old.verified !== null && timingSafeEqual(old.verified, digest)) return old
    return null
  }

  /** The secrets a presented one is to be tried against, the current one first. */
  slots(): readonly SecretSlot[] {
    return this.old ? [this.current, this.old] : [this.current]
  }

  /** Why this slot's secret is of no use now; null when it is good. */
  faultOf(slot: SecretSlot, nowMs: number): 'disabled' | 'user_disabled' | 'expired' | 'rotated_out' | null {
    if (this.disabledMs !== null) return 'disabled'
    if (this.fields.owner.disabledMs !== null) return 'user_disabled'
    if (this.expiresMs <= nowMs) return 'expired'
    if (slot !== this.current && (slot !== this.old || slot.untilMs <= nowMs)) return 'rotated_out'
    return null
  }

  rotate(fresh: SecretSlot, at: { rotatedMs: number; oldUntilMs: number }): void {
    this.current.becomeOld(at.oldUntilMs)
    this.old = this.current
    this.current = fresh
    this.rotatedMs = at.rotatedMs
    this.version += 1
  }

  /** Null never expires. */
  edit(fields: KeyFields, expiresMs: number | null): void {
    this.fields = fields
    this.expiresMs = expiresMs ?? Number.POSITIVE_INFINITY
    this.current.forgetPrincipal()
    this.old?.forgetPrincipal()
  }

  setDisabled(disabledMs: number | null): void {
    this.disabledMs = disabledMs
    this.version += 1
  }

  noteWrongSecret(nowMs: number): void {
    if (nowMs - this.#wrongSinceMs > HEAT_MS) {
      this.#wrongSecrets = 0
      this.#wrongSinceMs = nowMs
    }
    this.#wrongSecrets += 1
  }

  /** Wrong secrets presented for this key within the last minutes. */
  wrongSecrets(nowMs: number): number {
    return nowMs - this.#wrongSinceMs > HEAT_MS ? 0 : this.#wrongSecrets
  }
}

function principalOf({ tenant, id, owner, terms }: KeyFields, oldSecret: boolean): KeyPrincipal {
  const { rights, limits, models, logContent } = terms
  return Object.freeze({ tenant, kind: 'key' as const, id, user: owner.name, rights, limits, owner, models, logContent, oldSecret })
}
