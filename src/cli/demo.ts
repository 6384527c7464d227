import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import type { Config } from '../config.ts'
import { loadConfig } from '../config.ts'
import { startStandIns } from '../demo/index.ts'
import { type Gateway, startGateway } from '../main.ts'
import { createLog } from '../ops/index.ts'
import { type Backend, realBackends, standInBackends } from './demo-backends.ts'
import { introduction } from './demo-words.ts'
import { loadOrExplain } from './explain.ts'
import { EXIT, Exit, say } from './terminal.ts'

const FIRST_PORT = 8080
const PORTS_TRIED = 50

export function demoCommand(): Command {
  return new Command('demo')
    .description('run the gateway with stand-in backends and a fresh data directory')
    .option('--real', 'use the real backends that can be reached, and stand-ins for the others')
    .option('--port <port>', 'where to listen; when it is taken, the next free one', portNumber, FIRST_PORT)
    .action(demo)
}

function portNumber(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError('want a port from 0 to 65535.')
  return port
}

async function demo({ real = false, port: wanted }: { real?: boolean; port: number }): Promise<void> {
  const configured = real ? loadOrExplain() : null // told before anything is made
  const dir = mkdtempSync(join(tmpdir(), 'portcullis-demo-'))
  // However the process ends, short of a kill -9, nothing of the demo stays.
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
  const closers: (() => Promise<void>)[] = []
  endOnSignal(closers)
  try {
    const standIns = await startStandIns()
    closers.push(() => standIns.close())
    const backends = configured === null ? standInBackends(standIns) : await realBackends(configured.services, standIns)
    const gateway = await startOnFreePort(wanted, (port) => demoConfig(dir, port, backends))
    closers.push(() => gateway.drain('the demo ends'))
    const key = await makeKey(gateway, dir)
    say.out((await introduction({ port: gateway.port, wanted, real, dir, backends, key })).join('\n'))
  } catch (error) {
    await closeAll(closers)
    throw error
  }
}

function demoConfig(dir: string, port: number, backends: readonly Backend[]): Config {
  const config = loadConfig({
    PORTCULLIS_CONFIG: '/dev/null',
    PORT: String(port),
    DATA_DIR: join(dir, 'data'),
    AUDIT_LOG_FILE: join(dir, 'audit.log'),
    LOG_LEVEL: 'warn',
  })
  return { ...config, services: backends.map(({ service }) => service) }
}

async function makeKey({ house }: Gateway, dir: string): Promise<{ text: string; file: string }> {
  const { apiKey } = await house.identity.keys.create({
    user: 'demo',
    rights: ['all'],
    description: 'made by the demo',
    expiresMs: null,
    rate: null,
    concurrency: 100,
  })
  const file = join(dir, 'key')
  writeFileSync(file, apiKey.reveal(), { mode: 0o600 })
  return { text: apiKey.reveal(), file }
}

async function startOnFreePort(first: number, configFor: (port: number) => Config): Promise<Gateway> {
  const log = createLog('warn', process.stderr)
  const last = Math.min(first + PORTS_TRIED - 1, 65_535)
  for (let port = first; port <= last; port += 1) {
    if (!(await isFree(port))) continue
    try {
      return await startGateway(configFor(port), { log, command: 'demo' })
    } catch (error) {
      if (!isTaken(error)) throw error // else somebody took it in this very moment
    }
  }
  throw new Exit(EXIT.unavailable, `The ports from ${first} to ${last} are all taken; choose another: npm run demo -- --port 9000`)
}

const isTaken = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'

/** A port that is not taken but cannot be had for another reason is left to the gateway, whose error says which. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', (error) => resolve(!isTaken(error)))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

type Closers = (() => Promise<void>)[]

async function closeAll(closers: Closers): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close()
}

function endOnSignal(closers: Closers): void {
  let leaving = false
  const leave = (): void => {
    if (leaving) process.exit(EXIT.done)
    leaving = true
    say.out('\nEnding the demo. What still runs may finish; Ctrl-C once more cuts it.')
    closeAll(closers).then(
      () => process.exit(EXIT.done),
      (error: unknown) => {
        say.error(say.reason(error))
        process.exit(EXIT.unavailable)
      },
    )
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, leave)
  process.stdout.on('error', () => {}) // a closed terminal takes its output with it, and the cleaning goes on
}
