import pc from 'picocolors'
import type { Report } from '../document.ts'
import type { Sections } from './sections.ts'
import { cellText } from './table.ts'
import { Page } from './text-page.ts'
import { writeSummary } from './text-summary.ts'
import { writeThreats, writeThreatsShortly } from './text-threats.ts'
import { writeUsers } from './text-users.ts'
import { count, moment, plural } from './words.ts'

export interface TextOptions {
  readonly sections: Sections
  readonly colour: boolean
}

/** The report for a terminal. */
export function toText(report: Report, { sections, colour }: TextOptions): string {
  const page = new Page(pc.createColors(colour))
  writeHead(page, report)
  if (sections.summary) writeSummary(page, report.summary)
  if (sections.threats) {
    if (sections.summary) writeThreatsShortly(page, report)
    else writeThreats(page, report)
  }
  if (sections.users) writeUsers(page, report.users, sections.summary)
  return page.text()
}

function writeHead(page: Page, { report, summary }: Report): void {
  const { colours } = page
  const range = report.from === null || report.to === null ? 'nothing in range' : `${moment(report.from)} – ${moment(report.to)} UTC`
  page.line(`${colours.bold('Portcullis report')}  ${range}${report.hours === null ? '' : ` (the last ${report.hours} h)`}`)
  const { read, in_range: inRange, malformed, passed_on: passedOn } = summary.lines
  const parts = [plural(report.files.length, 'file'), plural(read, 'line')]
  if (inRange !== read - malformed) parts.push(`${count(inRange)} in range`)
  if (passedOn > 0) parts.push(`${count(passedOn)} passed on by the front and counted in the ledger`)
  if (malformed > 0) parts.push(colours.yellow(`${count(malformed)} malformed`))
  page.line(colours.dim(parts.join(', ')))
  for (const note of report.notes) page.line(colours.yellow(cellText(note, 300)))
}
