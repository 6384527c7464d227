import type { Audio, Plan } from '../../dialects/index.ts'
import type { MayAsk } from '../native-demand.ts'
import type { Visit } from '../visit.ts'
import type { Spool } from './spool.ts'

/** A face turns a request that may pass into an operation, planned in the service's dialect. */
export type Face = (visit: Visit, params: Readonly<Record<string, string>>) => Plan | Promise<Plan>

/** What faces share with each other for the life of the process. */
export interface SharedTools {
  /** For uploads that must wait on disk; its bound holds for all requests together. */
  readonly spool: Spool
}

export interface FaceTools extends SharedTools {
  /** Whether a key may ask for the model of this name at the service. */
  readonly mayAsk: MayAsk
  /** Reserves what a request is going to use, where only its face finds out how much, or of which model; throws when it may not, and then nothing is sent. */
  readonly reserve: ((visit: Visit, audio: Audio) => Promise<void>) | null
}
