import { DEFAULT_TENANT } from '../kernel/index.ts'
import type { House } from './house.ts'
import type { KeyRecord } from './record.ts'
import type { NewKeyRow } from './store.ts'
import { NO_EXTRAS } from './terms.ts'
import type { UserRecord } from './users/record.ts'

/** The columns of a key that was made this moment and of which nothing was said. */
export const BLANK_KEY = {
  ...NO_EXTRAS,
  tenant: DEFAULT_TENANT,
  old_secret_phc: null,
  old_secret_until_ms: null,
  rate: null,
  disabled_ms: null,
  rotated_ms: null,
  deleted_ms: null,
  legacy: 0,
  legacy_source: null,
  lookup_hmac: null,
  alias: null,
} as const satisfies Partial<NewKeyRow>

/** A new key, into the store and then into memory, where its secret counts as verified: it was made here. Within a turn. */
export async function enterKey(house: House, user: UserRecord, row: NewKeyRow, text: string): Promise<KeyRecord> {
  await house.store.addKey(row)
  const record = house.maker.recordOf({ ...row, last_used_ms: null }, user)
  house.authenticator.remember(record.current, text)
  house.ring.add(record)
  user.keys += 1
  return record
}
