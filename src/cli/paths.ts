import type { Command } from 'commander'
import { pathsOrExplain } from './explain.ts'
import { giveWay } from './give-way.ts'

/** Those that read the whole ledger; `tail` and `head` are over before anybody notices. */
const LONG_READERS = new Set(['verify', 'export'])

/** Commands that only read files: they need paths, not a valid configuration. */
export async function auditProgram(): Promise<Command> {
  const { auditCommand } = await import('./audit.ts')
  return auditCommand(pathsOrExplain).hook('preAction', (_audit, asked) => {
    if (LONG_READERS.has(asked.name())) giveWay()
  })
}

export async function reportProgram(): Promise<Command> {
  const { reportCommand } = await import('./report.ts')
  return reportCommand(pathsOrExplain).hook('preAction', giveWay)
}
