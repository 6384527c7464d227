import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ManualClock, manualClock } from '../../test/support/clock.ts'
import { allowing, keyOf, ownerOf, rateOf } from '../../test/support/limits.ts'
import type { Allowance, KeyPrincipal } from '../kernel/index.ts'
import { createLimits, type Limits, NOTHING_USED } from './index.ts'

let clock: ManualClock
let limits: Limits
beforeEach(() => {
  clock = manualClock()
  limits = createLimits({ clock })
})
afterEach(() => limits.close())

const modelOf = (name: string, part: Partial<Allowance> = {}) => ({ name, limits: allowing(part) })
const plain = modelOf('fast')
const perMinute = (tokensPerMinute: number) => ({ tokensPerMinute })
const remaining = (key: KeyPrincipal): number | undefined => {
  const hold = limits.enter(key)
  const { tokens } = hold.told()
  hold.refuse()
  return tokens?.remaining
}

async function admitted(key: KeyPrincipal, tokens: number, model = plain) {
  const hold = limits.enter(key)
  try {
    await hold.reserve({ model, tokens, costMicro: 0 })
    return hold
  } catch (thrown) {
    hold.refuse()
    throw thrown
  }
}

describe('tokens per minute', () => {
  it('are taken by the estimate and corrected by what was used', async () => {
    const key = keyOf('a', perMinute(1_000))
    const hold = await admitted(key, 600)
    expect(remaining(key)).toBe(400)
    await expect(admitted(key, 401)).rejects.toMatchObject({ code: 'TOKENS_LIMITED', status: 429 })
    const other = await admitted(key, 400)
    hold.settle({ tokens: 100, costMicro: 0 })
    hold.settle({ tokens: 900, costMicro: 0 })
    expect(remaining(key)).toBe(500)
    other.settle({ tokens: 700, costMicro: 0 })
    expect(remaining(key)).toBe(200)
  })

  it('hold for key, user and model at once, and name whose they are', async () => {
    const ada = ownerOf('usr_ada', perMinute(200))
    const model = modelOf('fast', perMinute(250))
    await admitted(keyOf('a', perMinute(100), ada), 100, model)
    await expect(admitted(keyOf('a', perMinute(100), ada), 1, model)).rejects.toMatchObject({
      detail: expect.stringMatching(/^key a: 100 tokens\/m/),
    })
    await expect(admitted(keyOf('b', {}, ada), 101, model)).rejects.toMatchObject({
      detail: expect.stringMatching(/^user ada: 200 tokens\/m/),
    })
    await expect(admitted(keyOf('c'), 151, model)).rejects.toMatchObject({ detail: expect.stringMatching(/^model fast: 250 tokens\/m/) })
    // None of the refused has counted anywhere.
    await admitted(keyOf('b', {}, ada), 100, model)
    await admitted(keyOf('c'), 50, model)
  })

  it('say when they come back', async () => {
    const key = keyOf('a', perMinute(100))
    await admitted(key, 60)
    clock.advance(20_000)
    await admitted(key, 40)
    const wants = (tokens: number) => admitted(key, tokens).catch((thrown: { headers: unknown }) => thrown.headers)
    expect(await wants(60)).toEqual({ 'retry-after': '41' })
    expect(await wants(61)).toEqual({ 'retry-after': '61', 'x-should-retry': 'false' })
    // More than a minute has: nobody should wait for that.
    expect(await wants(101)).toEqual({ 'retry-after': '60', 'x-should-retry': 'false' })
  })

  it('of a request that outlives the minute are not given back twice, and those it used beyond its estimate count when they are known', async () => {
    const key = keyOf('a', perMinute(100))
    const [less, more] = [await admitted(key, 50), await admitted(key, 50)]
    clock.advance(61_000)
    expect(remaining(key)).toBe(100)
    await admitted(key, 80)
    less.settle({ tokens: 10, costMicro: 0 })
    expect(remaining(key)).toBe(20)
    more.settle({ tokens: 60, costMicro: 0 })
    expect(remaining(key)).toBe(10)
  })

  it('are counted when nobody knew before that there would be any', async () => {
    const ada = ownerOf('usr_ada', perMinute(50))
    const key = keyOf('a', perMinute(100), ada)
    limits.enter(key).settle({ tokens: 30, costMicro: 0 })
    expect(remaining(key)).toBe(20)
    const hold = await admitted(key, 0)
    hold.settle({ tokens: 40, costMicro: 0 })
    expect(remaining(key)).toBe(0)
    await expect(admitted(key, 1)).rejects.toMatchObject({ code: 'TOKENS_LIMITED' })
    // What needs none, such as a list, has nothing to wait for.
    await admitted(key, 0)
  })

  it('are whole and bounded, whatever a backend says', async () => {
    const key = keyOf('a', perMinute(100))
    for (const tokens of [Number.NaN, -5, 0.5]) limits.enter(key).settle({ tokens, costMicro: 0 })
    expect(remaining(key)).toBe(99)
    limits.enter(key).settle({ tokens: Number.POSITIVE_INFINITY, costMicro: Number.POSITIVE_INFINITY })
    expect(remaining(key)).toBe(0)
    clock.advance(61_000)
    expect(remaining(key)).toBe(100)
    expect(Number.isSafeInteger(limits.spent.of('key', 'a').dayMicro)).toBe(true)
  })

  it('survive an edit: of the limit at once, of none to some from then on', async () => {
    const ada = ownerOf('usr_ada', perMinute(100))
    const key = keyOf('a', {}, ada)
    const early = await admitted(key, 80)
    ada.limits = allowing(perMinute(200))
    expect(remaining(key)).toBe(120)
    ada.limits = allowing({})
    const uncounted = await admitted(key, 5_000)
    ada.limits = allowing(perMinute(300))
    expect(remaining(key)).toBe(220)
    uncounted.refuse()
    early.refuse()
    expect(remaining(key)).toBe(300)
  })
})

