import assert from 'node:assert/strict'
import { type KeyPrincipal, LIMITS } from '../kernel/index.ts'
import { checkReservation } from './checks.ts'
import { type Books, Reservation, whole } from './reservation.ts'
import { toldOf } from './told.ts'
import type { Demand, Hold, Told, Used } from './types.ts'
import type { KeyUse } from './use.ts'

const DONE = Promise.resolve()

/** The hold of a key. Most requests have no other limit than a number at once, so what else there may be is a second object, made when it is asked for. */
export class Place implements Hold {
  readonly #books: Books
  readonly #principal: KeyPrincipal
  readonly #key: KeyUse
  /** When its call was counted; null where neither has a rate. A field that is null or a number takes memory of its own only when it is one. */
  readonly #callMs: number | null
  /** Asked at the time: the limits of a user change while requests of his are running, those of a principal never. */
  readonly #userCounted: boolean
  #reservation: Reservation | null = null
  #ended = false

  constructor(books: Books, principal: KeyPrincipal, key: KeyUse, callMs: number | null, userCounted: boolean) {
    this.#books = books
    this.#principal = principal
    this.#key = key
    this.#callMs = callMs
    this.#userCounted = userCounted
    key.inFlight += 1
    key.user.inFlight += 1
  }

  reserve(demand: Demand): Promise<void> {
    try {
      assert(!this.#ended, 'a request that has ended reserves nothing')
      const nowMs = this.#books.clock.monoMs()
      this.#reservation?.giveBack(this.#key, nowMs)
      this.#reservation = null
      const reservation = new Reservation(this.#books, this.#principal, demand)
      checkReservation(reservation, this.#principal, this.#key, this.#books.calendar, nowMs)
      reservation.take(this.#principal, this.#key, nowMs)
      this.#reservation = reservation
      return DONE
    } catch (refusal) {
      return Promise.reject(refusal)
    }
  }

  settle(used: Used): void {
    if (this.#ended) return
    this.#ended = true
    const key = this.#key
    key.inFlight -= 1
    key.user.inFlight -= 1
    if (this.#reservation === null && used.tokens === 0 && used.costMicro === 0) return
    settle(this.#books, this.#principal, key, this.#reservation, used)
  }

  refuse(): void {
    if (this.#ended) return
    this.#ended = true
    const key = this.#key
    key.inFlight -= 1
    key.user.inFlight -= 1
    if (this.#callMs !== null) {
      if (this.#principal.limits.rates.length > 0) key.takeBackCall(this.#callMs)
      if (this.#userCounted) key.user.takeBackCall(this.#callMs)
    }
    this.#reservation?.giveBack(key, this.#books.clock.monoMs())
  }

  told(): Told {
    return toldOf(this.#principal, this.#key, this.#reservation, this.#books.clock.monoMs())
  }
}

function settle(books: Books, principal: KeyPrincipal, key: KeyUse, reservation: Reservation | null, used: Used): void {
  const tokens = whole(used.tokens, LIMITS.requestTokensMax)
  const costMicro = whole(used.costMicro, LIMITS.requestCostMicroMax)
  const nowMs = books.clock.monoMs()
  if (reservation !== null) reservation.settle(principal, key, tokens, nowMs)
  else {
    // Nobody knew before that it would use any.
    key.countTokens(principal.limits, tokens, nowMs)
    key.user.countTokens(principal.owner.limits, tokens, nowMs)
  }
  if (costMicro === 0) return
  const { id, owner } = principal
  books.calendar.look()
  books.spent.spend('key', id, costMicro)
  books.spent.spend('user', owner.id, costMicro)
  if (reservation?.model) books.spent.spend('model', reservation.model.name, costMicro)
  books.accounts.charge(owner.id, costMicro)
}

/** Of a request that no key makes. */
export const NO_HOLD: Hold = Object.freeze({
  reserve: () => DONE,
  settle() {},
  refuse() {},
  told: () => ({ requests: null, tokens: null }),
})
