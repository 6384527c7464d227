import { type Clock, LIMITS } from '../kernel/index.ts'

/** `open` passes the endpoint over; `half-open` lets one request through, whose end decides. */
export type BreakerState = 'closed' | 'open' | 'half-open'

/** Passive ejection: an endpoint that failed several requests in a row is left alone for a while, twice as long each time its trial fails too. */
export class Breaker {
  readonly #clock: Pick<Clock, 'monoMs'>
  #failures = 0
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

  /** A request goes there. */
  begun(): void {
    if (this.#openMs > 0) this.#trialRuns = true
  }

  served(): void {
    this.#failures = 0
    this.#openMs = 0
    this.#trialRuns = false
  }

  failed(): void {
    this.#failures += 1
    const trial = this.#trialRuns
    this.#trialRuns = false
    if (!trial && this.#failures < LIMITS.breakerFailures) return
    this.#openMs = Math.min(this.#openMs === 0 ? LIMITS.breakerOpenMs : this.#openMs * 2, LIMITS.breakerOpenMsMax)
    this.#openUntilMs = this.#clock.monoMs() + this.#openMs
  }

  /** It ended in a way that says nothing of the endpoint, such as its caller's leaving: another trial is due. */
  undecided(): void {
    this.#trialRuns = false
  }
}
