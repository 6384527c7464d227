import type { Units } from '../contract/index.ts'
import { costOf, LIMITS, MICRO_MAX } from '../kernel/index.ts'
import type { Demand, Ended, Visit } from './visit.ts'

/** What a request used and costs, at its end. */
export interface Bill {
  readonly units: Units | undefined
  readonly estimated: true | undefined
  readonly costMicro: number
  readonly tokens: number
}

/** What no request uses: a backend that says more is wrong, and sums beyond 2^53 are wrong too. */
function capped(units: Units | undefined): Units | undefined {
  if (units === undefined) return undefined
  for (const unit in units) {
    const value = units[unit] ?? 0
    if (!(value >= 0 && value <= LIMITS.requestTokensMax))
      return Object.fromEntries(Object.entries(units).map(([name, amount]) => [name, cap(amount)]))
  }
  return units
}

const cap = (amount: number): number => (amount >= 0 ? Math.min(amount, LIMITS.requestTokensMax) : 0)

const tokensOf = (units: Units | undefined): number => (units === undefined ? 0 : (units.tokens_in ?? 0) + (units.tokens_out ?? 0))

/** What a request is expected to use, in the words of the limits. */
export const expectedOf = ({ model, price, most }: Demand) => ({
  model,
  tokens: tokensOf(most),
  costMicro: costOf(price, most),
  priced: price.inMicro > 0 || price.outMicro > 0,
})

/**
 * Whoever got an answer pays for it, and for as much of it as was relayed: a backend that died, and a caller who left, tell no counts, and then the input is
 * what was estimated and the output what passed. Whoever got none, or an error, pays nothing.
 */
export function billOf({ demand, price }: Visit, end: Ended): Bill {
  const counted = capped(end.units)
  if (demand === null || !end.served)
    return { units: counted, estimated: end.estimated, costMicro: 0, tokens: demand === null ? tokensOf(counted) : 0 }
  const complete = lacksNothing(counted, demand.least)
  const units = complete ? counted : { ...demand.least, ...counted }
  const costMicro = Math.min(costOf(price, units ?? {}), MICRO_MAX)
  return { units, estimated: complete ? end.estimated : true, costMicro, tokens: tokensOf(units) }
}

function lacksNothing(units: Units | undefined, least: Units): boolean {
  if (units === undefined) return false
  for (const unit in least) if (units[unit] === undefined) return false
  return true
}
