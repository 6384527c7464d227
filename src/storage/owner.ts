import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { makeFolder } from '../files/index.ts'
import type { Clock } from '../kernel/index.ts'
import { lockFile } from './lock.ts'

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
    lock.release()
    throw thrown
  }
  let released = false
  const release = () => {
    if (released) return
    released = true
    rmSync(note, { force: true })
    lock.release()
  }
  return { dataDir, info, release }
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
