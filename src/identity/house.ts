import type { Clock, KeyId, UserId } from '../kernel/index.ts'
import type { Hasher } from '../secrets/index.ts'
import type { Authenticator } from './authenticator.ts'
import type { Keyring } from './keyring.ts'
import type { IdentityLog } from './log.ts'
import type { RecordMaker } from './maker.ts'
import type { KeyStore } from './store.ts'
import type { UserBook } from './users/book.ts'
import type { UserStore } from './users/store.ts'

export type StoppedListener = (keyId: KeyId, how: { readonly now: boolean }) => void

/** A balance in the store was changed by a person: set anew, where null is no longer billed, or added to. What requests cost is not told here. */
export type BalanceChange =
  | { readonly userId: UserId; readonly kind: 'set'; readonly micro: number | null }
  | { readonly userId: UserId; readonly kind: 'add'; readonly micro: number }
export type BalanceListener = (change: BalanceChange) => void

/** What the pieces of this room share. */
export interface House {
  readonly ring: Keyring
  readonly users: UserBook
  readonly store: KeyStore
  readonly userStore: UserStore
  readonly maker: RecordMaker
  readonly hasher: Hasher
  readonly authenticator: Authenticator
  readonly clock: Clock
  readonly log: IdentityLog
  /** Runs changes one after another, so that what is in memory and what is in the store cannot cross over. */
  readonly inTurn: <T>(change: () => Promise<T>) => Promise<T>
  readonly stopped: StoppedListener
  readonly balanceChanged: BalanceListener
  /** The balances of those who are billed, as they were when users were loaded. */
  readonly openingBalances: Map<UserId, number>
  /** Resolves when whatever was used by now is in the accounts of the store; rejects where that cannot be. */
  readonly upToDate: () => Promise<void>
  /** How to tell what each of these has now. */
  readonly balancesOf: (ids: readonly UserId[]) => Promise<(id: UserId) => number | null>
}

export function turnstile(): House['inTurn'] {
  let last: Promise<unknown> = Promise.resolve()
  return (change) => {
    const mine = last.then(change, change)
    last = mine.catch(() => undefined)
    return mine
  }
}
