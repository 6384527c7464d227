import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seed } from '../../test/support/limits.ts'
import { TokenMinute } from './minute.ts'

const MINUTE_MS = 60_000
const SECOND_MS = 1_000

describe('a minute of tokens', () => {
  it('holds them for a minute and at most a second more', () => {
    const minute = new TokenMinute()
    minute.add(7, 999)
    minute.add(5, 1_000)
    expect(minute.held(60_999)).toBe(12)
    expect(minute.held(61_000)).toBe(5)
    expect(minute.held(61_999)).toBe(5)
    expect(minute.held(62_000)).toBe(0)
  })

  it('takes back what is still held, and nothing of what has left', () => {
    const minute = new TokenMinute()
    const second = minute.add(100, 5_500)
    minute.add(10, 6_000)
    minute.giveBack(40, second, 30_000)
    expect(minute.held(30_000)).toBe(70)
    minute.giveBack(60, second, 66_000)
    expect(minute.held(66_000)).toBe(10)
  })

  it('says Infinity of what would never fit', () => {
    expect(new TokenMinute().waitMs(101, 100, 0)).toBe(Number.POSITIVE_INFINITY)
    expect(new TokenMinute().waitMs(100, 100, 0)).toBe(0)
  })

  it('is empty after a silence of any length', () => {
    for (const silenceMs of [61_000, 61_001, 122_000, 10 * 86_400_000]) {
      const minute = new TokenMinute()
      for (let at = 0; at < 61_000; at += 500) minute.add(3, at)
      expect(minute.held(61_000 + silenceMs)).toBe(0)
      minute.add(1, 61_000 + silenceMs)
      expect(minute.held(61_000 + silenceMs)).toBe(1)
    }
  })

  it(`never lets more than its limit into any sixty seconds, and never waits longer than it says (SEED=${seed})`, () => {
    const call = fc.record({ gapMs: fc.integer({ min: 0, max: 9_000 }), tokens: fc.integer({ min: 1, max: 60 }) })
    const property = fc.property(fc.array(call, { minLength: 1, maxLength: 120 }), (calls) => {
      const [minute, limit] = [new TokenMinute(), 100]
      const taken: { atMs: number; tokens: number }[] = []
      let nowMs = 0
      const since = (fromMs: number) => taken.filter(({ atMs }) => atMs > fromMs).reduce((sum, { tokens }) => sum + tokens, 0)
      for (const { gapMs, tokens } of calls) {
        nowMs += gapMs
        const waitMs = minute.waitMs(tokens, limit, nowMs)
        if (waitMs > 0) {
          // Not refused for what is older than a minute and a second, and the wait it tells is enough and no longer than needed.
          expect(since(nowMs - MINUTE_MS - SECOND_MS) + tokens).toBeGreaterThan(limit)
          const other = copyOf(taken)
          expect(other.waitMs(tokens, limit, nowMs + waitMs - 1)).toBeGreaterThan(0)
          expect(other.waitMs(tokens, limit, nowMs + waitMs)).toBe(0)
          continue
        }
        minute.add(tokens, nowMs)
        taken.push({ atMs: nowMs, tokens })
        expect(since(nowMs - MINUTE_MS)).toBeLessThanOrEqual(limit)
        expect(minute.emptyMs(nowMs)).toBeGreaterThan(MINUTE_MS)
        expect(minute.emptyMs(nowMs)).toBeLessThanOrEqual(MINUTE_MS + SECOND_MS)
      }
    })
    fc.assert(property, { seed })
  })
})

function copyOf(taken: readonly { atMs: number; tokens: number }[]): TokenMinute {
  const minute = new TokenMinute()
  for (const { atMs, tokens } of taken) minute.add(tokens, atMs)
  return minute
}
