import { describe, expect, it } from 'vitest'
import { LIMITS } from '../kernel/index.ts'
import { Throttle } from './throttle.ts'

const fail = (throttle: Throttle, address: string, times: number, nowMs: number) => {
  for (let n = 0; n < times; n += 1) throttle.fail(address, nowMs)
}

describe('the throttle of failed sign-ins', () => {
  it('takes 20 failures in a minute, and listens to no 21st', () => {
    const throttle = new Throttle()
    fail(throttle, 'a', LIMITS.failedKeysPerMinuteMax - 1, 0)
    expect(throttle.blockedMs('a', 0)).toBe(0)
    fail(throttle, 'a', 1, 59_999)
    expect(throttle.blockedMs('a', 59_999)).toBe(30_000)
    expect(throttle.blockedMs('b', 59_999)).toBe(0)
  })

  it('forgets a minute that has passed', () => {
    const throttle = new Throttle()
    fail(throttle, 'a', 19, 0)
    fail(throttle, 'a', 19, 60_000)
    expect(throttle.blockedMs('a', 60_000)).toBe(0)
  })

  it('blocks longer each time, up to 15 minutes, and from the start after half an hour of peace', () => {
    const throttle = new Throttle()
    let nowMs = 0
    const blocks = Array.from({ length: 8 }, () => {
      fail(throttle, 'a', 20, nowMs)
      const blockedMs = throttle.blockedMs('a', nowMs)
      nowMs += blockedMs
      return blockedMs / 1000
    })
    expect(blocks).toEqual([30, 60, 120, 240, 480, 900, 900, 900])
    nowMs += 31 * 60_000
    fail(throttle, 'a', 20, nowMs)
    expect(throttle.blockedMs('a', nowMs)).toBe(30_000)
  })

  it('does not lengthen a block by what comes during it', () => {
    const throttle = new Throttle()
    fail(throttle, 'a', 20, 0)
    fail(throttle, 'a', 100, 1_000)
    expect(throttle.blockedMs('a', 1_000)).toBe(29_000)
  })

  it('holds no more addresses than it may, and forgets the one that was quiet longest', () => {
    const throttle = new Throttle()
    for (let n = 0; n <= LIMITS.throttledAddressesMax; n += 1) throttle.fail(`host ${n}`, n / 1000)
    expect(throttle.size).toBe(LIMITS.throttledAddressesMax)
    expect(throttle.failures('host 0', 60)).toBe(0)
    expect(throttle.failures('host 1', 60)).toBe(1)
  })
})
