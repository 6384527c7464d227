import { z } from 'zod'
import { parseMicro } from '../kernel/index.ts'

/** Fields that several wire shapes have alike. */

export const rateText = z.string().regex(/^[1-9]\d{0,8}\/(s|m|h|d)$/, 'must be a rate such as 60/m, 1000/h or 5000/d')

export const userName = z
  .string()
  .trim()
  .min(1)
  .max(64)
  .regex(/^[\p{L}\p{N}._@+-]+$/u, 'may hold letters, digits and . _ @ + - only')
  // It stands in paths, where these two are steps to somewhere else.
  .refine((name) => name !== '.' && name !== '..', 'must be more than dots')

/** In millionths once it is read; a number would have been rounded before it came. */
export const money = z.string().transform((text, issues) => {
  const micro = parseMicro(text)
  if (micro === null) issues.addIssue({ code: 'custom', message: 'must be an amount such as 12.50, with at most six places' })
  return micro ?? z.NEVER
})
export const positiveMoney = money.refine((micro) => micro >= 0, 'must not be negative')

/** Requests at once; 0 is no limit. */
export const concurrency = z.int().min(0).max(100_000)
export const count = z.int().min(1).max(1_000_000_000)
export const texts = z.array(z.string().trim().min(1).max(128)).min(1).max(256)

/** What a key, a user, a model or an endpoint may use beside its rate and concurrency; null is no limit. */
export const spending = {
  tokens_per_minute: count.nullable().optional(),
  budget_day: positiveMoney.nullable().optional(),
  budget_month: positiveMoney.nullable().optional(),
}

/** What has been spent on this UTC day and in this month, as the budgets count it. */
export const spentLately = { spent_day: z.string(), spent_month: z.string() }

/** Where and for what a key may be used; null is everywhere, and every model. */
export const reach = {
  models: texts.nullable().optional(),
  networks: texts.nullable().optional(),
  log_content: z.boolean().optional(),
}
