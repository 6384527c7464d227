import { setTimeout as pause } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { type Clock, LIMITS, own } from '../kernel/index.ts'
import type { Backend } from './service.ts'

/** A cheap question to a backend that never loads a model. */
export interface Probe {
  readonly path: string
  up(status: number): boolean
}

export interface BackendHealth {
  /** Of the service or endpoint. */
  readonly name: string
  readonly url: string
  readonly dialect: string
  /** Null until the first answer. */
  readonly up: boolean | null
  readonly latencyMs: number | null
  readonly sinceMs: number | null
  /** A plain sentence for a person; empty when all is well. */
  readonly note: string
}

export interface Health {
  /** Of all backends, in their order. */
  read(): readonly BackendHealth[]
  of(backend: Backend): BackendHealth
  /** Asks all backends now. */
  check(): Promise<void>
  start(): void
  stop(): void
}

export interface HealthParts {
  /** Those to be watched at this moment. Two of the same address and language are one backend, and asked once. */
  readonly backends: () => readonly Backend[]
  readonly probeOf: (backend: Backend) => Probe
  readonly clock: Clock
  /** What a reload takes over: a backend that is still the same has not changed its state. */
  readonly known?: readonly BackendHealth[]
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
}

const HINTS: Readonly<Record<string, string>> = {
  chat: 'Ollama listens on 127.0.0.1 only unless OLLAMA_HOST says otherwise, and inside a container 127.0.0.1 is the container itself.',
  image: 'AUTOMATIC1111 needs --api, and --listen to be reached from another machine or a container.',
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '')

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection: nothing listens there',
  ENOTFOUND: 'cannot be found: its name does not resolve',
  EAI_AGAIN: 'cannot be found: its name does not resolve just now',
  UND_ERR_CONNECT_TIMEOUT: 'did not take the connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'took the connection and did not answer in time; it may be busy with a long job',
  EHOSTUNREACH: 'cannot be reached: there is no way to that host',
}

function sentence(backend: Backend, error: unknown): string {
  const words = WORDS[codeOf(error)] ?? `failed: ${error instanceof Error ? error.message : String(error)}`
  return [`${backend.url} ${words}.`, own(HINTS, backend.name) ?? ''].join(' ').trim()
}

const identityOf = ({ url, dialect }: { readonly url: string; readonly dialect: string }): string => `${dialect} ${url}`

type Answer = Pick<BackendHealth, 'up' | 'latencyMs' | 'note'>

export function createHealth({ backends, probeOf, clock, known = [], log }: HealthParts): Health {
  // Its own connections: a probe must not wait behind the streams of the service it asks about.
  const agent = new Agent({ connections: 2, connect: { timeout: LIMITS.probeMsMax } })
  const states = new Map<string, BackendHealth>()
  const stopping = new AbortController()
  let timer: NodeJS.Timeout | null = null

  const ask = async (backend: Backend): Promise<Answer> => {
    const probe = probeOf(backend)
    const startedMs = clock.monoMs()
    try {
      const headers = backend.auth === null ? {} : { [backend.auth.header]: backend.auth.value.reveal() }
      const { statusCode, body } = await request(`${backend.url}${probe.path}`, {
        dispatcher: agent,
        headers,
        headersTimeout: LIMITS.probeMsMax,
        bodyTimeout: LIMITS.probeMsMax,
      })
      await body.dump()
      const latencyMs = Math.round((clock.monoMs() - startedMs) * 10) / 10
      if (probe.up(statusCode)) return { up: true, latencyMs, note: '' }
      return {
        up: false,
        latencyMs,
        note: `${backend.url} answered ${statusCode} when asked for ${probe.path}. Is it the ${backend.dialect} backend?`,
      }
    } catch (error) {
      return { up: false, latencyMs: null, note: sentence(backend, error) }
    }
  }

  /** A state changes when it was seen twice in a row: one lost packet takes no endpoint away, and one lucky answer brings none back. */
  const askUntilSure = async (backend: Backend, before: BackendHealth | undefined): Promise<Answer | null> => {
    const first = await ask(backend)
    if (before === undefined || before.up === first.up) return first
    await pause(LIMITS.probeAgainMs, undefined, { signal: stopping.signal, ref: false })
    const second = await ask(backend)
    return second.up === first.up ? second : null
  }

  const checkOne = async (backend: Backend): Promise<void> => {
    const id = identityOf(backend)
    const before = states.get(id)
    const now = await askUntilSure(backend, before).catch(() => null)
    // Its connection was closed by us, which says nothing of the backend.
    if (stopping.signal.aborted || now === null) return
    const { name, url, dialect } = backend
    const changed = before === undefined || before.up !== now.up
    if (changed && !now.up) log.warn({ service: name, url }, `backend down: ${now.note}`)
    if (changed && now.up) log.info({ service: name, url }, 'backend up')
    states.set(id, { name, url, dialect, ...now, sinceMs: changed ? clock.nowMs() : before.sinceMs })
  }

  const distinct = (): readonly Backend[] => [...new Map(backends().map((backend) => [identityOf(backend), backend])).values()]
  const watched = new Set(distinct().map(identityOf))
  for (const state of known) if (state.up !== null && watched.has(identityOf(state))) states.set(identityOf(state), state)
  const check = async (): Promise<void> => {
    await Promise.all(distinct().map(checkOne))
  }
  const of = ({ name, url, dialect }: Backend): BackendHealth => {
    const state = states.get(identityOf({ url, dialect }))
    return state === undefined
      ? { name, url, dialect, up: null, latencyMs: null, sinceMs: null, note: 'not asked yet' }
      : { ...state, name }
  }

  return {
    read: () => backends().map(of),
    of,
    check,
    start() {
      void check()
      timer = setInterval(() => void check(), LIMITS.probeEveryMs)
      timer.unref()
    },
    stop() {
      stopping.abort()
      if (timer !== null) clearInterval(timer)
      void agent.destroy()
    },
  }
}
