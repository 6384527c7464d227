import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIdentity, type Identity, type NewKeyInput } from '../../src/identity/index.ts'
import { type Clock, systemClock } from '../../src/kernel/index.ts'
import { createHasher, type Hasher, loadOrCreateKey } from '../../src/secrets/index.ts'
import { openStore, type Store } from '../../src/storage/index.ts'

/** Keys on a real store in a directory of their own; `reopen` is a restart. */
export interface KeyHouse {
  readonly dir: string
  readonly store: Store
  readonly hasher: Hasher
  readonly identity: Identity
  readonly log: { readonly lines: string[]; warn(fields: object, message: string): void; error(fields: object, message: string): void }
  reopen(): Promise<KeyHouse>
  close(): Promise<void>
}

export interface KeyHouseOptions {
  readonly clock?: Clock
  readonly dir?: string
  readonly inFlightMax?: number
  readonly queueMax?: number
  readonly hasher?: Hasher
  readonly upToDate?: () => Promise<void>
}

export async function openKeyHouse(options: KeyHouseOptions = {}): Promise<KeyHouse> {
  const { clock = systemClock, dir = mkdtempSync(join(tmpdir(), 'portcullis-keys-')), inFlightMax, queueMax } = options
  const store = await openStore({ file: join(dir, 'portcullis.db') })
  const hasher =
    options.hasher ??
    createHasher({ clock, ...(inFlightMax !== undefined && { inFlightMax }), ...(queueMax !== undefined && { queueMax }) })
  const lines: string[] = []
  const write = (fields: object, message: string) => void lines.push(JSON.stringify({ ...fields, message }))
  const log = { lines, warn: write, error: write }
  const identity = createIdentity({
    store,
    secrets: { hasher, pepper: loadOrCreateKey(join(dir, 'lookup.pepper')) },
    clock,
    log,
    ...(options.upToDate && { upToDate: options.upToDate }),
  })
  await identity.load()
  const stop = async () => {
    await identity.close()
    await store.close()
  }
  return {
    dir,
    store,
    hasher,
    identity,
    log,
    reopen: async () => {
      await stop()
      return openKeyHouse({ ...options, dir })
    },
    close: async () => {
      // A test that failed half way may have closed a part of it already.
      await stop().finally(() => rmSync(dir, { recursive: true, force: true }))
    },
  }
}

export const newKey = (over: Partial<NewKeyInput> = {}): NewKeyInput => ({
  user: 'ada',
  rights: ['chat'],
  description: '',
  expiresMs: null,
  rate: null,
  concurrency: 100,
  ...over,
})

/** What came of presenting a key: the principal, or the error's code and private reason. */
export async function present(identity: Identity, credential: string, address = '192.0.2.1'): Promise<string> {
  try {
    const principal = await identity.authenticate(credential, address)
    return `in ${principal.id}${principal.oldSecret ? ' old' : ''}`
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && 'reason' in thrown) return `${String(thrown.code)} ${String(thrown.reason)}`
    throw thrown
  }
}
