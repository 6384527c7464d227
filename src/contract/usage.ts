import { z } from 'zod'
import { LIMITS } from '../kernel/index.ts'

/** Wire shapes of what was used: sums, the request log, and what was kept of a request. Money is text, such as `12.50`; days are UTC. */

export const SUMMARY_BY = ['day', 'user', 'key', 'model', 'endpoint'] as const

const day = z.iso.date('must be a day such as 2026-11-21')

export const usageInput = z.strictObject({
  by: z.enum(SUMMARY_BY).default('day'),
  /** Both days are in it; without them the last thirty, today among them. */
  from: day.optional(),
  to: day.optional(),
  /** `cost`: the costliest first, and no more than a page of them. `id`: in the order of ids, page by page, each once however the counts change meanwhile. */
  order: z.enum(['cost', 'id']).default('cost'),
  /** The id of the last row on the page before, in the order of ids. */
  after: z.string().max(256).optional(),
})

const used = {
  requests: z.int(),
  /** Refused to a key that was recognised: it had used up a limit, or may not do that. */
  refused: z.int(),
  tokens_in: z.int(),
  tokens_out: z.int(),
  characters: z.int(),
  images: z.int(),
  /** Of sound. */
  seconds: z.number(),
  cost: z.string(),
}

export const usageRow = z.object({
  /** A day, the id of a user or key, the name of a model or endpoint; empty where the ledger names none. */
  id: z.string(),
  /** The name of a user, and otherwise the id. */
  name: z.string(),
  /** Whose key it is. */
  user: z.string().nullable(),
  ...used,
})
export type UsageRow = z.infer<typeof usageRow>

export const usageAnswer = z.object({
  by: z.enum(SUMMARY_BY),
  from: z.string(),
  to: z.string(),
  rows: z.array(usageRow),
  /** Rows that are not shown, because they are the least or on later pages; they are in the total. Of a later page both leave out what came before it. */
  more: z.int(),
  total: z.object(used),
  /** Lines of the ledger that are not counted yet, and why, where that is a fault. */
  behind: z.int(),
  fault: z.string().nullable(),
})
export type UsageAnswer = z.infer<typeof usageAnswer>

export const usageRequestsInput = z.strictObject({
  limit: z.coerce.number().int().min(1).max(LIMITS.usageRequestsMax).default(50),
  /** The `next` of the page before. */
  before: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}\.\d{1,15}$/, 'must be the "next" of a page')
    .optional(),
  /** Name or id. */
  user: z.string().min(1).max(64).optional(),
  key: z.string().min(1).max(64).optional(),
  model: z.string().min(1).max(256).optional(),
})

export const requestView = z.object({
  request: z.string(),
  time: z.string(),
  /** The line of the ledger that says so. */
  seq: z.int(),
  user: z.string(),
  key: z.string(),
  model: z.string(),
  endpoint: z.string(),
  service: z.string(),
  route: z.string(),
  status: z.int(),
  code: z.string(),
  units: z.record(z.string(), z.number()),
  cost: z.string(),
  /** The backend told no usage, or not all of it. */
  estimated: z.boolean(),
  first_byte_ms: z.number().nullable(),
  total_ms: z.number(),
  bytes_in: z.int(),
  bytes_out: z.int(),
  ended: z.string(),
})
export type RequestView = z.infer<typeof requestView>

export const usageRequestsAnswer = z.object({ requests: z.array(requestView), next: z.string().nullable() })
export type UsageRequestsAnswer = z.infer<typeof usageRequestsAnswer>

export const requestDetail = requestView.extend({
  /** Null where nothing was kept; text, of which what is no UTF-8 is replaced. */
  content: z
    .object({
      prompt: z.string(),
      answer: z.string(),
      /** Their whole lengths; what is longer than is kept was cut. */
      prompt_bytes: z.int(),
      answer_bytes: z.int(),
    })
    .nullable(),
  content_fault: z.string().nullable(),
})
export type RequestDetail = z.infer<typeof requestDetail>

export const usageSkipAnswer = z.object({ from_seq: z.int().nullable(), to_seq: z.int() })
export type UsageSkipAnswer = z.infer<typeof usageSkipAnswer>
