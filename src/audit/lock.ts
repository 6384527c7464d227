import type { FileLock } from '../storage/index.ts'
import { lockPath } from './names.ts'

/**
 * A ledger has one writer. A data directory's owner does not see to that: two directories may name the same file, and the second would end the
 * first one's segment as a stranger's while lines are still acknowledged into it. The lock lives as long as the open ledger.
 */
export async function lockLedger(file: string): Promise<FileLock> {
  // Loaded only here, so that verifying a ledger does not load a database.
  const { lockFile } = await import('../storage/index.ts')
  const lock = lockFile(lockPath(file))
  if (!lock) throw new Error(`another gateway is writing the ledger ${file}; give each gateway an audit.file of its own`)
  return lock
}