describe('the limits of a model', () => {
  it.each([
    ['rates', { rates: [rateOf('1/m')] }, 'RATE_LIMITED', 'model fast: 1/m'],
    ['concurrency', { concurrency: 1 }, 'CONCURRENCY_LIMITED', 'model fast: 1 request at once'],
  ])('of %s refuse the second, whose key and user have counted nothing', async (_what, part, code, detail) => {
    const model = modelOf('fast', part)
    const ada = ownerOf('usr_ada', { rates: [rateOf('2/m')], tokensPerMinute: 10, concurrency: 2 })
    const key = keyOf('a', {}, ada)
    const first = await admitted(key, 5, model)
    await expect(admitted(key, 5, model)).rejects.toMatchObject({ code, detail: expect.stringContaining(detail) })
    expect(remaining(key)).toBe(5)
    first.refuse()
    await admitted(key, 5, model)
    expect(remaining(key)).toBe(5)
  })

  it('are those of the fallback, once that is reserved', async () => {
    const [one, two] = [modelOf('one', { concurrency: 1 }), modelOf('two', { concurrency: 1, tokensPerMinute: 10 })]
    const key = keyOf('a', perMinute(100))
    const hold = await admitted(key, 50, one)
    await hold.reserve({ model: two, tokens: 8, costMicro: 0 })
    expect(hold.told().tokens).toMatchObject({ limit: 10, remaining: 2 })
    expect(remaining(key)).toBe(92)
    const other = await admitted(key, 1, one)
    // A refusal leaves the hold with nothing reserved.
    await expect(other.reserve({ model: two, tokens: 1, costMicro: 0 })).rejects.toMatchObject({ code: 'CONCURRENCY_LIMITED' })
    expect(remaining(key)).toBe(92)
    hold.settle({ tokens: 8, costMicro: 0 })
    await other.reserve({ model: two, tokens: 1, costMicro: 0 })
    other.settle(NOTHING_USED)
    expect(limits.stats().inFlight).toBe(0)
  })

  it('are not asked for after the end', async () => {
    const hold = limits.enter(keyOf('a'))
    hold.settle(NOTHING_USED)
    await expect(hold.reserve({ model: plain, tokens: 1, costMicro: 1 })).rejects.toThrow('has ended')
    expect(limits.spent.of('key', 'a').reservedMicro).toBe(0)
  })
})

describe('what a caller is told', () => {
  it('is nothing where there is no limit', async () => {
    const hold = await admitted(keyOf('a'), 10)
    expect(hold.told()).toEqual({ requests: null, tokens: null })
  })

  it('is the tightest of key, user and model, and when all of it is free again', async () => {
    const ada = ownerOf('usr_ada', { rates: [rateOf('5/m'), rateOf('100/d')], tokensPerMinute: 1_000 })
    const key = keyOf('a', { rates: [rateOf('10/m')], tokensPerMinute: 600 }, ada)
    const model = modelOf('fast', { rates: [rateOf('4/h')], tokensPerMinute: 5_000 })
    const hold = await admitted(key, 100, model)
    expect(hold.told()).toEqual({
      requests: { limit: 4, remaining: 3, resetMs: 3_600_000 },
      tokens: { limit: 600, remaining: 500, resetMs: 61_000 },
    })
    clock.advance(1_500)
    const second = await admitted(keyOf('b', {}, ada), 900)
    expect(second.told()).toEqual({
      requests: { limit: 5, remaining: 3, resetMs: 60_000 },
      tokens: { limit: 1_000, remaining: 0, resetMs: 60_500 },
    })
    hold.settle({ tokens: 100, costMicro: 0 })
    expect(hold.told().requests).toEqual({ limit: 4, remaining: 3, resetMs: 3_598_500 })
  })
})
