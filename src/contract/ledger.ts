import { z } from 'zod'

/**
 * One line of the ledger. Field order on disk is the order here; `hash` is always last: SHA-256 (hex) over the previous line's hash
 * (64 hex characters) and this line's bytes up to, not including, `,"hash":`. Absent means not known; nothing is ever null.
 */
const base = {
  v: z.literal(1),
  time: z.string(), // ISO 8601, UTC, milliseconds
  seq: z.number().int().nonnegative(), // +1 per line, across segments
}

/** Who asked for what: on intents, outcomes and refusals alike, so that no reader has to join lines. */
const about = {
  request: z.string(),
  tenant: z.string(),
  kind: z.enum(['key', 'person', 'device', 'agent', 'system']).optional(), // of principal; absent when nobody was recognised
  user: z.string().optional(),
  key: z.string().optional(), // key id, never the key
  old_secret: z.literal(true).optional(), // the secret from before a rotation was used
  address: z.string(), // the client's address as the gate believes it; `local` for the management socket
  method: z.string(),
  route: z.string(), // the table's pattern, such as /chat/api/generate; empty when no route matched
  service: z.string(), // chat, tts, image, whisper, a configured service, admin, gate
  model: z.string().optional(),
  target: z.string().optional(), // what a management change was made to, such as a key id
  agent: z.string().optional(), // User-Agent, at most 128 characters, made visible
}

export const ENDINGS = [
  'complete',
  'client_closed',
  'client_stalled',
  'upstream_died',
  'deadline',
  'refused',
  'revoked',
  'crashed',
] as const
export const endingSchema = z.enum(ENDINGS)
export type Ending = z.infer<typeof endingSchema>

export const unitsSchema = z.record(z.string(), z.number())
/** What was used, by unit: tokens_in, tokens_out, characters, images, seconds … */
export type Units = z.infer<typeof unitsSchema>

export const intentLine = z.object({
  ...base,
  event: z.literal('intent'),
  ...about,
  units: unitsSchema.optional(), // what the request is known to use before it is answered, estimated; a crash is settled by it
  cost_micro: z.number().int().optional(), // what that costs, in millionths
  hash: z.string(),
})

export const outcomeLine = z.object({
  ...base,
  event: z.literal('outcome'),
  ...about,
  status: z.number().int(), // what the caller was sent; 0 when nothing was
  code: z.string().optional(), // error code, when the gate made the answer
  reason: z.string().optional(), // private reason, at most 256 characters, made visible
  bytes_in: z.number().int(),
  bytes_out: z.number().int(),
  endpoint: z.string().optional(), // which of a model's endpoints served
  passed_over: z.string().optional(), // those that were to serve before it, and why they did not
  units: unitsSchema.optional(),
  cost_micro: z.number().int().optional(), // what they cost, in millionths; absent when nothing has a price
  estimated: z.literal(true).optional(), // units were estimated, not reported by the backend
  first_byte_ms: z.number().optional(),
  total_ms: z.number(),
  ended: endingSchema,
  hash: z.string(),
})

export const refusedLine = z.object({
  ...base,
  event: z.literal('refused'),
  ...about,
  status: z.number().int(),
  code: z.string(), // error code of docs/errors.md
  reason: z.string().optional(), // private: unknown_key, wrong_secret, expired, disabled, user_disabled, wrong_network, bad_crc, rotated_out, malformed …
  path: z.string().optional(), // raw path, at most 256 characters, made visible, no query
  hash: z.string(),
})

export const refusedSummaryLine = z.object({
  ...base,
  event: z.literal('refused_summary'),
  tenant: z.string(),
  kind: about.kind, // with user and key when they are the refusals of somebody recognised; of strangers all three are absent
  user: about.user,
  key: about.key,
  address: z.string(), // `*` when they came from several, or the bound on all together was reached
  count: z.number().int(), // refusals not recorded one by one
  first: z.string(),
  last: z.string(),
  samples: z.array(
    z.object({
      code: z.string(), // the same for all samples of somebody recognised
      reason: z.string().optional(),
      key: z.string().optional(),
      method: z.string().optional(), // this and the next two only of somebody recognised
      route: z.string().optional(),
      service: z.string().optional(),
      path: z.string().optional(),
    }),
  ),
  hash: z.string(),
})

export const lifecycleLine = z.object({
  ...base,
  event: z.literal('lifecycle'),
  what: z.string(), // start, ready, reload, reload_failed, drain, stop, fault …
  detail: z.string().optional(),
  hash: z.string(),
})

/** First line of every segment, signed: it ties the file to the one before it. */
export const openLine = z.object({
  ...base,
  event: z.literal('open'),
  segment: z.string(), // the name this segment gets when it is rotated, without .log or .gz
  host: z.string(),
  pid: z.number().int(),
  previous: z
    .object({
      segment: z.string(),
      hash: z.string(), // chain head at its end: the last acknowledged line
      bytes: z.number().int(), // its acknowledged length
      broken: z.literal(true).optional(), // ended by a failed write or sync, or found torn at start
    })
    .optional(), // absent in the first segment of a ledger
  unfinished_from: z.number().int().optional(), // seq of the oldest intent that had no outcome then: how far back a restart must look
  public_key: z.string(), // Ed25519, raw 32 bytes, base64url
  sig: z.string(), // Ed25519 over this line's bytes up to `,"sig":`, base64url
  hash: z.string(),
})

export const sealLine = z.object({
  ...base,
  event: z.literal('seal'),
  segment: z.string(),
  offset: z.number().int(), // bytes of the segment before this line's batch separator and line
  sha256: z.string(), // of those bytes
  head: z.string(), // chain head before this line
  previous_seal: z.string().optional(), // hash of the seal line before, in any segment
  sig: z.string(), // Ed25519 over this line's bytes up to `,"sig":`, base64url
  hash: z.string(),
})

export const ledgerLine = z.discriminatedUnion('event', [
  intentLine,
  outcomeLine,
  refusedLine,
  refusedSummaryLine,
  lifecycleLine,
  openLine,
  sealLine,
])
export type LedgerLine = z.infer<typeof ledgerLine>
export type OutcomeLine = z.infer<typeof outcomeLine>
export type RefusedLine = z.infer<typeof refusedLine>
export type RefusedSummaryLine = z.infer<typeof refusedSummaryLine>
export type SealLine = z.infer<typeof sealLine>
export type OpenLine = z.infer<typeof openLine>

type Entry<T> = Omit<T, 'v' | 'time' | 'seq' | 'event' | 'hash'>
/** What the house gives the ledger; version, time, sequence and hash are the ledger's own. */
export type IntentEntry = Entry<z.infer<typeof intentLine>>
export type OutcomeEntry = Entry<OutcomeLine>
export type RefusedEntry = Entry<RefusedLine>
export type LifecycleEntry = Entry<z.infer<typeof lifecycleLine>>
