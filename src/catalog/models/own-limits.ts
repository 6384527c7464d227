import { type Allowance, NO_LIMITS, type Rate } from '../../kernel/index.ts'

/** What people set for a model or an endpoint; null is no limit. How many requests run at once is a limit of a model, and of an endpoint its queue. */
export interface OwnLimits {
  readonly rpm: number | null
  readonly perDay: number | null
  readonly tokensPerMinute: number | null
  readonly budgetDayMicro: number | null
  readonly budgetMonthMicro: number | null
}

export const NO_OWN_LIMITS: OwnLimits = Object.freeze({
  rpm: null,
  perDay: null,
  tokensPerMinute: null,
  budgetDayMicro: null,
  budgetMonthMicro: null,
})

/** The same as the store has it. */
export interface OwnLimitsRow {
  readonly rpm: number | null
  readonly per_day: number | null
  readonly tokens_per_minute: number | null
  readonly budget_day_micro: number | null
  readonly budget_month_micro: number | null
}

export const ownLimitsIn = (row: OwnLimitsRow): OwnLimits => ({
  rpm: row.rpm,
  perDay: row.per_day,
  tokensPerMinute: row.tokens_per_minute,
  budgetDayMicro: row.budget_day_micro,
  budgetMonthMicro: row.budget_month_micro,
})

export const ownLimitsRow = (limits: OwnLimits): OwnLimitsRow => ({
  rpm: limits.rpm,
  per_day: limits.perDay,
  tokens_per_minute: limits.tokensPerMinute,
  budget_day_micro: limits.budgetDayMicro,
  budget_month_micro: limits.budgetMonthMicro,
})

export const ownLimitsOf = ({ rpm, perDay, tokensPerMinute, budgetDayMicro, budgetMonthMicro }: OwnLimits): OwnLimits => ({
  rpm,
  perDay,
  tokensPerMinute,
  budgetDayMicro,
  budgetMonthMicro,
})

/** As it comes: what is undefined stays, and null takes away. */
export interface OwnLimitsInput {
  readonly rpm?: number | null | undefined
  readonly per_day?: number | null | undefined
  readonly tokens_per_minute?: number | null | undefined
  readonly budget_day?: number | null | undefined
  readonly budget_month?: number | null | undefined
}

export const ownLimitsEdited = (before: OwnLimits, input: OwnLimitsInput): OwnLimits => ({
  rpm: given(input.rpm, before.rpm),
  perDay: given(input.per_day, before.perDay),
  tokensPerMinute: given(input.tokens_per_minute, before.tokensPerMinute),
  budgetDayMicro: given(input.budget_day, before.budgetDayMicro),
  budgetMonthMicro: given(input.budget_month, before.budgetMonthMicro),
})

const given = (wanted: number | null | undefined, before: number | null): number | null => (wanted === undefined ? before : wanted)

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

export function allowanceOf(own: OwnLimits, concurrency: number): Allowance {
  const rates: Rate[] = []
  if (own.rpm !== null) rates.push({ count: own.rpm, perMs: MINUTE_MS })
  if (own.perDay !== null) rates.push({ count: own.perDay, perMs: DAY_MS })
  return allowance({ ...ownSpending(own), rates, concurrency })
}

const ownSpending = ({ tokensPerMinute, budgetDayMicro, budgetMonthMicro }: OwnLimits) => ({
  tokensPerMinute,
  budgetDayMicro,
  budgetMonthMicro,
})

function allowance(limits: Allowance): Allowance {
  const { rates, concurrency, tokensPerMinute, budgetDayMicro, budgetMonthMicro } = limits
  const isNone = rates.length === 0 && concurrency === 0 && tokensPerMinute === null && budgetDayMicro === null && budgetMonthMicro === null
  return isNone ? NO_LIMITS : Object.freeze(limits)
}
