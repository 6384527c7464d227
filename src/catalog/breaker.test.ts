import { beforeEach, describe, expect, it } from 'vitest'
import { type ManualClock, manualClock } from '../../test/support/clock.ts'
import { LIMITS } from '../kernel/index.ts'
import { Breaker } from './breaker.ts'

const { breakerFailures, breakerOpenMs, breakerOpenMsMax } = LIMITS
let clock: ManualClock
let breaker: Breaker
beforeEach(() => {
  clock = manualClock()
  breaker = new Breaker(clock)
})

const refused = { caller: 'ada', isUnreachable: true }
const fail = (times: number, failure = refused): void => {
  for (let n = 0; n < times; n += 1) breaker.failed(failure, false)
}
/** The next trial, from its start to its failure; tells how long the endpoint is left alone for it. */
const failTrial = (): number => {
  clock.advance(breaker.waitMs)
  expect(breaker.begun()).toBe(true)
  breaker.failed(refused, true)
  return breaker.waitMs
}

describe('an endpoint that refuses connections', () => {
  it('is left alone after so many in a row, and no sooner', () => {
    fail(breakerFailures - 1)
    expect([breaker.lets, breaker.state]).toEqual([true, 'closed'])
    breaker.served()
    fail(breakerFailures - 1)
    expect([breaker.lets, breaker.state, breaker.waitMs]).toEqual([true, 'closed', 0])
    fail(1)
    expect([breaker.lets, breaker.state, breaker.waitMs]).toEqual([false, 'open', breakerOpenMs])
  })

  it('is left alone until its time is over', () => {
    fail(breakerFailures)
    clock.advance(breakerOpenMs - 1)
    expect([breaker.lets, breaker.state, breaker.waitMs]).toEqual([false, 'open', 1])
    clock.advance(1)
    expect([breaker.lets, breaker.state, breaker.waitMs]).toEqual([true, 'half-open', 0])
  })

  it('is not left alone any longer for those who were on their way before', () => {
    fail(breakerFailures * 3)
    expect(breaker.waitMs).toBe(breakerOpenMs)
    clock.advance(1_000)
    fail(1)
    expect(breaker.waitMs).toBe(breakerOpenMs - 1_000)
    expect(failTrial()).toBe(breakerOpenMs * 2)
  })
})

describe('a trial', () => {
  beforeEach(() => {
    fail(breakerFailures)
    clock.advance(breakerOpenMs)
  })

  it('is one request, and all others wait for its end', () => {
    breaker.begun()
    expect([breaker.lets, breaker.state]).toEqual([false, 'half-open'])
    clock.advance(breakerOpenMsMax)
    expect([breaker.lets, breaker.state]).toEqual([false, 'half-open'])
    breaker.served()
    expect([breaker.lets, breaker.state]).toEqual([true, 'closed'])
    breaker.begun()
    expect(breaker.lets).toBe(true)
  })

  it('that fails has the endpoint left alone twice as long, up to a bound', () => {
    const waits = [failTrial(), failTrial(), failTrial()]
    expect(waits).toEqual([2, 4, 8].map((times) => times * breakerOpenMs))
    for (let n = 0; n < 10; n += 1) failTrial()
    expect(breaker.waitMs).toBe(breakerOpenMsMax)
  })

  it('is not ended by those who were on their way before it', () => {
    breaker.begun()
    fail(3)
    breaker.undecided(false)
    expect([breaker.lets, breaker.state]).toEqual([false, 'half-open'])
    breaker.failed(refused, true)
    expect(breaker.waitMs).toBe(breakerOpenMs * 2)
  })

  it('that is served has all forgotten', () => {
    failTrial()
    clock.advance(breaker.waitMs)
    breaker.begun()
    breaker.served()
    fail(breakerFailures - 1)
    expect(breaker.lets).toBe(true)
    fail(1)
    expect(breaker.waitMs).toBe(breakerOpenMs)
  })

  it('that says nothing, such as one whose caller leaves, is followed by another', () => {
    breaker.begun()
    breaker.undecided(true)
    expect([breaker.lets, breaker.state]).toEqual([true, 'half-open'])
    expect(failTrial()).toBe(breakerOpenMs * 2)
  })

  it('with a good answer begun lets others in before its end, and one more failure is enough', () => {
    breaker.begun()
    breaker.answered()
    expect([breaker.lets, breaker.state]).toEqual([true, 'closed'])
    expect(breaker.begun()).toBe(false)
    expect(breaker.lets).toBe(true)
    breaker.failed({ caller: 'ada', isUnreachable: false }, false)
    expect([breaker.lets, breaker.waitMs]).toEqual([false, breakerOpenMs])
  })

  it('whose answer came to a good end is as good as any', () => {
    breaker.begun()
    breaker.answered()
    breaker.served()
    fail(breakerFailures - 1)
    expect(breaker.lets).toBe(true)
  })
})

describe('an endpoint that answers', () => {
  const broken = (caller: string) => ({ caller, isUnreachable: false })

  it('is no nearer to being left alone for an answer that begins while all is well', () => {
    breaker.answered()
    fail(breakerFailures - 1)
    expect(breaker.lets).toBe(true)
  })

  it('badly is left alone when several callers meet that, and not for one alone', () => {
    fail(breakerFailures * 2, broken('ada'))
    expect(breaker.lets).toBe(true)
    fail(1, broken('grace'))
    expect(breaker.lets).toBe(false)
  })

  it('in between is asked on, whoever failed before', () => {
    fail(2, broken('ada'))
    fail(2, broken('grace'))
    breaker.served()
    fail(breakerFailures, broken('ada'))
    expect(breaker.lets).toBe(true)
  })
})
