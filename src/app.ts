import { RESPONSE_ALREADY_SENT as SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import type { Models, Service, Voices } from './catalog/index.ts'
import { type Carrier, type Corridor, mountServices, type Spool, type ToModel } from './gate/index.ts'
import { type ErrorShape, type ExactRoutes, envelopeOf, type GateEnv } from './http/index.ts'
import { type Clock, ERRORS, GatewayError, reasonOf } from './kernel/index.ts'
import type { Limits } from './limits/index.ts'
import { mountV1, v1Errors } from './openai/index.ts'
import { mountOps, type OpsParts } from './ops/index.ts'

export interface AppParts {
  readonly services: readonly Service[]
  readonly corridor: Corridor
  readonly carrier: Carrier
  readonly spool: Spool
  readonly ops: OpsParts
  readonly clock: Clock
  readonly models: Models
  readonly limits: Pick<Limits, 'atEndpoint'>
  readonly toModel: ToModel
  readonly heartbeatMs: number
  readonly voices: Voices
  readonly openLists: boolean
  readonly log: { error(fields: object, message: string): void }
}

export interface App {
  readonly hono: Hono<GateEnv>
  readonly exact: ExactRoutes
}

/** Everything the network can reach. It never listens and never reads the environment. */
export function buildApp(parts: AppParts): App {
  const { services, corridor, carrier, models, limits, spool, ops, log } = parts
  const hono = new Hono<GateEnv>()
  mountOps(hono, ops)
  const exact = new Map([...mountServices(hono, services, { corridor, carrier, models, limits, spool }), ...mountV1(hono, parts)])
  denyTheRest(hono, services, corridor, log)
  return { hono, exact }
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/** What no table names is refused and recorded, in the shape of the face whose prefix it came under. */
export function denyTheRest(app: Hono<GateEnv>, services: readonly Service[], corridor: Corridor, log: AppParts['log']): void {
  app.notFound(async (c) => {
    const envelope = envelopeOf(c.env.incoming)
    const { name, errors } = faceAt(services, envelope.path)
    const handlers = (method: string): number => app.router.match(method, c.req.path)[0].length
    // A HEAD route stands among those for GET as well, where Hono looks for it.
    const serves = (method: string): boolean => handlers(method) > (method === 'GET' ? handlers('HEAD') : 0)
    const allowed = METHODS.filter((method) => method !== envelope.method && serves(method))
    const error =
      allowed.length > 0
        ? new GatewayError('METHOD_NOT_ALLOWED', {
            headers: { allow: allowed.join(', ') },
            detail: `This route takes ${allowed.join(', ')}`,
          })
        : new GatewayError('NOT_FOUND')
    await corridor.noRoute(envelope, error, name, errors)
    return SENT
  })
  app.onError((error, c) => {
    log.error({ err: error, reason: reasonOf(error) }, 'a handler threw outside the corridor')
    const envelope = envelopeOf(c.env.incoming)
    const { name, errors } = faceAt(services, envelope.path)
    corridor.turnAway(
      envelope,
      new GatewayError('INTERNAL', { cause: error, reason: reasonOf(error), detail: ERRORS.INTERNAL.title }),
      name,
      errors,
    )
    return SENT
  })
}

export function faceAt(services: readonly Service[], path: string): { name: string; errors: ErrorShape } {
  const found = services.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))
  if (path === '/v1' || path.startsWith('/v1/')) return { name: 'v1', errors: v1Errors(path) }
  return found ?? { name: 'gate', errors: 'problem' }
}
