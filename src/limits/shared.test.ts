import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ManualClock, manualClock } from '../../test/support/clock.ts'
import { allowing, keyOf, ownerOf, rateOf, refusedBy } from '../../test/support/limits.ts'
import { type KeyPrincipal, LIMITS } from '../kernel/index.ts'
import { createLimits, type Limits, NOTHING_USED } from './index.ts'

let clock: ManualClock
let limits: Limits
beforeEach(() => {
  clock = manualClock()
  limits = createLimits({ clock })
})
afterEach(() => limits.close())

const rates = (...texts: string[]) => ({ rates: texts.map(rateOf) })
const codeOf = (key: KeyPrincipal): unknown => {
  try {
    limits.enter(key).settle(NOTHING_USED)
    return 'in'
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown ? thrown.code : thrown
  }
}
const times = (n: number, key: KeyPrincipal) => Array.from({ length: n }, () => codeOf(key)).filter((code) => code === 'in').length

describe('the limits of a user', () => {
  it('are shared by all of the keys, and are nobody else’s', () => {
    const ada = ownerOf('usr_ada', rates('3/m'))
    expect([times(2, keyOf('a', {}, ada)), times(2, keyOf('b', {}, ada))]).toEqual([2, 1])
    expect(times(2, keyOf('c', {}, ownerOf('usr_bob', rates('3/m'))))).toBe(2)
  })

  it('are told by the name of the user', () => {
    const ada = ownerOf('usr_ada', { ...rates('1/m'), concurrency: 1 })
    const hold = limits.enter(keyOf('a', {}, ada))
    expect(() => limits.enter(keyOf('b', {}, ada))).toThrow(
      expect.objectContaining({ code: 'CONCURRENCY_LIMITED', detail: expect.stringContaining('user ada: 1 request at once') }),
    )
    hold.settle(NOTHING_USED)
    expect(() => limits.enter(keyOf('b', {}, ada))).toThrow(
      expect.objectContaining({
        code: 'RATE_LIMITED',
        detail: 'user ada: 1/m is used up; try again in 60 s',
        headers: { 'retry-after': '60' },
      }),
    )
  })

  it('take nothing from the key when they refuse, nor the other way round', () => {
    const ada = ownerOf('usr_ada', rates('1/m'))
    const key = keyOf('a', rates('2/m'), ada)
    expect(times(10, key)).toBe(1)
    ada.limits = allowing(rates('10/m'))
    expect(times(10, key)).toBe(1)
    expect(times(10, keyOf('b', {}, ada))).toBe(8)
  })

  it('hold at once when they are edited, for what is running too', () => {
    const ada = ownerOf('usr_ada')
    const holds = Array.from({ length: 3 }, () => limits.enter(keyOf('a', {}, ada)))
    ada.limits = allowing({ concurrency: 3 })
    expect(codeOf(keyOf('b', {}, ada))).toBe('CONCURRENCY_LIMITED')
    holds[0]?.settle(NOTHING_USED)
    expect(codeOf(keyOf('b', {}, ada))).toBe('in')
  })

  it('take back a call that began before the user had a rate from nobody', () => {
    const ada = ownerOf('usr_ada')
    const early = limits.enter(keyOf('a', rates('9/m'), ada))
    ada.limits = allowing(rates('1/m'))
    expect(codeOf(keyOf('b', rates('9/m'), ada))).toBe('in')
    early.refuse()
    expect(codeOf(keyOf('b', rates('9/m'), ada))).toBe('RATE_LIMITED')
  })
})

describe('several rates', () => {
  it('hold each', () => {
    const key = keyOf('a', rates('2/s', '5/m'))
    const perSecond = Array.from({ length: 4 }, () => {
      const inside = times(5, key)
      clock.advance(1_000)
      return inside
    })
    expect(perSecond).toEqual([2, 2, 1, 0])
    clock.advance(56_000)
    expect(times(5, key)).toBe(2)
  })

  it.each([['1/s', '2/m'] as const, ['2/m', '1/s'] as const])('of %s and %s tell the longer wait when both are used up', (one, other) => {
    const key = keyOf('a', rates(one, other))
    expect([times(1, key), clock.advance(1_000), times(1, key)]).toEqual([1, undefined, 1])
    expect(() => limits.enter(key)).toThrow(expect.objectContaining({ detail: 'key a: 2/m is used up; try again in 59 s' }))
  })

  it('tell clients not to wait for hours', () => {
    const key = keyOf('a', rates('1/h'))
    limits.enter(key).settle(NOTHING_USED)
    expect(() => limits.enter(key)).toThrow(expect.objectContaining({ headers: { 'retry-after': '3600', 'x-should-retry': 'false' } }))
  })
})

