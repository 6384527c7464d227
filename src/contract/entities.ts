import { z } from 'zod'
import { BILLING_UNITS, CAPABILITIES, LIMITS } from '../kernel/index.ts'
import { concurrency, count, money, positiveMoney, rateText, reach, spending, spentLately, texts, userName } from './fields.ts'

/** Wire shapes of users, endpoints, models and what was used, spoken over the management socket now and the admin API later. Money is text, such as `12.50`. */

/** What a key and a user may use; null is no limit. */
const allowance = {
  rate: rateText.nullable().optional(),
  concurrency: concurrency.optional(),
  ...spending,
}

export const editKeyInput = z.strictObject({
  ...allowance,
  description: z.string().max(256).optional(),
  rights: z.array(z.string().min(1).max(64)).min(1).max(64).optional(),
  /** ISO 8601; null never expires. */
  expires_at: z.iso.datetime({ offset: true }).nullable().optional(),
  ...reach,
})
export type EditKeyInput = z.output<typeof editKeyInput>
/** As it travels: money is text. */
export type EditKeyBody = z.input<typeof editKeyInput>

const userFields = {
  ...allowance,
  email: z.email('must be an e-mail address such as ada@example.org').max(254).nullable().optional(),
  organisation: z.string().trim().max(128).nullable().optional(),
}
export const createUserInput = z.strictObject({ ...userFields, name: userName, balance: money.nullable().optional() })
export const editUserInput = z.strictObject({
  ...userFields,
  name: userName.optional(),
  active: z.boolean().optional(),
  /** `true` gives a user who was not billed a balance of nothing, `false` takes the balance away; amounts are changed by credits alone. */
  billed: z.boolean().optional(),
})
export type CreateUserInput = z.output<typeof createUserInput>
export type EditUserInput = z.output<typeof editUserInput>
export type CreateUserBody = z.input<typeof createUserInput>
export type EditUserBody = z.input<typeof editUserInput>
/** The query where a user is disabled or deleted: whether what runs is cut as well. */
export const stopUserInput = z.strictObject({ now: z.stringbool().default(false) })
export const creditInput = z.strictObject({ amount: money, note: z.string().max(256).default('') })

export const userView = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string().nullable(),
  organisation: z.string().nullable(),
  active: z.boolean(),
  /** Null for a user who is not billed. */
  balance: z.string().nullable(),
  rate: z.string().nullable(),
  concurrency: z.int(),
  tokens_per_minute: z.int().nullable(),
  budget_day: z.string().nullable(),
  budget_month: z.string().nullable(),
  keys: z.int(),
  created_at: z.string(),
})
export type UserView = z.infer<typeof userView>

/** One user who was asked for alone. */
export const userDetail = userView.extend(spentLately)
export type UserDetail = z.infer<typeof userDetail>

/** `taken` is what was in the account that the edit has closed. */
export const editedUser = userView.extend({ taken: z.string().optional() })
export type EditedUserView = z.infer<typeof editedUser>

export const listCreditsInput = z.strictObject({
  limit: z.coerce.number().int().min(1).max(LIMITS.listPageKeysMax).optional(),
  /** The `next` of the page before. */
  before: z
    .string()
    .regex(/^\d{1,15}\.crd_\w{1,32}$/, 'must be the "next" of a page')
    .optional(),
})
const creditView = z.object({
  id: z.string(),
  time: z.string(),
  /** Below nothing where it was taken away. */
  amount: z.string(),
  note: z.string(),
})
export type CreditView = z.infer<typeof creditView>
/** Newest first; `next` is null on the last page. */
export const listCreditsAnswer = z.object({ credits: z.array(creditView), next: z.string().nullable() })
export type ListCreditsAnswer = z.infer<typeof listCreditsAnswer>

