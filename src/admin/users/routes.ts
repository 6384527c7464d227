import { type Context, Hono } from 'hono'
import { createUserInput, creditInput, editUserInput, listCreditsInput, stopUserInput } from '../../contract/index.ts'
import { type OwnerAnswer, type OwnerGuard, readInput } from '../../gate/index.ts'
import type { Identity, UserInfo } from '../../identity/index.ts'
import { formatMicro } from '../../kernel/index.ts'
import { withChanges } from '../changes.ts'
import { changed, made, ok, pageWanted, reads, type Target, whenLoaded, writes } from '../policy.ts'
import { presentSpent, type Spending } from '../spending.ts'
import { presentCredits, presentEdited, presentUser, presentUsers } from './present.ts'

export interface UserRouteParts {
  readonly identity: Pick<Identity, 'users' | 'load'>
  readonly spending: Spending
  readonly guard: OwnerGuard
}

/** User management, to be mounted under /admin/api. A user is named by name or by id. */
export function userRoutes({ identity, spending, guard: admit }: UserRouteParts): Hono {
  const { users } = identity
  const load = async () => {
    await spending.ready() // before users, whose balances it changes
    await identity.load()
  }
  const guard = whenLoaded({ load }, admit)
  return new Hono()
    .get(
      '/users',
      guard(reads('/users'), async (c) => ok(presentUsers(await users.list(pageWanted(c))))),
    )
    .get(
      '/users/:name',
      guard(reads('/users/:name', targetOf), async (c) => {
        const user = await users.show(nameOf(c))
        return ok({ ...presentUser(user), ...presentSpent(spending, 'user', user.id) })
      }),
    )
    .get(
      '/users/:name/credits',
      guard(reads('/users/:name/credits', targetOf), async (c) => {
        const { limit, before } = readInput(listCreditsInput, c.req.query())
        const page = { ...(limit !== undefined && { limit }), ...(before !== undefined && { before }) }
        return ok(presentCredits(await users.credits(nameOf(c), page)))
      }),
    )
    .post(
      '/users',
      guard(writes('/users'), async (_c, _principal, body) => {
        const input = readInput(createUserInput, body)
        const user = await users.create(input)
        return made(presentUser(user), ledgerName(user, input.balance))
      }),
    )
    .patch(
      '/users/:name',
      guard(writes('/users/:name', targetOf), async (c, _principal, body) => {
        const edited = await users.edit(nameOf(c), readInput(editUserInput, body), stopHow(c))
        return changed(presentEdited(edited), withChanges(ledgerName(edited, edited.takenMicro ?? null), body))
      }),
    )
    .delete(
      '/users/:name',
      guard(reads('/users/:name', targetOf), async (c) => changedUser(await users.delete(nameOf(c), stopHow(c)))),
    )
    .post(
      '/users/:name/credit',
      guard(writes('/users/:name/credit', targetOf), async (c, _principal, body) => {
        const { amount, note } = readInput(creditInput, body)
        return changedUser(await users.credit(nameOf(c), amount, note), amount)
      }),
    )
}

const nameOf: Target = (c) => c.req.param('name') ?? ''
/** What is no name is refused later, but the intent is written before that. */
const targetOf: Target = (c) => (USER_SHAPE.test(nameOf(c)) ? nameOf(c) : '[not a user]')
const USER_SHAPE = /^[\p{L}\p{N}._@+-]{1,64}$/u

/** Names change and are given anew; the id tells which user it was, then and later. Money that is given or taken is in the ledger, too. */
const ledgerName = ({ id, name }: UserInfo, micro: number | null = null): string =>
  micro === null ? `${id} ${name}` : `${id} ${name} ${formatMicro(micro)}`
const changedUser = (user: UserInfo, micro: number | null = null): OwnerAnswer => changed(presentUser(user), ledgerName(user, micro))

const stopHow = (c: Context) => readInput(stopUserInput, c.req.query())
