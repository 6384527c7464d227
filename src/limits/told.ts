import type { Allowance, KeyPrincipal } from '../kernel/index.ts'
import type { Reservation } from './reservation.ts'
import type { LimitState, Told } from './types.ts'
import { countOf, type KeyUse, type Use } from './use.ts'

type Kind = (limits: Allowance, use: Use, nowMs: number) => LimitState | null

const requests: Kind = ({ rates }, use, nowMs) => {
  const { window } = use
  let told: LimitState | null = null
  for (const rate of rates) {
    const limit = countOf(rate)
    const within = use.callsWithin(rate.perMs, nowMs)
    const resetMs = within === 0 || window === null ? 0 : window.newest() + rate.perMs - nowMs
    told = tighter(told, { limit, remaining: Math.max(0, limit - within), resetMs })
  }
  return told
}

const tokens: Kind = ({ tokensPerMinute: limit }, use, nowMs) => {
  if (limit === null) return null
  if (use.tokens === null) return { limit, remaining: limit, resetMs: 0 }
  return { limit, remaining: Math.max(0, limit - use.tokens.held(nowMs)), resetMs: use.tokens.emptyMs(nowMs) }
}

/** What a caller may be told of the limits that hold for it: the tightest of each kind, which is the one that it will meet. */
export function toldOf({ limits, owner }: KeyPrincipal, key: KeyUse, reservation: Reservation | null, nowMs: number): Told {
  const tightest = (kind: Kind): LimitState | null => {
    const both = tighter(kind(limits, key, nowMs), kind(owner.limits, key.user, nowMs))
    if (reservation === null || reservation.model === null || reservation.modelUse === null) return both
    return tighter(both, kind(reservation.model.limits, reservation.modelUse, nowMs))
  }
  return { requests: tightest(requests), tokens: tightest(tokens) }
}

function tighter(one: LimitState | null, other: LimitState | null): LimitState | null {
  if (one === null || other === null) return one ?? other
  if (one.remaining === other.remaining) return one.resetMs >= other.resetMs ? one : other
  return one.remaining < other.remaining ? one : other
}
