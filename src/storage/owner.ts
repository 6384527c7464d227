import { chmodSync, closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import SQLite from 'better-sqlite3'
import { makeFolder } from '../files/index.ts'
import type { Clock } from '../kernel/index.ts'
import { openSqlite, setPragma } from './keep.ts'

/** Who holds a data directory, as it told others when it took it. */
export interface OwnerInfo {
  readonly pid: number
  readonly host: string
  readonly command: string
  readonly since: string
}

export interface Owner {
  readonly dataDir: string
  readonly info: OwnerInfo
  /** Gives the directory back. A killed process need not: the operating system drops its lock. */
  release(): void
}

/** Another process holds the data directory; commands answer this with exit status 3. */
export class DataDirTaken extends Error {
  override readonly name = 'DataDirTaken'
  readonly dataDir: string
  readonly owner: OwnerInfo | null

  constructor(dataDir: string, owner: OwnerInfo | null) {
    const who = owner ? `process ${owner.pid} on ${owner.host} (${owner.command}, since ${owner.since})` : 'another process'
    super(`${dataDir} is in use by ${who}`)
    this.dataDir = dataDir
    this.owner = owner
  }
}

export interface OwnerOptions {
  readonly command: string
  readonly clock: Clock
  /** How long to wait for a short-lived holder, such as a key command, before giving up. Blocks the event loop. */
  readonly waitMs?: number
}

/** A lock that nobody references would be closed by the garbage collector, and the directory given away. */
const held = new Set<SQLite.Database>()

/**
 * Takes a data directory for the life of this process. The lock is SQLite's own exclusive file lock on `owner.db`: held by the operating
 * system, it cannot outlive a killed process, and no stale file has to be judged by its pid. `owner.json` beside it only tells who.
 */
export function acquireOwner(dataDir: string, { command, clock, waitMs = 0 }: OwnerOptions): Owner {
  makeFolder(dataDir, 0o700)
  const lock = lockFile(join(dataDir, 'owner.db'), waitMs)
  const note = join(dataDir, 'owner.json')
  if (!lock) throw new DataDirTaken(dataDir, readNote(note))
  const info = { pid: process.pid, host: hostname(), command, since: new Date(clock.nowMs()).toISOString() }
  try {
    writeNote(note, info)
  } catch (thrown) {
    lock.close()
    throw thrown
  }
  held.add(lock)
  const release = () => {
    if (!held.delete(lock)) return
    rmSync(note, { force: true })
    lock.close()
  }
  return { dataDir, info, release }
}

/** The held lock, or null when somebody else has it. */
function lockFile(file: string, waitMs: number): SQLite.Database | null {
  createOnce(file)
  const lock = openSqlite(file, { timeout: waitMs })
  try {
    setPragma(lock, 'locking_mode = EXCLUSIVE')
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (thrown) {
    lock.close()
    if (thrown instanceof SQLite.SqliteError && thrown.code.startsWith('SQLITE_BUSY')) return null
    throw thrown
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

function writeNote(file: string, info: OwnerInfo): void {
  const fresh = `${file}.new`
  writeFileSync(fresh, `${JSON.stringify(info)}\n`, { mode: 0o600 })
  renameSync(fresh, file)
}

/** Null when the holder has not written its note yet, or the note cannot be read. */
function readNote(file: string): OwnerInfo | null {
  try {
    const note: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return isOwnerInfo(note) ? note : null
  } catch {
    return null
  }
}

function isOwnerInfo(note: unknown): note is OwnerInfo {
  if (typeof note !== 'object' || note === null) return false
  const has = (name: string, type: string) => name in note && typeof Reflect.get(note, name) === type
  return has('pid', 'number') && has('host', 'string') && has('command', 'string') && has('since', 'string')
}
