import { expect, it } from 'vitest'
import { threatLanes, timelineChart } from './charts.ts'

const MINUTE_MS = 60_000
const START_MS = Date.UTC(2026, 10, 21, 14, 59)

const ticksIn = (svg: string): string[] => [...svg.matchAll(/>(\d[\d-]*-\d\d(?: [\d:]+)?)<\/text>/g)].map(([, label = '']) => label)

function lanes(rangeMs: number): string[] {
  const [from, to] = [START_MS, START_MS + rangeMs].map((ms) => new Date(ms).toISOString())
  const threat = { kind: 'probing', severity: 'low', title: 't', subject: { id: '192.0.2.1' }, first: from, last: to }
  // The chart looks at no more of a report than this.
  const report = { report: { from, to }, threats: [threat] } as unknown as Parameters<typeof threatLanes>[0]
  return ticksIn(threatLanes(report)?.text ?? '')
}

it.each([0, 2_000, 30_000, 10 * MINUTE_MS, 1_440 * MINUTE_MS, 30 * 1_440 * MINUTE_MS])(
  'threats within %i ms are drawn with no tick said twice',
  (rangeMs) => {
    const labels = lanes(rangeMs)
    expect(labels.length).toBeGreaterThan(0)
    expect(new Set(labels).size).toBe(labels.length)
  },
)

it('a span of seconds has ticks with seconds', () => {
  expect(lanes(40_000)).toEqual(['11-21 14:59:00', '11-21 14:59:10', '11-21 14:59:20', '11-21 14:59:30', '11-21 14:59:40'])
})

it.each([
  [1, 1],
  [5, 1],
  [100, 1],
  [60, 180],
  [31, 720],
])('%i columns of %i minutes have ticks that differ', (columns, minutes) => {
  const buckets = Array.from({ length: columns }, (_, i) => ({
    at: new Date(START_MS + i * minutes * MINUTE_MS).toISOString(),
    ...{ served: 1, failed: 0, refused: 0, denied: 0 },
  }))
  const labels = ticksIn(timelineChart({ buckets, width_ms: minutes * MINUTE_MS }).text)
  expect(labels.length).toBeGreaterThan(0)
  expect(new Set(labels).size).toBe(labels.length)
})
