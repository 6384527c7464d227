import type { Clock, KeyPrincipal, UserId } from '../kernel/index.ts'
import type { Hasher } from '../secrets/index.ts'
import type { Store } from '../storage/index.ts'
import { Authenticator } from './authenticator.ts'
import { type BalanceListener, type House, type StoppedListener, turnstile } from './house.ts'
import { Keyring } from './keyring.ts'
import { createKeyService, type KeyService } from './keys.ts'
import { Listeners } from './listeners.ts'
import { fill, type Loaded } from './load.ts'
import type { IdentityLog } from './log.ts'
import { RecordMaker } from './maker.ts'
import { createKeyStore } from './store.ts'
import { UserBook } from './users/book.ts'
import { createUserService, type UserService } from './users/service.ts'
import { createUserStore, type UserStore } from './users/store.ts'
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
  /** What a user has left at this moment; without it the store is asked, which does not know yet what was charged lately. */
  readonly balanceOf?: (userId: UserId) => number | null
  /** Awaited before an account is opened or closed; see `Usage.upToDate`. */
  readonly upToDate?: () => Promise<void>
}

export interface IdentityStats {
  readonly keys: number
  readonly users: number
  readonly throttledAddresses: number
  readonly deniedSecrets: number
  readonly verifying: number
}

export interface Identity {
  /** Takes every user and key of the store into memory, once. Until then all are unknown, and only `keys.list` answers truly. */
  load(): Promise<Loaded>
  /**
   * The principal of a presented key: at once for a secret verified before in this process, else a promise. Throws or rejects with
   * UNAUTHORIZED, TOO_MANY_FAILURES or VERIFIER_BUSY; `refusedKeyId` reads the key id from those.
   */
  authenticate(credential: string, address: string): KeyPrincipal | Promise<KeyPrincipal>
  readonly keys: KeyService
  readonly users: UserService
  /** Calls when a key is disabled; `now` means that its running streams are to be cut. The answer ends the calls. */
  onStopped(listener: StoppedListener): () => void
  /** Calls when a person has changed a balance and the store has it. The answer ends the calls. */
  onBalance(listener: BalanceListener): () => void
  stats(): IdentityStats
  /** Writes the last uses that are only in memory. */
  flush(): Promise<void>
  close(): Promise<void>
}

export function createIdentity({ store, secrets: { hasher, pepper }, clock, log, balanceOf, upToDate }: IdentityParts): Identity {
  const keyStore = createKeyStore(store)
  const userStore = createUserStore(store)
  const ring = new Keyring(pepper)
  const uses = new UseLog(keyStore, log)
  const authenticator = new Authenticator({ ring, hasher, clock, log, uses })
  const stops = new Listeners<Parameters<StoppedListener>>(log, 'a listener failed when a key was disabled')
  const balances = new Listeners<Parameters<BalanceListener>>(log, 'a listener failed when a balance was changed')
  const house: House = {
    ring,
    users: new UserBook(),
    store: keyStore,
    userStore,
    maker: new RecordMaker(),
    hasher,
    authenticator,
    clock,
    log,
    inTurn: turnstile(),
    stopped: stops.tell,
    balanceChanged: balances.tell,
    openingBalances: new Map(),
    upToDate: upToDate ?? (async () => {}),
    balancesOf: balanceOf ? async () => balanceOf : (ids) => storedBalances(userStore, ids),
  }
  let loading: Promise<Loaded> | null = null

  return {
    load: () => {
      loading ??= fill(house).catch((thrown: unknown) => {
        loading = null
        throw thrown
      })
      return loading
    },
    authenticate: (credential, address) => authenticator.authenticate(credential, address),
    keys: createKeyService(house),
    users: createUserService(house),
    onStopped: (listener) => stops.add(listener),
    onBalance: (listener) => balances.add(listener),
    stats: () => ({ keys: ring.size, users: house.users.size, ...authenticator.stats() }),
    flush: () => uses.flush(),
    close: () => uses.close(),
  }
}

async function storedBalances(store: UserStore, ids: readonly UserId[]): Promise<(id: UserId) => number | null> {
  const balances = await store.balancesOf(ids)
  return (id) => balances.get(id) ?? null
}
