import { chmodSync, closeSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type SQLite from 'better-sqlite3'
import { Kysely, type SqliteDatabase, SqliteDialect } from 'kysely'
import { isPrivate, makeFolder } from '../files/index.ts'
import { GatewayError, LIMITS } from '../kernel/index.ts'
import { keepingStatements, openSqlite, setPragma } from './keep.ts'
import { migrate } from './migrations/index.ts'
import type { Database } from './schema.ts'

/** What the code above may ask instead of asking which database it is. */
export interface StoreDialect {
  readonly name: 'sqlite'
  /** Several processes may write at once; false means one owner per data directory. */
  readonly sharedByProcesses: boolean
  /** A change can be announced to other processes by the database itself. */
  readonly announcesChanges: boolean
  /** A query occupies the event loop while it runs, so long ones belong in a worker thread. */
  readonly blocksTheLoop: boolean
}

export interface Store {
  readonly file: string
  readonly dialect: StoreDialect
  readonly db: Kysely<Database>
  /** Migrations that opening applied; empty when the store was up to date. */
  readonly migrated: readonly string[]
  /** What SQLite finds wrong with its pages and references; empty when all is well. Reads the whole file. */
  faults(): readonly string[]
  close(): Promise<void>
}

const SQLITE: StoreDialect = { name: 'sqlite', sharedByProcesses: false, announcesChanges: false, blocksTheLoop: true }

/** Opens, or creates, the store and brings it to this version's schema. Whoever calls holds the data directory (see `acquireOwner`). */
export async function openStore({ file }: { file: string }): Promise<Store> {
  const sqlite = openFile(file)
  const database = keepingStatements(sqlite)
  const db = new Kysely<Database>({ dialect: new SqliteDialect({ database }) })
  try {
    const migrated = await migrate(db)
    return { file, dialect: SQLITE, db, migrated, faults: () => faultsOf(database), close: () => db.destroy() }
  } catch (thrown) {
    await db.destroy()
    throw thrown
  }
}

function openFile(file: string): SQLite.Database {
  try {
    makePrivate(file)
    const sqlite = openSqlite(file, { timeout: LIMITS.storeBusyMsMax })
    setPragma(sqlite, 'journal_mode = WAL')
    // FULL, not NORMAL: with NORMAL a power cut may undo the last commits, and a key that was disabled would be alive again. Writes are
    // rare here (a key change, one flush of last uses a minute), so the sync per commit costs nothing that anybody waits for.
    setPragma(sqlite, 'synchronous = FULL')
    // Whose commit finds the log this long moves it into the file. The connection beside looks at a quarter of that, so that no request waits for it here.
    setPragma(sqlite, 'wal_autocheckpoint = 4000')
    setPragma(sqlite, 'foreign_keys = ON')
    // Replaced hashes are overwritten, not left in free pages.
    setPragma(sqlite, 'secure_delete = ON')
    // A schema that somebody else wrote into the file must not run functions of ours.
    setPragma(sqlite, 'trusted_schema = OFF')
    return sqlite
  } catch (cause) {
    throw new GatewayError('STORE_UNAVAILABLE', { reason: `the store ${file} cannot be opened`, cause })
  }
}

/** A second connection to a store that this process has open, for a thread of its own: what takes long there keeps nobody waiting here. */
export interface StoreBeside {
  readonly db: Kysely<Database>
  close(): Promise<void>
}

export function openBeside({ file }: { file: string }): StoreBeside {
  const sqlite = openSqlite(file, { timeout: LIMITS.storeBusyMsMax, fileMustExist: true })
  // A power cut may undo its last commits, and no others: it holds what is read from the ledger, and reads that again from where it stands then.
  setPragma(sqlite, 'synchronous = NORMAL')
  setPragma(sqlite, 'wal_autocheckpoint = 1000')
  setPragma(sqlite, 'foreign_keys = ON')
  setPragma(sqlite, 'trusted_schema = OFF')
  const db = new Kysely<Database>({ dialect: new SqliteDialect({ database: keepingStatements(sqlite) }) })
  return { db, close: () => db.destroy() }
}

/** SQLite gives its -wal and -shm files the mode of the main file, so that one has to be 0600 before SQLite opens it. */
function makePrivate(file: string): void {
  makeFolder(dirname(file), 0o700)
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST')) throw thrown
    if (!isPrivate(statSync(file).mode)) chmodSync(file, 0o600)
  }
}

function faultsOf(database: SqliteDatabase): readonly string[] {
  const rows = (sql: string): Record<string, unknown>[] => database.prepare(sql).all([]) as Record<string, unknown>[] // SQLite's own columns
  const pages = rows('PRAGMA quick_check').map(({ quick_check }) => String(quick_check))
  const dangling = rows('PRAGMA foreign_key_check')
  return [
    ...pages.filter((line) => line !== 'ok'),
    ...dangling.map(({ table, rowid }) => `${table} row ${rowid} names a row that is not there`),
  ]
}
