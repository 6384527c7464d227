import { listEntitiesInput } from '../contract/index.ts'
import { type OwnerAnswer, type OwnerGuard, type OwnerPolicy, readInput } from '../gate/index.ts'
import { LIMITS } from '../kernel/index.ts'

/** What the ledger names as the target of a change, read from the request line. */
export type Target = NonNullable<OwnerPolicy['target']>

const policy = (route: string, bodyBytesMax: number, target?: Target): OwnerPolicy => ({
  route: `/admin/api${route}`,
  bodyBytesMax,
  ...(target && { target }),
})
export const reads = (route: string, target?: Target): OwnerPolicy => policy(route, 0, target)
export const writes = (route: string, target?: Target): OwnerPolicy => policy(route, LIMITS.adminBodyBytesMax, target)

export const ok = (body: unknown): OwnerAnswer => ({ status: 200, body })
/** The answer to a change, with what was changed as it is truly called. */
export const changed = (body: unknown, target: string): OwnerAnswer => ({ status: 200, body, target })
export const made = (body: unknown, target: string): OwnerAnswer => ({ status: 201, body, target })

/** A command that runs by itself reads a room into memory when it is asked for more than a list of keys; a gateway has it there from its start. */
export const whenLoaded =
  (room: { load(): Promise<unknown> }, admit: OwnerGuard): OwnerGuard =>
  (policy, perform) =>
    admit(policy, async (...asked) => {
      await room.load()
      return perform(...asked)
    })

/** The query of a list of users, endpoints or models: which page, and whether those that are switched off stand in it. */
export function pageWanted(c: Parameters<Target>[0]) {
  const { all, limit, after } = readInput(listEntitiesInput, c.req.query())
  return { all, ...(limit !== undefined && { limit }), ...(after !== undefined && { after }) }
}
