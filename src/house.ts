import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { Hono } from 'hono'
import type { Logger } from 'pino'
import { keyRoutes } from './admin/index.ts'
import { denyTheRest } from './app.ts'
import { type Ledger, openLedger } from './audit/index.ts'
import { type Config, hostName } from './config.ts'
import { type Corridor, createCorridor, ownerGuard } from './gate/index.ts'
import { createGateServer, type GateEnv, localPeer, trustedNetworks } from './http/index.ts'
import { createIdentity, type Identity, refusedKeyId } from './identity/index.ts'
import { type Clock, GatewayError, reasonOf } from './kernel/index.ts'
import { createLimits } from './limits/index.ts'
import { createMetrics, type Metrics } from './ops/index.ts'
import { createHasher, loadOrCreateKey } from './secrets/index.ts'
import { acquireOwner, openStore } from './storage/index.ts'

/** Everything that owns the data directory, without the network: what `serve` builds on, and all that a key command needs. */
export interface House {
  readonly dataDir: string
  readonly socket: string
  readonly ledger: Ledger
  readonly identity: Identity
  readonly corridor: Corridor
  readonly metrics: Metrics
  /** Takes over the keys of `API_KEYS_FILE`, if one is set. */
  importLegacyKeys(config: Config): Promise<void>
  /** Waits for what runs, and cuts what is left when the time is over. */
  settleInFlight(msMax: number): Promise<void>
  close(): Promise<void>
}

export interface HouseOptions {
  readonly log: Logger
  readonly clock: Clock
  readonly command: string
}

export const socketPath = (dataDir: string): string => join(dataDir, 'portcullis.sock')

export async function openHouse(config: Config, { log, clock, command }: HouseOptions): Promise<House> {
  const { dataDir } = config
  const owner = acquireOwner(dataDir, { command, clock, waitMs: 2_000 })
  const hasher = createHasher({ clock })
  const [store, ledger] = await Promise.all([
    openStore({ file: join(dataDir, 'portcullis.db') }),
    openLedger({
      ...config.audit,
      keyDir: dataDir,
      clock,
      log,
      host: hostName(),
      onState: (ok) => log[ok ? 'info' : 'error']({ ok }, ok ? 'ledger: writable' : 'ledger: cannot be written'),
    }),
  ])
  const pepper = loadOrCreateKey(join(dataDir, 'lookup.pepper'))
  const identity = createIdentity({ store, secrets: { hasher, pepper }, clock, log })
  await identity.load()
  const limits = createLimits({ clock })
  const metrics = createMetrics({
    ledger: () => ledger.state(),
    argon: () => hasher.stats(),
  })
  const corridor = createCorridor({ clock, ledger, identity, limits, refusedKeyId, observer: metrics, log })
  identity.onStopped((keyId, { now }) => {
    if (now) cutKey(corridor, keyId)
  })
  await ledger.lifecycle({ what: 'start', detail: command })

  const admin = await listenToOwner({ dataDir, clock, corridor, identity, log })
  const house: House = {
    dataDir,
    socket: socketPath(dataDir),
    ledger,
    identity,
    corridor,
    metrics,
    async importLegacyKeys({ apiKeysFile }) {
      if (apiKeysFile !== null) await importFile(identity, apiKeysFile, log)
    },
    settleInFlight: (msMax) => settleInFlight(corridor, clock, msMax),
    async close() {
      admin.close()
      admin.closeAllConnections()
      rmSync(socketPath(dataDir), { force: true })
      limits.close()
      await identity.close()
      await ledger
        .lifecycle({ what: 'stop', detail: command })
        .catch((error: unknown) => log.error({ reason: reasonOf(error) }, 'the stop could not be recorded'))
      await ledger.close()
      await store.close()
      owner.release()
    },
  }
  await house.importLegacyKeys(config)
  return house
}

/** The management socket. The lock on the data directory is ours, so a socket that is there already is a dead one. */
async function listenToOwner(parts: {
  dataDir: string
  clock: Clock
  corridor: Corridor
  identity: Identity
  log: Logger
}): Promise<Server> {
  const { dataDir, clock, corridor, identity, log } = parts
  const app = new Hono<GateEnv>()
  app.route('/admin/api', keyRoutes({ identity, guard: ownerGuard(corridor), clock }))
  denyTheRest(app, [], corridor, log)
  const nobody = trustedNetworks([])
  const server = createGateServer({
    clock,
    trusted: () => nobody,
    connectionsPerAddressMax: () => Number.POSITIVE_INFINITY,
    fetch: (request, env) => app.fetch(request, env),
    turnAway: (envelope, fault) => corridor.turnAway(envelope, fault, 'admin', 'problem'),
    refusedSocket: () => {},
    peer: localPeer,
  })
  const path = socketPath(dataDir)
  rmSync(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new Error(`the management socket ${path} cannot be opened (its path may hold at most 107 bytes)`, { cause: error })),
    )
    server.listen(path, resolve)
  })
  chmodSync(path, 0o600) // the directory is 0700 besides
  return server
}

function cutKey(corridor: Corridor, keyId: string): void {
  for (const visit of corridor.inFlight) {
    if (visit.principal?.kind !== 'key' || visit.principal.id !== keyId) continue
    if (visit.cut === null) visit.envelope.outgoing.destroy()
    else visit.cut('revoked', new GatewayError('REVOKED'))
  }
}

async function importFile(identity: Identity, file: string, log: Logger): Promise<void> {
  if (!existsSync(file)) {
    log.warn({ file }, 'API_KEYS_FILE is set, and there is no such file; no key was imported or disabled')
    return
  }
  const { imported, disabled, unchanged, skipped } = await identity.keys.importLegacy(readFileSync(file, 'utf8'), {
    rightsFromService: false,
    source: file,
  })
  log.info({ file, imported: imported.length, disabled: disabled.length, unchanged, skipped: skipped.length }, 'legacy keys imported')
}

async function settleInFlight(corridor: Corridor, clock: Clock, msMax: number): Promise<void> {
  const endMs = clock.monoMs() + msMax
  while (corridor.inFlight.size > 0 && clock.monoMs() < endMs) await tick(20)
  for (const visit of corridor.inFlight) {
    if (visit.cut === null) visit.envelope.outgoing.destroy()
    else visit.cut('refused', new GatewayError('DRAINING'))
  }
  const graceMs = clock.monoMs() + 1_000
  while (corridor.inFlight.size > 0 && clock.monoMs() < graceMs) await tick(20)
}

const tick = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
