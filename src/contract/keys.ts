import { z } from 'zod'
import { LIMITS } from '../kernel/index.ts'
import { rateText, reach, spending, spentLately, userName } from './fields.ts'

/** Wire shapes of key management, spoken over the management socket now and the admin API later. */
const rightsText = z.array(z.string().min(1).max(64)).min(1).max(64)
export const createKeyInput = z.strictObject({
  user: userName,
  rights: rightsText,
  description: z.string().max(256).default(''),
  expires_days: z.number().int().min(1).max(36_500).nullable().default(null),
  rate: rateText.nullable().default(null),
  concurrency: z.number().int().min(0).max(100_000).default(100),
  ...spending,
  ...reach,
})
export type CreateKeyInput = z.output<typeof createKeyInput>
/** As it travels: money is text. */
export type CreateKeyBody = z.input<typeof createKeyInput>

export const rotateKeyInput = z.strictObject({
  grace_seconds: z
    .number()
    .int()
    .min(0)
    .max(365 * 86_400)
    .default(86_400),
  idempotency_key: z.string().min(1).max(128).optional(),
})

export const disableKeyInput = z.strictObject({ now: z.boolean().default(false) })
export const validateKeyInput = z.strictObject({ key: z.string().min(1).max(256) })
export const importKeysInput = z.strictObject({
  content: z.string(),
  rights_from_service: z.boolean().default(false),
  /** Names the file: keys that came from it before and have gone from it since are disabled. Absent, nothing is disabled for being gone. */
  source: z.string().min(1).max(4_096).optional(),
})

/** The query of a page of keys; without `all`, active keys only. `after` is the `next` of the page before. */
export const listKeysInput = z.strictObject({
  all: z.stringbool().default(false),
  user: z.string().min(1).max(64).optional(),
  limit: z.coerce.number().int().min(1).max(LIMITS.listPageKeysMax).optional(),
  after: z.string().min(1).max(64).optional(),
})

export const keyState = z.enum(['active', 'disabled', 'expired'])

export const keyView = z.object({
  id: z.string(),
  user: z.string(),
  rights: z.array(z.string()),
  description: z.string(),
  /** Disabled without a `disabled_at`: its user is. */
  state: keyState,
  rate: z.string().nullable(),
  concurrency: z.number().int(),
  tokens_per_minute: z.number().int().nullable(),
  budget_day: z.string().nullable(),
  budget_month: z.string().nullable(),
  /** The models it may use, and the networks it may be used from; null is all of them. */
  models: z.array(z.string()).nullable(),
  networks: z.array(z.string()).nullable(),
  log_content: z.boolean(),
  created_at: z.string(),
  expires_at: z.string().nullable(),
  disabled_at: z.string().nullable(),
  rotated_at: z.string().nullable(),
  old_secret_until: z.string().nullable(),
  last_used_at: z.string().nullable(),
  legacy: z.boolean(),
})
export type KeyView = z.infer<typeof keyView>

/** One key that was asked for by itself. */
export const keyDetail = keyView.extend(spentLately)
export type KeyDetail = z.infer<typeof keyDetail>

/** Newest first. `total` counts those on other pages as well, and only the first page has it; `next` is null on the last. */
export const listKeysAnswer = z.object({ keys: z.array(keyView), total: z.number().int().nullable(), next: z.string().nullable() })

/** The only answers that ever hold a whole key; it is shown once. */
export const keyWithSecret = keyView.extend({ api_key: z.string() })
export type KeyWithSecret = z.infer<typeof keyWithSecret>

export const validateKeyAnswer = z.object({
  valid: z.boolean(),
  /** Why not, for the local administrator who asked: malformed, bad_crc, unknown_key, wrong_secret, disabled, user_disabled, expired, rotated_out. */
  reason: z.string().nullable(),
  key: keyView.nullable(),
})

export const importKeysAnswer = z.object({
  imported: z.array(z.object({ id: z.string(), user: z.string(), rights: z.array(z.string()) })),
  disabled: z.array(z.string()),
  unchanged: z.number().int(),
  skipped: z.array(z.object({ entry: z.string(), why: z.string() })),
})

export type ValidateKeyAnswer = z.infer<typeof validateKeyAnswer>
export type ImportKeysAnswer = z.infer<typeof importKeysAnswer>
export type ListKeysAnswer = z.infer<typeof listKeysAnswer>
