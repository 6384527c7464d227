import { join } from 'node:path'
import { sql } from 'kysely'
import type { Ledger, LedgerOptions } from '../../src/audit/index.ts'
import type { OutcomeEntry } from '../../src/contract/index.ts'
import { type Clock, systemClock } from '../../src/kernel/index.ts'
import { createSealer } from '../../src/secrets/index.ts'
import { openStore, type Store } from '../../src/storage/index.ts'
import { createUsage, type Retention, type Usage, type UsageParts } from '../../src/usage/index.ts'
import { intentOf, type LedgerPlace, ledgerAt, ledgerPlace, outcomeOf, type Said } from './ledger.ts'

/** A ledger, a store with a few users and keys, and the accounts between them. */
export interface UsageScene {
  readonly place: LedgerPlace
  readonly storeFile: string
  readonly said: Said[]
  ledger: Ledger
  store: Store
  usage: Usage
  /** One request with its intent and its outcome. */
  pay(request: string, more?: Partial<OutcomeEntry>): Promise<void>
  /** Until the ledger has acknowledged all it was given, and the accounts have it. */
  counted(): Promise<void>
  /** As a restart: closes and opens all three again, or only those that are named. */
  reopen(change?: SceneOptions): Promise<void>
  balance(user: string): Promise<number | null>
  rows(text: string): Promise<Record<string, unknown>[]>
  close(): Promise<void>
}

export interface SceneOptions {
  /** Where the directories are to be, before anything is in them. */
  readonly prepare?: (place: LedgerPlace) => void
  readonly clock?: Clock
  readonly ledger?: Partial<LedgerOptions>
  readonly retention?: Partial<Retention>
  readonly startWorker?: NonNullable<UsageParts['startWorker']>
}

export const USERS = { usr_ada: { name: 'ada', balance: 1_000_000 }, usr_bob: { name: 'bob', balance: null } } as const
export const KEYS = { AdaKey000001: 'usr_ada', AdaKey000002: 'usr_ada', BobKey000001: 'usr_bob' } as const

const RETENTION: Retention = { keepDays: 90, contentKeepDays: 7, contentBytesMax: 64 * 1024, contentTotalBytesMax: 1024 ** 3 }

export async function usageScene(first: SceneOptions = {}): Promise<UsageScene> {
  const place = ledgerPlace()
  first.prepare?.(place)
  const storeFile = join(place.keyDir, 'portcullis.db')
  const said: Said[] = []
  let options = first
  const open = async () => {
    const { clock = systemClock } = options
    const store = await openStore({ file: storeFile })
    const ledger = await ledgerAt(place, { clock, ...options.ledger }, said)
    const at = (level: Said['level']) => (fields: object, message: string) => void said.push({ level, message, fields })
    const log = { info: at('info'), warn: at('warn'), error: at('error') }
    const keys = createSealer(join(place.keyDir, 'contents.key'))
    const sealer = {
      seal: (bytes: Buffer, aad: string) => keys.sealBytes(bytes, aad),
      open: (bytes: Buffer, aad: string) => keys.openBytes(bytes, aad),
    }
    const { startWorker } = options
    const usage = createUsage({
      store,
      ledger,
      ledgerFile: place.file,
      sealer,
      clock,
      log,
      retention: { ...RETENTION, ...options.retention },
      ...(startWorker && { startWorker }),
    })
    return { store, ledger, usage }
  }
  const opened = await open()
  await populate(opened.store)
  const shut = async () => {
    await scene.usage.close()
    await scene.ledger.close()
    await scene.store.close()
  }
  const scene: UsageScene = {
    place,
    storeFile,
    said,
    ...opened,
    pay: async (request, more) => {
      const { user = 'ada', key = 'AdaKey000001', model = 'fast' } = more ?? {}
      await scene.ledger.intent(intentOf(request, { user, key, model }))
      scene.ledger.outcome(outcomeOf(request, { user, key, model, ...more }))
    },
    counted: async () => {
      await scene.ledger.lifecycle({ what: 'pause' })
      await scene.usage.caughtUp()
    },
    reopen: async (change = {}) => {
      await shut()
      options = { ...options, ...change }
      Object.assign(scene, await open())
    },
    balance: async (user) => {
      const row = await scene.store.db.selectFrom('users').select('balance_micro').where('id', '=', user).executeTakeFirst()
      return row?.balance_micro ?? null
    },
    rows: async (text) => (await sql.raw<Record<string, unknown>>(text).execute(scene.store.db)).rows,
    close: async () => {
      await shut().finally(() => place.remove())
    },
  }
  return scene
}

export async function populate({ db }: Store): Promise<void> {
  const users = Object.entries(USERS).map(([id, { name, balance }]) => ({
    id,
    tenant: 'default',
    name,
    balance_micro: balance,
    created_ms: 1,
  }))
  await db.insertInto('users').values(users).execute()
  const key = { tenant: 'default', secret_phc: '', rights: '[]', description: '', concurrency: 0, created_ms: 1, legacy: 0 }
  const keys = Object.entries(KEYS).map(([id, user_id]) => ({ ...key, id, user_id }))
  await db.insertInto('keys').values(keys).execute()
  for (const { id, balance_micro } of users) {
    if (balance_micro === null) continue
    await db
      .insertInto('credits')
      .values({ id: `crd_${id}`, user_id: id, amount_micro: balance_micro, time_ms: 1, note: '' })
      .execute()
  }
}
