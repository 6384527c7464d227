import type { Clock, KeyId } from '../kernel/index.ts'
import type { Hasher } from '../secrets/index.ts'
import type { Authenticator } from './authenticator.ts'
import type { Keyring } from './keyring.ts'
import type { RecordMaker } from './load.ts'
import type { IdentityLog } from './log.ts'
import type { KeyStore } from './store.ts'

export type StoppedListener = (keyId: KeyId, how: { readonly now: boolean }) => void

/** What the pieces of this room share. */
export interface House {
  readonly ring: Keyring
  readonly store: KeyStore
  readonly maker: RecordMaker
  readonly hasher: Hasher
  readonly authenticator: Authenticator
  readonly clock: Clock
  readonly log: IdentityLog
  /** Runs changes one after another, so that what is in memory and what is in the store cannot cross over. */
  readonly inTurn: <T>(change: () => Promise<T>) => Promise<T>
  readonly stopped: StoppedListener
}

export function turnstile(): House['inTurn'] {
  let last: Promise<unknown> = Promise.resolve()
  return (change) => {
    const mine = last.then(change, change)
    last = mine.catch(() => undefined)
    return mine
  }
}
