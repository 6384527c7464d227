import { describe, expect, it } from 'vitest'
import { Random } from '../../../test/support/random.ts'
import { Addresses } from './addresses.ts'
import { Book } from './book.ts'
import { Histogram } from './histogram.ts'
import { Recent } from './recent.ts'
import { SlidingCount } from './sliding.ts'
import { Tally } from './tally.ts'
import { Timeline } from './timeline.ts'

describe('a book', () => {
  it('forgets the light half, keeps the heavy one, and says so', () => {
    const tally = new Tally(10)
    for (let n = 0; n < 5; n += 1) tally.add(`heavy-${n}`, 100)
    for (let n = 0; n < 500; n += 1) tally.add(`light-${n}`)
    expect(tally.top(5)).toEqual(Array.from({ length: 5 }, (_, n) => ({ name: `heavy-${n}`, count: 100 })))
    expect(tally.size).toBeLessThanOrEqual(10)
    expect(tally.exact).toBe(false)
    expect(tally.total).toBe(1_000)
  })

  it('among equals keeps the latest', () => {
    const book = new Book<{ n: number }>(
      4,
      () => ({ n: 1 }),
      ({ n }) => n,
    )
    for (const name of ['a', 'b', 'c', 'd', 'e']) book.of(name)
    expect([...book].map(([name]) => name)).toEqual(['c', 'd', 'e'])
  })
})

describe('addresses', () => {
  it('are exact up to the bound and a lower bound beyond it; the busiest survive', () => {
    const addresses = new Addresses(1_000)
    for (let n = 0; n < 1_000; n += 1) addresses.see(`a-${n}`, 1, false, n, n)
    for (let n = 0; n < 50; n += 1) addresses.see('busy', n === 0 ? 5 : 1, true, 5, 9)
    expect([addresses.distinct, addresses.exact]).toEqual([1_000, false])
    for (let n = 0; n < 5_000; n += 1) addresses.see(`b-${n}`, 1, false, n, n)
    expect(addresses.top(1, 'requests')).toEqual([{ address: 'busy', requests: 54, denied: 54, firstMs: 5, lastMs: 9 }])
    expect(addresses.top(9, 'denied')).toHaveLength(1)
  })

  it('n-1, n and n+1 of the bound', () => {
    for (const [n, exact] of [
      [99, true],
      [100, true],
      [101, false],
    ] as const) {
      const addresses = new Addresses(100)
      for (let i = 0; i < n; i += 1) addresses.see(`a-${i}`, 1, false, 0, 0)
      expect([addresses.distinct, addresses.exact]).toEqual([Math.min(n, 100), exact])
    }
  })
})

describe('a histogram', () => {
  it.each([3, 15, 16, 17, 10_000])('of %i durations is true to 3 %', (count) => {
    const random = new Random(count)
    const histogram = new Histogram()
    const all = Array.from({ length: count }, () => random.skewed(800)).sort((a, b) => a - b)
    for (const ms of all) histogram.add(ms)
    for (const share of [0.5, 0.95, 0.99]) {
      const exact = all[Math.ceil(share * count) - 1] ?? 0
      expect(Math.abs(histogram.quantile(share) - exact) / exact).toBeLessThan(0.03)
    }
    expect(histogram.spread().max).toBeCloseTo(all.at(-1) ?? 0, 0)
  })

  it('takes nothing, nothing at all, and days', () => {
    const histogram = new Histogram()
    expect(histogram.spread()).toEqual({ count: 0, p50: 0, p95: 0, p99: 0, max: 0 })
    for (const ms of [0, 0, 0, 86_400_000 * 30]) histogram.add(ms)
    expect(histogram.quantile(0.5)).toBeLessThan(0.1)
    expect(histogram.spread().max).toBe(86_400_000 * 30)
  })
})

describe('a timeline', () => {
  it('widens its buckets and loses nothing', () => {
    const timeline = new Timeline()
    const startMs = Date.UTC(2026, 4, 4)
    for (let minute = 0; minute < 40_000; minute += 1) timeline.add(startMs + minute * 60_000, minute % 10 === 0 ? 'denied' : 'served', 1)
    const buckets = timeline.buckets()
    expect(buckets.length).toBeLessThanOrEqual(120)
    expect(buckets.reduce((sum, b) => sum + b.served, 0)).toBe(36_000)
    expect(buckets.reduce((sum, b) => sum + b.denied, 0)).toBe(4_000)
    expect(buckets[0]?.atMs).toBeLessThanOrEqual(startMs)
  })

  it('shows quiet times as empty, and times that go back', () => {
    const timeline = new Timeline()
    for (const minute of [10, 3, 5]) timeline.add(minute * 60_000, 'served', 1)
    expect(timeline.buckets().map((b) => b.served)).toEqual([1, 0, 1, 0, 0, 0, 0, 1])
  })
})

describe('a sliding count', () => {
  it('agrees with counting by hand, to one slot', () => {
    const random = new Random(7)
    const sliding = new SlidingCount(3_600_000)
    const seen: number[] = []
    let atMs = Date.UTC(2026, 4, 4)
    for (let n = 0; n < 2_000; n += 1) {
      atMs += random.int(0, random.chance(0.01) ? 9_000_000 : 240_000)
      seen.push(atMs)
      const counted = sliding.add(atMs, 1)
      expect(counted).toBeLessThanOrEqual(seen.filter((ms) => ms > atMs - 3_600_000).length)
      expect(counted).toBeGreaterThanOrEqual(seen.filter((ms) => ms > atMs - 3_300_000).length)
    }
  })

  it('begins anew when time goes far back, as in another ledger', () => {
    const sliding = new SlidingCount(3_600_000)
    sliding.add(Date.UTC(2026, 4, 4), 50)
    expect(sliding.add(Date.UTC(2026, 3, 4), 1)).toBe(1)
  })
})

describe('recent names', () => {
  it('are counted within the window, and are never more than the bound', () => {
    const recent = new Recent(1_000, 3)
    expect(recent.see('a', 0)).toBe(true)
    expect(recent.see('a', 900)).toBe(false)
    recent.see('b', 1_000)
    expect(recent.see('c', 1_950)).toBe(true)
    expect([recent.size, recent.peak]).toEqual([2, 2])
    for (const name of 'defgh') recent.see(name, 1_960)
    expect([recent.size, recent.peak, recent.full]).toEqual([3, 3, true])
    expect(recent.since(1_955)).toBe(3)
  })
})
