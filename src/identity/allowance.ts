import { type Allowance, formatRate, NO_LIMITS, parseRate } from '../kernel/index.ts'

/** What a key or a user may use, as the store has it. */
export interface AllowanceRow {
  readonly rate: string | null
  readonly concurrency: number
  readonly tokens_per_minute: number | null
  readonly budget_day_micro: number | null
  readonly budget_month_micro: number | null
}

/** Throws on a row that no version of ours wrote. */
export function allowanceOf(row: AllowanceRow): Allowance {
  const rate = row.rate === null ? null : parseRate(row.rate)
  if (row.rate !== null && rate === null) throw new TypeError(`${row.rate} is no rate`)
  if (rate === null && row.concurrency === 0 && !spendsWithin(row)) return NO_LIMITS
  return Object.freeze({
    rates: rate === null ? NO_LIMITS.rates : [rate],
    concurrency: row.concurrency,
    tokensPerMinute: row.tokens_per_minute,
    budgetDayMicro: row.budget_day_micro,
    budgetMonthMicro: row.budget_month_micro,
  })
}

const spendsWithin = (row: AllowanceRow): boolean =>
  row.tokens_per_minute !== null || row.budget_day_micro !== null || row.budget_month_micro !== null

export const allowanceRow = (limits: Allowance): AllowanceRow => ({
  rate: rateTextOf(limits),
  concurrency: limits.concurrency,
  tokens_per_minute: limits.tokensPerMinute,
  budget_day_micro: limits.budgetDayMicro,
  budget_month_micro: limits.budgetMonthMicro,
})

/** The rate as people write it; the store has one for each key and user. */
export const rateTextOf = ({ rates: [rate] }: Allowance): string | null => (rate === undefined ? null : formatRate(rate))
