import type { Hold } from '../limits/index.ts'

const NONE: Readonly<Record<string, string>> = Object.freeze({})
const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** What is left of the tightest limits, in the headers that OpenAI's clients know. They are for people; clients wait by `retry-after` alone. */
export function limitHeaders(hold: Pick<Hold, 'told'>): Readonly<Record<string, string>> {
  const { requests, tokens } = hold.told()
  if (requests === null && tokens === null) return NONE
  const headers: Record<string, string> = {}
  for (const [what, state] of [['requests', requests] as const, ['tokens', tokens] as const]) {
    if (state === null) continue
    headers[`x-ratelimit-limit-${what}`] = String(state.limit)
    headers[`x-ratelimit-remaining-${what}`] = String(Math.max(0, state.remaining))
    headers[`x-ratelimit-reset-${what}`] = durationText(state.resetMs)
  }
  return headers
}

/** `12ms`, `1s`, `6m0s`, as OpenAI writes them. */
export function durationText(ms: number): string {
  if (ms < SECOND_MS) return `${Math.max(0, Math.ceil(ms))}ms`
  const [hours, minutes, seconds] = [
    Math.floor(ms / HOUR_MS),
    Math.floor((ms % HOUR_MS) / MINUTE_MS),
    Math.ceil((ms % MINUTE_MS) / SECOND_MS),
  ]
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`
}
