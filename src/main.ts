import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { buildApp } from './app.ts'
import { createHealth, type Health } from './catalog/index.ts'
import { type Config, PACKAGE_ROOT } from './config.ts'
import { probeOf } from './dialects/index.ts'
import { createCarrier } from './gate/index.ts'
import { type House, openHouse } from './house.ts'
import { createGateServer, trustedNetworks } from './http/index.ts'
import { type Clock, DEFAULT_TENANT, GatewayError, LIMITS, reasonOf, systemClock } from './kernel/index.ts'

export interface Gateway {
  readonly house: House
  readonly host: string
  readonly port: number
  /** Takes a new configuration in one step; what cannot change while running is kept and named in the answer. */
  reload(config: Config): Promise<{ readonly kept: readonly string[] }>
  /** Refuses what is new, lets what runs finish for a while, seals the ledger. */
  drain(reason: string): Promise<void>
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
  const { corridor, ledger } = house
  const startedMs = clock.monoMs()
  const carrier = createCarrier({ clock, log })
  let config = first
  let draining = false
  let trusted = trustedNetworks(config.trustedProxies)

  const build = (next: Config): { app: ReturnType<typeof buildApp>; health: Health } => {
    const health = createHealth({ services: next.services, probeOf: (service) => probeOf(service.dialect), clock, log })
    const app = buildApp({
      services: next.services,
      corridor,
      carrier,
      log,
      ops: {
        version: VERSION,
        corridor,
        metrics: house.metrics,
        health: () => health,
        ready: () => readiness(),
        queues: () => Object.fromEntries(next.services.map((service) => [service.name, carrier.queueOf(service)])),
        uptimeMs: () => clock.monoMs() - startedMs,
      },
    })
    return { app, health }
  }
  const readiness = (): { ready: boolean; why: string } => {
    if (draining) return { ready: false, why: 'shutting down' }
    if (!ledger.state().ok) return { ready: false, why: 'the audit ledger cannot be written' }
    return { ready: true, why: '' }
  }

  let built = build(config)
  const server = createGateServer({
    clock,
    trusted: () => trusted,
    connectionsPerAddressMax: () => config.connectionsPerAddressMax,
    fetch: (request, env) => built.app.fetch(request, env),
    turnAway: (envelope, fault) => corridor.turnAway(envelope, fault, 'gate', 'problem'),
    refusedSocket: (address, code, reason) => {
      const { status } = new GatewayError(code)
      ledger.refused({ request: '-', tenant: DEFAULT_TENANT, address, method: '', route: '', service: 'gate', status, code, reason })
    },
  })
  try {
    await listen(server, config.host, config.port)
  } catch (error) {
    await house.close()
    throw error
  }
  built.health.start()
  const { port } = server.address() as AddressInfo // a TCP listener has one
  await ledger.lifecycle({ what: 'ready', detail: `${config.host}:${port}` })

  return {
    house,
    host: config.host,
    port,
    async reload(next) {
      const kept = Object.keys(next.fixed).filter((key) => next.fixed[key] !== config.fixed[key])
      const before = built
      built = build(next)
      trusted = trustedNetworks(next.trustedProxies)
      config = next
      built.health.start()
      before.health.stop()
      log.level = next.logLevel
      ledger.reconfigure({ sync: next.audit.sync, rotateMiB: next.audit.rotateMiB, keepDays: next.audit.keepDays })
      await house.importLegacyKeys(next)
      await ledger.lifecycle({ what: 'reload' })
      return { kept }
    },
    async drain(reason) {
      draining = true
      corridor.drain()
      await ledger
        .lifecycle({ what: 'drain', detail: reason })
        .catch((error: unknown) => log.error({ reason: reasonOf(error) }, 'drain could not be recorded'))
      server.closeIdleConnections()
      await house.settleInFlight(LIMITS.drainMsMax)
      built.health.stop()
      server.close()
      server.closeAllConnections()
      await carrier.close()
      await house.close()
    },
  }
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
