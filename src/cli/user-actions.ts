import {
  type CreateUserBody,
  type CreditView,
  type EditedUserView,
  type EditUserBody,
  editedUser,
  type ListCreditsAnswer,
  type ListUsersAnswer,
  listCreditsAnswer,
  listUsersAnswer,
  type UserDetail,
  type UserView,
  userDetail,
  userView,
} from '../contract/index.ts'
import { holdsKey, LIMITS } from '../kernel/index.ts'
import { type AdminClient, ask } from './key-client.ts'
import { EXIT, Exit } from './terminal.ts'

const USERS = '/admin/api/users'

export interface UserListOptions {
  readonly all: boolean
  readonly limit?: number
}

/** Page after page, so that neither the gateway nor this process ever holds all of many users at once. */
export async function* userPages(
  client: AdminClient,
  { all, limit = Number.POSITIVE_INFINITY }: UserListOptions,
): AsyncGenerator<ListUsersAnswer> {
  let left = limit
  for (let after: string | null = ''; after !== null && left > 0; ) {
    const query = new URLSearchParams({ all: String(all), limit: String(Math.min(left, LIMITS.listPageKeysMax)) })
    if (after !== '') query.set('after', after)
    const page: ListUsersAnswer = await ask(client, listUsersAnswer, 'GET', `${USERS}?${query}`)
    left -= page.users.length
    after = page.next
    yield page
  }
}

export const addUser = (client: AdminClient, body: CreateUserBody): Promise<UserView> => ask(client, userView, 'POST', USERS, body)

export const showUser = (client: AdminClient, user: string): Promise<UserDetail> => ask(client, userDetail, 'GET', pathOf(user))

export async function* creditPages(
  client: AdminClient,
  user: string,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<readonly CreditView[]> {
  let left = limit
  for (let before: string | null = ''; before !== null && left > 0; ) {
    const query = new URLSearchParams({ limit: String(Math.min(left, LIMITS.listPageKeysMax)) })
    if (before !== '') query.set('before', before)
    const page: ListCreditsAnswer = await ask(client, listCreditsAnswer, 'GET', `${pathOf(user)}/credits?${query}`)
    left -= page.credits.length
    before = page.next
    yield page.credits
  }
}

export const editUser = (client: AdminClient, user: string, body: EditUserBody, now = false): Promise<EditedUserView> =>
  ask(client, editedUser, 'PATCH', `${pathOf(user)}?now=${now}`, body)

export const deleteUser = (client: AdminClient, user: string, now: boolean): Promise<UserView> =>
  ask(client, userView, 'DELETE', `${pathOf(user)}?now=${now}`)

export const creditUser = (client: AdminClient, user: string, amount: string, note: string): Promise<UserView> =>
  ask(client, userView, 'POST', `${pathOf(user)}/credit`, { amount, note })

/** What can be no name is not sent: least of all a key that was pasted where its user belongs. */
function pathOf(user: string): string {
  const text = user.trim()
  if (holdsKey(text)) throw new Exit(EXIT.usage, 'This is a key; name the user, or the id of the user')
  if (!/^[\p{L}\p{N}._@+-]+$/u.test(text)) throw new Exit(EXIT.negative, 'There is no user of this name or id')
  return `${USERS}/${encodeURIComponent(text)}`
}
