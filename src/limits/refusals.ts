import { formatMicro, formatRate, GatewayError } from '../kernel/index.ts'
import type { Wait } from './use.ts'

/** Whose limit it is, as its owner would name it: `key 7aBcDeFgHiJk`, `user ada`, `model fast`, `endpoint fast-1`. */
export type Whose = `${'key' | 'user' | 'model' | 'endpoint'} ${string}`

const secondsOf = (waitMs: number): number => Math.max(1, Math.ceil(waitMs / 1000))
const again = (seconds: number): string => `try again in ${seconds} s`

/** SDKs wait in silence for as long as they are told, an hour too; beyond a minute a program should hear of it instead. */
const WAITED_S_MAX = 60
const waiting = (seconds: number): Record<string, string> => ({
  'retry-after': String(seconds),
  ...(seconds > WAITED_S_MAX ? { 'x-should-retry': 'false' } : {}),
})

export function tooFast(whose: Whose, { rate, waitMs }: Wait): GatewayError {
  const seconds = secondsOf(waitMs)
  return new GatewayError('RATE_LIMITED', {
    reason: `${whose}: ${formatRate(rate)}`,
    detail: `${whose}: ${formatRate(rate)} is used up; ${again(seconds)}`,
    headers: waiting(seconds),
  })
}

export function tooMany(whose: Whose, concurrency: number): GatewayError {
  const limit = concurrency === 1 ? '1 request at once' : `${concurrency} requests at once`
  return new GatewayError('CONCURRENCY_LIMITED', {
    reason: `${whose}: ${limit}`,
    detail: `${whose}: ${limit} is the limit, and as many are in flight; try again when one has ended`,
  })
}

export function tooManyTokens(whose: Whose, limit: number, tokens: number, waitMs: number): GatewayError {
  const reason = `${whose}: ${limit} tokens/m, ${tokens} wanted`
  if (waitMs === Number.POSITIVE_INFINITY) {
    return new GatewayError('TOKENS_LIMITED', {
      reason,
      detail: `${whose}: ${limit} tokens/m, and this request alone is estimated at ${tokens}; send less, or ask for less`,
      // It will not fit in any minute; who does not look at the second header is at least told to wait as long as one lasts.
      headers: { 'retry-after': '60', 'x-should-retry': 'false' },
    })
  }
  const seconds = secondsOf(waitMs)
  return new GatewayError('TOKENS_LIMITED', {
    reason,
    detail: `${whose}: ${limit} tokens/m are used up for a request that is estimated at ${tokens}; ${again(seconds)}`,
    headers: waiting(seconds),
  })
}

/** What stands against a budget. */
export interface Sums {
  readonly spentMicro: number
  readonly reservedMicro: number
  readonly wantedMicro: number
  readonly untilNextMs: number
}

/** When it is only what others have reserved that stands in the way, one of them may end at any moment and give it back. */
const RESERVED_WAIT_MS = 1_000

export function overBudget(whose: Whose, span: 'day' | 'month', budgetMicro: number, sums: Sums): GatewayError {
  const { spentMicro, reservedMicro, wantedMicro, untilNextMs } = sums
  const onlyReserved = spentMicro + wantedMicro <= budgetMicro
  const seconds = secondsOf(onlyReserved ? RESERVED_WAIT_MS : untilNextMs)
  const limit = `${formatMicro(budgetMicro)} a ${span}`
  return new GatewayError('BUDGET_EXHAUSTED', {
    reason: `${whose}: ${limit}; spent ${formatMicro(spentMicro)}, reserved ${formatMicro(reservedMicro)}, wanted ${formatMicro(wantedMicro)}`,
    detail: onlyReserved
      ? `${whose}: ${limit} is held by requests in flight; ${again(seconds)}`
      : `${whose}: ${limit} does not cover a request that is estimated at ${formatMicro(wantedMicro)}; the next ${span} (UTC) begins in ${seconds} s`,
    headers: onlyReserved ? { ...waiting(seconds), 'x-should-retry': 'true' } : waiting(seconds),
  })
}

export function notCovered(whose: Whose, balanceMicro: number, reservedMicro: number, wantedMicro: number): GatewayError {
  // Somebody who has money left should not read that he has none, only because all of it is reserved by what he asked for just now.
  if (balanceMicro >= wantedMicro) return heldBalance(whose, reservedMicro)
  const sums = `${formatMicro(balanceMicro)}, reserved ${formatMicro(reservedMicro)}, wanted ${formatMicro(wantedMicro)}`
  return new GatewayError('BALANCE_EXHAUSTED', {
    reason: `${whose}: balance ${sums}`,
    detail: `The balance of ${whose} does not cover this request, which is estimated at ${formatMicro(wantedMicro)}`,
  })
}

const heldBalance = (whose: Whose, reservedMicro: number): GatewayError =>
  new GatewayError('CONCURRENCY_LIMITED', {
    reason: `${whose}: balance reserved, ${formatMicro(reservedMicro)}`,
    detail: `The balance of ${whose} is held by requests in flight; try again when one has ended`,
  })
