import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Handler, Hono } from 'hono'
import type { Models, Route, Service } from '../catalog/index.ts'
import { type Envelope, type ExactRoutes, envelopeOf, type GateEnv, openRoute } from '../http/index.ts'
import type { Corridor } from './admit.ts'
import { bodyPolicy } from './bodies.ts'
import type { Carrier } from './carry/index.ts'
import { type FaceTools, faceOf } from './faces/index.ts'
import type { Policy } from './visit.ts'

export interface ServiceRouteParts extends FaceTools {
  readonly corridor: Corridor
  readonly carrier: Carrier
  readonly models: Pick<Models, 'at'>
}

const policyOf = (service: Service, route: Route, models: Pick<Models, 'at'>): Policy => ({
  who: 'key',
  right: route.right,
  service: service.name,
  route: route.path.replaceAll(/\{[^/]*\}/g, ''),
  errors: service.errors,
  ...bodyPolicy(service, route, models),
})

/**
 * Every row of every service's table, and the greeting of Ollama, and nothing else. The guard sits on the handler, so no spelling of a path can come
 * past it. What it returns are the same handlers by the exact path of their row.
 */
export function mountServices(
  app: Hono<GateEnv>,
  services: readonly Service[],
  { corridor, carrier, models, ...tools }: ServiceRouteParts,
): ExactRoutes {
  const exact = new Map<string, (envelope: Envelope) => Promise<void>>()
  for (const service of services.filter(({ enabled }) => enabled)) {
    // What Ollama's clients ask before anything else, without a key; Hono answers HEAD by it too.
    if (service.dialect === 'ollama')
      app.on(
        'GET',
        greetingPaths(service),
        openRoute((c) => c.text('Ollama is running')),
      )
    for (const route of headsFirst(service.routes)) {
      const policy = policyOf(service, route, models)
      const plan = faceOf(service, route, tools)
      const enter = (envelope: Envelope, params: Params): Promise<void> =>
        corridor.admit(envelope, policy, (visit) => {
          const planned = plan(visit, params)
          return planned instanceof Promise
            ? planned.then((one) => carrier.carry(visit, service, one))
            : carrier.carry(visit, service, planned)
        })
      const handler: Handler<GateEnv> = async (c) => {
        await enter(envelopeOf(c.env.incoming), c.req.param())
        return RESPONSE_ALREADY_SENT
      }
      if (route.method === 'HEAD') app.get(route.path, headOnly(handler))
      app.on(route.method, route.path, handler)
      const name = `${route.method} ${route.path}`
      if (!route.path.includes(':') && !exact.has(name)) exact.set(name, (envelope) => enter(envelope, NO_PARAMS))
    }
  }
  return exact
}

/** A host that was given with a slash at its end is asked with one. */
const greetingPaths = ({ prefix }: Service): string[] => [prefix, `${prefix}/`]

/** A GET row before the HEAD row of its path would take HEAD, and ask the backend for what nobody will read. */
const headsFirst = (routes: readonly Route[]): readonly Route[] =>
  routes.toSorted((a, b) => Number(b.method === 'HEAD') - Number(a.method === 'HEAD'))

/** Hono looks for HEAD among the GET routes and nowhere else. */
const headOnly =
  (handler: Handler<GateEnv>): Handler<GateEnv> =>
  (c, next) =>
    envelopeOf(c.env.incoming).method === 'HEAD' ? handler(c, next) : next()

type Params = Readonly<Record<string, string>>
const NO_PARAMS: Params = Object.freeze({})
