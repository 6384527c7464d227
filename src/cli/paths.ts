import type { Command } from 'commander'
import { pathsOrExplain } from './explain.ts'

/** Commands that only read files: they need paths, not a valid configuration. */
export async function auditProgram(): Promise<Command> {
  const { auditCommand } = await import('./audit.ts')
  return auditCommand(pathsOrExplain)
}

export async function reportProgram(): Promise<Command> {
  const { reportCommand } = await import('./report.ts')
  return reportCommand(pathsOrExplain)
}
