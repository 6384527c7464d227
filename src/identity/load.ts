import { reasonOf } from '../kernel/index.ts'
import type { House } from './house.ts'
import type { IdentityLog } from './log.ts'
import { userOf } from './users/naming.ts'
import type { UserRecord } from './users/record.ts'
import type { UserRow } from './users/store.ts'

export interface Loaded {
  readonly keys: number
  readonly users: number
  readonly unreadable: number
}

/** Takes every user and key of the store into memory. */
export async function fill(house: House): Promise<Loaded> {
  const { ring, users, maker, store, log } = house
  let unreadable = 0
  ring.clear()
  users.fill(await readUsers(house))
  await store.keysByAge((rows) => {
    for (const row of rows) {
      const owner = users.byId(row.user_id)
      const record = maker.readable(row, owner, log)
      if (owner === undefined || record === null) {
        unreadable += 1
        continue
      }
      owner.keys += 1
      ring.add(record)
    }
  })
  ring.whole = true
  return { keys: ring.size, users: users.size, unreadable }
}

async function readUsers({ userStore, openingBalances, log }: House): Promise<readonly UserRecord[]> {
  const users: UserRecord[] = []
  openingBalances.clear()
  await userStore.users((rows) => {
    for (const row of rows) {
      const user = readable(row, log)
      if (user === null) continue
      users.push(user)
      if (row.balance_micro !== null && row.deleted_ms === null) openingBalances.set(user.id, row.balance_micro)
    }
  })
  return users
}

function readable(row: UserRow, log: IdentityLog): UserRecord | null {
  try {
    return userOf(row)
  } catch (thrown) {
    log.error({ user: row.id, reason: reasonOf(thrown) }, 'a user of the store cannot be read, and no key of that user is known here')
    return null
  }
}
