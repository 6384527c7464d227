import { type Clock, LIMITS } from '../kernel/index.ts'

/** `open` passes the endpoint over; `half-open` lets one request through, whose end decides. */
export type BreakerState = 'closed' | 'open' | 'half-open'

/** How a request failed there. Nobody can cause a refused connection by what he asks; an answer 500, or none, one caller may get again and again by his own fault. */
export interface Failure {
  readonly caller: string
  readonly isUnreachable: boolean
}

/**
 * Passive ejection: an endpoint that failed several requests in a row is left alone for a while, twice as long each time its trial fails too. What one caller
 * alone has met does not count against it, or he could keep everybody else out.
 */
export class Breaker {
  readonly #clock: Pick<Clock, 'monoMs'>
  #failures = 0
  #unreachable = 0
  #caller: string | null = null
  #severalCallers = false
  #openUntilMs = 0
  #openMs = 0
  #trialRuns = false

  constructor(clock: Pick<Clock, 'monoMs'>) {
    this.#clock = clock
  }

  get state(): BreakerState {
    if (this.#openMs === 0) return 'closed'
    return this.#trialRuns || this.#clock.monoMs() >= this.#openUntilMs ? 'half-open' : 'open'
  }

  /** Whether a request may go there now. */
  get lets(): boolean {
    return this.#openMs === 0 || (!this.#trialRuns && this.#clock.monoMs() >= this.#openUntilMs)
  }

  /** How long until a trial is let through. */
  get waitMs(): number {
    return this.lets ? 0 : Math.max(0, this.#openUntilMs - this.#clock.monoMs())
  }

  /** A request goes there; tells whether it is the trial, and whoever ends it has to know. */
  begun(): boolean {
    const isTrial = this.#openMs > 0
    if (isTrial) this.#trialRuns = true
    return isTrial
  }

  served(): void {
    this.#failures = 0
    this.#unreachable = 0
    this.#caller = null
    this.#severalCallers = false
    this.#openMs = 0
    this.#trialRuns = false
  }

  /** A trial has a good answer begun: whatever becomes of that stream, others need not wait for its end. One more failure opens it again. */
  answered(): void {
    if (this.#openMs === 0) return
    this.served()
    this.#failures = this.#unreachable = LIMITS.breakerFailures - 1
    this.#severalCallers = true
  }

  failed({ caller, isUnreachable }: Failure, isTrial: boolean): void {
    this.#failures += 1
    if (isUnreachable) this.#unreachable += 1
    if (this.#caller !== null && this.#caller !== caller) this.#severalCallers = true
    this.#caller = caller
    if (isTrial) this.#trialRuns = false
    const counted = this.#severalCallers ? this.#failures : this.#unreachable
    // Many may have been on their way when it opened, and fail after that, be it beside a trial: they tell nothing new.
    if (!isTrial && (this.#openMs > 0 || counted < LIMITS.breakerFailures)) return
    this.#openMs = Math.min(this.#openMs === 0 ? LIMITS.breakerOpenMs : this.#openMs * 2, LIMITS.breakerOpenMsMax)
    this.#openUntilMs = this.#clock.monoMs() + this.#openMs
  }

  /** It ended in a way that says nothing of the endpoint, such as its caller's leaving: another trial is due. */
  undecided(isTrial: boolean): void {
    if (isTrial) this.#trialRuns = false
  }
}
