import { Command } from 'commander'
import { ConfigError, loadConfig } from '../config.ts'
import type { Gateway } from '../main.ts'
import { faultLines, loadOrExplain } from './explain.ts'
import { EXIT, say } from './terminal.ts'

export function serveCommand(): Command {
  return new Command('serve').description('run the gateway').action(serve)
}

async function serve(): Promise<void> {
  // Whoever read the log may go. Each line would then be a fault that nobody caught, told by a line of its own, and no signal would be heard any more.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const config = loadOrExplain()
  const [{ startGateway }, { createLog }] = await Promise.all([import('../main.ts'), import('../ops/index.ts')])
  const log = createLog(config.logLevel, process.stderr)
  const gateway = await startGateway(config, { log }).catch(async (error: unknown) => {
    const { explainStart } = await import('./start.ts')
    throw explainStart(error, config)
  })
  handleSignals(gateway, log) // before anybody is told that it listens, and may want it to stop
  const url = `http://${gateway.host.includes(':') ? `[${gateway.host}]` : gateway.host}:${gateway.port}`
  log.info({ url, data: config.dataDir, ledger: config.audit.file, sync: config.audit.sync }, `listening on ${url}`)
  if (gateway.house.identity.stats().keys > 0) return
  if (log.isLevelEnabled('warn')) log.warn(NO_KEY_YET)
  else say.note(NO_KEY_YET) // who starts a gate that nobody can pass must learn it, however little is logged
}

const NO_KEY_YET = 'there is no key yet, so the gateway is closed to everybody; make one with: scripts/apikey generate -u YOU -s all'

type Log = ReturnType<typeof import('../ops/index.ts')['createLog']>

function handleSignals(gateway: Gateway, log: Log): void {
  let leaving = false
  const leave = (reason: string, status: number): void => {
    if (leaving) return
    leaving = true
    log.info({ reason }, 'shutting down: new requests are refused, running ones get 30 s')
    gateway.drain(reason).then(
      () => process.exit(status),
      (error: unknown) => {
        log.error({ err: error }, 'the shutdown failed')
        process.exit(EXIT.unavailable)
      },
    )
  }
  process.on('SIGTERM', () => leave('SIGTERM', EXIT.done))
  process.on('SIGINT', () => leave('SIGINT', EXIT.done))
  process.on('SIGHUP', () => void reload(gateway, log))
  const fault = (error: unknown): void => {
    log.fatal({ err: error }, 'a fault that nobody caught; the ledger is sealed and the process ends')
    leave('uncaughtException', EXIT.negative)
  }
  process.on('uncaughtException', fault)
  process.on('unhandledRejection', fault)
}

/** An invalid file keeps the old configuration running; every fault is in the log. */
async function reload(gateway: Gateway, log: Log): Promise<void> {
  try {
    const { kept } = await gateway.reload(loadConfig)
    log.info('configuration reloaded')
    for (const key of kept) log.warn({ key }, `${key} changes only with a restart; the old value is kept`)
  } catch (error) {
    const faults = error instanceof ConfigError ? faultLines(error.faults) : [say.reason(error)]
    log.error({ faults }, 'the configuration is invalid, so the old one is kept')
    await gateway.house.ledger.lifecycle({ what: 'reload_failed', detail: faults.join('; ').slice(0, 512) }).catch(() => {})
  }
}
