import { Client, type Dispatcher } from 'undici'
import { type Clock, LIMITS } from '../../kernel/index.ts'

/** A second packet of the same mistake comes sooner. Five times as long needs twice as many connections, and cost a small answer 13 % more CPU. */
const REST_MS = 1

/** A connection to a backend, for one request at a time. */
interface Line {
  readonly client: Client
  restingSinceMs: number
  busy: boolean
  closed: boolean
}

interface LinesParts {
  readonly clock: Clock
  readonly log: { warn(fields: object, message: string): void }
}

type Handler = Dispatcher.DispatchHandler & { readonly over: boolean }

/** The connections to one origin: as many as there are requests, and used again after a rest. */
export interface Lines {
  dispatch(options: Dispatcher.DispatchOptions, handler: Handler): void
  request(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData>
  close(): Promise<void>
}

/**
 * What a backend sends after its answer, a second one or bytes too many, would be taken for the answer to the next request on that connection, which
 * may be another caller's. Nobody who speaks HTTP/1.1 can tell once that request is on its way. So a connection rests for a moment; undici then looks
 * at its socket once more before it writes; bytes that come while nobody waits for any close it; and a backend that was caught once gets no second
 * request on any connection.
 *
 * Connections are not bounded: with 256 of them stream 257 waited for another's end. undici's timeouts are off, since ours stop while the caller
 * is the slow one. Idle sockets are dropped before uvicorn (5 s) would close them under a request.
 */
export function createLines(origin: string, { clock, log }: LinesParts): Lines {
  const all = new Set<Line>()
  /** In the order in which they were freed. */
  const idle: Line[] = []
  let trusted = true

  const open = (): Line => {
    const client = new Client(origin, {
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 4_000,
      keepAliveMaxTimeout: 25_000,
      connect: { timeout: LIMITS.connectMsMax },
    })
    const line: Line = { client, restingSinceMs: 0, busy: false, closed: false }
    client.on('drain', () => rest(line))
    client.on('disconnect', (_origin, _targets, error) => onClosed(line, error))
    client.on('connectionError', () => {
      line.closed = true
    })
    all.add(line)
    return line
  }

  const rest = (line: Line): void => {
    line.busy = false
    if (!trusted || line.closed) {
      discard(line)
      return
    }
    line.restingSinceMs = clock.monoMs()
    idle.push(line)
  }

  const onClosed = (line: Line, error: Error): void => {
    line.closed = true
    if (trusted && isUnasked(error)) {
      trusted = false
      log.warn(
        { origin, reason: error.message },
        'a backend sent bytes that nobody had asked for; no connection to it is used twice from now on',
      )
      for (const other of idle.splice(0)) discard(other)
    }
    if (line.busy) return // until undici has told whose request it was
    if (idle.includes(line)) idle.splice(idle.indexOf(line), 1)
    discard(line)
  }

  const discard = (line: Line): void => {
    all.delete(line)
    void line.client.destroy()
  }

  /** The one freed last among those that have rested, so that what a rush has opened can go to sleep. */
  const take = (): Line => {
    const restedMs = clock.monoMs() - REST_MS
    let at = idle.length - 1
    while (at >= 0 && (idle[at]?.restingSinceMs ?? 0) > restedMs) at -= 1
    const line = (at >= 0 ? idle.splice(at, 1)[0] : undefined) ?? open()
    line.busy = true
    return line
  }

  return {
    dispatch(options, handler) {
      const line = take()
      line.client.dispatch(options, handler)
      // What undici refuses to send never makes the connection busy, and so never frees it either.
      if (handler.over && line.client.stats.size === 0) rest(line)
    },
    request: (options) => take().client.request(options),
    async close() {
      await Promise.all([...all].map(({ client }) => client.destroy()))
      all.clear()
    },
  }
}

/** How undici ends a connection that speaks out of turn; the error's code says no more than that the socket is gone. */
const isUnasked = (error: Error): boolean => error.message === 'bad response'
