import type { Ending, IntentEntry, OutcomeEntry, RefusedEntry, Units } from '../contract/index.ts'
import type { Envelope, ErrorShape } from '../http/index.ts'
import type { Principal, Right } from '../kernel/index.ts'
import { clip, DEFAULT_TENANT, type GatewayError, LIMITS, type Slotted } from '../kernel/index.ts'

/** What a route asks of whoever comes. A route line reads as one. */
export interface Policy {
  /** `key`: a key of ours. `owner`: the local user at the management socket. `observer`: loopback, or a key with the right. */
  readonly who: 'key' | 'owner' | 'observer'
  readonly right: Right | 'administer'
  readonly service: string
  /** The table's pattern, for the ledger. */
  readonly route: string
  readonly errors: ErrorShape
  /** Reads and judges the body; absent where there is none, or where it is carried as it comes. */
  readonly body?: (visit: Visit) => Promise<void>
}

/** How a visit ended, whoever performed it. */
export interface Ended {
  readonly ended: Ending
  /** What the caller was sent; 0 when nothing was. */
  readonly status: number
  readonly bytesOut: number
  readonly firstByteMs?: number
  readonly units?: Units
  readonly estimated?: true
  readonly error?: GatewayError
}

/** One request on its way through the corridor: what is known of it so far. */
export class Visit implements Slotted {
  slot = -1
  readonly envelope: Envelope
  readonly policy: Policy
  principal: Principal | null = null
  oldSecret = false
  model = ''
  target = ''
  /** The body's bytes, where a policy read them to be carried on. */
  body: Buffer | null = null
  /** The body's fields, where the face translates them. */
  fields: Readonly<Record<string, unknown>> = {}
  /** Bytes of a body that was read whole. */
  #bytesRead = 0
  /** The body, where it is carried as it comes: it counts itself, so that a cut one is told as far as it came. */
  upload: { readonly bytes: number } | null = null
  /** Set by whoever performs: ends the work at once. Before that, cutting the connection is all there is to do. */
  cut: ((ending: 'revoked' | 'refused', error: GatewayError) => void) | null = null

  constructor(envelope: Envelope, policy: Policy) {
    this.envelope = envelope
    this.policy = policy
  }

  get bytesIn(): number {
    return this.upload?.bytes ?? this.#bytesRead
  }

  set bytesIn(bytes: number) {
    this.#bytesRead = bytes
  }
}

/** Absent is not written at all, so that a ledger line holds only what is known. */
function about({ envelope, policy, principal, oldSecret, model, target }: Visit): IntentEntry {
  const entry: IntentEntry = {
    request: envelope.id,
    tenant: principal?.tenant ?? DEFAULT_TENANT,
    address: envelope.address,
    method: envelope.method,
    route: policy.route,
    service: policy.service,
  }
  if (principal !== null) {
    entry.kind = principal.kind
    entry.user = principal.user
    if (principal.kind === 'key') entry.key = principal.id
  }
  if (oldSecret) entry.old_secret = true
  if (model !== '') entry.model = clip(model, LIMITS.modelCharsMax)
  if (target !== '') entry.target = clip(target, LIMITS.modelCharsMax)
  if (envelope.agent !== '') entry.agent = envelope.agent
  return entry
}

export const intentOf = (visit: Visit): IntentEntry => about(visit)

export function outcomeOf(visit: Visit, end: Ended, totalMs: number): OutcomeEntry {
  const entry: OutcomeEntry = {
    ...about(visit),
    status: end.status,
    bytes_in: visit.bytesIn,
    bytes_out: end.bytesOut,
    total_ms: round(totalMs),
    ended: end.ended,
  }
  if (end.error !== undefined) {
    entry.code = end.error.code
    if (end.error.reason !== '') entry.reason = clip(end.error.reason, LIMITS.rawPathCharsMax)
  }
  if (end.units !== undefined) entry.units = end.units
  if (end.estimated) entry.estimated = true
  if (end.firstByteMs !== undefined) entry.first_byte_ms = round(end.firstByteMs)
  return entry
}

export function refusalOf(visit: Visit, error: GatewayError, keyId: string | undefined): RefusedEntry {
  const entry: RefusedEntry = {
    ...about(visit),
    status: error.status,
    code: error.code,
    path: clip(visit.envelope.path, LIMITS.rawPathCharsMax),
  }
  if (error.reason !== '') entry.reason = clip(error.reason, LIMITS.rawPathCharsMax)
  if (keyId !== undefined && entry.key === undefined) entry.key = keyId
  return entry
}

const round = (ms: number): number => Math.round(ms * 100) / 100
