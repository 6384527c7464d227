import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allowing, keyOf, refusedBy, type WallClock, wallClock } from '../../test/support/limits.ts'
import { createLimits, type Limits, NOTHING_USED } from './index.ts'

let clock: WallClock
let limits: Limits
beforeEach(() => {
  clock = wallClock('2026-11-21T12:00:00Z')
  limits = createLimits({ clock })
})
afterEach(() => limits.close())

const free = { tokens: 0, costMicro: 0 }
const tokens = (count: number) => ({ ...free, tokens: count })
const cost = (costMicro: number) => ({ ...free, costMicro })

describe('the tokens of an endpoint', () => {
  const perMinute = allowing({ tokensPerMinute: 100 })
  const at = (count: number) => limits.atEndpoint('gpu', perMinute, tokens(count))

  it('are taken by the estimate, corrected by what was used, and given back when nothing was done', () => {
    const [one, two] = [at(60), at(40)]
    expect(refusedBy(() => at(1))).toBe('TOKENS_LIMITED')
    limits.atEndpoint('other', perMinute, tokens(100))
    one.settle(tokens(10))
    one.settle(tokens(90))
    const three = at(50)
    expect(refusedBy(() => at(1))).toBe('TOKENS_LIMITED')
    two.refuse()
    two.refuse()
    at(40)
    three.settle(tokens(80))
    expect(refusedBy(() => at(1))).toBe('TOKENS_LIMITED')
    clock.advance(61_000)
    at(100)
  })

  it('never let one in that is more than a minute of them, and count what nobody foresaw', () => {
    expect(refusedBy(() => at(101))).toBe('TOKENS_LIMITED')
    limits.atEndpoint('gpu', perMinute).settle(tokens(90))
    expect(refusedBy(() => at(11))).toBe('TOKENS_LIMITED')
    at(10)
  })

  it('are asked of nobody who takes none', () => {
    at(100)
    at(0)
    limits.atEndpoint('gpu', perMinute)
  })
})

describe.each([
  ['day', allowing({ budgetDayMicro: 100 }), '2026-11-22T00:00:00Z'],
  ['month', allowing({ budgetMonthMicro: 100 }), '2026-12-01T00:00:00Z'],
] as const)('the budget of an endpoint for a %s', (_span, budget, next) => {
  const at = (costMicro: number) => limits.atEndpoint('gpu', budget, cost(costMicro))

  it('is reserved by the estimate, paid by what was used, and whole again afterwards', () => {
    const [one, two] = [at(60), at(40)]
    expect(refusedBy(() => at(1))).toBe('BUDGET_EXHAUSTED')
    expect(limits.spent.of('endpoint', 'gpu')).toEqual({ dayMicro: 0, monthMicro: 0, reservedMicro: 100 })
    one.settle(cost(30))
    one.refuse()
    two.refuse()
    two.settle(cost(9))
    expect(limits.spent.of('endpoint', 'gpu')).toEqual({ dayMicro: 30, monthMicro: 30, reservedMicro: 0 })
    expect(refusedBy(() => at(71))).toBe('BUDGET_EXHAUSTED')
    at(70).settle(cost(70))
    expect(refusedBy(() => at(1))).toBe('BUDGET_EXHAUSTED')
    clock.setTo(next)
    at(100)
  })

  it('lets what is free pass when it is used up, and nothing that has a price', () => {
    at(100).settle(cost(100))
    limits.atEndpoint('gpu', budget, free)
    expect(refusedBy(() => limits.atEndpoint('gpu', budget, { ...free, priced: true }))).toBe('BUDGET_EXHAUSTED')
  })

  it('is the same after a restart', () => {
    limits.spent.load([{ kind: 'endpoint', id: 'gpu', dayMicro: 90, monthMicro: 90 }])
    expect(refusedBy(() => at(11))).toBe('BUDGET_EXHAUSTED')
    at(10)
  })
})

describe('a call that an endpoint refuses', () => {
  it('takes nothing of any of its limits', () => {
    const all = allowing({ rates: [{ count: 2, perMs: 60_000 }], tokensPerMinute: 100, budgetDayMicro: 100 })
    const at = (count: number, costMicro: number) => limits.atEndpoint('gpu', all, { tokens: count, costMicro })
    for (let n = 0; n < 5; n += 1)
      expect([refusedBy(() => at(101, 1)), refusedBy(() => at(1, 101))]).toEqual(['TOKENS_LIMITED', 'BUDGET_EXHAUSTED'])
    expect(limits.stats()).toMatchObject({ inFlight: 0 })
    at(50, 50)
    at(50, 50)
    expect(refusedBy(() => at(0, 0))).toBe('RATE_LIMITED')
    expect(limits.spent.of('endpoint', 'gpu').reservedMicro).toBe(100)
  })
})

describe('a model', () => {
  it('runs as many requests at once as it may, whoever asks', async () => {
    const model = { name: 'fast', limits: allowing({ concurrency: 1 }) }
    const [a, b] = [limits.enter(keyOf('a')), limits.enter(keyOf('b'))]
    await a.reserve({ model, ...free })
    await expect(b.reserve({ model, ...free })).rejects.toMatchObject({ code: 'CONCURRENCY_LIMITED' })
    a.settle(NOTHING_USED)
    await b.reserve({ model, ...free })
  })
})
