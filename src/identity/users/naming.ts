import { asUserId, DEFAULT_TENANT, GatewayError, NO_LIMITS, newUserId } from '../../kernel/index.ts'
import { allowanceOf, allowanceRow } from '../allowance.ts'
import type { House } from '../house.ts'
import { UserRecord } from './record.ts'
import type { UserRow } from './store.ts'

const USER_ID = /^usr_[0-9A-Za-z]{16}$/

/** The user that an administrator means, by name or by id. */
export function findUser({ users }: Pick<House, 'users'>, nameOrId: string): UserRecord {
  const found = users.named(nameOrId) ?? users.byId(nameOrId)
  if (found === undefined || found.deletedMs !== null)
    throw new GatewayError('NOT_FOUND', { detail: 'There is no user of this name or id' })
  return found
}

/** What is called like the id of another must not be taken for it. */
export function refuseTakenName({ users }: Pick<House, 'users'>, name: string): void {
  if (USER_ID.test(name)) throw new GatewayError('BODY_INVALID', { detail: 'A user cannot be named like the id of one' })
  if (users.named(name)) throw new GatewayError('CONFLICT', { detail: `There is a user ${name} already` })
}

/** The user of this name, made if there is none. Within a turn. */
export async function userNamed(house: House, name: string, nowMs: number): Promise<UserRecord> {
  return house.users.named(name) ?? addUser(house, newUserRow(name, nowMs))
}

export const newUserRow = (name: string, nowMs: number): UserRow => ({
  ...allowanceRow(NO_LIMITS),
  id: newUserId(),
  tenant: DEFAULT_TENANT,
  name,
  email: null,
  organisation: null,
  balance_micro: null,
  created_ms: nowMs,
  disabled_ms: null,
  deleted_ms: null,
})

/** Within a turn. */
export async function addUser(house: House, row: UserRow): Promise<UserRecord> {
  refuseTakenName(house, row.name)
  const user = userOf(row)
  await house.userStore.addUser(row)
  house.users.add(user)
  return user
}

/** Throws on a row that no version of ours wrote. */
export const userOf = (row: UserRow): UserRecord =>
  new UserRecord(asUserId(row.id), {
    createdMs: row.created_ms,
    name: row.name,
    email: row.email,
    organisation: row.organisation,
    limits: allowanceOf(row),
    disabledMs: row.disabled_ms,
    deletedMs: row.deleted_ms,
  })
