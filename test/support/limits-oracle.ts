import type { Allowance, KeyPrincipal } from '../../src/kernel/index.ts'

const DAY_MS = 86_400_000
const HELD_S = 61

export interface OracleModel {
  readonly name: string
  limits: Allowance
}

export interface OracleReservation {
  readonly model: OracleModel
  readonly atMs: number
  readonly tokens: number
  readonly costMicro: number
}

/** One call, from its entry on: everything that limits say of it can be counted again from a list of these. */
export interface OracleCall {
  readonly key: KeyPrincipal
  readonly enteredMs: number
  state: 'open' | 'settled' | 'refused'
  reservation: OracleReservation | null
  settledMs: number
  settledDay: number
  usedTokens: number
  usedMicro: number
}

type Of = 'key' | 'user' | 'model'
type Sum = (call: OracleCall) => number

/** What limits should say, found by going through all calls there ever were: slow, and hardly able to be wrong in the same way as counters. */
export class LimitsOracle {
  readonly calls: OracleCall[] = []
  readonly balances = new Map<string, number | null>()
  readonly #now: { nowMs(): number; monoMs(): number }

  constructor(now: { nowMs(): number; monoMs(): number }) {
    this.#now = now
  }

  enter(key: KeyPrincipal): OracleCall {
    const zeros = { settledMs: 0, settledDay: 0, usedTokens: 0, usedMicro: 0 }
    const call: OracleCall = { key, enteredMs: this.#now.monoMs(), state: 'open', reservation: null, ...zeros }
    this.calls.push(call)
    return call
  }

  settle(call: OracleCall, tokens: number, costMicro: number): void {
    call.state = 'settled'
    call.settledMs = this.#now.monoMs()
    call.settledDay = this.#day()
    call.usedTokens = tokens
    call.usedMicro = costMicro
    const balance = this.balances.get(call.key.owner.id) ?? null
    if (balance !== null) this.balances.set(call.key.owner.id, balance - costMicro)
  }

  /** `in`, or the code and whose limit it is. */
  mayEnter({ id, user, limits, owner }: KeyPrincipal): string {
    const faults = [
      this.#crowded('key', id, limits) && `CONCURRENCY_LIMITED key ${id}`,
      this.#crowded('user', owner.id, owner.limits) && `CONCURRENCY_LIMITED user ${user}`,
      this.#fast('key', id, limits) && `RATE_LIMITED key ${id}`,
      this.#fast('user', owner.id, owner.limits) && `RATE_LIMITED user ${user}`,
    ]
    return faults.find((fault) => fault !== false) ?? 'in'
  }

  mayReserve({ id, user, limits, owner }: KeyPrincipal, model: OracleModel, tokens: number, wantedMicro: number): string {
    const all = [
      ['key', id, id, limits],
      ['user', owner.id, user, owner.limits],
      ['model', model.name, model.name, model.limits],
    ] as const
    const balance = this.balances.get(owner.id) ?? null
    const faults = [
      wantedMicro > 0 &&
        balance !== null &&
        balance - this.#reservedOf(owner.id) < wantedMicro &&
        `${balance < wantedMicro ? 'BALANCE_EXHAUSTED' : 'CONCURRENCY_LIMITED'} user ${user}`,
      ...all.map(
        ([of, ref, name, own]) => wantedMicro > 0 && this.#overBudget(of, ref, own, wantedMicro) && `BUDGET_EXHAUSTED ${of} ${name}`,
      ),
      ...all.map(([of, ref, name, own]) => tokens > 0 && this.remainingTokens(of, ref, own) < tokens && `TOKENS_LIMITED ${of} ${name}`),
      this.#fast('model', model.name, model.limits) && `RATE_LIMITED model ${model.name}`,
      this.#crowded('model', model.name, model.limits) && `CONCURRENCY_LIMITED model ${model.name}`,
    ]
    return faults.find((fault) => fault !== false) ?? 'in'
  }

  spent(of: Of, ref: string): { dayMicro: number; monthMicro: number; reservedMicro: number } {
    const [day, month] = [this.#day(), monthOf(this.#day())]
    const settled =
      (when: (call: OracleCall) => boolean): Sum =>
      (call) =>
        call.state === 'settled' && when(call) ? call.usedMicro : 0
    return {
      dayMicro: this.#sum(
        of,
        ref,
        settled(({ settledDay }) => settledDay === day),
      ),
      monthMicro: this.#sum(
        of,
        ref,
        settled(({ settledDay }) => monthOf(settledDay) === month),
      ),
      reservedMicro: this.#sum(of, ref, ({ state, reservation }) => (state === 'open' ? (reservation?.costMicro ?? 0) : 0)),
    }
  }

  remainingRequests(of: Of, ref: string, { rates }: Allowance): number {
    return Math.min(...rates.map(({ count, perMs }) => Math.max(0, count - this.#within(of, ref, perMs))))
  }

  remainingTokens(of: Of, ref: string, { tokensPerMinute }: Allowance): number {
    if (tokensPerMinute === null) return Number.POSITIVE_INFINITY
    const second = Math.floor(this.#now.monoMs() / 1000)
    const held = (atMs: number, tokens: number): number => (second - Math.floor(atMs / 1000) < HELD_S ? tokens : 0)
    const sum = this.#sum(of, ref, ({ state, reservation, usedTokens, settledMs }) => {
      if (state === 'refused') return 0
      const estimated = reservation?.tokens ?? 0
      const reserved = reservation === null ? 0 : held(reservation.atMs, state === 'open' ? estimated : Math.min(estimated, usedTokens))
      return reserved + (state === 'settled' ? held(settledMs, Math.max(0, usedTokens - estimated)) : 0)
    })
    return Math.max(0, tokensPerMinute - sum)
  }

  #day(): number {
    return Math.floor(this.#now.nowMs() / DAY_MS)
  }

  #sum(of: Of, ref: string, what: Sum): number {
    const own = this.calls.filter(({ key, reservation }) =>
      of === 'key' ? key.id === ref : of === 'user' ? key.owner.id === ref : reservation?.model.name === ref,
    )
    return own.reduce((sum, call) => sum + what(call), 0)
  }

  #within(of: Of, ref: string, perMs: number): number {
    const atMs = (call: OracleCall): number => (of === 'model' ? (call.reservation?.atMs ?? 0) : call.enteredMs)
    return this.#sum(of, ref, (call) => (call.state !== 'refused' && this.#now.monoMs() - atMs(call) < perMs ? 1 : 0))
  }

  #fast(of: Of, ref: string, { rates }: Allowance): boolean {
    return rates.some(({ count, perMs }) => this.#within(of, ref, perMs) >= count)
  }

  #crowded(of: Of, ref: string, { concurrency }: Allowance): boolean {
    return concurrency > 0 && this.#sum(of, ref, ({ state }) => (state === 'open' ? 1 : 0)) >= concurrency
  }

  #overBudget(of: Of, ref: string, { budgetDayMicro, budgetMonthMicro }: Allowance, wantedMicro: number): boolean {
    const { dayMicro, monthMicro, reservedMicro } = this.spent(of, ref)
    const over = (spentMicro: number, budgetMicro: number | null): boolean =>
      budgetMicro !== null && spentMicro + reservedMicro + wantedMicro > budgetMicro
    return over(dayMicro, budgetDayMicro) || over(monthMicro, budgetMonthMicro)
  }

  #reservedOf(userId: string): number {
    return this.spent('user', userId).reservedMicro
  }
}

const monthOf = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 7)
