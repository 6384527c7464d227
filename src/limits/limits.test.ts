import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ManualClock, manualClock } from '../../test/support/clock.ts'
import { keyOf, ownerOf, rateOf } from '../../test/support/limits.ts'
import { type KeyPrincipal, LIMITS } from '../kernel/index.ts'
import { createLimits, type Limits, NOTHING_USED } from './index.ts'

let clock: ManualClock
let limits: Limits
beforeEach(() => {
  clock = manualClock()
  limits = createLimits({ clock })
})
afterEach(() => limits.close())

const keyWith = (rate: string | null, concurrency: number, id = 'k'): KeyPrincipal =>
  keyOf(id, { rates: rate === null ? [] : [rateOf(rate)], concurrency }, ownerOf('usr_1'))

const codeOf = (key: KeyPrincipal) => {
  try {
    limits.enter(key).settle(NOTHING_USED)
    return 'in'
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown ? thrown.code : thrown
  }
}
const times = (n: number, key: KeyPrincipal) => Array.from({ length: n }, () => codeOf(key))

describe('the rate of a key', () => {
  it.each([1, 3, 60])('of %i takes one less and all of them, and not one more', (count) => {
    const key = keyWith(`${count}/m`, 0)
    expect(times(count - 1, key).every((code) => code === 'in')).toBe(true)
    expect(codeOf(key)).toBe('in')
    expect(codeOf(key)).toBe('RATE_LIMITED')
  })

  it('slides: a call counts until exactly its span later, and no longer', () => {
    const key = keyWith('2/m', 0)
    times(1, key)
    clock.advance(30_000)
    expect(times(2, key)).toEqual(['in', 'RATE_LIMITED'])
    clock.advance(29_999)
    expect(codeOf(key)).toBe('RATE_LIMITED')
    clock.advance(1)
    expect(times(2, key)).toEqual(['in', 'RATE_LIMITED'])
  })

  it.each([1, 3, 60])('of %i does not count the calls between that were refused after they had their place', (count) => {
    const key = keyWith(`${count}/m`, 0)
    const refused = () => {
      const hold = limits.enter(key)
      clock.advance(1)
      hold.refuse()
      hold.refuse()
      hold.settle(NOTHING_USED)
    }
    for (let n = 1; n <= count; n += 1) {
      refused()
      expect(codeOf(key)).toBe('in')
    }
    expect(codeOf(key)).toBe('RATE_LIMITED')
    expect(limits.stats().inFlight).toBe(0)
  })

  it('takes back the time of the refused call, not that of a later one', () => {
    const key = keyWith('3/m', 0)
    const slow = [limits.enter(key), limits.enter(key)]
    clock.advance(59_000)
    expect(codeOf(key)).toBe('in')
    for (const hold of slow) hold.refuse()
    clock.advance(1_000)
    expect(times(3, key)).toEqual(['in', 'in', 'RATE_LIMITED'])
  })

  it('takes nothing back for a refused call that has left the window', () => {
    const key = keyWith('1/s', 0)
    const slow = limits.enter(key)
    clock.advance(1_000)
    expect(codeOf(key)).toBe('in')
    slow.refuse()
    expect(codeOf(key)).toBe('RATE_LIMITED')
  })

  it('does not count a refused call', () => {
    const key = keyWith('1/s', 0)
    times(50, key)
    clock.advance(1_000)
    expect(codeOf(key)).toBe('in')
  })

  it('does not count a call that concurrency refused', () => {
    const key = keyWith('2/m', 1)
    const hold = limits.enter(key)
    expect(codeOf(key)).toBe('CONCURRENCY_LIMITED')
    hold.settle(NOTHING_USED)
    expect(times(2, key)).toEqual(['in', 'RATE_LIMITED'])
  })

  it('names itself and when to come back, in whole seconds and never 0', () => {
    const key = keyWith('1/m', 0)
    limits.enter(key).settle(NOTHING_USED)
    clock.advance(58_500)
    expect(() => limits.enter(key)).toThrow(
      expect.objectContaining({ code: 'RATE_LIMITED', headers: { 'retry-after': '2' }, detail: expect.stringContaining('1/m') }),
    )
    clock.advance(1_499)
    expect(() => limits.enter(key)).toThrow(expect.objectContaining({ headers: { 'retry-after': '1' } }))
  })

  it('is shared by both secrets of a rotated key, and by no other key', () => {
    expect(codeOf(keyWith('1/m', 0))).toBe('in')
    expect(codeOf({ ...keyWith('1/m', 0), oldSecret: true })).toBe('RATE_LIMITED')
    expect(codeOf(keyWith('1/m', 0, 'other'))).toBe('in')
  })

  it('never lets more than its count into any span, whenever the calls come', () => {
    let serial = 0
    const gaps = fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 20 }), (waits, count) => {
        serial += 1
        const key = keyWith(`${count}/s`, 0, `k${serial}`)
        const accepted: number[] = []
        for (const wait of waits) {
          clock.advance(wait)
          const within = accepted.filter((at) => clock.monoMs() - at < 1_000).length
          expect(codeOf(key)).toBe(within < count ? 'in' : 'RATE_LIMITED')
          if (within < count) accepted.push(clock.monoMs())
        }
      }),
    )
  })
})

describe('the concurrency of a key', () => {
  it.each([1, 3, 100])('of %i takes one less and all of them, and not one more', (concurrency) => {
    const key = keyWith(null, concurrency)
    const holds = Array.from({ length: concurrency - 1 }, () => limits.enter(key))
    const last = limits.enter(key)
    expect(() => limits.enter(key)).toThrow(expect.objectContaining({ code: 'CONCURRENCY_LIMITED', status: 429 }))
    last.settle(NOTHING_USED)
    limits.enter(key).settle(NOTHING_USED)
    for (const hold of holds) hold.settle(NOTHING_USED)
    expect(limits.stats().inFlight).toBe(0)
  })

  it('gets a place back once, however often it is given back', () => {
    const key = keyWith(null, 2)
    const [one] = [limits.enter(key), limits.enter(key)]
    one.settle(NOTHING_USED)
    one.settle(NOTHING_USED)
    one.settle(NOTHING_USED)
    expect(limits.stats().inFlight).toBe(1)
    limits.enter(key)
    expect(codeOf(key)).toBe('CONCURRENCY_LIMITED')
  })

  it('of 0 has no limit', () => {
    const key = keyWith(null, 0)
    for (let n = 0; n < 5_000; n += 1) limits.enter(key)
    expect(limits.stats().inFlight).toBe(5_000)
  })
})

describe('the memory of limits', () => {
  it('is given back when a key has nothing running and nothing in its window', async () => {
    const { vi } = await import('vitest')
    vi.useFakeTimers()
    const swept = createLimits({ clock })
    for (let n = 0; n < 1_000; n += 1) swept.enter(keyWith('5/m', 0, `k${n}`)).settle(NOTHING_USED)
    const running = swept.enter(keyWith(null, 0, 'running'))
    vi.advanceTimersByTime(LIMITS.idleKeySweepMs)
    expect(swept.stats().keys).toBe(1_001)
    clock.advance(60_000)
    vi.advanceTimersByTime(LIMITS.idleKeySweepMs)
    expect(swept.stats()).toMatchObject({ keys: 1, users: 1, inFlight: 1 })
    running.settle(NOTHING_USED)
    vi.advanceTimersByTime(LIMITS.idleKeySweepMs)
    expect(swept.stats().keys).toBe(0)
    swept.close()
    vi.useRealTimers()
  })
})
