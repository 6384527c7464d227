import { Readable } from 'node:stream'
import { type Backend, type BackendQueue, createQueue, type Release } from '../../catalog/index.ts'
import type { Plan } from '../../dialects/index.ts'
import { asGatewayError } from '../../http/index.ts'
import { type Clock, reasonOf } from '../../kernel/index.ts'
import type { Visit } from '../visit.ts'
import { Carriage, type CarriageEnd } from './carriage.ts'
import { interruptOurs } from './interrupt.ts'
import { createLines, type Lines } from './lines.ts'
import { type LifeWords, SignsOfLife } from './signs-of-life.ts'
import { createSweep } from './sweep.ts'

export type { CarriageEnd } from './carriage.ts'
export type { LifeWords } from './signs-of-life.ts'

export interface Carrier {
  /** Takes a planned operation to its backend and the answer back. Never rejects: every way it can end is an ending. */
  carry(visit: Visit, backend: Backend, plan: Plan): Promise<CarriageEnd>
  /** Lets the caller know that its request is alive, while `work` takes its time. */
  keepAlive<T>(visit: Visit, words: LifeWords, work: () => Promise<T>): Promise<T>
  queueOf(backend: Backend): BackendQueue
  /** How many requests are there, or wait to be. */
  loadOf(backend: Backend): Pick<BackendQueue, 'inFlight' | 'waiting'>
  /** After a reload: each backend's queue goes on with its new size, so that jobs of before and after count together, those without a bound too. */
  resizeQueues(backends: readonly Backend[]): void
  close(): Promise<void>
}

export interface CarrierParts {
  readonly clock: Clock
  readonly log: { warn(fields: object, message: string): void }
}

interface Target {
  readonly lines: Lines
  readonly queueId: string
  readonly basePath: string
}

export function createCarrier({ clock, log }: CarrierParts): Carrier {
  const lines = new Map<string, Lines>()
  const sweep = createSweep(clock)
  const queues = new Map<string, BackendQueue>()
  const targets = new WeakMap<Backend, Target>()

  const queueOf = (backend: Backend, id = queueId(backend)): BackendQueue => {
    const known = queues.get(id)
    if (known) return known
    const queue = createQueue(backend.name, backend.concurrency)
    queues.set(id, queue)
    return queue
  }

  const resizeQueues = (backends: readonly Backend[]): void => {
    for (const backend of backends) queueOf(backend).resize(backend.concurrency)
    const wanted = new Set(backends.map(queueId))
    // A queue whose backend is gone is kept while jobs are in it: should the backend come back before they end, they count.
    for (const [id, queue] of queues) if (!wanted.has(id) && queue.inFlight + queue.waiting === 0) queues.delete(id)
  }

  const linesTo = (origin: string): Lines => {
    const known = lines.get(origin)
    if (known) return known
    const made = createLines(origin, { clock, log })
    lines.set(origin, made)
    return made
  }

  const targetOf = (backend: Backend): Target => {
    const known = targets.get(backend)
    if (known) return known
    const { origin, pathname } = new URL(backend.url)
    const target: Target = { lines: linesTo(origin), queueId: queueId(backend), basePath: pathname.replace(/\/+$/, '') }
    targets.set(backend, target)
    return target
  }

  const send = (visit: Visit, backend: Backend, plan: Plan, place?: Release): Promise<CarriageEnd> => {
    const target = targetOf(backend)
    return new Promise((resolve) => {
      const settle = (end: CarriageEnd): void => {
        place?.()
        resolve(end)
      }
      const carriage = new Carriage(visit, backend, plan, { clock, sweep }, settle)
      if (carriage.over) return discard(plan)
      visit.sent = true
      const { method, path, headers, body } = plan.request
      target.lines.dispatch(
        { method, path: target.basePath + path, headers: sentHeaders(headers, visit.envelope.id, backend), body },
        carriage,
      )
    })
  }

  /** The place at the backend is held until a job that was left behind has been stopped, or the next one would queue up behind it. */
  const stopJob = async (backend: Backend, plan: Plan, end: CarriageEnd): Promise<void> => {
    // Such a backend answers only when its job is over.
    if (plan.interrupt === undefined || end.firstByteMs !== undefined || end.error?.code === 'UPSTREAM_UNREACHABLE') return
    try {
      const stopped = await interruptOurs({ ...targetOf(backend), headers: ownHeaders(backend) }, plan.interrupt)
      if (!stopped) log.warn({ backend: backend.name }, 'a job whose caller left was not found at its backend, so nothing was interrupted')
    } catch (error) {
      // Not the error itself: undici's for bytes that are no HTTP holds those bytes, and a backend may have put our credential into them.
      log.warn({ backend: backend.name, reason: reasonOf(error) }, 'a job whose caller left could not be interrupted')
    }
  }

  const sendInTurn = async (visit: Visit, backend: Backend, plan: Plan): Promise<CarriageEnd> => {
    const place = await placeAt(queueOf(backend), visit)
    if (typeof place !== 'function') {
      discard(plan)
      return place
    }
    return sendAndStop(visit, backend, plan, place)
  }

  const sendAndStop = async (visit: Visit, backend: Backend, plan: Plan, place: Release): Promise<CarriageEnd> => {
    try {
      const end = await send(visit, backend, plan)
      void stopJob(backend, plan, end).finally(place)
      return end
    } catch (error) {
      place() // a fault of our own must not cost the backend a place for ever
      throw error
    }
  }

  return {
    queueOf,
    loadOf: (backend) => queueOf(backend, targetOf(backend).queueId),
    resizeQueues,
    async keepAlive(visit, words, work) {
      const signs = new SignsOfLife(visit.callerAt(clock.monoMs()), words, visit.answerHeaders)
      sweep.add(signs)
      try {
        return await work()
      } finally {
        sweep.delete(signs)
      }
    },
    carry(visit, backend, plan) {
      if (backend.concurrency > 0) return sendInTurn(visit, backend, plan)
      const place = queueOf(backend, targetOf(backend).queueId).take()
      // Most requests come this way, so their place is given back without a promise more.
      return plan.interrupt === undefined ? send(visit, backend, plan, place) : sendAndStop(visit, backend, plan, place)
    },
    async close() {
      await Promise.all([...lines.values()].map((one) => one.close()))
      lines.clear()
    },
  }
}

