import SQLite from 'better-sqlite3'
import type { SqliteDatabase, SqliteStatement } from 'kysely'

/**
 * Every database and statement of this process. Node ≥ 24.19 gives native objects clean-up hooks that better-sqlite3 12 does not expect: the
 * process is aborted when one of them is garbage-collected. So none becomes garbage; better-sqlite3 13 mends it, and crashes on Node 20.
 */
const kept: object[] = []

export function openSqlite(file: string, options: SQLite.Options = {}): SQLite.Database {
  const sqlite = new SQLite(file, options)
  kept.push(sqlite)
  return sqlite
}

/** The database as Kysely uses it, with one statement for each text of SQL: nothing is compiled twice, and nothing is thrown away. */
export function keepingStatements(sqlite: SQLite.Database): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>()
  return {
    close: () => sqlite.close(),
    prepare(text) {
      // A transaction that reads first and writes then would fail at once, however long it may wait, when the other connection has written in between
      // (SQLITE_BUSY_SNAPSHOT); so each takes the writer's place when it begins.
      const sql = text === 'begin' ? 'begin immediate' : text
      const known = statements.get(sql)
      if (known) return known
      const statement = sqlite.prepare(sql)
      kept.push(statement)
      const made = sql === 'rollback' ? rollingBack(sqlite, statement) : statement
      statements.set(sql, made)
      return made
    },
  }
}

/** SQLite itself rolls back on a full disk and the like; to do it once more is an error, which would hide the first. */
function rollingBack(sqlite: SQLite.Database, rollback: SQLite.Statement): SqliteStatement {
  return {
    reader: false,
    all: () => [],
    iterate: () => [].values(),
    run: () => (sqlite.inTransaction ? rollback.run() : { changes: 0, lastInsertRowid: 0 }),
  }
}

/** A setting of the connection. `pragma()` would make a statement to throw away. */
export const setPragma = (sqlite: SQLite.Database, setting: string): void => void sqlite.exec(`PRAGMA ${setting}`)
