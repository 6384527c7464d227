import { chmodSync, existsSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { Hono } from 'hono'
import type { Logger } from 'pino'
import { adminRoutes, type Spending, spendingOf } from './admin/index.ts'
import { denyTheRest } from './app.ts'
import { assertBelonging, type Ledger, openLedger } from './audit/index.ts'
import { createModelCatalog, type ModelCatalog, type Service } from './catalog/index.ts'
import { type Config, hostName } from './config.ts'
import { type Contents, type Corridor, createCorridor, ownerGuard } from './gate/index.ts'
import { createGateServer, type GateEnv, localPeer, trustedNetworks } from './http/index.ts'
import { createIdentity, type Identity, refusedKeyId } from './identity/index.ts'
import { type Clock, GatewayError, reasonOf } from './kernel/index.ts'
import { createLimits, type Limits } from './limits/index.ts'
import { createMetrics, type Metrics } from './ops/index.ts'
import { createHasher, createLateSealer, createSealer, loadOrCreateKey, readKeyFile } from './secrets/index.ts'
import { acquireOwner, openStore } from './storage/index.ts'
import { type ContentSealer, createUsage, type Usage } from './usage/index.ts'

/** Everything that owns the data directory, without the network: what `serve` builds on, and all that a key command needs. */
export interface House {
  readonly dataDir: string
  readonly socket: string
  readonly ledger: Ledger
  readonly identity: Identity
  readonly corridor: Corridor
  readonly metrics: Metrics
  readonly limits: Limits
  readonly usage: Usage
  readonly models: ModelCatalog
  /** After a reload: the services of the gate are other ones. */
  useServices(services: readonly Service[]): void
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
  /** The keys are taken into memory, and the ledger into the accounts, when they are first needed: a command that only lists needs neither. */
  readonly keysWhenNeeded?: boolean
}

export const socketPath = (dataDir: string): string => join(dataDir, 'portcullis.sock')

/** sockaddr_un holds 108 bytes on Linux, the last of them NUL (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107

/** How to give back what was taken; run last first, at the end or when a later part cannot be had. */
type Closers = (() => Promise<void> | void)[]

export async function openHouse(config: Config, options: HouseOptions): Promise<House> {
  const closers: Closers = []
  try {
    return await furnish(config, options, closers)
  } catch (error) {
    await closeAll(closers)
    throw error
  }
}

async function closeAll(closers: Closers): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close()
}

