import type { Units } from '../contract/index.ts'
import { costOf } from '../kernel/index.ts'
import type { Demand, Ended, Visit } from './visit.ts'

/** What a request used and costs, at its end. */
export interface Bill {
  readonly units: Units | undefined
  readonly estimated: true | undefined
  readonly costMicro: number
  readonly tokens: number
}

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
export function billOf(visit: Visit, end: Ended): Bill {
  const { demand, price } = visit
  if (demand === null) return { units: end.units, estimated: end.estimated, costMicro: 0, tokens: tokensOf(end.units) }
  if (!end.served) return { units: end.units, estimated: end.estimated, costMicro: 0, tokens: 0 }
  const complete = lacksNothing(end.units, demand.least)
  const units = complete ? end.units : { ...demand.least, ...end.units }
  const costMicro = costOf(price, units ?? {})
  return { units, estimated: complete ? end.estimated : true, costMicro, tokens: tokensOf(units) }
}

function lacksNothing(units: Units | undefined, least: Units): boolean {
  if (units === undefined) return false
  for (const unit in least) if (units[unit] === undefined) return false
  return true
}
