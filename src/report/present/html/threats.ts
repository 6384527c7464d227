import { clip } from '../../../kernel/index.ts'
import type { Report } from '../../document.ts'
import type { Threat } from '../../threats/threat.ts'
import { count, plural, span } from '../words.ts'
import { threatLanes } from './charts.ts'
import { TEXT_MAX } from './table.ts'
import { html, type Markup } from './tag.ts'

const SHOWN_MAX = 200

export function threatsSection(report: Report): Markup {
  const shown = report.threats.slice(0, SHOWN_MAX)
  const rest = report.threats_total - shown.length
  const lanes = threatLanes(report)
  return html`<section id="threats"><h2>Threats</h2>
${report.threats_total === 0 ? html`<p>None of the detectors found anything in these lines.</p>` : html`<p>The worst first. Each names the first and the latest lines that show it; verify the ledger before you rely on them.</p>`}
${lanes === null ? null : html`<div class="card">${lanes}</div>`}
${shown.map(threatCard)}
${rest > 0 ? html`<p>And ${plural(rest, 'lesser one')}, not shown.</p>` : null}</section>`
}

function threatCard(threat: Threat): Markup {
  const { subject } = threat
  const evidence = threat.evidence.map(
    ({ file, lines }) => html`<div class="m">${file}: ${lines.length === 1 ? 'line' : 'lines'} ${lines.join(', ')}</div>`,
  )
  return html`<article class="card threat ${threat.severity}"><h4><span class="tag">${threat.severity}</span>${clip(threat.title, TEXT_MAX)}</h4>
<dl><dt>what</dt><dd>${threat.kind.replaceAll('_', ' ')}, ${plural(threat.count, 'record')}</dd>
<dt>when</dt><dd>${span(threat.first, threat.last)} UTC</dd>
${subject.user === '' ? null : html`<dt>user</dt><dd>${clip(subject.user, TEXT_MAX)}</dd>`}
${threat.addresses.length === 0 ? null : html`<dt>from</dt><dd class="m">${threat.addresses.join(', ')}</dd>`}
${threat.let_in === 0 ? null : html`<dt>let in</dt><dd>${count(threat.let_in)} requests from the same address</dd>`}
<dt>evidence</dt><dd>${evidence}</dd>
<dt>do</dt><dd>${threat.advice}</dd></dl></article>`
}
