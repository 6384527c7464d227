import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from './command-lines.ts'
import { freePorts } from './free-port.ts'
import { toolOrThrow } from './tools.ts'
import { until } from './until.ts'

const CADDYFILE = join(ROOT, 'Caddyfile')

export interface CaddyOptions {
  /** `host:port` of the gatekeeper. */
  readonly gatekeeper: string
  /** Variables of docs/deploying.md; TLS_MODE is `http` unless told. */
  readonly env?: Readonly<Record<string, string>>
  /** Words to replace in a copy of caddy/: how a test puts an address of this machine in place of Cloudflare's. */
  readonly replace?: readonly (readonly [string, string])[]
}

export interface RunningCaddy {
  /** Plain HTTP on loopback; in modes with TLS it serves redirects. */
  readonly url: string
  readonly port: number
  readonly tlsPort: number
  /** What Caddy wrote so far: its access log on stdout, its own messages on stderr. */
  stdout(): string
  stderr(): string
  stop(): Promise<void>
}

/** The real Caddy with the project's own Caddyfile, on free ports, with its data in a directory of its own that goes away with it. */
export async function startCaddy({ gatekeeper, env = {}, replace = [] }: CaddyOptions): Promise<RunningCaddy> {
  const caddy = toolOrThrow('caddy')
  const home = mkdtempSync(join(tmpdir(), 'portcullis-caddy-'))
  const [port = 0, tlsPort = 0] = await freePorts(2)
  const child = spawn(caddy.path, [...caddy.args, 'run', '--config', configOf(home, replace), '--adapter', 'caddyfile'], {
    cwd: home,
    env: { ...process.env, ...caddy.env, ...caddyEnv(home, { port, tlsPort }), GATEKEEPER: gatekeeper, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8')
    child[name].on('data', (text: string) => {
      written[name] += text
    })
  }
  const stop = async () => {
    await end(child)
    rmSync(home, { recursive: true, force: true })
  }
  try {
    await until(() => listening(port, child, () => written.stderr), { withinMs: 10_000, what: 'Caddy to listen' })
  } catch (fault) {
    await stop()
    throw fault
  }
  return { url: `http://127.0.0.1:${port}`, port, tlsPort, stdout: () => written.stdout, stderr: () => written.stderr, stop }
}

function configOf(home: string, replace: readonly (readonly [string, string])[]): string {
  if (replace.length === 0) return CADDYFILE
  cpSync(CADDYFILE, join(home, 'Caddyfile'))
  cpSync(join(ROOT, 'caddy'), join(home, 'caddy'), { recursive: true })
  for (const file of readdirSync(join(home, 'caddy')).map((name) => join(home, 'caddy', name))) {
    writeFileSync(
      file,
      replace.reduce((text, [from, to]) => text.replaceAll(from, to), readFileSync(file, 'utf8')),
    )
  }
  return join(home, 'Caddyfile')
}

function caddyEnv(home: string, { port, tlsPort }: { port: number; tlsPort: number }): Record<string, string> {
  return {
    HOME: home,
    XDG_CONFIG_HOME: join(home, 'config'),
    XDG_DATA_HOME: join(home, 'data'),
    BIND_ADDRESS: '127.0.0.1',
    HTTP_PORT: String(port),
    HTTPS_PORT: String(tlsPort),
    TLS_MODE: 'http',
  }
}

async function listening(port: number, child: ChildProcess, said: () => string): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) throw new Error(`Caddy ended before it listened: ${said()}`)
  const socket = connect(port, '127.0.0.1')
  const open = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(() => false)
  socket.destroy()
  return open
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  // Not SIGTERM: Caddy would wait for streams that a test left open.
  child.kill('SIGKILL')
  await ended
}

/** What `caddy adapt` makes of the Caddyfile under these variables. */
export const adaptCaddyfile = (env: Readonly<Record<string, string>>) => caddyCommand(['adapt', '--pretty'], env)

/** Whether Caddy would load it. */
export const validateCaddyfile = (env: Readonly<Record<string, string>>) => caddyCommand(['validate'], env)

function caddyCommand(words: readonly string[], env: Readonly<Record<string, string>>): SpawnSyncReturns<string> {
  const caddy = toolOrThrow('caddy')
  const home = mkdtempSync(join(tmpdir(), 'portcullis-caddy-'))
  try {
    return spawnSync(caddy.path, [...caddy.args, ...words, '--config', CADDYFILE, '--adapter', 'caddyfile'], {
      env: { PATH: process.env.PATH ?? '', HOME: home, ...caddy.env, ...env },
      cwd: home,
      encoding: 'utf8',
    })
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** `2.6.2` of a Debian build, `v2.11.1 h1:…` of a release. */
export function caddyVersion(): string {
  const caddy = toolOrThrow('caddy')
  const said = spawnSync(caddy.path, [...caddy.args, 'version'], { env: { ...process.env, ...caddy.env }, encoding: 'utf8' }).stdout
  return /\d+\.\d+\.\d+/.exec(said)?.[0] ?? said.trim()
}
