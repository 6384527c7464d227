import { type Clock, type KeyPrincipal, reasonOf } from '../kernel/index.ts'
import type { Hasher } from '../secrets/index.ts'
import type { Store } from '../storage/index.ts'
import { Authenticator } from './authenticator.ts'
import { type StoppedListener, turnstile } from './house.ts'
import { Keyring } from './keyring.ts'
import { createKeyService, type KeyService } from './keys.ts'
import { RecordMaker } from './load.ts'
import type { IdentityLog } from './log.ts'
import { createKeyStore, type KeyRow } from './store.ts'
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
  /** Takes every key of the store into memory. Until then all keys are unknown. */
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
  const keys = createKeyService({ ring, store: keyStore, maker, hasher, authenticator, clock, log, inTurn: turnstile(), stopped })

  return {
    load: async () => fill(ring, maker, await keyStore.allKeys(), log),
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

function fill(ring: Keyring, maker: RecordMaker, rows: readonly KeyRow[], log: IdentityLog) {
  let unreadable = 0
  ring.clear()
  for (const row of rows) {
    try {
      ring.add(maker.recordOf(row))
    } catch (thrown) {
      // One damaged row must not keep every other key out.
      unreadable += 1
      log.error({ key: row.id, reason: reasonOf(thrown) }, 'a key of the store cannot be read and is unknown here')
    }
  }
  return { keys: ring.size, unreadable }
}