/** The name of an endpoint; `builtin:` is kept for the services of the gate. */
const endpointName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'may hold lower case letters, digits and . _ - only')
const endpointRef = z.string().regex(/^(?:builtin:)?[a-z0-9][a-z0-9._-]{0,62}$/, 'must be the name of an endpoint')
const httpUrl = z
  .url({ protocol: /^https?$/, message: 'must be an http:// or https:// address' })
  .refine((text) => !/[?#]|\/\/[^/]*@/.test(text), 'must have no credentials, query or fragment')

/** What may be the name or the id of an endpoint. */
export const isEndpointText = (text: string): boolean => /^(?:(?:builtin:)?[a-z0-9][a-z0-9._-]{0,62}|end_[0-9A-Za-z]{16})$/.test(text)
/** Where it may rather be a provider's key, pasted in the place of a name, it is not repeated and does not come into the ledger. */
export const isEndpointToTell = (text: string): boolean => isEndpointText(text) && !/[0-9a-z]{24}/.test(text)

export const ENDPOINT_DIALECTS = ['openai', 'ollama', 'anthropic', 'speak', 'a1111', 'asr', 'whispercpp'] as const

const endpointFields = {
  speaks: texts.nullable().optional(),
  /** The provider's own key; null takes it away. It goes in and never comes out again. */
  key: z.string().trim().min(1).max(4_096).nullable().optional(),
  rpm: count.nullable().optional(),
  per_day: count.nullable().optional(),
  ...spending,
  /** Beyond it requests wait in a queue; 0 is no limit. */
  concurrency: concurrency.optional(),
  priority: z.int().min(0).max(1_000).optional(),
  abort: z.enum(['cancel', 'drain']).optional(),
  /** Whether a caller may name what is fetched from elsewhere: a picture by its address, a tool that the provider runs, a file or a conversation of the account. */
  remote: z.enum(['refuse', 'allow']).optional(),
  discover: z.boolean().optional(),
}
export const createEndpointInput = z.strictObject({
  ...endpointFields,
  name: endpointName,
  url: httpUrl,
  dialect: z.enum(ENDPOINT_DIALECTS).default('openai'),
})
export const editEndpointInput = z.strictObject({
  ...endpointFields,
  name: endpointName.optional(),
  url: httpUrl.optional(),
  dialect: z.enum(ENDPOINT_DIALECTS).optional(),
  active: z.boolean().optional(),
})
export type CreateEndpointInput = z.output<typeof createEndpointInput>
export type EditEndpointInput = z.output<typeof editEndpointInput>
export type CreateEndpointBody = z.input<typeof createEndpointInput>
export type EditEndpointBody = z.input<typeof editEndpointInput>

export const endpointView = z.object({
  id: z.string(),
  name: z.string(),
  url: z.string(),
  dialect: z.string(),
  speaks: z.array(z.string()),
  has_key: z.boolean(),
  rpm: z.int().nullable(),
  per_day: z.int().nullable(),
  tokens_per_minute: z.int().nullable(),
  budget_day: z.string().nullable(),
  budget_month: z.string().nullable(),
  concurrency: z.int(),
  priority: z.int(),
  abort: z.string(),
  remote: z.string(),
  discover: z.boolean(),
  active: z.boolean(),
  /** A service of the gate: configured in portcullis.yaml, and read-only here. */
  builtin: z.boolean(),
  /** How many models name it, those that appeared by themselves included. */
  models: z.int(),
  /** What keeps it from serving although nobody switched it off; empty when all is well. */
  note: z.string(),
  created_at: z.string().nullable(),
})
export type EndpointView = z.infer<typeof endpointView>

export const modelName = z
  .string()
  .regex(/^[\p{L}\p{N}][\p{L}\p{N}._:@/+-]{0,127}$/u, 'may hold letters, digits and . _ : @ / + - only')
  .refine((name) => !/(?:^|\/)\.{1,2}(?:\/|$)|\/\//.test(name), 'must not hold empty or dot segments')
const place = z.strictObject({ endpoint: endpointRef, upstream: z.string().min(1).max(256).nullable().default(null) })
const places = z.array(place).min(1).max(64)
const jsonObject = z.record(z.string(), z.unknown())

const modelFields = {
  unit: z.enum(BILLING_UNITS).optional(),
  price_in: positiveMoney.optional(),
  price_out: positiveMoney.optional(),
  rpm: count.nullable().optional(),
  per_day: count.nullable().optional(),
  ...spending,
  /** Beyond it requests are refused; 0 is no limit. */
  concurrency: concurrency.optional(),
  fallback: modelName.nullable().optional(),
  options: jsonObject.optional(),
}
export const createModelInput = z.strictObject({
  ...modelFields,
  name: modelName,
  capability: z.enum(CAPABILITIES).default('text'),
  endpoints: places,
})
export const editModelInput = z.strictObject({
  ...modelFields,
  name: modelName.optional(),
  capability: z.enum(CAPABILITIES).optional(),
  endpoints: places.optional(),
  active: z.boolean().optional(),
})
export type CreateModelInput = z.output<typeof createModelInput>
export type EditModelInput = z.output<typeof editModelInput>
/** As they travel: money is text. */
export type CreateModelBody = z.input<typeof createModelInput>
export type EditModelBody = z.input<typeof editModelInput>

export const modelView = z.object({
  name: z.string(),
  capability: z.string(),
  unit: z.string(),
  price_in: z.string(),
  price_out: z.string(),
  rpm: z.int().nullable(),
  per_day: z.int().nullable(),
  tokens_per_minute: z.int().nullable(),
  budget_day: z.string().nullable(),
  budget_month: z.string().nullable(),
  concurrency: z.int(),
  endpoints: z.array(z.object({ endpoint: z.string(), upstream: z.string().nullable() })),
  fallback: z.string().nullable(),
  options: jsonObject,
  active: z.boolean(),
  /** It appeared by itself; to edit it, add a model of that name. */
  discovered: z.boolean(),
  created_at: z.string().nullable(),
})
export type ModelView = z.infer<typeof modelView>

/** Pages by name; `all` shows what is disabled too. */
export const listEntitiesInput = z.strictObject({
  all: z.stringbool().default(false),
  limit: z.coerce.number().int().min(1).max(1_000).optional(),
  after: z.string().min(1).max(256).optional(),
})
export const listUsersAnswer = z.object({ users: z.array(userView), next: z.string().nullable() })
export const listEndpointsAnswer = z.object({ endpoints: z.array(endpointView), next: z.string().nullable() })
export const listModelsAnswer = z.object({ models: z.array(modelView), next: z.string().nullable() })
export type ListUsersAnswer = z.infer<typeof listUsersAnswer>
export type ListEndpointsAnswer = z.infer<typeof listEndpointsAnswer>
export type ListModelsAnswer = z.infer<typeof listModelsAnswer>
