import { type Clock, type KeyPrincipal, LIMITS } from '../kernel/index.ts'
import type { AccountBook } from './accounts.ts'
import type { Calendar } from './calendar.ts'
import type { Spending, SpentBook } from './spent.ts'
import type { Demand } from './types.ts'
import { type KeyUse, UNCOUNTED, type Use, useOf } from './use.ts'

/** What all requests share. */
export interface Books {
  readonly clock: Clock
  readonly calendar: Calendar
  readonly spent: SpentBook
  readonly accounts: AccountBook
  readonly models: Map<string, Use>
}

/** What a request takes beside its place: a place and a call of its model, tokens, and money. When it is made it has taken nothing yet. */
export class Reservation {
  readonly model: Demand['model']
  readonly modelUse: Use | null
  readonly tokens: number
  readonly costMicro: number
  /** What must be there: a millionth at least, where there is a price. */
  readonly wantedMicro: number
  /** Of the user, when it was asked for; null where nothing is to be paid, or by nobody. */
  readonly balanceMicro: number | null
  readonly ofKey: Spending | null
  readonly ofUser: Spending | null
  readonly ofModel: Spending | null
  #callMs = 0
  /** The seconds in which the tokens were counted. */
  #keySecond = UNCOUNTED
  #userSecond = UNCOUNTED
  #modelSecond = UNCOUNTED

  constructor({ accounts, spent, models }: Books, { id, owner }: KeyPrincipal, { model, tokens, costMicro, priced }: Demand) {
    this.model = model
    this.modelUse = model === null ? null : useOf(models, model.name)
    this.tokens = whole(tokens, LIMITS.requestTokensMax)
    this.costMicro = whole(costMicro, LIMITS.requestCostMicroMax)
    this.wantedMicro = priced === true ? Math.max(1, this.costMicro) : this.costMicro
    const free = this.wantedMicro === 0
    this.balanceMicro = free ? null : accounts.of(owner.id)
    this.ofKey = free ? null : spent.entry('key', id)
    this.ofUser = free ? null : spent.entry('user', owner.id)
    this.ofModel = free || model === null ? null : spent.entry('model', model.name)
  }

  /** After it was checked, in the same turn of the event loop: what fitted then fits now. */
  take({ limits, owner }: KeyPrincipal, key: KeyUse, nowMs: number): void {
    const { model, modelUse, tokens } = this
    if (model !== null && modelUse !== null) {
      modelUse.inFlight += 1
      this.#callMs = nowMs
      modelUse.countCall(model.limits.rates, nowMs)
      this.#modelSecond = modelUse.countTokens(model.limits, tokens, nowMs)
    }
    this.#keySecond = key.countTokens(limits, tokens, nowMs)
    this.#userSecond = key.user.countTokens(owner.limits, tokens, nowMs)
    this.#reserve(this.costMicro)
  }

  /** The end of a request that was answered: what it used takes the place of what was reserved. */
  settle({ limits, owner }: KeyPrincipal, key: KeyUse, tokens: number, nowMs: number): void {
    key.correctTokens(limits, this.#keySecond, this.tokens, tokens, nowMs)
    key.user.correctTokens(owner.limits, this.#userSecond, this.tokens, tokens, nowMs)
    if (this.model !== null) this.modelUse?.correctTokens(this.model.limits, this.#modelSecond, this.tokens, tokens, nowMs)
    this.#end()
  }

  /** It never was. */
  giveBack(key: KeyUse, nowMs: number): void {
    key.takeBackTokens(this.#keySecond, this.tokens, nowMs)
    key.user.takeBackTokens(this.#userSecond, this.tokens, nowMs)
    this.modelUse?.takeBackTokens(this.#modelSecond, this.tokens, nowMs)
    if (this.model !== null && this.model.limits.rates.length > 0) this.modelUse?.takeBackCall(this.#callMs)
    this.#end()
  }

  #end(): void {
    if (this.modelUse !== null) this.modelUse.inFlight -= 1
    this.#reserve(-this.costMicro)
  }

  #reserve(micro: number): void {
    if (micro === 0) return
    if (this.ofKey !== null) this.ofKey.reservedMicro += micro
    if (this.ofUser !== null) this.ofUser.reservedMicro += micro
    if (this.ofModel !== null) this.ofModel.reservedMicro += micro
  }
}

/** A backend may say anything of what it used; an estimate of ours is whole as it is. */
export function whole(amount: number, max: number): number {
  return amount > 0 ? Math.ceil(Math.min(amount, max)) : 0
}
