import type { Allowance, KeyPrincipal } from '../kernel/index.ts'
import type { Calendar } from './calendar.ts'
import { notCovered, overBudget, tooFast, tooMany, tooManyTokens, type Whose } from './refusals.ts'
import type { Reservation } from './reservation.ts'
import type { Spending } from './spent.ts'
import type { KeyUse, Use } from './use.ts'

/** What is asked here takes nothing: it throws, or whatever was asked about fits at this moment. The sentences are made for a refusal only. */

export function checkEntry({ id, user, limits, owner }: KeyPrincipal, key: KeyUse): void {
  if (limits.concurrency > 0 && key.inFlight >= limits.concurrency) throw tooMany(`key ${id}`, limits.concurrency)
  if (owner.limits.concurrency > 0 && key.user.inFlight >= owner.limits.concurrency) throw tooMany(`user ${user}`, owner.limits.concurrency)
}

export function checkEntryRates({ id, user, limits, owner }: KeyPrincipal, key: KeyUse, nowMs: number): void {
  if (limits.rates.length > 0) checkRates('key', id, limits, key, nowMs)
  if (owner.limits.rates.length > 0) checkRates('user', user, owner.limits, key.user, nowMs)
}

/** What lasts longest is told first: nobody should wait for a second to be told that his balance is used up. */
export function checkReservation(reservation: Reservation, principal: KeyPrincipal, key: KeyUse, calendar: Calendar, nowMs: number): void {
  const { model, modelUse, tokens } = reservation
  if (reservation.wantedMicro > 0) checkMoney(reservation, principal, calendar)
  if (tokens > 0) {
    checkTokens('key', principal.id, principal.limits, key, tokens, nowMs)
    checkTokens('user', principal.user, principal.owner.limits, key.user, tokens, nowMs)
    if (model !== null && modelUse !== null) checkTokens('model', model.name, model.limits, modelUse, tokens, nowMs)
  }
  if (model === null || modelUse === null) return
  checkRates('model', model.name, model.limits, modelUse, nowMs)
  const { concurrency } = model.limits
  if (concurrency > 0 && modelUse.inFlight >= concurrency) throw tooMany(`model ${model.name}`, concurrency)
}

function checkMoney(reservation: Reservation, { id, user, limits, owner }: KeyPrincipal, calendar: Calendar): void {
  const { balanceMicro, model, wantedMicro, ofKey, ofUser, ofModel } = reservation
  const reservedMicro = ofUser?.reservedMicro ?? 0
  if (balanceMicro !== null && balanceMicro - reservedMicro < wantedMicro)
    throw notCovered(`user ${user}`, balanceMicro, reservedMicro, wantedMicro)
  calendar.look()
  if (ofKey !== null) checkBudgets('key', id, limits, ofKey, wantedMicro, calendar)
  if (ofUser !== null) checkBudgets('user', user, owner.limits, ofUser, wantedMicro, calendar)
  if (model !== null && ofModel !== null) checkBudgets('model', model.name, model.limits, ofModel, wantedMicro, calendar)
}

type Kind = 'key' | 'user' | 'model' | 'endpoint'
const whose = (kind: Kind, name: string): Whose => `${kind} ${name}`

export function checkRates(kind: Kind, name: string, { rates }: Allowance, use: Use, nowMs: number): void {
  const wait = use.rateInTheWay(rates, nowMs)
  if (wait !== null) throw tooFast(whose(kind, name), wait)
}

export function checkBudgets(
  kind: Kind,
  name: string,
  limits: Allowance,
  spending: Spending,
  wantedMicro: number,
  calendar: Calendar,
): void {
  const { reservedMicro } = spending
  // The month first: it is the longer wait.
  if (limits.budgetMonthMicro !== null) {
    const spentMicro = spending.monthMicro(calendar)
    if (spentMicro + reservedMicro + wantedMicro > limits.budgetMonthMicro) {
      const untilNextMs = calendar.untilNextMs('month')
      throw overBudget(whose(kind, name), 'month', limits.budgetMonthMicro, { spentMicro, reservedMicro, wantedMicro, untilNextMs })
    }
  }
  if (limits.budgetDayMicro !== null) {
    const spentMicro = spending.dayMicro(calendar)
    if (spentMicro + reservedMicro + wantedMicro > limits.budgetDayMicro) {
      const untilNextMs = calendar.untilNextMs('day')
      throw overBudget(whose(kind, name), 'day', limits.budgetDayMicro, { spentMicro, reservedMicro, wantedMicro, untilNextMs })
    }
  }
}

export function checkTokens(kind: Kind, name: string, { tokensPerMinute }: Allowance, use: Use, tokens: number, nowMs: number): void {
  if (tokensPerMinute === null) return
  const waitMs = use.tokensWaitMs(tokens, tokensPerMinute, nowMs)
  if (waitMs > 0) throw tooManyTokens(whose(kind, name), tokensPerMinute, tokens, waitMs)
}
