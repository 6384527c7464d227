import { setImmediate as aTurn } from 'node:timers/promises'
import { asUserId, GatewayError, LIMITS, NO_LIMITS } from '../kernel/index.ts'
import type { House } from './house.ts'
import { infoOf, type KeyInfo, stateOf } from './info.ts'
import type { KeyRecord } from './record.ts'
import type { ListedRow } from './store.ts'
import type { Owner } from './users/record.ts'

export interface KeyFilter {
  /** Disabled and expired keys too. */
  readonly all?: boolean
  readonly user?: string
  /** At most a page, which is also what there is without it. */
  readonly limit?: number
  /** The id of the last key on the page before. */
  readonly after?: string
}

export interface KeyList {
  readonly keys: readonly KeyInfo[]
  /** How many there are on all pages; only the first page counts them. */
  readonly total: number | null
  /** What the next page comes after; null on the last one. */
  readonly next: string | null
}

/**
 * A page of keys, newest first; people look for what they made last. It is answered from memory, and from the store by a process that has not taken
 * the keys into memory: a command that only lists need not read them all.
 */
export async function listKeys(house: House, filter: KeyFilter): Promise<KeyList> {
  const nowMs = house.clock.nowMs()
  const limit = Math.min(filter.limit ?? LIMITS.listPageKeysMax, LIMITS.listPageKeysMax)
  const { records, total, next } = await (house.ring.whole ? fromMemory : fromStore)(house, filter, { nowMs, limit })
  return { keys: records.map((record) => infoOf(record, nowMs)), total, next }
}

interface Found extends Omit<KeyList, 'keys'> {
  readonly records: readonly KeyRecord[]
}

interface Wanted {
  readonly nowMs: number
  readonly limit: number
}

/** After how many keys the event loop has a turn: to count 100,000 that lie about in memory takes 20 ms on a busy machine. */
const KEYS_PER_TURN = 4_096

async function fromMemory({ ring }: House, { all = false, user, after }: KeyFilter, { nowMs, limit }: Wanted): Promise<Found> {
  const last = after === undefined ? undefined : ring.get(after)
  if (after !== undefined && !last) throw noSuchPlace()
  const byAge = ring.all()
  const records: KeyRecord[] = []
  let [total, looked] = [0, 0]
  for (let at = (last ? ring.olderThan(last) : byAge.length) - 1; at >= 0; at -= 1) {
    const record = byAge[at]
    if (record === undefined) break
    looked += 1
    if (looked % KEYS_PER_TURN === 0) {
      await aTurn()
      at = ring.olderThan(record) // an older key may have come meanwhile
    }
    if ((user !== undefined && record.fields.owner.name !== user) || !(all || stateOf(record, nowMs) === 'active')) continue
    total += 1
    if (records.length < limit) records.push(record)
    else if (last) break
  }
  return { records, total: last ? null : total, next: total > limit ? (records.at(-1)?.fields.id ?? null) : null }
}

async function fromStore({ store, maker, log }: House, filter: KeyFilter, { nowMs, limit }: Wanted): Promise<Found> {
  const { all = false, user = null, after } = filter
  const olderThan = after === undefined ? null : await store.placeOf(after)
  if (olderThan === undefined) throw noSuchPlace()
  const wanted = { activeAtMs: all ? null : nowMs, user }
  // One more than was asked for tells whether there is a next page.
  const rows = await store.newestKeys({ ...wanted, olderThan, limit: limit + 1 })
  return {
    records: rows.slice(0, limit).flatMap((row) => maker.readable(row, ownerIn(row), log) ?? []),
    total: olderThan === null ? await store.countKeys(wanted) : null,
    next: rows.length > limit ? (rows[limit - 1]?.id ?? null) : null,
  }
}

/** As much of a user as a list of keys tells. */
const ownerIn = ({ user_id, user, user_disabled_ms }: ListedRow): Owner => ({
  id: asUserId(user_id),
  name: user,
  limits: NO_LIMITS,
  disabledMs: user_disabled_ms,
})

const noSuchPlace = () => new GatewayError('BODY_INVALID', { detail: 'after: there is no key with this id to go on from' })
