import { clip } from '../../../kernel/index.ts'
import type { Report, Summary } from '../../document.ts'
import { count, duration, moment, span } from '../words.ts'
import { html, type Markup } from './tag.ts'

const WIDTH = 1_040
const LEFT = 52
const RIGHT = 8

/** A round number at or above, whose half is round too. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)))
  const step = [1, 2, 3, 4, 5, 6, 8, 10].find((n) => n * power >= value) ?? 10
  return Math.max(1, step * power)
}

/** Each request is one of these, so that they add up to all. */
export const VERDICTS = ['served', 'failed', 'refused', 'denied'] as const
type Bucket = Summary['timeline']['buckets'][number]

/** Everything stacked, and below it on its own scale what was denied: beside a thousand good requests ten bad ones cannot be seen. */
export function timelineChart({ buckets, width_ms: widthMs }: Summary['timeline']): Markup {
  const total = (b: Bucket): number => b.served + b.failed + b.refused + b.denied
  const step = (WIDTH - LEFT - RIGHT) / Math.max(buckets.length, 1)
  const upper = panel(buckets, { top: 10, height: 150, step, most: roundUp(Math.max(...buckets.map(total), 1)) }, VERDICTS)
  const lower = panel(buckets, { top: 186, height: 56, step, most: roundUp(Math.max(...buckets.map((b) => b.denied), 1)) }, ['denied'])
  const every = Math.max(1, Math.ceil(buckets.length / 8))
  const ticks = buckets.map((b, i) =>
    i % every === 0 ? html`<text x="${LEFT + i * step}" y="260">${tickLabel(b.at, widthMs * every)}</text>` : null,
  )
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} 268" role="img" aria-label="Requests over time">${upper}<text x="${LEFT}" y="180">denied, on its own scale</text>${lower}${ticks}</svg>`
}

const MINUTE_MS = 60_000
const TWO_DAYS_MS = 2 * 24 * 60 * MINUTE_MS

/** As exact as the distance to the next tick asks for, so that no two say the same. */
function tickLabel(at: string, distanceMs: number): string {
  if (distanceMs >= TWO_DAYS_MS) return at.slice(0, 10)
  return `${at.slice(5, 10)} ${at.slice(11, distanceMs < MINUTE_MS ? 19 : 16)}`
}

interface PanelShape {
  readonly top: number
  readonly height: number
  readonly step: number
  readonly most: number
}

function panel(
  buckets: readonly Bucket[],
  { top, height, step, most }: PanelShape,
  verdicts: readonly (typeof VERDICTS)[number][],
): Markup {
  const floor = top + height
  const lines = [0, 0.5, 1].map((share) => {
    const y = floor - share * height
    return html`<line class="${share === 0 ? 'axis' : 'grid'}" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/><text x="${LEFT - 8}" y="${y + 4}" text-anchor="end">${share === 0.5 && most < 2 ? '' : count(most * share)}</text>`
  })
  const bars = buckets.map((bucket, i) => {
    let y = floor
    const parts = verdicts.map((verdict) => {
      if (bucket[verdict] === 0) return null
      // What happened once must still be seen.
      const tall = Math.max(1, (bucket[verdict] / most) * height)
      y -= tall
      return html`<rect class="f-${verdict}" x="${LEFT + i * step}" y="${y}" width="${Math.max(1, step - (step > 4 ? 1.5 : 0))}" height="${tall}"/>`
    })
    const said = VERDICTS.map((verdict) => `${bucket[verdict]} ${verdict}`).join(', ')
    return html`<g><title>${moment(bucket.at)} UTC: ${said}</title>${parts}</g>`
  })
  return html`${lines}${bars}`
}

const LANES_MAX = 24
const LABEL = 300

