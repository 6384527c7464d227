import type { Allowance, KeyPrincipal } from '../kernel/index.ts'
import type { Accounts } from './accounts.ts'
import type { Spent } from './spent.ts'

/** What a request is going to use, as far as that can be told before it is sent. */
export interface Demand {
  /** Null where none is known: then no limits but those of the key and its user hold. */
  readonly model: { readonly name: string; readonly limits: Allowance } | null
  readonly tokens: number
  readonly costMicro: number
  /** Says that there is a price though the estimate is 0, as where only the answer shows how much was used. Taken from the estimate when absent. */
  readonly priced?: boolean
}

export interface Used {
  readonly tokens: number
  readonly costMicro: number
}

export const NOTHING_USED: Used = Object.freeze({ tokens: 0, costMicro: 0 })

export interface LimitState {
  readonly limit: number
  readonly remaining: number
  /** Until all of it is free again, if nothing comes between. */
  readonly resetMs: number
}

export interface Told {
  readonly requests: LimitState | null
  readonly tokens: LimitState | null
}

/** A place taken at admission. Whoever took it ends it by `settle` or `refuse`; whatever is called after that does nothing, so every path that ends a request may call one. */
export interface Hold {
  /**
   * Rejects with RATE_LIMITED or CONCURRENCY_LIMITED (of the model), TOKENS_LIMITED, BUDGET_EXHAUSTED or BALANCE_EXHAUSTED, and has then taken nothing.
   * Called again, for a fallback model, the new demand takes the place of the one before.
   */
  reserve(demand: Demand): Promise<void>
  settle(used: Used): void
  /** It was refused after all, so nothing of it counts. */
  refuse(): void
  /** The tightest of key, user and model; null where there is no such limit. */
  told(): Told
}

/** What a request is going to use at its endpoint. */
export type EndpointDemand = Omit<Demand, 'model'>

/** A request at an endpoint, counted there. */
export type EndpointHold = Pick<Hold, 'settle' | 'refuse'>

export interface LimitStats {
  /** Of each, how many are remembered because something of them still counts. */
  readonly keys: number
  readonly users: number
  readonly models: number
  readonly endpoints: number
  /** Of keys, of models where something was reserved, and of endpoints. */
  readonly inFlight: number
  readonly atModels: number
  readonly atEndpoints: number
}

export interface Limits {
  /** Throws RATE_LIMITED or CONCURRENCY_LIMITED, of the key or its user; a refused call counts for nothing. */
  enter(principal: KeyPrincipal): Hold
  /** Throws RATE_LIMITED, TOKENS_LIMITED or BUDGET_EXHAUSTED, and has then taken nothing. How many run there at once is the business of its queue. */
  atEndpoint(name: string, limits: Allowance, demand?: EndpointDemand): EndpointHold
  readonly accounts: Accounts
  readonly spent: Spent
  stats(): LimitStats
  close(): void
}
