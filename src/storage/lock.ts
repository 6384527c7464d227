import { chmodSync, closeSync, openSync } from 'node:fs'
import SQLite from 'better-sqlite3'
import { openSqlite, setPragma } from './keep.ts'

export interface FileLock {
  /** A killed process need not: the operating system drops its lock. */
  release(): void
}

/** A lock that nobody references would be closed by the garbage collector, and what it guards given away. */
const held = new Set<SQLite.Database>()

/**
 * SQLite's own exclusive lock on a file that holds nothing else, or null when somebody has it. Waiting blocks the event loop. The file stays
 * when the lock is released: who removed it could pull it from under somebody who has just opened it.
 */
export function lockFile(file: string, waitMs = 0): FileLock | null {
  createOnce(file)
  const lock = openSqlite(file, { timeout: waitMs })
  try {
    setPragma(lock, 'locking_mode = EXCLUSIVE')
    // Nothing is ever written, so no journal file has to stand beside it.
    setPragma(lock, 'journal_mode = MEMORY')
    lock.exec('BEGIN EXCLUSIVE')
  } catch (thrown) {
    lock.close()
    if (thrown instanceof SQLite.SqliteError && thrown.code.startsWith('SQLITE_BUSY')) return null
    throw thrown
  }
  held.add(lock)
  return {
    release: () => {
      if (held.delete(lock)) lock.close()
    },
  }
}

/** POSIX drops all of a process's locks on a file when it closes any descriptor of it, so an existing lock file is never opened by hand. */
function createOnce(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST')) throw thrown
    chmodSync(file, 0o600)
  }
}
