import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Handler, Hono } from 'hono'
import type { EndpointRef, Route, Service } from '../catalog/index.ts'
import type { Audio, Plan } from '../dialects/index.ts'
import { type Envelope, type ExactRoutes, envelopeOf, type GateEnv, openRoute } from '../http/index.ts'
import { NO_LIMITS } from '../kernel/index.ts'
import type { Limits } from '../limits/index.ts'
import type { Corridor } from './admit.ts'
import { bodyPolicy } from './bodies.ts'
import type { Carrier } from './carry/index.ts'
import { faceOf, type SharedTools } from './faces/index.ts'
import { endpointOf, isKnownBefore, mayAskAt, type NativeDemand, nativeDemand } from './native-demand.ts'
import type { NativeModels } from './native-names.ts'
import type { Policy, Visit } from './visit.ts'

export interface ServiceRouteParts extends SharedTools {
  readonly corridor: Corridor
  readonly carrier: Carrier
  readonly models: NativeModels
  readonly limits: Pick<Limits, 'atEndpoint'>
}

const policyOf = (service: Service, route: Route, demand: NativeDemand | null): Policy => ({
  who: 'key',
  right: route.right,
  service: service.name,
  route: route.path.replaceAll(/\{[^/]*\}/g, ''),
  errors: service.errors,
  ...bodyPolicy(service, route, demand),
})

type Enter = (envelope: Envelope, params: Params) => Promise<void>

/** Whoever comes to a row of a table: policy, plan, and the way to the service. */
function entryTo(service: Service, route: Route, { corridor, carrier, models, limits, spool }: ServiceRouteParts): Enter {
  const demand = nativeDemand(service, route, models)
  const isKnown = isKnownBefore(service, route)
  const policy = policyOf(service, route, isKnown ? demand : null)
  const reserve = demand === null ? null : reserveBy(demand)
  const plan = faceOf(service, route, { spool, mayAsk: mayAskAt(service, models), reserve })
  const endpoint = endpointOf(service, route)
  const carry = (visit: Visit, planned: Plan) => {
    if (endpoint !== null) serveAt(visit, endpoint, limits)
    return carrier.carry(visit, service, planned)
  }
  return (envelope, params) =>
    corridor.admit(envelope, policy, (visit) => {
      const planned = plan(visit, params)
      return planned instanceof Promise ? planned.then((one) => carry(visit, one)) : carry(visit, planned)
    })
}

const reserveBy =
  (demand: NativeDemand) =>
  async (visit: Visit, audio: Audio): Promise<void> => {
    const wanted = demand(visit, null, audio)
    if (wanted !== null) await visit.reserve(wanted)
  }

/** From here on it counts under the names of the catalog, as what comes over /v1 does; the intent says what was asked. */
function serveAt(visit: Visit, endpoint: EndpointRef, limits: ServiceRouteParts['limits']): void {
  visit.endpoint = endpoint
  if (visit.found !== null) visit.model = visit.found.name
  if (visit.demand !== null) visit.endpointHold = limits.atEndpoint(endpoint, NO_LIMITS)
}

/**
 * Every row of every service's table, and the greeting of Ollama, and nothing else. The guard sits on the handler, so no spelling of a path can come
 * past it. What it returns are the same handlers by the exact path of their row.
 */
export function mountServices(app: Hono<GateEnv>, services: readonly Service[], parts: ServiceRouteParts): ExactRoutes {
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
      const enter = entryTo(service, route, parts)
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
