import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allowing, keyOf, ownerOf, type WallClock, wallClock } from '../../test/support/limits.ts'
import { type Allowance, type KeyPrincipal, LIMITS } from '../kernel/index.ts'
import { createLimits, type Hold, type Limits, NOTHING_USED } from './index.ts'

const DAY_S = 86_400

let clock: WallClock
let limits: Limits
beforeEach(() => {
  clock = wallClock('2026-11-20T12:00:00Z')
  limits = createLimits({ clock })
})
afterEach(() => limits.close())

const ada = () => ownerOf('usr_ada')
const modelOf = (name: string, part: Partial<Allowance> = {}) => ({ name, limits: allowing(part) })
const plain = modelOf('fast')

async function admitted(key: KeyPrincipal, costMicro: number, { model = plain, priced = costMicro > 0 } = {}): Promise<Hold> {
  const hold = limits.enter(key)
  try {
    await hold.reserve({ model, tokens: 0, costMicro, priced })
    return hold
  } catch (thrown) {
    hold.refuse()
    throw thrown
  }
}
const paid = async (key: KeyPrincipal, costMicro: number): Promise<void> =>
  (await admitted(key, costMicro)).settle({ tokens: 0, costMicro })
const reservedOfAda = () => limits.spent.of('user', 'usr_ada').reservedMicro
const exhausted = (detail: string | RegExp, retryAfterS?: number) => ({
  code: 'BUDGET_EXHAUSTED',
  status: 429,
  detail: expect.stringMatching(detail),
  ...(retryAfterS === undefined ? {} : { headers: expect.objectContaining({ 'retry-after': String(retryAfterS) }) }),
})

describe('a budget', () => {
  it('of n lets n be reserved and not one millionth more', async () => {
    const key = keyOf('a', { budgetDayMicro: 1_000 })
    await admitted(key, 999)
    await expect(admitted(key, 2)).rejects.toMatchObject(
      exhausted(/^key a: 0\.001 a day is held by requests in flight; try again in 1 s$/, 1),
    )
    await admitted(key, 1)
    await expect(admitted(key, 1)).rejects.toMatchObject(exhausted('key a'))
    expect(limits.spent.of('key', 'a')).toEqual({ dayMicro: 0, monthMicro: 0, reservedMicro: 1_000 })
  })

  it('gets back what was reserved and pays what was used', async () => {
    const key = keyOf('a', { budgetDayMicro: 1_000 }, ada())
    const hold = await admitted(key, 800)
    hold.settle({ tokens: 0, costMicro: 300 })
    hold.settle({ tokens: 0, costMicro: 300 })
    hold.refuse()
    const sums = { dayMicro: 300, monthMicro: 300, reservedMicro: 0 }
    expect([limits.spent.of('key', 'a'), limits.spent.of('user', 'usr_ada'), limits.spent.of('model', 'fast')]).toEqual([sums, sums, sums])
    await admitted(key, 700)
  })

  it.each([
    ['key', { budgetMonthMicro: 500 }, {}, {}, /^key a: 0\.0005 a month/],
    ['user', {}, { budgetDayMicro: 500 }, {}, /^user ada: 0\.0005 a day/],
    ['model', {}, {}, { budgetDayMicro: 500 }, /^model fast: 0\.0005 a day/],
  ])('of a %s holds beside the others, and names itself', async (_whose, ofKey, ofUser, ofModel, detail) => {
    const [key, model] = [keyOf('a', ofKey, ownerOf('usr_ada', ofUser)), modelOf('fast', ofModel)]
    const first = await admitted(key, 300, { model })
    await expect(admitted(key, 300, { model })).rejects.toMatchObject(exhausted(detail))
    for (const [kind, id] of [['key', 'a'] as const, ['user', 'usr_ada'] as const, ['model', 'fast'] as const])
      expect(limits.spent.of(kind, id).reservedMicro).toBe(300)
    first.refuse()
    await admitted(key, 500, { model })
  })

  it('that is overdrawn lets through what is free, and nothing that has a price', async () => {
    const key = keyOf('a', { budgetDayMicro: 100 })
    ;(await admitted(key, 100)).settle({ tokens: 0, costMicro: 250 })
    await expect(admitted(key, 0, { priced: true })).rejects.toMatchObject(exhausted('does not cover'))
    await admitted(key, 0)
  })

  it('holds where no model is known', async () => {
    const key = keyOf('a', { budgetDayMicro: 100 })
    const hold = limits.enter(key)
    await hold.reserve({ model: null, tokens: 0, costMicro: 100 })
    await expect(admitted(key, 1)).rejects.toMatchObject(exhausted('key a'))
    hold.settle({ tokens: 0, costMicro: 30 })
    expect(limits.spent.of('key', 'a')).toEqual({ dayMicro: 30, monthMicro: 30, reservedMicro: 0 })
  })

  it('is that of the model that is asked in the end', async () => {
    const hold = await admitted(keyOf('a'), 300)
    await hold.reserve({ model: modelOf('slow'), tokens: 0, costMicro: 70 })
    expect([limits.spent.of('model', 'fast'), limits.spent.of('model', 'slow')].map((sums) => sums.reservedMicro)).toEqual([0, 70])
    hold.settle({ tokens: 0, costMicro: 60 })
    expect([limits.spent.of('model', 'fast'), limits.spent.of('model', 'slow')].map((sums) => sums.dayMicro)).toEqual([0, 60])
  })

  it('knows at start what was spent before', async () => {
    limits.spent.load([
      { kind: 'key', id: 'a', dayMicro: 40, monthMicro: 400 },
      { kind: 'user', id: 'usr_ada', dayMicro: 90, monthMicro: 900 },
    ])
    limits.spent.add('key', 'a', 5)
    expect(limits.spent.of('key', 'a')).toEqual({ dayMicro: 45, monthMicro: 405, reservedMicro: 0 })
    await expect(admitted(keyOf('a', { budgetMonthMicro: 500 }), 96)).rejects.toMatchObject(exhausted('a month'))
    await expect(admitted(keyOf('b', {}, ownerOf('usr_ada', { budgetDayMicro: 100 })), 11)).rejects.toMatchObject(exhausted('a day'))
  })
})

