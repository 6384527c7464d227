import { setImmediate as aTurn } from 'node:timers/promises'
import type { Keyring } from '../keyring.ts'
import type { KeyRecord } from '../record.ts'
import type { Owner } from './record.ts'

/** After how many keys the event loop has a turn. */
const KEYS_PER_TURN = 4_096

/** The keys of a user, found by looking at all of them: it is asked when a user is cut off or deleted, which is too seldom for an index. */
export async function* keysOf(ring: Keyring, owner: Owner): AsyncGenerator<KeyRecord> {
  const keys = ring.all()
  for (let at = 0; at < keys.length; at += 1) {
    const record = keys[at]
    if (record === undefined) return
    if (record.fields.owner === owner) yield record
    if ((at + 1) % KEYS_PER_TURN === 0) {
      await aTurn()
      at = ring.olderThan(record) // an older key may have come meanwhile
    }
  }
}
