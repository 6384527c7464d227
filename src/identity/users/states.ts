import { GatewayError } from '../../kernel/index.ts'
import type { House } from '../house.ts'
import { keysOf } from './keys-of.ts'
import type { UserRecord } from './record.ts'

export interface StopHow {
  /** What runs is cut as well. */
  readonly now?: boolean
}

/** Memory first, and before any turn: all keys of the user stop now, whatever else is being written. */
export async function disableUser(house: House, user: UserRecord, { now = false }: StopHow = {}): Promise<UserRecord> {
  const disabledMs = user.disabledMs ?? house.clock.nowMs()
  user.disabledMs = disabledMs
  if (now) await cutRunning(house, user)
  await written(house, user, async () => {
    // An enabling that was under way before may have undone it.
    user.disabledMs = disabledMs
    await house.userStore.editUser(user.id, { disabled_ms: disabledMs }, null, disabledMs)
  })
  return user
}

export async function enableUser(house: House, user: UserRecord): Promise<UserRecord> {
  await house.inTurn(async () => {
    stillThere(user)
    await house.userStore.editUser(user.id, { disabled_ms: null }, null, house.clock.nowMs())
    user.disabledMs = null
  })
  return user
}

export async function deleteUser(house: House, user: UserRecord, { now = false }: StopHow = {}): Promise<UserRecord> {
  const deletedMs = house.clock.nowMs()
  user.disabledMs ??= deletedMs
  if (now) await cutRunning(house, user)
  let hindrance: unknown = null
  await written(house, user, async () => {
    stillThere(user)
    user.disabledMs ??= deletedMs
    hindrance = await uncounted(house, user)
    // A deletion that has to wait still stops all keys for good.
    if (hindrance === null) await forGood(house, user, deletedMs)
    else await house.userStore.editUser(user.id, { disabled_ms: user.disabledMs }, null, deletedMs)
  })
  if (hindrance !== null) throw hindrance
  return user
}

/** Why it is not known yet what is in the account of a user who is billed. */
async function uncounted(house: House, user: UserRecord): Promise<unknown> {
  const balanceOf = await house.balancesOf([user.id])
  if (balanceOf(user.id) === null) return null
  return house.upToDate().then(
    () => null,
    (thrown: unknown) => thrown,
  )
}

async function forGood(house: House, user: UserRecord, deletedMs: number): Promise<void> {
  await house.userStore.deleteUser(user.id, deletedMs)
  house.users.delete(user, deletedMs)
  for await (const record of keysOf(house.ring, user)) {
    if (record.disabledMs === null) record.setDisabled(deletedMs)
  }
  house.balanceChanged({ userId: user.id, kind: 'set', micro: null })
}

/** A change that waited for its turn may find that the user was deleted meanwhile. */
export function stillThere(user: UserRecord): void {
  if (user.deletedMs !== null) throw new GatewayError('NOT_FOUND', { detail: 'This user was deleted a moment ago' })
}

async function cutRunning(house: House, user: UserRecord): Promise<void> {
  for await (const record of keysOf(house.ring, user)) house.stopped(record.fields.id, { now: true })
}

/** Should the store not take it, the user is stopped all the same until a restart, and the caller is told so. */
async function written(house: House, user: UserRecord, change: () => Promise<void>): Promise<void> {
  try {
    await house.inTurn(change)
  } catch (cause) {
    if (cause instanceof GatewayError && cause.code !== 'STORE_UNAVAILABLE') throw cause
    throw new GatewayError('STORE_UNAVAILABLE', {
      detail: 'The user is stopped in this process, but that could not be written: all keys would be active again after a restart',
      reason: `user ${user.id} is disabled in memory only`,
      cause,
    })
  }
}
