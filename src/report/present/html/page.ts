import { clip } from '../../../kernel/index.ts'
import type { Report, UserRow } from '../../document.ts'
import { SEVERITIES } from '../../threats/threat.ts'
import type { Sections } from '../sections.ts'
import { atLeast, bytes, count, moment, percent, plural, units } from '../words.ts'
import { VERDICTS } from './charts.ts'
import { STYLE } from './style.ts'
import { card, TEXT_MAX, tableOf } from './table.ts'
import { html, Markup } from './tag.ts'
import { threatsSection } from './threats.ts'
import { countsSection, deniedSection, errorsSection, looseSection, routesSection, servicesSection, timeSection } from './traffic.ts'

const USERS_MAX = 500

const GATE = html`<svg viewBox="0 0 44 44" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2.4"><path d="M4 42V18a18 14 0 0 1 36 0v24"/><path d="M13 8v30M22 4v36M31 8v30M5 18h34M5 29h34" stroke-width="2"/><path d="M11 37l2 4 2-4M20 39l2 4 2-4M29 37l2 4 2-4" stroke-width="1.6"/></svg>`

/** The report as one page that asks the network for nothing, and may not: it has no scripts, and its policy forbids them. */
export function toHtml(report: Report, sections: Sections): string {
  const { summary } = report
  const body = [
    head(report),
    figures(report),
    sections.threats ? threatsSection(report) : null,
    sections.summary
      ? [timeSection(summary), deniedSection(summary), servicesSection(summary), routesSection(summary), errorsSection(summary)]
      : null,
    sections.users ? usersSection(report.users) : null,
    sections.summary ? [countsSection(summary), looseSection(summary)] : null,
    sources(report),
  ]
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><meta name="referrer" content="no-referrer">
<title>Portcullis report ${report.report.to === null ? '' : moment(report.report.to).slice(0, 10)}</title><style>${new Markup(STYLE)}</style></head>
<body><main>${body}<footer>Made ${moment(report.report.made_at)} UTC. All times are UTC. Durations are counted in classes of 4.4 %, so quantiles are true to about 2 %. What makes a threat is written in docs/report.md.</footer></main></body></html>
`
  return page.text
}

function head({ report, summary }: Report): Markup {
  const range = report.from === null || report.to === null ? 'Nothing in range' : `${moment(report.from)} to ${moment(report.to)} UTC`
  const hours = report.hours === null ? '' : `, the last ${report.hours} h`
  return html`<header>${GATE}<div><h1>Portcullis report</h1><p>${range}${hours}, from ${plural(summary.lines.read, 'line')} in ${plural(report.files.length, 'file')}</p></div></header>`
}

function figures({ summary, threats, threats_total: total }: Report): Markup {
  const { requests, addresses, authorised } = summary
  const list: readonly (readonly [string, string])[] = [
    [count(requests.total), 'requests'],
    ...VERDICTS.map((verdict) => [count(requests[verdict]), `${verdict}, ${percent(requests[verdict], requests.total)}`] as const),
    [atLeast(authorised.by_user.distinct, authorised.by_user.exact), 'users let in'],
    [atLeast(addresses.distinct, addresses.exact), 'addresses'],
  ]
  const severities = SEVERITIES.map((severity) => [severity, threats.filter((t) => t.severity === severity).length] as const).filter(
    ([, n]) => n > 0,
  )
  const found = severities.map(([severity, n], i) => html`${i === 0 ? ': ' : ', '}<em class="${severity}">${n} ${severity}</em>`)
  return html`<div class="figures">${list.map(([figure, name]) => html`<div><b>${figure}</b><span>${name}</span></div>`)}<div class="wide"><b>${count(total)}</b><span>${total === 1 ? 'threat' : 'threats'}${found}</span></div></div>`
}

function usersSection(users: readonly UserRow[]): Markup {
  const rows = users
    .slice(0, USERS_MAX)
    .map((u) => [
      html`${clip(u.user, TEXT_MAX)}<small>${[u.services.map((s) => s.name).join(', '), units(u.units, true)].filter((text) => text !== '').join(': ')}</small>`,
      count(u.requests),
      count(u.failed),
      count(u.refused),
      count(u.denied),
      atLeast(u.addresses.distinct, u.addresses.exact),
      bytes(u.bytes_out),
      moment(u.first).slice(0, 16),
      moment(u.last).slice(0, 16),
    ])
  const table = tableOf(
    [
      { title: 'user' },
      { title: 'requests', kind: 'n' },
      { title: 'failed', kind: 'n' },
      { title: 'refused', kind: 'n' },
      { title: 'denied', kind: 'n' },
      { title: 'addresses', kind: 'n' },
      { title: 'out', kind: 'n' },
      { title: 'first', kind: 't' },
      { title: 'last', kind: 't' },
    ],
    rows,
  )
  return html`<section id="users"><h2>Users</h2>${card(plural(users.length, 'user'), table)}${users.length > USERS_MAX ? html`<p>The ${USERS_MAX} busiest are shown.</p>` : null}</section>`
}

function sources({ report, summary }: Report): Markup {
  const files = tableOf(
    [{ title: 'file', kind: 'm' }, { title: 'lines', kind: 'n' }, { title: 'malformed', kind: 'n' }, { title: '' }],
    report.files.map((f) => [f.name, count(f.lines), count(f.malformed), f.fault ?? '']),
  )
  const { malformed, malformed_shown: shown, passed_on: passedOn } = summary.lines
  const bad = tableOf(
    [{ title: 'at', kind: 'm' }, { title: 'why' }],
    shown.map((m) => [`${m.file}:${m.line}`, m.why]),
  )
  return html`<section id="sources"><h2>Sources</h2>${passedOn > 0 ? html`<p>${plural(passedOn, 'request')} in the front's log reached the gate and are counted from its ledger.</p>` : null}${card('Files', files)}${malformed === 0 ? null : card(`Lines that could not be read: ${count(malformed)}`, bad)}</section>`
}
