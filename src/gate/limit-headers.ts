import type { Hold, LimitState } from '../limits/index.ts'

/** Names and values in turn, as Node writes them; a record of so many would be made for nothing. */
export type HeaderPairs = readonly string[]

export const NO_HEADERS: HeaderPairs = Object.freeze([])
const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** What is left of the tightest limits, in the headers that OpenAI's clients know. They are for people; clients wait by `retry-after` alone. */
export function limitHeaders(hold: Pick<Hold, 'told'>): HeaderPairs {
  const { requests, tokens } = hold.told()
  if (requests === null) return tokens === null ? NO_HEADERS : ofTokens(tokens)
  return tokens === null ? ofRequests(requests) : ofRequests(requests).concat(ofTokens(tokens))
}

const ofRequests = ({ limit, remaining, resetMs }: LimitState): string[] => [
  'x-ratelimit-limit-requests',
  String(limit),
  'x-ratelimit-remaining-requests',
  String(Math.max(0, remaining)),
  'x-ratelimit-reset-requests',
  durationText(resetMs),
]

const ofTokens = ({ limit, remaining, resetMs }: LimitState): string[] => [
  'x-ratelimit-limit-tokens',
  String(limit),
  'x-ratelimit-remaining-tokens',
  String(Math.max(0, remaining)),
  'x-ratelimit-reset-tokens',
  durationText(resetMs),
]

/** For those who write a whole answer, which is seldom. */
export function recordOf(pairs: HeaderPairs): Record<string, string> {
  const record: Record<string, string> = {}
  for (let at = 0; at + 1 < pairs.length; at += 2) record[pairs[at] ?? ''] = pairs[at + 1] ?? ''
  return record
}

/** `12ms`, `1s`, `6m0s`, as OpenAI writes them. */
export function durationText(ms: number): string {
  if (ms < SECOND_MS) return `${Math.max(0, Math.ceil(ms))}ms`
  const seconds = Math.ceil((ms % MINUTE_MS) / SECOND_MS)
  if (ms < MINUTE_MS) return `${seconds}s`
  const [hours, minutes] = [Math.floor(ms / HOUR_MS), Math.floor((ms % HOUR_MS) / MINUTE_MS)]
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`
  return `${minutes}m${seconds}s`
}
