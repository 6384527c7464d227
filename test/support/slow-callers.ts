import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface SlowKind {
  /** Connections that stand now. */
  readonly open: number
  readonly closed: number
  /** What those were told that were closed; `0` for nothing. */
  readonly statuses: Readonly<Record<string, number>>
  /** The longest time from connecting to being closed. */
  readonly slowestMs: number
}

export interface SlowCount {
  /** They never end their headers. */
  readonly headers: SlowKind
  /** They never end their bodies. */
  readonly bodies: SlowKind
  /** They never read their answers. */
  readonly readers: SlowKind
  /** Requests at the backend that the readers ask. */
  readonly backendHits: number
}

export interface SlowAttack {
  readonly port: number
  readonly key: string
  readonly perKind: number
  /** How many of the readers are sent more than the kernel holds for them, so that the gate itself has to wait. */
  readonly large: number
}

/** Slow callers by the thousand, in a process of their own. */
export interface SlowCallers {
  /** The backend of a service `slow` with the routes `POST /small` and `POST /large`. */
  readonly url: string
  begin(attack: SlowAttack): Promise<SlowCount>
  count(): Promise<SlowCount>
  leave(): Promise<SlowCount>
  close(): Promise<void>
}

export async function slowCallers(): Promise<SlowCallers> {
  const child = fork(fileURLToPath(new URL('slow-callers.mjs', import.meta.url)), { execArgv: [] })
  const { url } = await answer<{ readonly url: string }>(child)
  const tell = (message: object): Promise<SlowCount> => {
    const answered = answer<SlowCount>(child)
    child.send(message)
    return answered
  }
  return {
    url,
    begin: (attack) => tell({ say: 'begin', ...attack }),
    count: () => tell({ say: 'count' }),
    leave: () => tell({ say: 'leave' }),
    async close() {
      if (child.exitCode !== null) return
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

async function answer<T>(child: ChildProcess): Promise<T> {
  const [message] = await once(child, 'message')
  return message as T // said by our own child, one answer for each message
}
