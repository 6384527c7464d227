import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seed } from '../../test/support/limits.ts'
import { SlidingWindow } from './window.ts'

describe('a sliding window', () => {
  it('holds its calls in order while it grows around its end', () => {
    const window = new SlidingWindow()
    for (let at = 0; at < 10; at += 1) window.add(at)
    window.forget(15, 10)
    for (let at = 10; at < 100; at += 1) window.add(at)
    expect([window.held, window.oldest(), window.newest()]).toEqual([94, 6, 99])
    window.forget(105, 10)
    expect([window.held, window.oldest()]).toEqual([4, 96])
    window.forget(1_000, 10)
    expect(window.held).toBe(0)
  })

  it(`answers for any rate within it as a list of all calls would (SEED=${seed})`, () => {
    const step = fc.record({
      what: fc.constantFrom('add', 'add', 'add', 'forget', 'drop'),
      gapMs: fc.integer({ min: 0, max: 400 }),
      which: fc.nat(),
    })
    const rate = fc.record({ count: fc.integer({ min: 1, max: 40 }), perMs: fc.integer({ min: 1, max: 5_000 }) })
    const property = fc.property(fc.array(step, { maxLength: 150 }), fc.array(rate, { minLength: 1, maxLength: 3 }), (steps, rates) => {
      const window = new SlidingWindow()
      const longestMs = Math.max(...rates.map(({ perMs }) => perMs))
      let [nowMs, calls] = [0, [] as number[]]
      for (const { what, gapMs, which } of steps) {
        nowMs += gapMs + 0.25
        if (what === 'add') {
          window.add(nowMs)
          calls.push(nowMs)
        } else if (what === 'forget') window.forget(nowMs, longestMs)
        else if (calls.length > 0) {
          const [gone = 0] = calls.splice(which % calls.length, 1)
          window.drop(gone)
        }
        for (const { count, perMs } of rates) {
          const within = calls.filter((at) => nowMs - at < perMs)
          expect(window.within(perMs, nowMs)).toBe(within.length)
          const waitMs = window.waitMs(count, perMs, nowMs)
          expect(waitMs > 0).toBe(within.length >= count)
          if (waitMs > 0) expect(within.filter((at) => nowMs + waitMs - at < perMs).length).toBeLessThan(count)
        }
      }
    })
    fc.assert(property, { seed })
  })
})
