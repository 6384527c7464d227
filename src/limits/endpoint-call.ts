import { type Allowance, LIMITS } from '../kernel/index.ts'
import { checkBudgets, checkRates, checkTokens } from './checks.ts'
import { type Books, whole } from './reservation.ts'
import type { Spending } from './spent.ts'
import type { EndpointDemand, EndpointHold, Used } from './types.ts'
import { UNCOUNTED, type Use } from './use.ts'

/** Throws what the caller is told, should it be the last endpoint that there is to ask. */
export function checkCall(books: Books, name: string, use: Use, limits: Allowance, demand: EndpointDemand | undefined): void {
  const { rates, tokensPerMinute } = limits
  if (demand !== undefined && hasBudget(limits)) checkMoney(books, name, limits, demand)
  const tokens = whole(demand?.tokens ?? 0, LIMITS.requestTokensMax)
  const isCounted = tokensPerMinute !== null && tokens > 0
  if (!isCounted && rates.length === 0) return
  const nowMs = books.clock.monoMs()
  if (isCounted) checkTokens('endpoint', name, limits, use, tokens, nowMs)
  checkRates('endpoint', name, limits, use, nowMs)
}

function checkMoney({ calendar, spent }: Books, name: string, limits: Allowance, demand: EndpointDemand): void {
  const wantedMicro = wantedOf(demand)
  if (wantedMicro === 0) return
  calendar.look()
  checkBudgets('endpoint', name, limits, spent.entry('endpoint', name), wantedMicro, calendar)
}

/** What has a price wants a millionth at least. */
function wantedOf(demand: EndpointDemand): number {
  const costMicro = whole(demand.costMicro, LIMITS.requestCostMicroMax)
  return demand.priced === true ? Math.max(1, costMicro) : costMicro
}

/** A call at an endpoint, whoever makes it. */
export class EndpointCall implements EndpointHold {
  readonly #books: Books
  readonly #name: string
  readonly #use: Use
  readonly #limits: Allowance
  readonly #callMs: number | null
  /** What was counted of its tokens before they were used, and in which second. */
  readonly #tokens: number
  readonly #second: number
  /** Null where nothing was reserved. */
  readonly #reserved: { readonly of: Spending; readonly micro: number } | null
  #ended = false

  /** After it was asked, in the same turn of the event loop: what fitted then fits now. */
  constructor(books: Books, name: string, use: Use, limits: Allowance, demand: EndpointDemand | undefined) {
    this.#books = books
    this.#name = name
    this.#use = use
    this.#limits = limits
    const isCounted = limits.rates.length > 0
    const nowMs = isCounted || limits.tokensPerMinute !== null ? books.clock.monoMs() : 0
    this.#callMs = isCounted ? nowMs : null
    if (isCounted) use.countCall(limits.rates, nowMs)
    this.#tokens = whole(demand?.tokens ?? 0, LIMITS.requestTokensMax)
    this.#second = use.countTokens(limits, this.#tokens, nowMs)
    const micro = hasBudget(limits) ? whole(demand?.costMicro ?? 0, LIMITS.requestCostMicroMax) : 0
    this.#reserved = micro === 0 ? null : { of: books.spent.entry('endpoint', name), micro }
    if (this.#reserved !== null) this.#reserved.of.reservedMicro += micro
    use.inFlight += 1
  }

  settle(used: Used): void {
    if (!this.#end()) return
    const tokens = whole(used.tokens, LIMITS.requestTokensMax)
    if (this.#second !== UNCOUNTED || (tokens > 0 && this.#limits.tokensPerMinute !== null))
      this.#use.correctTokens(this.#limits, this.#second, this.#tokens, tokens, this.#books.clock.monoMs())
    const costMicro = whole(used.costMicro, LIMITS.requestCostMicroMax)
    if (costMicro > 0) this.#books.spent.add('endpoint', this.#name, costMicro)
  }

  refuse(): void {
    if (!this.#end()) return
    if (this.#callMs !== null) this.#use.takeBackCall(this.#callMs)
    if (this.#second !== UNCOUNTED) this.#use.takeBackTokens(this.#second, this.#tokens, this.#books.clock.monoMs())
  }

  /** False when it had ended before. */
  #end(): boolean {
    if (this.#ended) return false
    this.#ended = true
    this.#use.inFlight -= 1
    if (this.#reserved !== null) this.#reserved.of.reservedMicro -= this.#reserved.micro
    return true
  }
}

const hasBudget = ({ budgetDayMicro, budgetMonthMicro }: Allowance): boolean => budgetDayMicro !== null || budgetMonthMicro !== null
