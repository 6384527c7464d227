import { Agent, request } from 'undici'
import { type Clock, LIMITS, own } from '../kernel/index.ts'
import type { Service } from './service.ts'

/** A cheap question to a backend that never loads a model. */
export interface Probe {
  readonly path: string
  up(status: number): boolean
}

export interface BackendHealth {
  readonly service: string
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
  read(): readonly BackendHealth[]
  /** Asks all backends now. */
  check(): Promise<void>
  start(): void
  stop(): void
}

export interface HealthParts {
  readonly services: readonly Service[]
  readonly probeOf: (service: Service) => Probe
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

function sentence(service: Service, error: unknown): string {
  const words = WORDS[codeOf(error)] ?? `failed: ${error instanceof Error ? error.message : String(error)}`
  return [`${service.url} ${words}.`, own(HINTS, service.name) ?? ''].join(' ').trim()
}

const sameBackend =
  ({ service, url, dialect }: BackendHealth) =>
  (one: Service): boolean =>
    one.name === service && one.url === url && one.dialect === dialect

export function createHealth({ services, probeOf, clock, known = [], log }: HealthParts): Health {
  // Its own connections: a probe must not wait behind the streams of the service it asks about.
  const agent = new Agent({ connections: 2, connect: { timeout: LIMITS.probeMsMax } })
  const states = new Map<string, BackendHealth>()
  let timer: NodeJS.Timeout | null = null
  let stopped = false

  const ask = async (service: Service): Promise<Pick<BackendHealth, 'up' | 'latencyMs' | 'note'>> => {
    const probe = probeOf(service)
    const startedMs = clock.monoMs()
    try {
      const headers = service.auth === null ? {} : { [service.auth.header]: service.auth.value.reveal() }
      const { statusCode, body } = await request(`${service.url}${probe.path}`, {
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
        note: `${service.url} answered ${statusCode} when asked for ${probe.path}. Is it the ${service.dialect} backend?`,
      }
    } catch (error) {
      return { up: false, latencyMs: null, note: sentence(service, error) }
    }
  }

  const checkOne = async (service: Service): Promise<void> => {
    const before = states.get(service.name)
    const now = await ask(service)
    // Its connection was closed by us, which says nothing of the backend.
    if (stopped) return
    const changed = before === undefined || before.up !== now.up
    if (changed && !now.up) log.warn({ service: service.name, url: service.url }, `backend down: ${now.note}`)
    if (changed && now.up) log.info({ service: service.name, url: service.url }, 'backend up')
    const sinceMs = changed ? clock.nowMs() : before.sinceMs
    states.set(service.name, { service: service.name, url: service.url, dialect: service.dialect, ...now, sinceMs })
  }

  const enabled = services.filter((service) => service.enabled)
  for (const state of known) if (state.up !== null && enabled.some(sameBackend(state))) states.set(state.service, state)
  const check = async (): Promise<void> => {
    await Promise.all(enabled.map(checkOne))
  }
  const unknown = ({ name, url, dialect }: Service): BackendHealth => ({
    service: name,
    url,
    dialect,
    up: null,
    latencyMs: null,
    sinceMs: null,
    note: 'not asked yet',
  })

  return {
    read: () => enabled.map((service) => states.get(service.name) ?? unknown(service)),
    check,
    start() {
      void check()
      timer = setInterval(() => void check(), LIMITS.probeEveryMs)
      timer.unref()
    },
    stop() {
      stopped = true
      if (timer !== null) clearInterval(timer)
      void agent.destroy()
    },
  }
}
