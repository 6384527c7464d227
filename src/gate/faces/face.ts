import type { Plan } from '../../dialects/index.ts'
import type { Visit } from '../visit.ts'
import type { Spool } from './spool.ts'

/** A face turns a request that may pass into an operation, planned in the service's dialect. */
export type Face = (visit: Visit, params: Readonly<Record<string, string>>) => Plan | Promise<Plan>

/** What faces share with each other for the life of the process. */
export interface FaceTools {
  /** For uploads that must wait on disk; its bound holds for all requests together. */
  readonly spool: Spool
}
