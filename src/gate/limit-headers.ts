import type { Hold, LimitState } from '../limits/index.ts'

const NONE: Readonly<Record<string, string>> = Object.freeze({})
const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** What is left of the tightest limits, in the headers that OpenAI's clients know. They are for people; clients wait by `retry-after` alone. */
export function limitHeaders(hold: Pick<Hold, 'told'>): Readonly<Record<string, string>> {
  const { requests, tokens } = hold.told()
  if (requests === null) return tokens === null ? NONE : ofTokens(tokens)
  return tokens === null ? ofRequests(requests) : { ...ofRequests(requests), ...ofTokens(tokens) }
}

const ofRequests = ({ limit, remaining, resetMs }: LimitState) => ({
  'x-ratelimit-limit-requests': String(limit),
  'x-ratelimit-remaining-requests': String(Math.max(0, remaining)),
  'x-ratelimit-reset-requests': durationText(resetMs),
})

const ofTokens = ({ limit, remaining, resetMs }: LimitState) => ({
  'x-ratelimit-limit-tokens': String(limit),
  'x-ratelimit-remaining-tokens': String(Math.max(0, remaining)),
  'x-ratelimit-reset-tokens': durationText(resetMs),
})

/** `12ms`, `1s`, `6m0s`, as OpenAI writes them. */
export function durationText(ms: number): string {
  if (ms < SECOND_MS) return `${Math.max(0, Math.ceil(ms))}ms`
  const seconds = Math.ceil((ms % MINUTE_MS) / SECOND_MS)
  if (ms < MINUTE_MS) return `${seconds}s`
  const [hours, minutes] = [Math.floor(ms / HOUR_MS), Math.floor((ms % HOUR_MS) / MINUTE_MS)]
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`
  return `${minutes}m${seconds}s`
}
