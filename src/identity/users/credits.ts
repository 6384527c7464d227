import { LIMITS } from '../../kernel/index.ts'
import type { House } from '../house.ts'
import type { UserRecord } from './record.ts'

export interface CreditFilter {
  /** At most a page, which is also what there is without it. */
  readonly limit?: number
  /** The `next` of the page before. */
  readonly before?: string
}

export interface Credit {
  readonly id: string
  /** Below nothing where it was taken away. */
  readonly amountMicro: number
  readonly timeMs: number
  readonly note: string
}

export interface CreditList {
  /** Newest first. */
  readonly credits: readonly Credit[]
  readonly next: string | null
}

/** Time and id of the last one on a page, because several may be of the same millisecond. */
const CURSOR = /^(\d{1,15})\.(crd_\w{1,32})$/

export async function creditList({ userStore }: House, user: UserRecord, { limit, before = '' }: CreditFilter): Promise<CreditList> {
  const wanted = Math.min(limit ?? LIMITS.listPageKeysMax, LIMITS.listPageKeysMax)
  const [, timeMs, id = ''] = CURSOR.exec(before) ?? []
  const rows = await userStore.creditsOf(user.id, {
    limit: wanted + 1,
    before: timeMs === undefined ? undefined : { timeMs: Number(timeMs), id },
  })
  const credits = rows.slice(0, wanted).map((row) => ({ id: row.id, amountMicro: row.amount_micro, timeMs: row.time_ms, note: row.note }))
  const last = credits.at(-1)
  return { credits, next: rows.length > wanted && last ? `${last.timeMs}.${last.id}` : null }
}
