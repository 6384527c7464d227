import { setImmediate as aTurn } from 'node:timers/promises'
import { LIMITS } from '../../kernel/index.ts'
import type { UserBook } from './book.ts'
import type { UserRecord } from './record.ts'

export interface UserFilter {
  /** Disabled users too. */
  readonly all?: boolean
  /** At most a page, which is also what there is without it. */
  readonly limit?: number
  /** The name of the last user on the page before; whether it is still there does not matter. */
  readonly after?: string
}

export interface Page {
  readonly users: readonly UserRecord[]
  /** What the next page comes after; null on the last one. */
  readonly next: string | null
}

/** After how many users the event loop has a turn. */
const USERS_PER_TURN = 4_096

/** A page of users in the order of their names, found without looking at those before it. */
export async function pageOf(book: UserBook, { all = false, limit = LIMITS.listPageKeysMax, after }: UserFilter): Promise<Page> {
  const wanted = Math.min(limit, LIMITS.listPageKeysMax)
  const users: UserRecord[] = []
  let looked = 0
  for (let place = after === undefined ? 0 : book.upTo(after, true); ; place += 1) {
    const user = book.at(place)
    if (user === undefined) return { users, next: null }
    looked += 1
    if (looked % USERS_PER_TURN === 0) {
      const { name } = user
      await aTurn()
      place = book.upTo(name, true) - 1 // others may have come and gone meanwhile
    }
    if (!all && user.disabledMs !== null) continue
    if (users.length === wanted) return { users, next: users.at(-1)?.name ?? null }
    users.push(user)
  }
}
