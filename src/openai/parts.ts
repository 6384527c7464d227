import type { Models } from '../catalog/index.ts'
import type { Ask, Spool, Visit } from '../gate/index.ts'
import type { Share } from '../http/index.ts'
import type { Clock } from '../kernel/index.ts'

/** What the /v1 face needs of the house. */
export interface FaceParts {
  readonly models: Models
  readonly spool: Spool
  readonly clock: Clock
  /** How long a stream may be silent before its caller is told that it lives; 0 never tells. */
  readonly heartbeatMs: number
}

/** Reads a request's body, finds its model, says what it is going to use, and answers how to ask for it. */
export type Prepare = (visit: Visit, room: Share) => Promise<Ask>
