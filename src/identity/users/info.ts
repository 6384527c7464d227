import type { UserId } from '../../kernel/index.ts'
import { rateTextOf } from '../allowance.ts'
import type { UserRecord } from './record.ts'

/** What may be told about a user. */
export interface UserInfo {
  readonly id: UserId
  readonly name: string
  readonly email: string | null
  readonly organisation: string | null
  readonly active: boolean
  /** Null for a user who is not billed. */
  readonly balanceMicro: number | null
  readonly rate: string | null
  readonly concurrency: number
  readonly tokensPerMinute: number | null
  readonly budgetDayMicro: number | null
  readonly budgetMonthMicro: number | null
  readonly keys: number
  readonly createdMs: number
}

export const userInfo = (user: UserRecord, balanceMicro: number | null): UserInfo => ({
  id: user.id,
  name: user.name,
  email: user.email,
  organisation: user.organisation,
  active: user.disabledMs === null,
  balanceMicro,
  rate: rateTextOf(user.limits),
  concurrency: user.limits.concurrency,
  tokensPerMinute: user.limits.tokensPerMinute,
  budgetDayMicro: user.limits.budgetDayMicro,
  budgetMonthMicro: user.limits.budgetMonthMicro,
  keys: user.keys,
  createdMs: user.createdMs,
})
