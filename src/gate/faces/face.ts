import type { Plan } from '../../dialects/index.ts'
import type { Visit } from '../visit.ts'

/** A face turns a request that may pass into an operation, planned in the service's dialect. */
export type Face = (visit: Visit, params: Readonly<Record<string, string>>) => Plan | Promise<Plan>
