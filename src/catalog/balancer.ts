import type { Clock } from '../kernel/index.ts'
import { Breaker, type BreakerState, type Failure } from './breaker.ts'
import type { Endpoint, Place, Protocol } from './model.ts'

/** How an endpoint stands at this moment, as others know it. */
export interface Standing {
  readonly inFlight: number
  readonly waiting: number
  /** What the last health checks say; null before the first. */
  readonly up: boolean | null
}

/** What the end of a request says of its endpoint. */
export type Verdict = 'served' | 'undecided' | Failure

export interface BalancerParts {
  readonly clock: Clock
  readonly standing: (endpoint: Endpoint) => Standing
}

/** Why no place is left, and how long until one may be. */
export interface Choice {
  readonly place: Place | null
  readonly waitMs: number
}

/** That an endpoint did not serve requests which another might have served in its place. */
export interface PassedOver {
  /** Of the latest, as the ledger has it. */
  readonly why: string
  readonly times: number
  readonly lastMs: number
}

/** What this process has seen of an endpoint. */
interface Known {
  /** Made when it first fails. */
  breaker: Breaker | null
  /** The turn in which it was chosen last. */
  chosenAt: number
  /** Made when it is first passed over. */
  passed: { why: string; times: number; lastMs: number } | null
}

const NONE: Choice = { place: null, waitMs: 0 }

/**
 * Which of a model's endpoints a request goes to: the first priority group that has any left, and in it the one with the fewest requests. One that health
 * checks call down is kept for last, because they may be wrong for some seconds; one whose breaker is open is not asked at all.
 */
export class Balancer {
  readonly #parts: BalancerParts
  /** By the endpoint as it was edited last: of one at another address nothing is known. */
  readonly #known = new WeakMap<Endpoint, Known>()
  #turn = 0

  constructor(parts: BalancerParts) {
    this.#parts = parts
  }

  /** `passed` is told of every place that is not asked, with the reason. */
  next(
    places: readonly Place[],
    protocol: Protocol,
    tried: readonly Endpoint[],
    passed: (endpoint: Endpoint, why: string) => void,
  ): Choice {
    let best: Place | null = null
    let bestKnown: Known | null = null
    let bestRank = Number.POSITIVE_INFINITY
    let waitMs = 0
    let down: Endpoint[] | null = null
    for (const place of places) {
      const { endpoint } = place
      if (tried.includes(endpoint) || !endpoint.speaks.has(protocol)) continue
      const known = this.#knownOf(endpoint)
      const { breaker } = known
      if (breaker !== null && !breaker.lets) {
        passed(endpoint, 'breaker open')
        waitMs = waitMs === 0 ? breaker.waitMs : Math.min(waitMs, breaker.waitMs)
        continue
      }
      const rank = places.length === 1 ? 0 : this.#rank(endpoint)
      if (rank >= DOWN) {
        down ??= []
        down.push(endpoint)
      }
      // Of two alike the one that was chosen longer ago, or the first would have all requests of a quiet house.
      if (rank < bestRank || (rank === bestRank && bestKnown !== null && known.chosenAt < bestKnown.chosenAt)) {
        best = place
        bestKnown = known
        bestRank = rank
      }
    }
    // Who has a lower priority would not have been asked anyway.
    if (down !== null && best !== null && bestRank < DOWN) {
      for (const endpoint of down) if (endpoint.priority <= best.endpoint.priority) passed(endpoint, 'down')
    }
    this.#turn += 1
    if (bestKnown !== null) bestKnown.chosenAt = this.#turn
    return best === null && waitMs === 0 ? NONE : { place: best, waitMs }
  }

  /** Lower is asked first. */
  #rank(endpoint: Endpoint): number {
    const { inFlight, waiting, up } = this.#parts.standing(endpoint)
    const isFull = endpoint.concurrency > 0 && inFlight >= endpoint.concurrency
    return (up === false ? DOWN : 0) + endpoint.priority * GROUP + (isFull ? FULL : 0) + Math.min(inFlight + waiting, BUSY_MAX)
  }

  #knownOf(endpoint: Endpoint): Known {
    const known = this.#known.get(endpoint)
    if (known !== undefined) return known
    const made: Known = { breaker: null, chosenAt: 0, passed: null }
    this.#known.set(endpoint, made)
    return made
  }

  answered(endpoint: Endpoint): void {
    this.#knownOf(endpoint).breaker?.answered()
  }

  /** Tells whether the request is a trial; whoever ends it says so again. */
  begun(endpoint: Endpoint): boolean {
    return this.#knownOf(endpoint).breaker?.begun() ?? false
  }

  ended(endpoint: Endpoint, verdict: Verdict, isTrial: boolean): void {
    const known = this.#knownOf(endpoint)
    if (verdict === 'served') known.breaker?.served()
    else if (verdict === 'undecided') known.breaker?.undecided(isTrial)
    else {
      known.breaker ??= new Breaker(this.#parts.clock)
      known.breaker.failed(verdict, isTrial)
    }
  }

  /** The ledger tells it of each request; this is for people who ask how things stand. */
  passOver(endpoint: Endpoint, why: string): void {
    const known = this.#knownOf(endpoint)
    known.passed ??= { why, times: 0, lastMs: 0 }
    known.passed.why = why
    known.passed.times += 1
    known.passed.lastMs = this.#parts.clock.nowMs()
  }

  /** Since the start, or since the endpoint was edited. */
  passedOver(endpoint: Endpoint): PassedOver | null {
    return this.#known.get(endpoint)?.passed ?? null
  }

  stateOf(endpoint: Endpoint): BreakerState {
    return this.#known.get(endpoint)?.breaker?.state ?? 'closed'
  }
}

// Each weighs more than all that stand below it can together.
const BUSY_MAX = 99_999
const FULL = 100_000
const GROUP = 1_000_000
const DOWN = 10_000_000_000
