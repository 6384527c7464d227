import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { type App, buildApp, faceAt } from './app.ts'
import {
  type Backend,
  Balancer,
  createDiscovery,
  createHealth,
  createVoices,
  type Discovery,
  type Endpoint,
  type Health,
  type Voices,
} from './catalog/index.ts'
import { type Config, PACKAGE_ROOT } from './config.ts'
import { listingOf, probeOf, voicesIn, voicesPathOf } from './dialects/index.ts'
import { type Carrier, createCarrier, createSpool, createToModel, type Spool, type ToModel } from './gate/index.ts'
import { type House, openHouse } from './house.ts'
import { type CorsRules, createGateServer, type TrustedNetworks, trustedNetworks } from './http/index.ts'
import { type Clock, DEFAULT_TENANT, ERRORS, LIMITS, reasonOf, systemClock } from './kernel/index.ts'
import type { Standing } from './ops/index.ts'

export interface Gateway {
  readonly house: House
  readonly host: string
  readonly port: number
  /**
   * Reads a configuration and takes it in one step, after whatever reload was asked for before: the latest wins. What cannot change while running
   * is kept and named in the answer.
   */
  reload(read: () => Config): Promise<Reloaded>
  /** Refuses what is new, lets what runs finish for a while, seals the ledger. */
  drain(reason: string): Promise<void>
}

interface Reloaded {
  readonly kept: readonly string[]
}

export interface GatewayOptions {
  readonly log: Logger
  readonly clock?: Clock
  readonly command?: string
}

const VERSION = String((JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: unknown }).version) // our own file

/** The only place where the whole is put together: config → storage → parts → app → listeners → drain. */
export async function startGateway(first: Config, { log, clock = systemClock, command = 'serve' }: GatewayOptions): Promise<Gateway> {
  const house = await openHouse(first, { log, clock, command })
  const carrier = createCarrier({ clock, log })
  const spool = createSpool({ dir: join(first.dataDir, 'spool'), bytesMax: LIMITS.spoolBytesMax })
  const life = begin(house, { carrier, spool, clock, log })
  try {
    let running = furnish(first, life)
    const server = publicServer(life, () => running)
    await listen(server, first.host, first.port)
    running.health.start()
    if (first.discovery) life.discovery.start()
    house.models.onEndpoints(() => resizeQueues(life, running.config))
    const { port } = server.address() as AddressInfo // a TCP listener has one
    await record(life, 'ready', `${first.host}:${port}`)
    const take = async (next: Config): Promise<Reloaded> => {
      // Whatever can fail comes first, so that a reload that failed has changed nothing.
      await house.importLegacyKeys(next)
      const before = running
      house.useServices(next.services)
      running = furnish(next, life, before.health)
      resizeQueues(life, next)
      running.health.start()
      before.health.stop()
      if (next.discovery) life.discovery.start()
      else life.discovery.stop()
      log.level = next.logLevel
      house.ledger.reconfigure({ sync: next.audit.sync, rotateMiB: next.audit.rotateMiB, keepDays: next.audit.keepDays })
      house.usage.reconfigure(next.usage)
      await record(life, 'reload')
      return { kept: Object.keys(next.fixed).filter((key) => next.fixed[key] !== first.fixed[key]) }
    }
    let latest: Promise<unknown> = Promise.resolve()
    return {
      house,
      host: first.host,
      port,
      reload(read) {
        const taken = latest.then(() => take(read()))
        latest = taken.catch(() => {}) // told to whoever asked for it; the next one is made all the same
        return taken
      },
      async drain(reason) {
        life.draining = true
        await drain(life, server, reason)
        running.health.stop()
        life.discovery.stop()
        await carrier.close()
        await house.close()
      },
    }
  } catch (error) {
    await carrier.close()
    await house.close()
    throw error
  }
}

/** What lasts as long as the process. */
interface Life extends LifeParts {
  readonly house: House
  readonly balancer: Balancer
  readonly toModel: ToModel
  readonly discovery: Discovery
  readonly voices: Voices
  readonly startedMs: number
  /** Of the configuration that runs; null before the first. */
  health: Health | null
  draining: boolean
}

interface LifeParts {
  readonly carrier: Carrier
  readonly spool: Spool
  readonly clock: Clock
  readonly log: Logger
}

function begin(house: House, parts: LifeParts): Life {
  const { carrier, clock, log } = parts
  const balancer = new Balancer({
    clock,
    standing(endpoint) {
      const { inFlight, waiting } = carrier.loadOf(endpoint)
      return { inFlight, waiting, up: life.health?.of(endpoint).up ?? null }
    },
  })
  const toModel = createToModel({ carrier, balancer, models: house.models, limits: house.limits })
  const discovery = createDiscovery({ catalog: house.models, listingOf, clock, log })
  const voices = createVoices({
    endpoints: () => house.models.endpoints().filter(({ active, speaks }) => active && speaks.has('speech')),
    pathOf: voicesPathOf,
    read: voicesIn,
    clock,
    log,
  })
  const life: Life = { ...parts, house, balancer, toModel, voices, discovery, startedMs: clock.monoMs(), health: null, draining: false }
  return life
}

