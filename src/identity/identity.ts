import { type Clock, type KeyPrincipal, reasonOf } from '../kernel/index.ts'
import type { Hasher } from '../secrets/index.ts'
import type { Store } from '../storage/index.ts'
import { Authenticator } from './authenticator.ts'
import { type StoppedListener, turnstile } from './house.ts'
import { Keyring } from './keyring.ts'
import { createKeyService, type KeyService } from './keys.ts'
import { RecordMaker } from './load.ts'
import type { IdentityLog } from './log.ts'
import { createKeyStore, type KeyStore } from './store.ts'
import { UseLog } from './uses.ts'

export interface IdentityParts {
  readonly store: Pick<Store, 'db'>
  readonly secrets: {
    readonly hasher: Hasher
    /** Finds imported legacy keys; from `loadOrCreateKey`, and lost only together with all of them. */
    readonly pepper: Buffer
  }
  readonly clock: Clock
  readonly log: IdentityLog
}

export interface IdentityStats {
  readonly keys: number
  readonly throttledAddresses: number
  readonly deniedSecrets: number
  readonly verifying: number
}

export interface Identity {
  /** Takes every key of the store into memory, once. Until then all keys are unknown, and only `keys.list` answers truly. */
  load(): Promise<{ readonly keys: number; readonly unreadable: number }>
  /**
   * The principal of a presented key: at once for a secret verified before in this process, else a promise. Throws or rejects with
   * UNAUTHORIZED, TOO_MANY_FAILURES or VERIFIER_BUSY; `refusedKeyId` reads the key id from those.
   */
  authenticate(credential: string, address: string): KeyPrincipal | Promise<KeyPrincipal>
  readonly keys: KeyService
  /** Calls when a key is disabled; `now` means that its running streams are to be cut. The answer ends the calls. */
  onStopped(listener: StoppedListener): () => void
  stats(): IdentityStats
  /** Writes the last uses that are only in memory. */
  flush(): Promise<void>
  close(): Promise<void>
}

export function createIdentity({ store, secrets: { hasher, pepper }, clock, log }: IdentityParts): Identity {
  const keyStore = createKeyStore(store)
  const ring = new Keyring(pepper)
  const maker = new RecordMaker()
  const uses = new UseLog(keyStore, log)
  const authenticator = new Authenticator({ ring, hasher, clock, log, uses })
  const listeners = new Set<StoppedListener>()
  const stopped: StoppedListener = (keyId, how) => {
    for (const listener of listeners) {
      try {
        listener(keyId, how)
      } catch (thrown) {
        // Whoever listens may fail; the key is disabled all the same.
        log.error({ key: keyId, reason: reasonOf(thrown) }, 'a listener failed when a key was disabled')
      }
    }
  }
  let loading: ReturnType<Identity['load']> | null = null
  const keys = createKeyService({ ring, store: keyStore, maker, hasher, authenticator, clock, log, inTurn: turnstile(), stopped })

  return {
    load: () => {
      loading ??= fill(ring, maker, keyStore, log).catch((thrown: unknown) => {
        loading = null
        throw thrown
      })
      return loading
    },
    authenticate: (credential, address) => authenticator.authenticate(credential, address),
    keys,
    onStopped: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    stats: () => ({ keys: ring.size, ...authenticator.stats() }),
    flush: () => uses.flush(),
    close: () => uses.close(),
  }
}

async function fill(ring: Keyring, maker: RecordMaker, store: KeyStore, log: IdentityLog) {
  let unreadable = 0
  ring.clear()
  await store.keysByAge((rows) => {
    for (const row of rows) {
      const record = maker.readable(row, log)
      if (record === null) unreadable += 1
      else ring.add(record)
    }
  })
  ring.whole = true
  return { keys: ring.size, unreadable }
}
