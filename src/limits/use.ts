import { type Allowance, LIMITS, type Rate } from '../kernel/index.ts'
import { TokenMinute } from './minute.ts'
import { SlidingWindow } from './window.ts'

/** The second of tokens that were not counted. */
export const UNCOUNTED = -1

/** What is in use of one key, user, model or endpoint. */
export class Use {
  inFlight = 0
  window: SlidingWindow | null = null
  /** The longest span of the rates that were last asked of it. */
  longestMs = 0
  tokens: TokenMinute | null = null
  /** Swept: whoever still knows this one has to look up the one that counts. */
  gone = false

  /** Refuses nothing: whether it fits was asked before. */
  countCall(rates: readonly Rate[], nowMs: number): void {
    if (rates.length === 0) return
    this.window ??= new SlidingWindow()
    this.longestMs = longestOf(rates)
    // A span that has just become shorter, or longer: what is held of it goes on counting.
    this.window.forget(nowMs, this.longestMs)
    this.window.add(nowMs)
  }

  takeBackCall(atMs: number): void {
    this.window?.drop(atMs)
  }

  /** The rate that is used up; where there are several, the one that stays so longest. */
  rateInTheWay(rates: readonly Rate[], nowMs: number): Wait | null {
    const { window } = this
    if (window === null) return null
    let worst: Wait | null = null
    for (const rate of rates) {
      const count = countOf(rate)
      if (window.held < count) continue
      const waitMs = window.waitMs(count, rate.perMs, nowMs)
      if (waitMs > 0 && (worst === null || waitMs > worst.waitMs)) worst = { rate, waitMs }
    }
    return worst
  }

  /** How many calls are within a span. Of the longest it is all that is held, which needs no search through as many as there may be. */
  callsWithin(perMs: number, nowMs: number): number {
    const { window } = this
    if (window === null) return 0
    if (perMs !== this.longestMs) return window.within(perMs, nowMs)
    window.forget(nowMs, perMs)
    return window.held
  }

  /** Returns the second in which they were counted. */
  countTokens({ tokensPerMinute }: Allowance, tokens: number, nowMs: number): number {
    if (tokensPerMinute === null || tokens === 0) return UNCOUNTED
    this.tokens ??= new TokenMinute()
    return this.tokens.add(tokens, nowMs)
  }

  /** What was counted too much goes back to its second; what was counted too little is known only now, and so it counts from now. */
  correctTokens(limits: Allowance, second: number, estimated: number, used: number, nowMs: number): void {
    const counted = second === UNCOUNTED ? 0 : estimated
    if (used > counted) this.countTokens(limits, used - counted, nowMs)
    else if (used < counted) this.tokens?.giveBack(counted - used, second, nowMs)
  }

  takeBackTokens(second: number, tokens: number, nowMs: number): void {
    if (second !== UNCOUNTED) this.tokens?.giveBack(tokens, second, nowMs)
  }

  tokensWaitMs(tokens: number, limit: number, nowMs: number): number {
    if (this.tokens === null) return tokens > limit ? Number.POSITIVE_INFINITY : 0
    return this.tokens.waitMs(tokens, limit, nowMs)
  }

  idle(nowMs: number): boolean {
    if (this.inFlight > 0) return false
    this.window?.forget(nowMs, this.longestMs)
    return (this.window === null || this.window.held === 0) && (this.tokens === null || this.tokens.held(nowMs) === 0)
  }
}

export interface Wait {
  readonly rate: Rate
  readonly waitMs: number
}

/** A key's, which knows its user's, so that the second costs no second look-up: a key never changes hands. */
export class KeyUse extends Use {
  user: Use

  constructor(user: Use) {
    super()
    this.user = user
  }
}

/** What cannot be remembered exactly is not let in: a count above the bound is held to the bound. */
export const countOf = ({ count }: Rate): number => Math.min(count, LIMITS.rateCountMax)

function longestOf(rates: readonly Rate[]): number {
  let longestMs = 0
  for (const { perMs } of rates) if (perMs > longestMs) longestMs = perMs
  return longestMs
}

/** The one of that name, made when it is not there. */
export function useOf(uses: Map<string, Use>, name: string): Use {
  let use = uses.get(name)
  if (use === undefined) {
    use = new Use()
    uses.set(name, use)
  }
  return use
}

/** Gives back the memory of what has nothing running and nothing left in its windows; a step for each entry. */
export function* sweep(uses: Map<string, Use>, nowMs: number): Generator<void> {
  for (const [name, use] of uses) {
    yield
    if (!use.idle(nowMs)) continue
    use.gone = true
    uses.delete(name)
  }
}
