import type { Report } from '../document.ts'
import { SEVERITIES, type Severity, type Threat } from '../threats/threat.ts'
import { cellText } from './table.ts'
import type { Page } from './text-page.ts'
import { plural, span } from './words.ts'

const SHORT_MAX = 12
const TITLE_MAX = 240

/** One line for each, for the end of a summary. */
export function writeThreatsShortly(page: Page, report: Report): void {
  page.heading(headline(report))
  for (const threat of report.threats.slice(0, SHORT_MAX))
    page.line(`  ${badge(page, threat.severity)}  ${cellText(threat.title, TITLE_MAX)}`)
  if (report.threats_total > 0) page.line(page.colours.dim('  portcullis report --suspicious shows the evidence and what to do'))
}

export function writeThreats(page: Page, report: Report): void {
  page.heading(headline(report))
  for (const threat of report.threats) writeThreat(page, threat)
  const rest = report.threats_total - report.threats.length
  if (rest > 0) page.line(`\n  and ${plural(rest, 'lesser one')}`)
}

function headline({ threats, threats_total: total }: Report): string {
  if (total === 0) return 'Threats: none found'
  const parts = SEVERITIES.map((severity) => `${threats.filter((t) => t.severity === severity).length} ${severity}`)
  return `Threats: ${total > threats.length ? `${total}, the worst of them ` : ''}${parts.join(', ')}`
}

function writeThreat(page: Page, threat: Threat): void {
  const { colours } = page
  page.line('')
  page.line(`  ${badge(page, threat.severity)}  ${colours.bold(cellText(threat.title, TITLE_MAX))}`)
  const field = (name: string, text: string): void => page.line(`          ${colours.dim(name.padEnd(9))} ${text}`)
  field('kind', threat.kind)
  field('when', `${span(threat.first, threat.last)} UTC`)
  if (threat.subject.user !== '') field('user', cellText(threat.subject.user))
  if (threat.addresses.length > 0) field('from', threat.addresses.map((a) => cellText(a, 45)).join(', '))
  for (const { file, lines } of threat.evidence) field('evidence', `${cellText(file, 160)}:${lines.join(',')}`)
  field('do', cellText(threat.advice, 400))
}

function badge(page: Page, severity: Severity): string {
  const { colours } = page
  const paint = { high: colours.red, medium: colours.yellow, low: colours.cyan }[severity]
  return paint(severity.toUpperCase().padEnd(6))
}
