import { LIMITS } from '../kernel/index.ts'

/** Work that waits for argon2, and on whose behalf. */
export interface Claim {
  readonly keyId: string
  readonly address: string
  /** How often this address presented wrong secrets lately; those without a stain go first. */
  readonly addressFailures: number
  /** How often this key was presented with wrong secrets lately. */
  readonly keyFailures: number
}

export interface Waiter {
  readonly claim: Claim
  readonly arrived: number
  start(): void
  turnAway(): void
}

/**
 * The order in which verifications wait. Attackers who know a key id can ask for as much hashing as they like, so the queue is ordered by
 * conduct: addresses without recent failures first, then keys without them, then arrival. Every fourth turn goes to whoever waited longest, so
 * nobody waits for ever. When it is full, the worst-ranked waiter makes room for a better one.
 *
 * At most `argonWaitingPerKeyMax` wait per key and address together, and at most `argonWaitingPerAddressMax` per address that failed several
 * times. Another address is not held to two keys, because a whole office may stand behind it after a restart; a key is not held to two
 * addresses, because then two strangers who know its id would lock it.
 */
export class WaitingLine {
  readonly #waiting: Waiter[] = []
  readonly #max: number
  #turn = 0

  constructor(max: number) {
    this.#max = max
  }

  get length(): number {
    return this.#waiting.length
  }

  /** False when there is no place; a waiter already standing may be turned away instead. */
  join(waiter: Waiter): boolean {
    if (!this.#mayWait(waiter.claim)) return false
    if (this.#waiting.length >= this.#max) {
      const worst = this.#waiting.reduce((a, b) => (goesBefore(a, b) ? b : a))
      if (!goesBefore(waiter, worst)) return false
      this.leave(worst)
      worst.turnAway()
    }
    this.#waiting.push(waiter)
    return true
  }

  leave(waiter: Waiter): boolean {
    const at = this.#waiting.indexOf(waiter)
    if (at >= 0) this.#waiting.splice(at, 1)
    return at >= 0
  }

  next(): Waiter | undefined {
    const first = this.#waiting[0]
    if (!first) return undefined
    this.#turn = (this.#turn + 1) % 4
    // Waiters are pushed in order of arrival and only ever spliced out, so the first is the oldest.
    const chosen = this.#turn === 0 ? first : this.#waiting.reduce((a, b) => (goesBefore(b, a) ? b : a))
    this.leave(chosen)
    return chosen
  }

  #mayWait({ keyId, address, addressFailures }: Claim): boolean {
    let sameAddress = 0
    let samePair = 0
    for (const { claim } of this.#waiting) {
      if (claim.address !== address) continue
      sameAddress += 1
      if (claim.keyId === keyId) samePair += 1
    }
    if (samePair >= LIMITS.argonWaitingPerKeyMax) return false
    return addressFailures < LIMITS.argonFailuresForgiven || sameAddress < LIMITS.argonWaitingPerAddressMax
  }
}

function goesBefore(a: Waiter, b: Waiter): boolean {
  const stain = a.claim.addressFailures - b.claim.addressFailures
  if (stain !== 0) return stain < 0
  const heat = a.claim.keyFailures - b.claim.keyFailures
  if (heat !== 0) return heat < 0
  return a.arrived < b.arrived
}
