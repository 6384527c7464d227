import { visible } from '../../kernel/index.ts'
import type { Report } from '../document.ts'
import type { Sections } from './sections.ts'

/**
 * The report for programs. Control characters beyond JSON's own (C1, bidirectional marks) are escaped too, because people look at JSON in terminals; all
 * of them can only stand inside strings, where `\u009b` means the same.
 */
export function toJson(report: Report, sections: Sections): string {
  const chosen = {
    report: report.report,
    ...(sections.summary ? { summary: report.summary } : {}),
    ...(sections.threats ? { threats_total: report.threats_total, threats: report.threats } : {}),
    ...(sections.users ? { users: report.users } : {}),
  }
  return `${JSON.stringify(chosen, null, 2).split('\n').map(visible).join('\n')}\n`
}
