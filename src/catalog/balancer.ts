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
  readonly clock: Pick<Clock, 'monoMs'>
  readonly standing: (endpoint: Endpoint) => Standing
}

/** Why no place is left, and how long until one may be. */
export interface Choice {
  readonly place: Place | null
  readonly waitMs: number
}

const NONE: Choice = { place: null, waitMs: 0 }

/**
 * Which of a model's endpoints a request goes to: the first priority group that has any left, and in it the one with the fewest requests. One that health
 * checks call down is kept for last, because they may be wrong for some seconds; one whose breaker is open is not asked at all.
 */
export class Balancer {
  readonly #parts: BalancerParts
  readonly #breakers = new Map<string, Breaker>()
  #turn = 0

  constructor(parts: BalancerParts) {
    this.#parts = parts
  }

  /** `passed` is told of every place that is not asked, with the reason. */
  next(
    places: readonly Place[],
    protocol: Protocol,
    tried: ReadonlySet<Endpoint>,
    passed: (endpoint: Endpoint, why: string) => void,
  ): Choice {
    let best: Place | null = null
    let bestRank = Number.POSITIVE_INFINITY
    let waitMs = 0
    this.#turn += 1
    for (let at = 0; at < places.length; at += 1) {
      // Ties go round, or the first endpoint would have all requests of a quiet house.
      const place = places[(at + this.#turn) % places.length]
      if (place === undefined || tried.has(place.endpoint) || !place.endpoint.speaks.has(protocol)) continue
      const breaker = this.#breakers.get(place.endpoint.name)
      if (breaker !== undefined && !breaker.lets) {
        passed(place.endpoint, 'breaker open')
        waitMs = waitMs === 0 ? breaker.waitMs : Math.min(waitMs, breaker.waitMs)
        continue
      }
      const rank = this.#rank(place.endpoint)
      if (rank < bestRank) [best, bestRank] = [place, rank]
    }
    return best === null && waitMs === 0 ? NONE : { place: best, waitMs }
  }

  /** Lower is asked first. */
  #rank(endpoint: Endpoint): number {
    const { inFlight, waiting, up } = this.#parts.standing(endpoint)
    const isFull = endpoint.concurrency > 0 && inFlight >= endpoint.concurrency
    return (up === false ? DOWN : 0) + endpoint.priority * GROUP + (isFull ? FULL : 0) + Math.min(inFlight + waiting, BUSY_MAX)
  }

  begun(endpoint: Endpoint): void {
    this.#breakers.get(endpoint.name)?.begun()
  }

  ended(endpoint: Endpoint, verdict: Verdict): void {
    const breaker = this.#breakers.get(endpoint.name)
    if (verdict === 'served') breaker?.served()
    else if (verdict === 'undecided') breaker?.undecided()
    else (breaker ?? this.#breakerOf(endpoint)).failed(verdict)
  }

  #breakerOf({ name }: Endpoint): Breaker {
    const breaker = new Breaker(this.#parts.clock)
    this.#breakers.set(name, breaker)
    return breaker
  }

  stateOf(endpoint: Endpoint): BreakerState {
    return this.#breakers.get(endpoint.name)?.state ?? 'closed'
  }
}

// Each weighs more than all that stand below it can together.
const BUSY_MAX = 99_999
const FULL = 100_000
const GROUP = 1_000_000
const DOWN = 10_000_000_000
