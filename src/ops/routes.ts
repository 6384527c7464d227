import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Hono } from 'hono'
import type { BackendHealth, BreakerState, PassedOver } from '../catalog/index.ts'
import { answer, type Corridor, jsonAnswer, type Policy } from '../gate/index.ts'
import { envelopeOf, type GateEnv, openRoute } from '../http/index.ts'
import type { Metrics } from './metrics.ts'

/** How a backend stands: what health checks say of it, how many requests are there, and why the latest that might have been went elsewhere. */
export interface BackendStanding {
  readonly health: BackendHealth
  readonly inFlight: number
  readonly waiting: number
  /** Null where it never was. */
  readonly passedOver: PassedOver | null
}

export interface EndpointStanding extends BackendStanding {
  readonly active: boolean
  readonly priority: number
  readonly breaker: BreakerState
}

export interface Standing {
  readonly services: readonly BackendStanding[]
  readonly endpoints: readonly EndpointStanding[]
}

/** Whether what is used is being counted. */
export interface AccountsStanding {
  readonly ok: boolean
  /** Lines of the ledger that are not counted yet. */
  readonly behind: number
  readonly lastError: string | null
}

export interface OpsParts {
  readonly version: string
  readonly corridor: Corridor
  readonly metrics: Metrics
  readonly standing: () => Standing
  readonly accounts: () => AccountsStanding
  readonly ready: () => { ready: boolean; why: string }
  readonly uptimeMs: () => number
}

/** Routes that leave no record: static words that say nothing of anybody. The test of promise 5 prints this list; the last two stand at chat's prefix. */
export const UNRECORDED_ROUTES = ['GET /', 'GET /health', 'GET /ready', 'GET /chat', 'GET /chat/'] as const

const observer = (route: string): Policy => ({ who: 'observer', right: 'observe', service: 'gate', route, errors: 'problem' })

export function mountOps(app: Hono<GateEnv>, parts: OpsParts): void {
  const links = { health: '/health', ready: '/ready', status: '/status', metrics: '/metrics' }
  app.get(
    '/',
    openRoute((c) => c.json({ name: 'portcullis', version: parts.version, links })),
  )
  app.get(
    '/health',
    openRoute((c) => c.json({ status: 'ok' })),
  )
  app.get(
    '/ready',
    openRoute((c) => {
      const { ready, why } = parts.ready()
      return c.json(ready ? { status: 'ready' } : { status: 'not ready', why }, ready ? 200 : 503)
    }),
  )
  app.get('/status', async (c) => {
    await parts.corridor.admit(envelopeOf(c.env.incoming), observer('/status'), (visit) =>
      answer(visit, () => jsonAnswer(200, presentStatus(parts))),
    )
    return RESPONSE_ALREADY_SENT
  })
  app.get('/metrics', async (c) => {
    await parts.corridor.admit(envelopeOf(c.env.incoming), observer('/metrics'), (visit) =>
      answer(visit, () => ({
        status: 200,
        headers: { 'content-type': parts.metrics.contentType },
        body: parts.metrics.text(),
      })),
    )
    return RESPONSE_ALREADY_SENT
  })
}

function presentStatus({ version, standing, accounts, ready, uptimeMs, corridor }: OpsParts): unknown {
  const { services, endpoints } = standing()
  const { ok, behind, lastError } = accounts()
  return {
    name: 'portcullis',
    version,
    ...ready(),
    uptime_seconds: Math.round(uptimeMs() / 1_000),
    in_flight: corridor.inFlight.size,
    accounts: { ok, behind, fault: lastError },
    backends: services.map((backend) => ({ service: backend.health.name, ...presentBackend(backend) })),
    endpoints: endpoints.map((endpoint) => ({
      endpoint: endpoint.health.name,
      ...presentBackend(endpoint),
      active: endpoint.active,
      priority: endpoint.priority,
      breaker: endpoint.breaker,
    })),
  }
}

const presentBackend = ({ health, inFlight, waiting, passedOver }: BackendStanding) => ({
  url: health.url,
  dialect: health.dialect,
  up: health.up,
  latency_ms: health.latencyMs,
  since: health.sinceMs === null ? null : new Date(health.sinceMs).toISOString(),
  note: health.note,
  in_flight: inFlight,
  waiting,
  passed_over:
    passedOver === null ? null : { why: passedOver.why, times: passedOver.times, last: new Date(passedOver.lastMs).toISOString() },
})
