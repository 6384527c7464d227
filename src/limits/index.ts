export type { Accounts } from './accounts.ts'
export { NO_HOLD } from './hold.ts'
export { createLimits } from './limits.ts'
export type { Spent, SpentBy, SpentRow } from './spent.ts'
export {
  type Demand,
  type EndpointDemand,
  type EndpointHold,
  type Hold,
  type LimitState,
  type LimitStats,
  type Limits,
  NOTHING_USED,
  type Told,
  type Used,
} from './types.ts'
