import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { GatewayPlace } from './gateway.ts'
import { until } from './until.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The gateway in a process of its own, as people run it: for what can only be seen from outside, such as its memory. */
export interface GatewayProcess {
  readonly port: number
  readonly pid: number
  /** Resident memory now, in MiB. */
  rssMiB(): number
  stop(): Promise<void>
}

export async function startGatewayProcess(place: GatewayPlace): Promise<GatewayProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/portcullis.ts', 'serve'], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: place.dir, ...place.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const port = await until(() => portIn(log, child), { withinMs: 20_000, what: 'the gateway to listen' })
  const { pid } = child
  if (pid === undefined) throw new Error('a gateway without a process')
  return {
    port,
    pid,
    rssMiB: () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024,
    async stop() {
      if (child.exitCode !== null) throw new Error(`the gateway had ended before: ${log.slice(-2_000)}`)
      child.kill('SIGTERM')
      await once(child, 'exit')
      if (child.exitCode !== 0) throw new Error(`the gateway ended with ${child.exitCode}: ${log.slice(-2_000)}`)
    },
  }
}

function portIn(log: string, child: ChildProcess): number {
  if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}: ${log.slice(-2_000)}`)
  return Number(/listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(log)?.[1] ?? 0)
}
