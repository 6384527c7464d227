import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context, Handler } from 'hono'
import { envelopeOf, parseObject, readBody, type Share, scanObject } from '../http/index.ts'
import type { Principal } from '../kernel/index.ts'
import type { Corridor } from './admit.ts'
import { answer, jsonAnswer } from './answer.ts'
import type { Policy, Visit } from './visit.ts'

/** What a management route asks; its room writes it, the corridor keeps it. */
export interface OwnerPolicy {
  readonly route: string
  /** Largest JSON body the guard reads; 0 where a route has none. */
  readonly bodyBytesMax: number
  /** What the change is made to, where the request line says so; the intent in the ledger names it. */
  readonly target?: (c: Context) => string
}

export interface OwnerAnswer {
  readonly status: 200 | 201
  readonly body: unknown
  /** What the change was made to, once it is known. */
  readonly target?: string
}

type OwnerPerform = (c: Context, principal: Principal, body: unknown) => Promise<OwnerAnswer>

/** The corridor, as it is lent: it admits, reads the body within the limit, records the intent, and then lets `perform` act. */
export type OwnerGuard = (policy: OwnerPolicy, perform: OwnerPerform) => Handler

/** Lends the corridor to management routes: a change is one intent and one outcome like anything else, and nothing changes state beside it. */
export function ownerGuard(corridor: Corridor): OwnerGuard {
  return ({ route, bodyBytesMax, target }, perform) => {
    return async (c: Context) => {
      let fields: unknown = {}
      const policy: Policy = {
        who: 'owner',
        right: 'administer',
        service: 'admin',
        route,
        errors: 'problem',
        body: async (visit, room) => {
          visit.target = target?.(c) ?? ''
          if (bodyBytesMax > 0) fields = await readFields(visit, bodyBytesMax, room)
        },
      }
      await corridor.admit(envelopeOf(c.env.incoming), policy, (visit) =>
        answer(visit, async () => {
          if (visit.principal === null) throw new Error('admitted without a principal')
          const made = await perform(c, visit.principal, fields)
          if (made.target !== undefined) visit.target = made.target
          return jsonAnswer(made.status, made.body)
        }),
      )
      return RESPONSE_ALREADY_SENT
    }
  }
}

/** A body that is absent means no wishes: `disable` takes one and needs none. */
async function readFields(visit: Visit, bytesMax: number, room: Share): Promise<unknown> {
  const body = await readBody(visit.envelope, bytesMax, room)
  visit.held(body.length)
  if (body.length === 0) return {}
  scanObject(body)
  return parseObject(body)
}
