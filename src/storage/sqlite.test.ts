import { chmodSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { GatewayError } from '../kernel/index.ts'
import { openBeside, openStore } from './index.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'portcullis-store-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const user = { id: 'usr_1', tenant: 'default', name: 'ada', created_ms: 1, deleted_ms: null }
const modeOf = (file: string) => statSync(file).mode & 0o777

describe('the SQLite store', () => {
  it('is made with its schema, and opening it again migrates nothing', async () => {
    const file = join(dir, 'sub', 'portcullis.db')
    const first = await openStore({ file })
    expect(first.migrated).toEqual(['0001-keys', '0002-keys-by-age', '0003-models', '0004-usage'])
    await first.close()
    const second = await openStore({ file })
    expect(second.migrated).toEqual([])
    expect(second.faults()).toEqual([])
    await second.close()
  })

  it('is readable by its owner alone, as are its side files', async () => {
    const file = join(dir, 'portcullis.db')
    const store = await openStore({ file })
    await store.db.insertInto('users').values(user).execute()
    for (const name of [file, `${file}-wal`, `${file}-shm`]) expect([name, existsSync(name) && modeOf(name)]).toEqual([name, 0o600])
    await store.close()
    chmodSync(file, 0o644)
    await (await openStore({ file })).close()
    expect(modeOf(file)).toBe(0o600)
  })

  it('syncs every commit, keeps references, and does not run functions of a foreign schema', async () => {
    const store = await openStore({ file: join(dir, 'portcullis.db') })
    const pragma = async (name: string) =>
      Object.values((await sql<object>`${sql.raw(`pragma ${name}`)}`.execute(store.db)).rows[0] ?? {})[0]
    expect(await pragma('journal_mode')).toBe('wal')
    expect(await pragma('synchronous')).toBe(2)
    expect(await pragma('foreign_keys')).toBe(1)
    expect(await pragma('trusted_schema')).toBe(0)
    await expect(store.db.insertInto('key_use').values({ key_id: 'nobody', last_used_ms: 1 }).execute()).rejects.toThrow('FOREIGN KEY')
    await store.close()
  })

  it('holds one living user of a name, and lets the name of a deleted one be taken again', async () => {
    const store = await openStore({ file: join(dir, 'portcullis.db') })
    await store.db.insertInto('users').values(user).execute()
    const again = { ...user, id: 'usr_2' }
    await expect(store.db.insertInto('users').values(again).execute()).rejects.toThrow('UNIQUE')
    await store.db.updateTable('users').set({ deleted_ms: 2 }).where('id', '=', 'usr_1').execute()
    await store.db.insertInto('users').values(again).execute()
    await store.close()
  })

  it('has a connection beside it, whose commits keep no transaction from reading first and writing then', async () => {
    const store = await openStore({ file: join(dir, 'portcullis.db') })
    const beside = openBeside(store)
    await sql`pragma busy_timeout = 20`.execute(beside.db)
    await store.db
      .insertInto('users')
      .values({ ...user, balance_micro: 5 })
      .execute()
    const charge = { balance_micro: sql<number>`balance_micro - 1` }
    let fault: unknown = null
    await store.db.transaction().execute(async (tx) => {
      await tx.selectFrom('users').selectAll().execute()
      // The other one has to wait; without the writer's place taken at the beginning it would write here, and the update below would fail.
      const other = beside.db.updateTable('users').set(charge).execute()
      await other.catch((error: unknown) => {
        fault = error
      })
      await tx.updateTable('users').set(charge).execute()
    })
    expect(fault).toMatchObject({ code: 'SQLITE_BUSY' })
    await beside.db.updateTable('users').set(charge).execute()
    expect(await store.db.selectFrom('users').select('balance_micro').execute()).toEqual([{ balance_micro: 3 }])
    await beside.close()
    await store.close()
  })

  it('refuses a store that a newer version wrote, and says so', async () => {
    const file = join(dir, 'portcullis.db')
    const store = await openStore({ file })
    await sql`insert into kysely_migration (name, timestamp) values ('9999-later', '2030-01-01')`.execute(store.db)
    await store.close()
    const thrown = await openStore({ file }).catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(GatewayError)
    expect(thrown).toMatchObject({ code: 'STORE_UNAVAILABLE', reason: expect.stringContaining('newer version (9999-later)') })
  })

  it('says which file cannot be opened', async () => {
    const thrown = await openStore({ file: join(dir) }).catch((error: unknown) => error)
    expect(thrown).toMatchObject({ code: 'STORE_UNAVAILABLE', reason: expect.stringContaining(dir) })
  })

  it('names what is wrong with a damaged store', async () => {
    const store = await openStore({ file: join(dir, 'portcullis.db') })
    await sql`pragma foreign_keys = off`.execute(store.db)
    await store.db.insertInto('key_use').values({ key_id: 'nobody', last_used_ms: 1 }).execute()
    expect(store.faults()).toEqual([expect.stringContaining('key_use')])
    await store.close()
  })
})
