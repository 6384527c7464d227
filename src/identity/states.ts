import { GatewayError } from '../kernel/index.ts'
import type { House } from './house.ts'
import { infoOf, type KeyInfo } from './info.ts'
import type { KeyRecord } from './record.ts'

/**
 * Memory first, and before any turn: the key stops now, whatever else is being written. Should the store not take it, the key is stopped all
 * the same until a restart, and the caller is told so.
 */
export async function disableKey(house: House, record: KeyRecord, now: boolean): Promise<KeyInfo> {
  const { id } = record.fields
  const disabledMs = record.disabledMs ?? house.clock.nowMs()
  record.setDisabled(disabledMs)
  house.stopped(id, { now })
  try {
    await house.inTurn(async () => {
      // An enabling that was under way before may have undone it.
      record.setDisabled(disabledMs)
      await house.store.setDisabled(id, disabledMs)
    })
  } catch (cause) {
    throw new GatewayError('STORE_UNAVAILABLE', {
      detail: 'The key is stopped in this process, but that could not be written: it would be active again after a restart',
      reason: `key ${id} is disabled in memory only`,
      cause,
    })
  }
  return infoOf(record, house.clock.nowMs())
}

export async function enableKey(house: House, record: KeyRecord): Promise<KeyInfo> {
  await house.inTurn(async () => {
    if (typeof house.users.byId(record.fields.owner.id)?.deletedMs === 'number') {
      throw new GatewayError('CONFLICT', { detail: 'The user of this key was deleted, so it stays disabled' })
    }
    await house.store.setDisabled(record.fields.id, null)
    record.setDisabled(null)
  })
  return infoOf(record, house.clock.nowMs())
}
