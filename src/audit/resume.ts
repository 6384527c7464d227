import type { ChainPoint } from './batch.ts'
import type { Ended, Segment } from './segment.ts'

/** Where an earlier process left the ledger. */
export interface Resumed {
  readonly point: ChainPoint
  /** The active segment when it can be continued. */
  readonly segment: Segment | null
  readonly ended?: Ended
  readonly nextNumber: number
  /** Sequence from which on intents may lack an outcome. */
  readonly unsettledFrom?: number
  /** What a reviewer should know: said in the log and in the ledger. */
  readonly faults: readonly string[]
}
