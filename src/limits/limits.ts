import { type Clock, formatRate, GatewayError, type KeyPrincipal, LIMITS, type Rate } from '../kernel/index.ts'
import { SlidingWindow } from './window.ts'

/** A place taken at admission. `release` gives it back once; calling it again does nothing, so every path that ends a request may call it. */
export interface Hold {
  release(): void
  /** As `release`, for a call that was refused after all: it counts for nothing. */
  refuse(): void
}

export interface Limits {
  /** Throws RATE_LIMITED or CONCURRENCY_LIMITED; a refused call counts for nothing. */
  reserve(principal: KeyPrincipal): Hold
  stats(): { readonly keys: number; readonly inFlight: number }
  close(): void
}

class KeyUse {
  inFlight = 0
  window: SlidingWindow | null = null
  /** The span of the rate that was last asked of this key. */
  perMs = 0
}

const UNCOUNTED = -1

class Place implements Hold {
  #use: KeyUse | null
  readonly #countedMs: number

  constructor(use: KeyUse, countedMs: number) {
    use.inFlight += 1
    this.#use = use
    this.#countedMs = countedMs
  }

  release(): void {
    if (this.#use === null) return
    this.#use.inFlight -= 1
    this.#use = null
  }

  refuse(): void {
    if (this.#countedMs !== UNCOUNTED) this.#use?.window?.drop(this.#countedMs)
    this.release()
  }
}

/** Rates and concurrency by key, in memory: a restart resets them, which docs/keys.md says. */
export function createLimits({ clock }: { readonly clock: Clock }): Limits {
  const byKey = new Map<string, KeyUse>()
  const sweeper = setInterval(() => sweep(byKey, clock.monoMs()), LIMITS.idleKeySweepMs).unref()
  return {
    reserve: ({ id, limits }) => {
      let use = byKey.get(id)
      if (use === undefined) {
        use = new KeyUse()
        byKey.set(id, use)
      }
      if (limits.concurrency > 0 && use.inFlight >= limits.concurrency) throw tooMany(id, limits.concurrency)
      // Last, because it counts the call: what refuses it after that has to take the count back.
      const [rate] = limits.rates
      if (rate === undefined) return new Place(use, UNCOUNTED)
      const nowMs = clock.monoMs()
      spend(use, id, rate, nowMs)
      return new Place(use, nowMs)
    },
    stats: () => ({ keys: byKey.size, inFlight: [...byKey.values()].reduce((sum, use) => sum + use.inFlight, 0) }),
    close: () => clearInterval(sweeper),
  }
}

function spend(use: KeyUse, id: string, rate: Rate, nowMs: number): void {
  use.window ??= new SlidingWindow()
  use.perMs = rate.perMs
  use.window.forget(nowMs, rate.perMs)
  if (use.window.held >= rate.count) throw tooFast(id, rate, use.window.oldest() + rate.perMs - nowMs)
  use.window.add(nowMs)
}

/** Gives back the memory of keys that have nothing running and nothing left in their window. */
function sweep(byKey: Map<string, KeyUse>, nowMs: number): void {
  for (const [id, use] of byKey) {
    use.window?.forget(nowMs, use.perMs)
    if (use.inFlight === 0 && (use.window === null || use.window.held === 0)) byKey.delete(id)
  }
}

function tooFast(id: string, rate: Rate, waitMs: number): GatewayError {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000))
  return new GatewayError('RATE_LIMITED', {
    reason: `key ${id}: rate ${formatRate(rate)}`,
    detail: `The rate of this key, ${formatRate(rate)}, is used up; try again in ${seconds} s`,
    headers: { 'retry-after': String(seconds) },
  })
}

function tooMany(id: string, concurrency: number): GatewayError {
  return new GatewayError('CONCURRENCY_LIMITED', {
    reason: `key ${id}: concurrency ${concurrency}`,
    detail: `This key has ${concurrency} requests in flight, which is its limit on concurrent requests; try again when one has ended`,
  })
}
