import { timingSafeEqual } from 'node:crypto'
import { type Allowance, type KeyId, type KeyPrincipal, NO_LIMITS, type Right, type TenantId, type UserId } from '../kernel/index.ts'

export interface KeyFields {
  readonly id: KeyId
  readonly tenant: TenantId
  readonly userId: UserId
  readonly user: string
  readonly rights: ReadonlySet<Right>
  readonly description: string
  readonly limits: Allowance
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
  readonly #fields: KeyFields
  #isOld: boolean
  #principal: KeyPrincipal | null = null

  constructor(phc: string, fields: KeyFields, old: { untilMs: number } | null = null) {
    this.phc = phc
    this.untilMs = old?.untilMs ?? Number.POSITIVE_INFINITY
    this.#fields = fields
    this.#isOld = old !== null
  }

  /** Made when the secret is first used, for most keys of a store are asleep. */
  get principal(): KeyPrincipal {
    this.#principal ??= principalOf(this.#fields, this.#isOld)
    return this.#principal
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
  readonly fields: KeyFields
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
    this.current = new SecretSlot(secrets.phc, fields)
    this.old = secrets.old && new SecretSlot(secrets.old.phc, fields, secrets.old)
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
  faultOf(slot: SecretSlot, nowMs: number): 'disabled' | 'expired' | 'rotated_out' | null {
    if (this.disabledMs !== null) return 'disabled'
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

function principalOf(fields: KeyFields, oldSecret: boolean): KeyPrincipal {
  const { tenant, id, user, userId, rights, limits } = fields
  const owner = { id: userId, limits: NO_LIMITS }
  return Object.freeze({ tenant, kind: 'key' as const, id, user, rights, limits, owner, models: null, logContent: false, oldSecret })
}