async function furnish(config: Config, options: HouseOptions, closers: Closers): Promise<House> {
  const { log, clock, command, keysWhenNeeded = false } = options
  const { dataDir } = config
  // The ledger looks again when it is locked. This look comes before anything is made, so that a mistaken DATA_DIR leaves no trace.
  await assertBelonging({ file: config.audit.file, keyDir: dataDir })
  const owner = acquireOwner(dataDir, { command, clock, waitMs: 2_000 })
  closers.push(() => owner.release())
  const store = await openStore({ file: join(dataDir, 'portcullis.db') })
  closers.push(() => store.close())
  let usage: Usage | null = null
  const stillRead = (segment: string): boolean => usage?.stillReads(segment) ?? true
  const ledger = await openOwnLedger(config, { log, clock, command, stillRead }, closers)
  const accounts = createUsage({
    store,
    ledger,
    ledgerFile: config.audit.file,
    sealer: contentSealer(dataDir),
    clock,
    log,
    retention: config.usage,
  })
  usage = accounts
  closers.push(() => accounts.close())
  // Before the users, whose balances it changes.
  if (!keysWhenNeeded) await accounts.caughtUp()
  const limits = createLimits({ clock })
  closers.push(() => limits.close())
  const hasher = createHasher({ clock })
  const pepper = loadOrCreateKey(join(dataDir, 'lookup.pepper'))
  const balances = keysWhenNeeded ? {} : { balanceOf: limits.accounts.of.bind(limits.accounts) }
  const upToDate = () => accounts.upToDate()
  const identity = createIdentity({ store, secrets: { hasher, pepper }, clock, log, upToDate, ...balances })
  closers.push(() => identity.close())
  if (!keysWhenNeeded) {
    await identity.load()
    await openAccounts({ usage: accounts, limits, identity })
  }
  let services = config.services
  const sealer = createSealer(join(dataDir, 'endpoints.key'))
  const models = createModelCatalog({ store, sealer, services: () => services, clock, log })
  if (!keysWhenNeeded) await models.load()
  const metrics = createMetrics({ ledger: () => ledger.state(), argon: () => hasher.stats(), usage: () => accounts.state() })
  const contents: Contents = {
    bytesMax: () => accounts.contentBytesMax,
    keep: (content) => accounts.keepContent({ ...content, atMs: clock.nowMs() }),
  }
  const corridor = createCorridor({ clock, ledger, identity, limits, contents, refusedKeyId, observer: metrics, log })
  identity.onStopped((keyId, { now }) => {
    if (now) cutKey(corridor, keyId)
  })
  const importLegacyKeys = async ({ apiKeysFile }: Config): Promise<void> => {
    if (apiKeysFile === null) return
    await identity.load()
    await importFile({ identity, ledger, log }, apiKeysFile)
  }
  await importLegacyKeys(config)
  const spending = spendingOf({ usage: accounts, spent: limits.spent, countsAlong: !keysWhenNeeded })
  const admin = await listenToOwner({ dataDir, clock, corridor, identity, models, usage: accounts, spending, log })
  closers.push(() => {
    admin.close()
    admin.closeAllConnections()
    rmSync(socketPath(dataDir), { force: true })
  })
  return {
    dataDir,
    socket: socketPath(dataDir),
    ledger,
    identity,
    corridor,
    metrics,
    limits,
    usage: accounts,
    models,
    useServices(next) {
      services = next
      models.refresh()
    },
    importLegacyKeys,
    settleInFlight: (msMax) => settleInFlight(corridor, clock, msMax),
    close: () => closeAll(closers),
  }
}

/** The ledger, from its first word of this process to its last. */
async function openOwnLedger(
  config: Config,
  { log, clock, command, stillRead }: HouseOptions & { stillRead: (segment: string) => boolean },
  closers: Closers,
): Promise<Ledger> {
  let closing = false
  const onState = (ok: boolean): void => {
    if (!closing) log[ok ? 'info' : 'error']({ ok }, ok ? 'ledger: writable' : 'ledger: cannot be written')
  }
  const ledger = await openLedger({ ...config.audit, keyDir: config.dataDir, clock, log, host: hostName(), onState, stillRead })
  closers.push(async () => {
    closing = true
    await ledger.lifecycle({ what: 'stop', detail: command }).catch((error: unknown) => {
      log.error({ reason: reasonOf(error) }, 'the stop could not be recorded')
    })
    await ledger.close()
  })
  // A full disk is no reason not to start: the gate is closed until there is room, and says so.
  await ledger.lifecycle({ what: 'start', detail: command }).catch((error: unknown) => {
    log.error({ reason: reasonOf(error) }, 'the start could not be recorded; nothing is let through until the ledger can be written')
  })
  return ledger
}

function contentSealer(dataDir: string): ContentSealer {
  const { sealBytes, openBytes } = createLateSealer(join(dataDir, 'contents.key'))
  return { seal: sealBytes, open: openBytes }
}

/** What was spent and what is left, before anybody is let in. The limits keep count of it from then on, and the accounts follow behind. */
async function openAccounts({ usage, limits, identity }: Pick<House, 'usage' | 'limits' | 'identity'>): Promise<void> {
  const { accounts, spent } = limits
  for (const { userId, balanceMicro } of identity.users.balances()) accounts.set(userId, balanceMicro)
  identity.onBalance((change) => {
    if (change.kind === 'set') accounts.set(change.userId, change.micro)
    else accounts.add(change.userId, change.micro)
  })
  spent.load(await usage.spentThisMonth())
  // What the last process left open is charged when it is settled, and no request of this one stands for it.
  usage.follow(({ costMicro, ...of }) => {
    accounts.charge(of.user, costMicro)
    for (const kind of ['user', 'key', 'model', 'endpoint'] as const) if (of[kind] !== '') spent.add(kind, of[kind], costMicro)
  })
}