describe('a rate that is edited', () => {
  it.each([
    ['raised', '3/m', '5/m', 2],
    ['lowered', '3/m', '2/m', 0],
    ['made longer', '3/m', '5/h', 2],
    ['made shorter', '3/h', '5/m', 2],
    ['joined by another', '3/m', '5/m 100/d', 2],
  ])('and %s goes on counting what it had', (_how, before, after, more) => {
    expect(times(9, keyOf('a', rates(before)))).toBe(3)
    clock.advance(30_000)
    expect(times(9, keyOf('a', rates(...after.split(' '))))).toBe(more)
  })

  it('to fewer than were let in waits until enough of them have left', () => {
    const key = keyOf('a', rates('4/m'))
    for (let n = 0; n < 4; n += 1) {
      times(1, key)
      clock.advance(10_000)
    }
    const edited = keyOf('a', rates('2/m'))
    // Let in at 0, 10, 20 and 30 s, and it is 40 s: one more fits a rate of two when the third has left.
    expect(() => limits.enter(edited)).toThrow(expect.objectContaining({ headers: { 'retry-after': '40' } }))
    clock.advance(39_999)
    expect(codeOf(edited)).toBe('RATE_LIMITED')
    clock.advance(1)
    expect(codeOf(edited)).toBe('in')
  })

  it('is held to what can be counted', () => {
    expect(limits.enter(keyOf('a', { rates: [{ count: LIMITS.rateCountMax * 5, perMs: 86_400_000 }] })).told().requests?.limit).toBe(
      LIMITS.rateCountMax,
    )
  })
})

describe('an endpoint', () => {
  it('takes as many requests as its rates say, and one more when one was refused after all', () => {
    const limit = allowing(rates('2/m', '3/d'))
    const first = limits.atEndpoint('gpu', limit)
    limits.atEndpoint('gpu', limit)
    expect(refusedBy(() => limits.atEndpoint('gpu', limit))).toBe('RATE_LIMITED')
    limits.atEndpoint('other', limit)
    first.refuse()
    first.refuse()
    limits.atEndpoint('gpu', limit)
    expect(refusedBy(() => limits.atEndpoint('gpu', limit))).toBe('RATE_LIMITED')
    clock.advance(60_000)
    limits.atEndpoint('gpu', limit)
    expect(refusedBy(() => limits.atEndpoint('gpu', limit))).toBe('RATE_LIMITED')
  })

  it('is charged once', () => {
    const hold = limits.atEndpoint('gpu', allowing({}))
    hold.settle({ tokens: 10, costMicro: 70 })
    hold.settle({ tokens: 10, costMicro: 70 })
    hold.refuse()
    expect(limits.spent.of('endpoint', 'gpu')).toEqual({ dayMicro: 70, monthMicro: 70, reservedMicro: 0 })
  })
})

describe('the memory of limits that are shared', () => {
  it('is given back, and a user who was forgotten is the same for all keys afterwards', async () => {
    const { vi } = await import('vitest')
    vi.useFakeTimers()
    const swept = createLimits({ clock })
    const ada = ownerOf('usr_ada', { concurrency: 2 })
    const [a, b] = [keyOf('a', rates('9/h'), ada), keyOf('b', {}, ada)]
    const model = { name: 'fast', limits: allowing({ concurrency: 1 }) }
    const hold = swept.enter(a)
    await hold.reserve({ model, tokens: 1, costMicro: 0 })
    swept.atEndpoint('gpu', allowing(rates('1/m'))).settle(NOTHING_USED)
    expect(swept.stats()).toEqual({ keys: 1, users: 1, models: 1, endpoints: 1, inFlight: 1, atModels: 1, atEndpoints: 0 })
    hold.settle(NOTHING_USED)
    clock.advance(60_000)
    vi.advanceTimersByTime(LIMITS.idleKeySweepMs)
    // The hour of the key goes on, and its user is remembered by nothing.
    expect(swept.stats()).toEqual({ keys: 1, users: 0, models: 0, endpoints: 0, inFlight: 0, atModels: 0, atEndpoints: 0 })
    swept.enter(b)
    swept.enter(a)
    expect(() => swept.enter(b)).toThrow(expect.objectContaining({ code: 'CONCURRENCY_LIMITED' }))
    expect(() => swept.enter(a)).toThrow(expect.objectContaining({ code: 'CONCURRENCY_LIMITED' }))
    swept.close()
    vi.useRealTimers()
  })

  it('is given back by slices, with turns for others between them', async () => {
    const { vi } = await import('vitest')
    vi.useFakeTimers()
    const swept = createLimits({ clock })
    for (let n = 0; n < LIMITS.sweptAtOnceMax * 2; n += 1) swept.enter(keyOf(`k${n}`)).settle(NOTHING_USED)
    vi.advanceTimersByTime(LIMITS.idleKeySweepMs - 1)
    expect(swept.stats().keys).toBe(LIMITS.sweptAtOnceMax * 2)
    vi.advanceTimersToNextTimer()
    expect(swept.stats().keys).toBeGreaterThanOrEqual(LIMITS.sweptAtOnceMax)
    const running = swept.enter(keyOf('late'))
    vi.advanceTimersByTime(10)
    expect(swept.stats()).toMatchObject({ keys: 1, users: 1, inFlight: 1 })
    running.settle(NOTHING_USED)
    swept.close()
    vi.useRealTimers()
  })
})
