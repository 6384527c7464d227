import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allowing, keyOf, type WallClock, wallClock } from '../../test/support/limits.ts'
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
    expect(at(1)).toBe(null)
    expect(limits.atEndpoint('other', perMinute, tokens(100))).not.toBe(null)
    one?.settle(tokens(10))
    one?.settle(tokens(90))
    const three = at(50)
    expect(at(1)).toBe(null)
    two?.refuse()
    two?.refuse()
    expect(at(40)).not.toBe(null)
    three?.settle(tokens(80))
    expect(at(1)).toBe(null)
    clock.advance(61_000)
    expect(at(100)).not.toBe(null)
  })

  it('never let one in that is more than a minute of them, and count what nobody foresaw', () => {
    expect(at(101)).toBe(null)
    limits.atEndpoint('gpu', perMinute)?.settle(tokens(90))
    expect(at(11)).toBe(null)
    expect(at(10)).not.toBe(null)
  })

  it('are asked of nobody who takes none', () => {
    at(100)
    expect(at(0)).not.toBe(null)
    expect(limits.atEndpoint('gpu', perMinute)).not.toBe(null)
  })
})

describe.each([
  ['day', allowing({ budgetDayMicro: 100 }), '2026-11-22T00:00:00Z'],
  ['month', allowing({ budgetMonthMicro: 100 }), '2026-12-01T00:00:00Z'],
] as const)('the budget of an endpoint for a %s', (_span, budget, next) => {
  const at = (costMicro: number) => limits.atEndpoint('gpu', budget, cost(costMicro))

  it('is reserved by the estimate, paid by what was used, and whole again afterwards', () => {
    const [one, two] = [at(60), at(40)]
    expect(at(1)).toBe(null)
    expect(limits.spent.of('endpoint', 'gpu')).toEqual({ dayMicro: 0, monthMicro: 0, reservedMicro: 100 })
    one?.settle(cost(30))
    one?.refuse()
    two?.refuse()
    two?.settle(cost(9))
    expect(limits.spent.of('endpoint', 'gpu')).toEqual({ dayMicro: 30, monthMicro: 30, reservedMicro: 0 })
    expect(at(71)).toBe(null)
    at(70)?.settle(cost(70))
    expect(at(1)).toBe(null)
    clock.setTo(next)
    expect(at(100)).not.toBe(null)
  })

  it('lets what is free pass when it is used up, and nothing that has a price', () => {
    at(100)?.settle(cost(100))
    expect(limits.atEndpoint('gpu', budget, free)).not.toBe(null)
    expect(limits.atEndpoint('gpu', budget, { ...free, priced: true })).toBe(null)
  })

  it('is the same after a restart', () => {
    limits.spent.load([{ kind: 'endpoint', id: 'gpu', dayMicro: 90, monthMicro: 90 }])
    expect(at(11)).toBe(null)
    expect(at(10)).not.toBe(null)
  })
})

describe('a call that an endpoint refuses', () => {
  it('takes nothing of any of its limits', () => {
    const all = allowing({ rates: [{ count: 2, perMs: 60_000 }], tokensPerMinute: 100, budgetDayMicro: 100 })
    const at = (count: number, costMicro: number) => limits.atEndpoint('gpu', all, { tokens: count, costMicro })
    for (let n = 0; n < 5; n += 1) expect([at(101, 1), at(1, 101)]).toEqual([null, null])
    expect(limits.stats()).toMatchObject({ inFlight: 0 })
    expect([at(50, 50), at(50, 50)]).not.toContain(null)
    expect(at(0, 0)).toBe(null)
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
