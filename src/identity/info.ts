import type { KeyId, Right, Secret, TenantId } from '../kernel/index.ts'
import { rateTextOf } from './allowance.ts'
import type { KeyRecord } from './record.ts'

export type KeyState = 'active' | 'disabled' | 'expired'

/** What may be told about a key: everything but what proves it. */
export interface KeyInfo {
  readonly id: KeyId
  readonly tenant: TenantId
  readonly user: string
  readonly rights: readonly Right[]
  readonly description: string
  /** Disabled without a `disabledMs` of its own: its user is. */
  readonly state: KeyState
  readonly rate: string | null
  readonly concurrency: number
  readonly tokensPerMinute: number | null
  readonly budgetDayMicro: number | null
  readonly budgetMonthMicro: number | null
  readonly models: readonly string[] | null
  readonly networks: readonly string[] | null
  readonly logContent: boolean
  readonly createdMs: number
  readonly expiresMs: number | null
  readonly disabledMs: number | null
  readonly rotatedMs: number | null
  /** While the secret from before the last rotation still works. */
  readonly oldSecretUntilMs: number | null
  readonly lastUsedMs: number | null
  readonly legacy: boolean
}

/** The only value that ever holds a whole key; it is shown once. */
export interface KeyWithSecret {
  readonly key: KeyInfo
  readonly apiKey: Secret
}

export function infoOf(record: KeyRecord, nowMs: number): KeyInfo {
  const { fields, old } = record
  const { rights, limits, models, networks, logContent } = fields.terms
  return {
    id: fields.id,
    tenant: fields.tenant,
    user: fields.owner.name,
    rights: [...rights],
    description: fields.description,
    state: stateOf(record, nowMs),
    rate: rateTextOf(limits),
    concurrency: limits.concurrency,
    tokensPerMinute: limits.tokensPerMinute,
    budgetDayMicro: limits.budgetDayMicro,
    budgetMonthMicro: limits.budgetMonthMicro,
    models,
    networks: networks?.names ?? null,
    logContent,
    createdMs: fields.createdMs,
    expiresMs: Number.isFinite(record.expiresMs) ? record.expiresMs : null,
    disabledMs: record.disabledMs,
    rotatedMs: record.rotatedMs,
    oldSecretUntilMs: old !== null && old.untilMs > nowMs ? old.untilMs : null,
    lastUsedMs: record.usedMs > 0 ? record.usedMs : null,
    legacy: fields.lookup !== null,
  }
}

export function stateOf(record: KeyRecord, nowMs: number): KeyState {
  if (record.disabledMs !== null || record.fields.owner.disabledMs !== null) return 'disabled'
  return record.expiresMs <= nowMs ? 'expired' : 'active'
}
