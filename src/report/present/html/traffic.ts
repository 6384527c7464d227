import type { Summary } from '../../document.ts'
import { atLeast, bytes, count, duration, moment, percent, units } from '../words.ts'
import { routesChart, timelineChart } from './charts.ts'
import { addressTable, barOf, card, ranked, tableOf } from './table.ts'
import { html, type Markup } from './tag.ts'

const LEGEND = html`<div class="legend"><span><i class="f-served"></i>served</span><span><i class="f-failed"></i>failed: let through, and ended badly</span><span><i class="f-refused"></i>refused: its form, or a limit</span><span><i class="f-denied"></i>denied: no good key, or no right</span></div>`

export function timeSection({ timeline }: Summary): Markup {
  return html`<section id="time"><h2>Requests over time</h2><div class="card">${timelineChart(timeline)}${LEGEND}</div></section>`
}

export function servicesSection(summary: Summary): Markup {
  const most = Math.max(...summary.services.map((s) => s.requests), 0)
  const services = tableOf(
    [
      { title: 'service' },
      { title: 'requests', kind: 'n' },
      { title: '', kind: 'w' },
      { title: 'served', kind: 'n' },
      { title: 'first byte, p50 / p95', kind: 'n' },
      { title: 'in', kind: 'n' },
      { title: 'out', kind: 'n' },
      { title: 'units' },
    ],
    summary.services.map((s) => [
      s.service,
      count(s.requests),
      barOf(s.requests, most),
      percent(s.served, s.requests),
      s.first_byte === null ? '' : `${duration(s.first_byte.p50)} / ${duration(s.first_byte.p95)}`,
      bytes(s.bytes_in),
      bytes(s.bytes_out),
      units(s.units) + (s.estimated > 0 ? ` (${count(s.estimated)} estimated)` : ''),
    ]),
  )
  const models = tableOf(
    [{ title: 'model', kind: 'm' }, { title: 'requests', kind: 'n' }, { title: 'units' }],
    summary.models.map((m) => [m.model, count(m.requests), units(m.units)]),
  )
  return html`<section id="services"><h2>Services</h2>${card('What was used', services)}${summary.models.length === 0 ? null : card('Models', models)}</section>`
}

export function routesSection({ slowest_routes: routes }: Summary): Markup | null {
  const chart = routesChart(routes)
  if (chart === null) return null
  return html`<section id="routes"><h2>Slowest routes</h2><p>From the median to the 99th percentile, with a mark at the 95th and a line to the longest; durations are to the last byte, and the axis is logarithmic.</p><div class="card">${chart}</div></section>`
}

export function errorsSection(summary: Summary): Markup {
  const errors = tableOf(
    [{ title: 'service' }, { title: 'status', kind: 'n' }, { title: 'code', kind: 'm' }, { title: 'count', kind: 'n' }],
    summary.errors.map((e) => [e.service, e.status, e.code, count(e.count)]),
  )
  return html`<section id="errors"><h2>Errors and endings</h2><div class="two">${card('By service and status', errors)}<div>${card('How requests ended', ranked('ending', summary.endings))}</div></div></section>`
}

export function deniedSection({ denied }: Summary): Markup {
  return html`<section id="denied"><h2>Turned away</h2>${card('By address', addressTable(denied.by_address))}<div class="two">${card('By reason', ranked('reason', denied.by_reason.slice(0, 12), 'denied'))}${card('By endpoint', ranked('endpoint', denied.by_endpoint.slice(0, 12), 'denied'))}</div></section>`
}

export function countsSection(summary: Summary): Markup {
  const { endpoints, addresses, authorised } = summary
  return html`<section id="counts"><h2>Counts</h2><div class="two">${card(`Endpoints: ${atLeast(endpoints.distinct, endpoints.exact)}`, ranked('endpoint', endpoints.top))}<div>${card('Let in, by service', ranked('service', authorised.by_service))}<br>${card('Events', ranked('event', summary.events))}<br>${card('Methods', ranked('method', summary.methods))}</div></div><br>${card(`Addresses: ${atLeast(addresses.distinct, addresses.exact)}`, addressTable(addresses.top))}</section>`
}

export function looseSection({ unfinished, old_secrets: oldSecrets, lifecycle }: Summary): Markup | null {
  if (unfinished.count === 0 && oldSecrets.length === 0 && lifecycle.length === 0) return null
  const open = tableOf(
    [
      { title: 'time', kind: 't' },
      { title: 'endpoint', kind: 'm' },
      { title: 'user' },
      { title: 'address', kind: 'm' },
      { title: 'evidence', kind: 'm' },
    ],
    unfinished.shown.map((u) => [moment(u.time), u.endpoint, u.user, u.address, `${u.file}:${u.line}`]),
  )
  const old = tableOf(
    [{ title: 'key', kind: 'm' }, { title: 'user' }, { title: 'uses', kind: 'n' }, { title: 'last', kind: 't' }],
    oldSecrets.map((o) => [o.key, o.user, count(o.count), moment(o.last)]),
  )
  return html`<section id="loose"><h2>Loose ends</h2>${unfinished.count === 0 ? null : card(`Let through, and no outcome recorded: ${atLeast(unfinished.count, unfinished.exact)}`, open)}${oldSecrets.length === 0 ? null : card('Rotated keys whose old secret is still in use', old)}${lifecycle.length === 0 ? null : card('Life of the gateway', ranked('what', lifecycle))}</section>`
}