/** The management socket. The lock on the data directory is ours, so a socket that is there already is a dead one. */
async function listenToOwner(parts: {
  dataDir: string
  clock: Clock
  corridor: Corridor
  identity: Identity
  models: ModelCatalog
  usage: Usage
  spending: Spending
  log: Logger
}): Promise<Server> {
  const { dataDir, clock, corridor, identity, models, usage, spending, log } = parts
  const app = new Hono<GateEnv>()
  app.route('/admin/api', adminRoutes({ identity, models, usage, spending, guard: ownerGuard(corridor), clock }))
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
  const refused = `the management socket ${path} cannot be opened (its path may hold at most ${SOCKET_PATH_BYTES_MAX} bytes)`
  // A longer path may be cut off in silence, and the socket then lies where nobody looks for it.
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) throw new Error(refused)
  rmSync(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new Error(refused, { cause: error })))
    server.listen(path, resolve)
  })
  chmodSync(path, 0o600) // the directory is 0700 besides
  return server
}

function cutKey(corridor: Corridor, keyId: string): void {
  for (const visit of corridor.inFlight) {
    if (visit.principal?.kind !== 'key' || visit.principal.id !== keyId) continue
    visit.stop('revoked', new GatewayError('REVOKED'))
  }
}

async function importFile({ identity, ledger, log }: Pick<House, 'identity' | 'ledger'> & { log: Logger }, file: string): Promise<void> {
  if (!existsSync(file)) {
    log.warn({ file }, 'API_KEYS_FILE is set, and there is no such file; no key was imported or disabled')
    return
  }
  const { content, source } = readKeyFile(file)
  // Nobody asks for it over a socket, and yet it changes who may come in: so it is recorded before it is done, like any change.
  try {
    await ledger.lifecycle({ what: 'keys_import', detail: file })
  } catch (error) {
    log.error(
      { file, reason: reasonOf(error) },
      'legacy keys were not imported, because that could not be recorded; they are with the next start or SIGHUP',
    )
    return
  }
  const report = await identity.keys.importLegacy(content, { rightsFromService: false, source }).catch((error: unknown) => {
    throw new Error(`the keys of ${file}, which API_KEYS_FILE names, cannot be taken over`, { cause: error })
  })
  const { imported, disabled, unchanged, skipped } = report
  log.info({ file, imported: imported.length, disabled: disabled.length, unchanged, skipped: skipped.length }, 'legacy keys imported')
  const ids = [...imported.map(({ id }) => `+${id}`), ...disabled.map((id) => `-${id}`)]
  for (let from = 0; from < ids.length; from += IDS_PER_LINE) {
    const detail = ids.slice(from, from + IDS_PER_LINE).join(' ')
    // What cannot be written now is kept by the ledger and written when it can.
    await ledger
      .lifecycle({ what: 'keys_imported', detail })
      .catch((error: unknown) => log.error({ reason: reasonOf(error) }, 'an import is not recorded yet'))
  }
}

/** A line's field is cut at 1,024 characters, and every id shall be named. */
const IDS_PER_LINE = 40

async function settleInFlight(corridor: Corridor, clock: Clock, msMax: number): Promise<void> {
  const endMs = clock.monoMs() + msMax
  while (corridor.inFlight.size > 0 && clock.monoMs() < endMs) await tick(20)
  for (const visit of corridor.inFlight) {
    visit.stop('refused', new GatewayError('DRAINING'))
  }
  const graceMs = clock.monoMs() + 1_000
  while (corridor.inFlight.size > 0 && clock.monoMs() < graceMs) await tick(20)
}

const tick = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
