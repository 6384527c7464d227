import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CLI } from './built.ts'
import type { GatewayPlace } from './gateway.ts'
import { until } from './until.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The gateway in a process of its own, as people run it: for what can only be seen from outside, such as its memory. */
export interface GatewayProcess {
  readonly port: number
  readonly pid: number
  /** Resident memory now, in MiB. */
  rssMiB(): number
  /** What it wrote to its log so far. */
  log(): string
  /** What it wrote to its standard output so far, where nothing of it belongs. */
  out(): string
  signal(name: NodeJS.Signals): void
  /** Its exit status, once it has ended. */
  ended(withinMs?: number): Promise<number | null>
  /** Ends it by SIGTERM; throws unless it ends well. */
  stop(): Promise<void>
}

interface ProcessOptions {
  /** A program, with its arguments, that runs the gateway: a tracer. */
  readonly under?: readonly [string, ...(readonly string[])]
  /** Variables besides those of the place. */
  readonly env?: Readonly<Record<string, string>>
  readonly nodeArguments?: readonly string[]
}

/** The command as a process of its own that is not waited for. */
export function spawnCommand(
  place: GatewayPlace,
  words: readonly string[],
  { under, env = {}, nodeArguments = [] }: ProcessOptions = {},
): ChildProcess {
  const [program, ...before] = [...(under ?? []), process.execPath]
  return spawn(program ?? process.execPath, [...before, ...nodeArguments, ...CLI, ...words], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: place.dir, ...place.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

export async function startGatewayProcess(place: GatewayPlace, options: ProcessOptions = {}): Promise<GatewayProcess> {
  const child = spawnCommand(place, ['serve'], options)
  let out = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  let log = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const port = await until(() => portIn(log, child), { withinMs: 20_000, what: 'the gateway to listen' })
  const pid = options.under === undefined ? child.pid : childOf(child)
  if (pid === undefined) throw new Error('a gateway without a process')
  return {
    port,
    pid,
    rssMiB: () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024,
    log: () => log,
    out: () => out,
    signal: (name) => void process.kill(pid, name),
    ended: async (withinMs = 45_000) => {
      await until(() => child.exitCode !== null || child.signalCode !== null, { withinMs, what: 'the gateway to end' })
      return child.exitCode
    },
    async stop() {
      if (child.exitCode !== null) throw new Error(`the gateway had ended before: ${log.slice(-2_000)}`)
      const ended = once(child, 'exit')
      process.kill(pid, 'SIGTERM')
      await ended
      if (child.exitCode !== 0) throw new Error(`the gateway ended with ${child.exitCode}: ${log.slice(-2_000)}`)
    },
  }
}

function portIn(log: string, child: ChildProcess): number {
  if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}: ${log.slice(-2_000)}`)
  return Number(/listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(log)?.[1] ?? 0)
}

/** A tracer keeps signals for itself, so the process that it traces must be told. */
const childOf = ({ pid }: ChildProcess): number => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0])