describe('a day and a month', () => {
  it('end at midnight UTC, and the answer says when', async () => {
    const key = keyOf('a', { budgetDayMicro: 100, budgetMonthMicro: 150 })
    await paid(key, 100)
    await expect(admitted(key, 1)).rejects.toMatchObject(exhausted(/next day \(UTC\) begins in 43200 s$/, DAY_S / 2))
    clock.advance((DAY_S / 2) * 1000 - 1)
    await expect(admitted(key, 1)).rejects.toMatchObject(exhausted('a day', 1))
    clock.advance(1)
    await paid(key, 50)
    await expect(admitted(key, 1)).rejects.toMatchObject(exhausted('a month', 10 * DAY_S))
    clock.setTo('2026-12-01T00:00:00Z')
    await paid(key, 100)
    expect(limits.spent.of('key', 'a')).toEqual({ dayMicro: 100, monthMicro: 100, reservedMicro: 0 })
  })

  it.each([
    ['2026-12-31T23:59:59Z', '2027-01-01T00:00:00Z', 0],
    ['2028-02-28T23:59:59Z', '2028-02-29T00:00:00Z', 70],
    ['2028-02-29T23:59:59Z', '2028-03-01T00:00:00Z', 0],
  ])('between %s and %s', async (before, after, monthMicro) => {
    clock.setTo(before)
    await paid(keyOf('a'), 70)
    clock.setTo(after)
    expect(limits.spent.of('key', 'a')).toEqual({ dayMicro: 0, monthMicro, reservedMicro: 0 })
  })

  it('keep what is reserved over midnight, and are charged for it when it ends', async () => {
    const key = keyOf('a', { budgetDayMicro: 100 })
    clock.setTo('2026-11-30T23:59:59Z')
    const hold = await admitted(key, 80)
    clock.setTo('2026-12-01T00:00:01Z')
    await expect(admitted(key, 21)).rejects.toMatchObject(exhausted('held by requests in flight'))
    hold.settle({ tokens: 0, costMicro: 60 })
    expect(limits.spent.of('key', 'a')).toEqual({ dayMicro: 60, monthMicro: 60, reservedMicro: 0 })
    clock.setTo('2026-11-30T23:59:59Z')
    expect(limits.spent.of('key', 'a').dayMicro).toBe(0)
  })

  it('are found again by a clock that is set back over midnight and goes on from there', async () => {
    const key = keyOf('a', { budgetDayMicro: 100, budgetMonthMicro: 1_000 })
    clock.setTo('2026-11-30T23:59:50Z')
    await paid(key, 70)
    clock.setTo('2026-12-01T00:00:05Z')
    await paid(key, 20)
    clock.setTo('2026-11-30T23:59:55Z')
    await expect(admitted(key, 31)).rejects.toMatchObject(exhausted('a day'))
    await paid(key, 30)
    expect(limits.spent.of('key', 'a')).toMatchObject({ dayMicro: 100, monthMicro: 100 })
    clock.setTo('2026-12-01T00:00:00Z')
    expect(limits.spent.of('key', 'a')).toMatchObject({ dayMicro: 20, monthMicro: 20 })
    await paid(key, 1)
    // A year that somebody typed wrong does not close the budget for a year.
    clock.setTo('2036-01-01T00:00:00Z')
    await paid(key, 90)
    clock.setTo('2026-12-01T00:00:10Z')
    expect(limits.spent.of('key', 'a')).toMatchObject({ dayMicro: 21, monthMicro: 21 })
  })

  it('are forgotten when they are over, but not while something is reserved or the clock may come back', async () => {
    const { vi } = await import('vitest')
    vi.useFakeTimers()
    const swept = createLimits({ clock })
    swept.spent.add('key', 'a', 10)
    const hold = swept.enter(keyOf('b'))
    await hold.reserve({ model: null, tokens: 0, costMicro: 5 })
    const sweptAt = (time: string) => {
      clock.setTo(time)
      vi.advanceTimersByTime(LIMITS.idleKeySweepMs)
    }
    sweptAt('2026-12-01T00:00:00Z')
    clock.setTo('2026-11-30T00:00:00Z')
    expect(swept.spent.of('key', 'a').monthMicro).toBe(10)
    sweptAt('2027-02-01T00:00:00Z')
    clock.setTo('2026-11-30T00:00:00Z')
    expect(swept.spent.of('key', 'a').monthMicro).toBe(0)
    expect(swept.spent.of('key', 'b').reservedMicro).toBe(5)
    swept.close()
    vi.useRealTimers()
  })
})

