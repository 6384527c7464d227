import type { Command } from 'commander'
import { loadPaths } from '../config.ts'

/** Commands that only read files: they need paths, not a valid configuration. */
export async function auditProgram(): Promise<Command> {
  const { auditCommand } = await import('./audit.ts')
  return auditCommand(loadPaths)
}

export async function reportProgram(): Promise<Command> {
  const { reportCommand } = await import('./report.ts')
  return reportCommand(loadPaths)
}