/** Not its size: a request that came before a reload and one that came after it wait in the same queue. */
const queueId = ({ name, url }: Backend): string => `${name.replace(BUILTIN, '')} ${url}`
/** A service of the gate and the endpoint that stands for it are the same backend, and its jobs count together. */
const BUILTIN = /^builtin:/

const NONE: Readonly<Record<string, string>> = Object.freeze({})
/** The backend's own credential, from configuration. */
const ownHeaders = ({ auth }: Backend): Readonly<Record<string, string>> => (auth === null ? NONE : { [auth.header]: auth.value.reveal() })

/** A flat list, which undici writes as it stands. */
function sentHeaders(headers: Readonly<Record<string, string>>, requestId: string, { auth }: Backend): string[] {
  const sent = ['accept-encoding', 'identity', 'x-request-id', requestId]
  for (const name in headers) sent.push(name, headers[name] ?? '')
  if (auth !== null) sent.push(auth.header, auth.value.reveal())
  return sent
}

/** A body that nobody will take must be let go, or its upload would wait for ever. */
function discard({ request: { body } }: Plan): void {
  if (body instanceof Readable) body.destroy()
}

/** A place at the backend, or how the wait for one ended: by the caller's leaving, by a cut from our side, or because there is none. */
async function placeAt(queue: BackendQueue, visit: Visit): Promise<Release | CarriageEnd> {
  const { outgoing } = visit.envelope
  const waiting = new AbortController()
  let end: CarriageEnd = { ended: 'client_closed', status: 0, bytesOut: 0 }
  const leave = (): void => waiting.abort()
  if (outgoing.destroyed) return end
  outgoing.on('close', leave)
  visit.cut = (ended, error) => {
    end = { ended, status: error.status, bytesOut: 0, error, tell: error }
    waiting.abort()
  }
  try {
    return await queue.enter(visit.principal?.id ?? '', waiting.signal)
  } catch (thrown) {
    if (waiting.signal.aborted) return end
    const error = asGatewayError(thrown)
    return { ended: 'refused', status: error.status, bytesOut: 0, error, tell: error }
  } finally {
    visit.cut = null
    outgoing.off('close', leave)
  }
}
