import type { IntentEntry, OutcomeEntry, RefusedEntry } from '../contract/index.ts'
import { type Clock, GatewayError, LIMITS } from '../kernel/index.ts'
import type { Item } from './batch.ts'
import type { Refusals } from './refusals.ts'

/** Refusals of one outage that get a line each; the rest is counted in one summary. */
const REFUSALS_MAX = 1_000

export const unavailable = (reason: string, cause?: Error): GatewayError =>
  new GatewayError('AUDIT_UNAVAILABLE', cause ? { reason, cause } : { reason })

const PASSING: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EIO'])
/** Faults that may end by themselves, and through which a gateway can start and wait, closed. */
export const passing = (error: unknown): error is Error => error instanceof Error && 'code' in error && PASSING.has(error.code)

/** Field by field, because an object may carry more than its type says. */
export const aboutOf = (e: IntentEntry): IntentEntry => ({
  request: e.request,
  tenant: e.tenant,
  ...(e.kind !== undefined && { kind: e.kind }),
  ...(e.user !== undefined && { user: e.user }),
  ...(e.key !== undefined && { key: e.key }),
  ...(e.old_secret !== undefined && { old_secret: e.old_secret }),
  address: e.address,
  method: e.method,
  route: e.route,
  service: e.service,
  ...(e.model !== undefined && { model: e.model }),
  ...(e.target !== undefined && { target: e.target }),
  ...(e.agent !== undefined && { agent: e.agent }),
})

const REFUSED = { status: 503, code: 'AUDIT_UNAVAILABLE' } as const

/** For an intent that reached the disk after its caller had been turned away. */
export const stalledOutcome = (intent: IntentEntry): OutcomeEntry => ({
  ...aboutOf(intent),
  ...REFUSED,
  reason: 'the disk answered too late',
  bytes_in: 0,
  bytes_out: 0,
  total_ms: LIMITS.ledgerStallMsMax,
  ended: 'refused',
})

/** What happens between a failure of the disk and the first line written after it. */
export class Outage {
  readonly #clock: Clock
  readonly #refusals: Refusals
  #sinceMs: number | null = null
  #triedMs = Number.NEGATIVE_INFINITY
  #refused = 0
  #lost = 0

  constructor(clock: Clock, refusals: Refusals) {
    this.#clock = clock
    this.#refusals = refusals
  }

  /** True the first time, and not for further failures of the same outage. */
  begin(): boolean {
    if (this.#sinceMs !== null) return false
    this.#sinceMs = this.#clock.monoMs()
    return true
  }

  get on(): boolean {
    return this.#sinceMs !== null
  }

  /** Asked before each attempt to open a segment, since every request of an outage asks for one. */
  mayTry(): boolean {
    const nowMs = this.#clock.monoMs()
    if (nowMs - this.#triedMs < LIMITS.ledgerReopenMs) return false
    this.#triedMs = nowMs
    return true
  }

  /** The line for an intent whose caller was turned away; null when it was only counted, because there are too many of them. */
  refusalOf(intent: IntentEntry, reason: string, waiting: number): Item | null {
    if (this.on) this.#refused += 1
    const atMs = this.#clock.nowMs()
    const entry: RefusedEntry = { ...aboutOf(intent), ...REFUSED, reason }
    if (this.#refused <= REFUSALS_MAX && waiting < LIMITS.ledgerWaitingLinesMax) return { event: 'refused', entry, atMs }
    this.#refusals.count(entry, atMs)
    return null
  }

  lose(outcomes: number): void {
    this.#lost += outcomes
  }

  /** Ends the outage and says what it was. */
  end(): string {
    const seconds = Math.round(this.#clock.monoMs() - (this.#sinceMs ?? 0)) / 1_000
    const text = `writable again after ${seconds} s; intents refused: ${this.#refused}; outcomes lost: ${this.#lost}`
    this.#sinceMs = null
    this.#refused = 0
    this.#lost = 0
    return text
  }
}

/**
 * What was waiting when the disk failed, as it will be written when space returns: outcomes first, since they settle requests that were let through. Who
 * waits for an answer gets it now. Intents become refusals, because that is what their callers were told.
 */
export function keepThrough(outage: Outage, items: readonly Item[], error: GatewayError): Item[] {
  const outcomes: Item[] = []
  const others: Item[] = []
  for (const item of items) {
    if (item.event === 'outcome') outcomes.push(item)
    else if (item.event === 'intent') {
      const refusal = outage.refusalOf(item.entry, error.reason, others.length)
      if (refusal) others.push(refusal)
    } else if (item.event !== 'seal') others.push(item)
    if ('reject' in item) item.reject(error)
  }
  outage.lose(Math.max(0, outcomes.length - LIMITS.ledgerWaitingOutcomesMax))
  return [...outcomes.slice(0, LIMITS.ledgerWaitingOutcomesMax), ...others]
}
