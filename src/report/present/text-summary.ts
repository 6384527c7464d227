import type { Count } from '../count/tally.ts'
import type { AddressRow, Summary } from '../document.ts'
import { bar, cellText, sparkline } from './table.ts'
import type { Page } from './text-page.ts'
import { atLeast, bytes, count, duration, moment, percent, units } from './words.ts'

const ROWS = 10
const BAR = 24

/** All that was counted, the most important first. */
export function writeSummary(page: Page, summary: Summary): void {
  writeTotals(page, summary)
  writeTime(page, summary)
  ranked(page, 'Events', 'event', summary.events)
  ranked(page, 'Methods', 'method', summary.methods)
  ranked(page, `Endpoints (${atLeast(summary.endpoints.distinct, summary.endpoints.exact)})`, 'endpoint', summary.endpoints.top)
  addresses(page, `Addresses (${atLeast(summary.addresses.distinct, summary.addresses.exact)})`, summary.addresses.top)
  const { authorised, denied } = summary
  ranked(page, `Let in, by user (${count(authorised.total)} in all)`, 'user', authorised.by_user.top)
  ranked(page, 'Let in, by service', 'service', authorised.by_service)
  addresses(page, `Denied, by address (${count(denied.total)} in all)`, denied.by_address)
  ranked(page, 'Denied, by endpoint', 'endpoint', denied.by_endpoint)
  ranked(page, 'Denied, by reason', 'reason', denied.by_reason)
  writeTraffic(page, summary)
  writeLoose(page, summary)
}

function writeTotals(page: Page, { requests }: Summary): void {
  const { colours } = page
  page.heading('Requests')
  const rows = [
    ['served', requests.served, colours.green],
    ['failed', requests.failed, colours.yellow],
    ['refused', requests.refused, colours.cyan],
    ['denied', requests.denied, colours.red],
  ] as const
  page.line(`  ${'total'.padEnd(8)}${count(requests.total).padStart(12)}`)
  for (const [name, n, colour] of rows) {
    page.line(
      `  ${name.padEnd(8)}${count(n).padStart(12)}  ${percent(n, requests.total).padStart(8)}  ${colour(bar(n, requests.total, BAR))}`.trimEnd(),
    )
  }
}

function writeTime(page: Page, { timeline }: Summary): void {
  const { buckets, width_ms: width } = timeline
  if (buckets.length < 2) return
  const { colours } = page
  page.heading(`Over time (a column is ${duration(width)}, from ${moment(buckets[0]?.at ?? '')} UTC)`)
  page.line(`  all     ${colours.blue(sparkline(buckets.map((b) => b.served + b.failed + b.refused + b.denied)))}`)
  page.line(`  denied  ${colours.red(sparkline(buckets.map((b) => b.denied)))}`)
}

function ranked(page: Page, heading: string, title: string, rows: readonly Count[]): void {
  const shown = rows.slice(0, ROWS)
  const most = Math.max(...shown.map((row) => row.count), 0)
  page.table(
    heading,
    [{ title }, { title: 'count', right: true }, { title: '' }],
    shown.map((row) => [row.name, count(row.count), bar(row.count, most, BAR)]),
  )
}

function addresses(page: Page, heading: string, rows: readonly AddressRow[]): void {
  page.table(
    heading,
    [{ title: 'address' }, { title: 'requests', right: true }, { title: 'denied', right: true }, { title: 'first' }, { title: 'last' }],
    rows.slice(0, ROWS).map((row) => [row.address, count(row.requests), count(row.denied), moment(row.first), moment(row.last)]),
  )
}

function writeTraffic(page: Page, summary: Summary): void {
  page.table(
    'Services',
    [
      { title: 'service' },
      { title: 'requests', right: true },
      { title: 'served', right: true },
      { title: 'in', right: true },
      { title: 'out', right: true },
      { title: 'units', max: 80 },
    ],
    summary.services.map((s) => [
      s.service,
      count(s.requests),
      percent(s.served, s.requests),
      bytes(s.bytes_in),
      bytes(s.bytes_out),
      units(s.units),
    ]),
  )
  page.table(
    'Models',
    [{ title: 'model' }, { title: 'requests', right: true }, { title: 'units', max: 80 }],
    summary.models.slice(0, ROWS).map((m) => [m.model, count(m.requests), units(m.units)]),
  )
  page.table(
    'Errors, by service and status',
    [{ title: 'service' }, { title: 'status', right: true }, { title: 'code' }, { title: 'count', right: true }],
    summary.errors.slice(0, 2 * ROWS).map((e) => [e.service, e.status, e.code, count(e.count)]),
  )
  const ms = ['p50', 'p95', 'p99', 'max'].map((title) => ({ title, right: true }))
  page.table(
    'Slowest routes',
    [{ title: 'route' }, { title: 'count', right: true }, ...ms],
    summary.slowest_routes
      .slice(0, ROWS)
      .map((r) => [r.endpoint, count(r.count), duration(r.p50), duration(r.p95), duration(r.p99), duration(r.max)]),
  )
  ranked(page, 'How requests ended', 'ending', summary.endings)
}

/** What a reviewer should look after. */
function writeLoose(page: Page, summary: Summary): void {
  const { unfinished, old_secrets: oldSecrets, lines } = summary
  page.table(
    `Unfinished: let through, and no outcome recorded (${atLeast(unfinished.count, unfinished.exact)})`,
    [{ title: 'time' }, { title: 'endpoint' }, { title: 'user' }, { title: 'address' }, { title: 'at', max: 120 }],
    unfinished.shown.slice(-ROWS).map((u) => [moment(u.time), u.endpoint, u.user, u.address, `${u.file}:${u.line}`]),
  )
  page.table(
    'Rotated keys whose old secret is still in use',
    [{ title: 'key' }, { title: 'user' }, { title: 'uses', right: true }, { title: 'last' }],
    oldSecrets.slice(0, ROWS).map((o) => [o.key, o.user, count(o.count), moment(o.last)]),
  )
  ranked(page, 'Life of the gateway', 'what', summary.lifecycle)
  if (lines.malformed === 0) return
  page.heading(`Malformed lines (${count(lines.malformed)})`)
  for (const { file, line, why } of lines.malformed_shown)
    page.line(`  ${cellText(`${file}:${line}`, 200)}  ${page.colours.dim(cellText(why, 120))}`)
}
