import type { CreateUserInput, EditUserInput } from '../../contract/index.ts'
import type { UserId } from '../../kernel/index.ts'
import { allowanceOf, allowanceRow } from '../allowance.ts'
import type { House } from '../house.ts'
import { allowanceColumns, defined } from '../wishes.ts'
import { type CreditFilter, type CreditList, creditList } from './credits.ts'
import { type UserInfo, userInfo } from './info.ts'
import { pageOf, type UserFilter } from './listing.ts'
import { addUser, findUser, newUserRow, refuseTakenName } from './naming.ts'
import type { UserRecord } from './record.ts'
import { deleteUser, disableUser, enableUser, type StopHow, stillThere } from './states.ts'
import type { Billing, UserChanges } from './store.ts'

export interface UserList {
  readonly users: readonly UserInfo[]
  /** What the next page comes after; null on the last one. */
  readonly next: string | null
}

export interface EditedUser extends UserInfo {
  /** What was in the account that this edit has closed. */
  readonly takenMicro?: number
}

/** User management, whoever asks for it. Every method answers after the store has it, and wants users and keys loaded. */
export interface UserService {
  create(input: CreateUserInput): Promise<UserInfo>
  list(filter?: UserFilter): Promise<UserList>
  show(nameOrId: string): Promise<UserInfo>
  /** `how` is for `active: false`. */
  edit(nameOrId: string, input: EditUserInput, how?: StopHow): Promise<EditedUser>
  disable(nameOrId: string, how?: StopHow): Promise<UserInfo>
  enable(nameOrId: string): Promise<UserInfo>
  /** For good: the name is free again, the keys are disabled, and what the user did stays in the ledger and the accounts. */
  delete(nameOrId: string, how?: StopHow): Promise<UserInfo>
  /** Adds to the balance, or takes from it; CONFLICT for a user who is not billed. */
  credit(nameOrId: string, amountMicro: number, note: string): Promise<UserInfo>
  /** What was ever credited, the newest first. */
  credits(nameOrId: string, filter?: CreditFilter): Promise<CreditList>
  /** The balances of those who are billed, as the store had them when users were loaded. */
  balances(): Iterable<{ readonly userId: UserId; readonly balanceMicro: number | null }>
}

export function createUserService(house: House): UserService {
  const find = (nameOrId: string) => findUser(house, nameOrId)
  return {
    create: async (input) => info(house, await createUser(house, input)),
    list: async (filter = {}) => listUsers(house, filter),
    show: async (nameOrId) => info(house, find(nameOrId)),
    edit: async (nameOrId, input, how) => editUser(house, find(nameOrId), input, how),
    disable: async (nameOrId, how) => info(house, await disableUser(house, find(nameOrId), how)),
    enable: async (nameOrId) => info(house, await enableUser(house, find(nameOrId))),
    delete: async (nameOrId, how) => info(house, await deleteUser(house, find(nameOrId), how)),
    credit: async (nameOrId, amountMicro, note) => info(house, await credit(house, find(nameOrId), amountMicro, note)),
    credits: async (nameOrId, filter = {}) => creditList(house, find(nameOrId), filter),
    balances: () => [...house.openingBalances].map(([userId, balanceMicro]) => ({ userId, balanceMicro })),
  }
}

async function info(house: House, user: UserRecord): Promise<UserInfo> {
  return userInfo(user, await house.balancesOf([user.id]).then((balanceOf) => balanceOf(user.id)))
}

async function listUsers(house: House, filter: UserFilter): Promise<UserList> {
  const { users, next } = await pageOf(house.users, filter)
  const balanceOf = await house.balancesOf(users.map(({ id }) => id))
  return { users: users.map((user) => userInfo(user, balanceOf(user.id))), next }
}

function createUser(
  house: House,
  { name, email = null, organisation = null, balance = null, ...wish }: CreateUserInput,
): Promise<UserRecord> {
  const columns = allowanceColumns(wish)
  return house.inTurn(async () => {
    const row = { ...newUserRow(name, house.clock.nowMs()), ...columns, email, organisation: organisation || null, balance_micro: balance }
    const user = await addUser(house, row)
    if (balance !== null) house.balanceChanged({ userId: user.id, kind: 'set', micro: balance })
    return user
  })
}

async function editUser(house: House, user: UserRecord, input: EditUserInput, how?: StopHow): Promise<EditedUser> {
  const { name, email, organisation, active, billed, ...wish } = input
  const limits = allowanceColumns(wish)
  const billing: Billing = billed === undefined ? null : billed ? 'open' : 'close'
  const changes: UserChanges = {
    ...defined<UserChanges>({ name, email, organisation: organisation === '' ? null : organisation }),
    ...limits,
  }
  let held: number | null = null
  if (billing !== null || Object.keys(changes).length > 0) held = await house.inTurn(() => change(house, user, changes, billing))
  if (active === false) await disableUser(house, user, how)
  if (active === true) await enableUser(house, user)
  const edited = await info(house, user)
  return held === null || billing !== 'close' ? edited : { ...edited, takenMicro: held }
}

/** Answers what was in an account that it opened or closed. */
async function change(house: House, user: UserRecord, changes: UserChanges, billing: Billing): Promise<number | null> {
  // What was used before must not be charged to the account of after.
  if (billing !== null) await house.upToDate()
  stillThere(user)
  const { name = user.name, email = user.email, organisation = user.organisation } = changes
  if (name !== user.name) refuseTakenName(house, name)
  const limits = allowanceOf({ ...allowanceRow(user.limits), ...changes })
  const held = await house.userStore.editUser(user.id, changes, billing, house.clock.nowMs())
  if (name !== user.name) house.users.rename(user, name)
  user.email = email
  user.organisation = organisation
  user.limits = limits
  if (held !== null) house.balanceChanged({ userId: user.id, kind: 'set', micro: billing === 'open' ? 0 : null })
  return held
}

function credit(house: House, user: UserRecord, amountMicro: number, note: string): Promise<UserRecord> {
  return house.inTurn(async () => {
    stillThere(user)
    await house.userStore.credit({ userId: user.id, amountMicro, timeMs: house.clock.nowMs(), note })
    house.balanceChanged({ userId: user.id, kind: 'add', micro: amountMicro })
    return user
  })
}
