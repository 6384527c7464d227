import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface FloodCount {
  readonly attempts: number
  /** Attempts that were due and not made, because every connection of the attacker still waited for an answer. */
  readonly skipped: number
  /** Connections that ended without an answer to the attempt on them. */
  readonly unanswered: number
  readonly connections: number
  readonly statuses: Readonly<Record<string, number>>
}

export interface FloodPlan {
  readonly port: number
  readonly attackers: number
  /** Between two attempts of one attacker. */
  readonly everyMs: number
  /** What they present, each of them another one. */
  readonly keys: readonly string[]
}

/** Attackers with keys that are none, on kept connections from addresses of their own, in a process of their own. */
export interface KeyFlood {
  begin(plan: FloodPlan): void
  /** Stops, waits for the answers that are due, and tells what came. */
  end(): Promise<FloodCount>
  close(): Promise<void>
}

export async function keyFlood(): Promise<KeyFlood> {
  const child: ChildProcess = fork(fileURLToPath(new URL('key-flood.mjs', import.meta.url)), { execArgv: [] })
  await once(child, 'message')
  return {
    begin: ({ keys, ...plan }) => void child.send({ say: 'begin', ...plan, keys: keys.join(' ') }),
    async end() {
      const answered = once(child, 'message')
      child.send({ say: 'end' })
      const [count] = await answered
      return count as FloodCount // said by our own child
    },
    async close() {
      if (child.exitCode !== null) return
      child.disconnect()
      await once(child, 'exit')
    },
  }
}