/** What a reload replaces in one step. */
interface Running {
  readonly config: Config
  readonly app: App
  readonly health: Health
  readonly trusted: TrustedNetworks
  readonly cors: CorsRules
}

function furnish(config: Config, life: Life, before?: Health): Running {
  const { house, clock, log } = life
  const { services } = config
  const health = createHealth({
    backends: () => [...services.filter(({ enabled }) => enabled), ...ownEndpoints(life).filter(({ active }) => active)],
    probeOf: ({ dialect }) => probeOf(dialect),
    clock,
    log,
    known: before?.read() ?? [],
  })
  life.health = health
  const app = buildApp({
    ...life,
    services,
    corridor: house.corridor,
    models: house.models,
    limits: house.limits,
    heartbeatMs: config.heartbeatMs,
    openLists: config.openLists,
    ops: {
      version: VERSION,
      corridor: house.corridor,
      metrics: house.metrics,
      standing: () => standingOf(config, life, health),
      accounts: () => house.usage.state(),
      ready: () => readiness(life),
      uptimeMs: () => clock.monoMs() - life.startedMs,
    },
  })
  return { config, app, health, trusted: trustedNetworks(config.trustedProxies), cors: { origins: new Set(config.corsOrigins) } }
}

/** Those that have a row of their own; the others are the services. */
const ownEndpoints = ({ house }: Life): readonly Endpoint[] => house.models.endpoints().filter(({ name }) => !name.startsWith('builtin:'))

function resizeQueues(life: Life, { services }: Config): void {
  life.carrier.resizeQueues([...services, ...ownEndpoints(life)])
}

function standingOf({ services }: Config, life: Life, health: Health): Standing {
  const { carrier, balancer } = life
  const endpoints = new Map(life.house.models.endpoints().map((endpoint) => [endpoint.name, endpoint]))
  const standing = (backend: Backend, endpoint: Endpoint | undefined) => {
    const { inFlight, waiting } = carrier.loadOf(backend)
    return { health: health.of(backend), inFlight, waiting, passedOver: endpoint === undefined ? null : balancer.passedOver(endpoint) }
  }
  return {
    services: services.filter(({ enabled }) => enabled).map((service) => standing(service, endpoints.get(`builtin:${service.name}`))),
    endpoints: ownEndpoints(life).map((endpoint) => ({
      ...standing(endpoint, endpoint),
      active: endpoint.active,
      priority: endpoint.priority,
      breaker: balancer.stateOf(endpoint),
    })),
  }
}

function readiness({ draining, house }: Life): { ready: boolean; why: string } {
  if (draining) return { ready: false, why: 'shutting down' }
  if (!house.ledger.state().ok) return { ready: false, why: 'the audit ledger cannot be written' }
  return { ready: true, why: '' }
}

function publicServer({ house: { corridor, ledger }, clock }: Life, running: () => Running): Server {
  return createGateServer({
    clock,
    trusted: () => running().trusted,
    cors: () => running().cors,
    connectionsPerAddressMax: () => running().config.connectionsPerAddressMax,
    fetch: (request, env) => running().app.hono.fetch(request, env),
    exact: () => running().app.exact,
    turnAway: (envelope, fault) => {
      const { name, errors } = faceAt(running().config.services, envelope.path)
      corridor.turnAway(envelope, fault, name, errors)
    },
    refusedSocket: (address, code, reason, request) => {
      const { status } = ERRORS[code]
      ledger.refused({ request, tenant: DEFAULT_TENANT, address, method: '', route: '', service: 'gate', status, code, reason })
    },
  })
}

/** An event of the gateway's own life. That it cannot be written is no reason to stop: the ledger keeps it until it can. */
async function record({ house, log }: Life, what: string, detail?: string): Promise<void> {
  await house.ledger.lifecycle(detail === undefined ? { what } : { what, detail }).catch((error: unknown) => {
    log.error({ reason: reasonOf(error), what }, 'an event could not be recorded')
  })
}

/** Refuses what is new, lets what runs finish, and closes every door. */
async function drain(life: Life, server: Server, reason: string): Promise<void> {
  const { corridor, settleInFlight } = life.house
  corridor.drain()
  await record(life, 'drain', reason)
  server.closeIdleConnections()
  await settleInFlight(LIMITS.drainMsMax)
  server.close()
  server.closeAllConnections()
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog: 1_024 }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
