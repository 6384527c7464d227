import { LIMITS, networkOf } from '../kernel/index.ts'

const MINUTE_MS = 60_000
const FIRST_BLOCK_MS = 30_000
/** After this long without a failure an address starts with a clean slate. */
const FORGET_MS = 2 * LIMITS.throttleMsMax

interface Conduct {
  failures: number
  sinceMs: number
  lastMs: number
  blocks: number
  blockedUntilMs: number
}

/**
 * Failed sign-ins by address. After `failedKeysPerMinuteMax` failures within a minute the address is not listened to for 30 s, then 60 s, then
 * longer, up to 15 min. Attempts during a block are not counted, and a success forgives nothing: behind one proxy they are different people.
 */
export class Throttle {
  readonly #byAddress = new Map<string, Conduct>()

  get size(): number {
    return this.#byAddress.size
  }

  /** Milliseconds until this address is listened to again; 0 when it is now. */
  blockedMs(address: string, nowMs: number): number {
    if (this.#byAddress.size === 0) return 0
    const conduct = this.#byAddress.get(networkOf(address))
    return conduct ? Math.max(0, conduct.blockedUntilMs - nowMs) : 0
  }

  /** Failures of this address that are not forgotten yet, however old their minute. */
  failures(address: string, nowMs: number): number {
    if (this.#byAddress.size === 0) return 0
    const conduct = this.#byAddress.get(networkOf(address))
    if (!conduct || nowMs - conduct.lastMs > FORGET_MS) return 0
    return conduct.failures + conduct.blocks * LIMITS.failedKeysPerMinuteMax
  }

  fail(address: string, nowMs: number): void {
    const conduct = this.#conductOf(networkOf(address), nowMs)
    if (nowMs - conduct.sinceMs >= MINUTE_MS) {
      conduct.failures = 0
      conduct.sinceMs = nowMs
    }
    conduct.failures += 1
    conduct.lastMs = nowMs
    if (conduct.failures < LIMITS.failedKeysPerMinuteMax || conduct.blockedUntilMs > nowMs) return
    conduct.blockedUntilMs = nowMs + Math.min(LIMITS.throttleMsMax, FIRST_BLOCK_MS * 2 ** conduct.blocks)
    conduct.blocks = Math.min(conduct.blocks + 1, 16)
    conduct.failures = 0
  }

  #conductOf(network: string, nowMs: number): Conduct {
    const known = this.#byAddress.get(network)
    // Taken out and put back, so that the map's order is the order of last failures and the first is the one to forget.
    this.#byAddress.delete(network)
    if (!known) this.#makeRoom(nowMs)
    const conduct =
      known && nowMs - known.lastMs <= FORGET_MS ? known : { failures: 0, sinceMs: nowMs, lastMs: nowMs, blocks: 0, blockedUntilMs: 0 }
    this.#byAddress.set(network, conduct)
    return conduct
  }

  #makeRoom(nowMs: number): void {
    for (const [network, { lastMs }] of this.#byAddress) {
      if (nowMs - lastMs <= FORGET_MS && this.#byAddress.size < LIMITS.throttledAddressesMax) return
      this.#byAddress.delete(network)
    }
  }
}