describe('a balance', () => {
  const key = keyOf('a', {}, ada())
  const refused = { code: 'BALANCE_EXHAUSTED', status: 402, detail: expect.stringContaining('The balance of user ada does not cover') }

  const held = { code: 'CONCURRENCY_LIMITED', status: 429, detail: expect.stringContaining('held by requests in flight') }

  it('is nobody’s who is not billed', async () => {
    expect(limits.accounts.of('usr_ada')).toBe(null)
    limits.accounts.add('usr_ada', 5)
    limits.accounts.charge('usr_ada', 5)
    await paid(key, 1_000_000)
    expect(limits.accounts.of('usr_ada')).toBe(null)
  })

  it('covers what was estimated and pays what was used', async () => {
    limits.accounts.set('usr_ada', 100)
    const hold = await admitted(key, 70)
    expect([limits.accounts.of('usr_ada'), reservedOfAda()]).toEqual([100, 70])
    await expect(admitted(key, 31)).rejects.toMatchObject(held)
    await expect(admitted(keyOf('b', {}, ada()), 31)).rejects.toMatchObject(held)
    await expect(admitted(key, 101)).rejects.toMatchObject(refused)
    await admitted(key, 30)
    hold.settle({ tokens: 0, costMicro: 65 })
    hold.settle({ tokens: 0, costMicro: 65 })
    expect([limits.accounts.of('usr_ada'), reservedOfAda()]).toEqual([35, 30])
    limits.accounts.add('usr_ada', 10)
    await admitted(key, 15)
  })

  it('that is used up lets nothing through that has a price, and everything that has none', async () => {
    limits.accounts.set('usr_ada', 50)
    ;(await admitted(key, 50)).settle({ tokens: 0, costMicro: 80 })
    expect(limits.accounts.of('usr_ada')).toBe(-30)
    await admitted(key, 0)
    await expect(admitted(key, 0, { priced: true })).rejects.toMatchObject(refused)
    limits.accounts.add('usr_ada', 30)
    await expect(admitted(key, 0, { priced: true })).rejects.toMatchObject(refused)
    limits.accounts.add('usr_ada', 1)
    await admitted(key, 0, { priced: true })
    await expect(admitted(key, 2)).rejects.toMatchObject(refused)
  })

  it('is told before a limit that would only ask to wait, and says no sums', async () => {
    limits.accounts.set('usr_ada', 12_345)
    const poor = keyOf('a', { budgetDayMicro: 1, tokensPerMinute: 1 }, ada())
    const hold = limits.enter(poor)
    const thrown = await hold.reserve({ model: plain, tokens: 5, costMicro: 20_000 }).catch((error: unknown) => error)
    expect(thrown).toMatchObject({ ...refused, reason: 'user ada: balance 0.012345, reserved 0.00, wanted 0.02' })
    expect(thrown).toMatchObject({ detail: expect.not.stringContaining('0.012345') })
    hold.refuse()
  })

  it('goes with its user off the bill and back, without losing what is reserved', async () => {
    limits.accounts.set('usr_ada', 100)
    const [one, two] = [await admitted(key, 60), await admitted(key, 20)]
    limits.accounts.set('usr_ada', null)
    expect(limits.accounts.of('usr_ada')).toBe(null)
    one.settle({ tokens: 0, costMicro: 60 })
    limits.accounts.set('usr_ada', 40)
    await expect(admitted(key, 21)).rejects.toMatchObject(held)
    two.settle({ tokens: 0, costMicro: 20 })
    expect([limits.accounts.of('usr_ada'), reservedOfAda()]).toEqual([20, 0])
    limits.accounts.charge('usr_ada', 5)
    expect(limits.accounts.of('usr_ada')).toBe(15)
  })

  it('is charged for what began before the user was billed', async () => {
    const hold = await admitted(key, 60)
    limits.accounts.set('usr_ada', 100)
    await expect(admitted(key, 41)).rejects.toMatchObject(held)
    hold.settle({ tokens: 0, costMicro: 60 })
    expect([limits.accounts.of('usr_ada'), reservedOfAda()]).toEqual([40, 0])
  })

  it('pays for a request that reserved nothing', () => {
    limits.accounts.set('usr_ada', 100)
    limits.enter(key).settle({ tokens: 0, costMicro: 30 })
    limits.enter(key).settle(NOTHING_USED)
    expect(limits.accounts.of('usr_ada')).toBe(70)
    expect(limits.spent.of('user', 'usr_ada').dayMicro).toBe(30)
  })
})