/** When each threat was seen, on one axis: what belongs together stands together. */
export function threatLanes({ report, threats }: Report): Markup | null {
  const shown = threats.slice(0, LANES_MAX)
  if (shown.length === 0 || report.from === null || report.to === null) return null
  const from = Date.parse(report.from)
  const range = Math.max(Date.parse(report.to) - from, 1)
  const x = (iso: string): number => LABEL + (Math.min(Math.max(Date.parse(iso) - from, 0), range) / range) * (WIDTH - LABEL - RIGHT)
  const height = shown.length * 22 + 30
  const rows = shown.map((threat, i) => {
    const y = 8 + i * 22
    const start = x(threat.first)
    const label = `${threat.kind.replaceAll('_', ' ')} · ${threat.subject.id}`
    return html`<g class="${threat.severity}"><title>${span(threat.first, threat.last)} UTC: ${threat.title}</title><text class="label" x="0" y="${y + 11}">${clip(label, 50)}</text><line class="grid" x1="${LABEL}" x2="${WIDTH - RIGHT}" y1="${y + 7}" y2="${y + 7}"/><rect class="f-sev" x="${Math.min(start, WIDTH - RIGHT - 4)}" y="${y + 1}" width="${Math.max(4, x(threat.last) - start)}" height="12" rx="1.5"/></g>`
  })
  // Fewer than four seconds have no four different ones in them.
  const shares = range < 4_000 ? [0] : [0, 0.25, 0.5, 0.75, 1]
  const ticks = shares.map((share) => {
    const at = new Date(from + share * range).toISOString()
    const tickX = x(at)
    const anchor = share === 0 ? 'start' : share === 1 ? 'end' : 'middle'
    return html`<line class="grid" x1="${tickX}" x2="${tickX}" y1="4" y2="${height - 20}"/><text x="${tickX}" y="${height - 6}" text-anchor="${anchor}">${tickLabel(at, range / 4)}</text>`
  })
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Threats over time">${ticks}${rows}</svg>`
}

const ROUTES_MAX = 12
const MARKS_MS = [0.1, 1, 10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000, 36_000_000]

/** The spread of each route on a logarithmic axis: a bar from the median to the 99th percentile, a mark at the 95th, a line to the longest. */
export function routesChart(routes: Summary['slowest_routes']): Markup | null {
  const shown = routes.slice(0, ROUTES_MAX)
  if (shown.length === 0) return null
  const low = Math.max(Math.min(...shown.map((r) => r.p50)), 0.1) / 1.6
  const high = Math.max(...shown.map((r) => r.max), 1) * 1.15
  const x = (ms: number): number => LABEL + (Math.log(Math.max(ms, low) / low) / Math.log(high / low)) * (WIDTH - LABEL - 60)
  const height = shown.length * 26 + 26
  const grid = MARKS_MS.filter((ms) => ms >= low && ms <= high).map(
    (ms) =>
      html`<line class="grid" x1="${x(ms)}" x2="${x(ms)}" y1="2" y2="${height - 20}"/><text x="${x(ms)}" y="${height - 6}" text-anchor="middle">${duration(ms).replace('.0', '')}</text>`,
  )
  const rows = shown.map((r, i) => {
    const y = 6 + i * 26
    const said = `${r.endpoint}: median ${duration(r.p50)}, p95 ${duration(r.p95)}, p99 ${duration(r.p99)}, longest ${duration(r.max)}, of ${count(r.count)}`
    return html`<g><title>${said}</title><text class="label" x="0" y="${y + 12}">${clip(r.endpoint, 50)}</text><line class="s-served" stroke-width="1.5" x1="${x(r.p50)}" x2="${x(r.max)}" y1="${y + 8}" y2="${y + 8}"/><rect class="f-served" x="${x(r.p50)}" y="${y + 3}" width="${Math.max(2, x(r.p99) - x(r.p50))}" height="10" rx="1.5"/><rect class="f-failed" x="${x(r.p95) - 1}" y="${y}" width="2.5" height="16"/><text x="${x(r.max) + 6}" y="${y + 12}">${duration(r.max)}</text></g>`
  })
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Durations of the slowest routes">${grid}${rows}</svg>`
}
