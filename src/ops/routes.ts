import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Hono } from 'hono'
import type { BackendHealth, Health } from '../catalog/index.ts'
import { answer, type Corridor, jsonAnswer, type Policy } from '../gate/index.ts'
import { envelopeOf, type GateEnv, openRoute } from '../http/index.ts'
import type { Metrics } from './metrics.ts'

export interface OpsParts {
  readonly version: string
  readonly corridor: Corridor
  readonly metrics: Metrics
  readonly health: () => Health
  readonly ready: () => { ready: boolean; why: string }
  readonly queues: () => Readonly<Record<string, { inFlight: number; waiting: number }>>
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

function presentStatus({ version, health, ready, queues, uptimeMs, corridor }: OpsParts): unknown {
  const waiting = queues()
  return {
    name: 'portcullis',
    version,
    ...ready(),
    uptime_seconds: Math.round(uptimeMs() / 1_000),
    in_flight: corridor.inFlight.size,
    backends: health()
      .read()
      .map((backend) => presentBackend(backend, waiting[backend.service])),
  }
}

function presentBackend(backend: BackendHealth, queue: { inFlight: number; waiting: number } | undefined): unknown {
  return {
    service: backend.service,
    url: backend.url,
    dialect: backend.dialect,
    up: backend.up,
    latency_ms: backend.latencyMs,
    since: backend.sinceMs === null ? null : new Date(backend.sinceMs).toISOString(),
    note: backend.note,
    ...(queue === undefined ? {} : { in_flight: queue.inFlight, waiting: queue.waiting }),
  }
}
