import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { listen } from './server.ts'

export interface PlainRequest {
  readonly method: string
  /** Path and query as they came. */
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A service of somebody's own, which streams an answer piece by piece when the test says so. */
export interface PlainBackend {
  readonly url: string
  /** What was asked of it, but for the gate's own look at `/`. */
  readonly asked: readonly PlainRequest[]
  /** Requests that wait for their answer. */
  waiting(): number
  /** From now on answers are sent by the test, the oldest first. */
  hold(): void
  /** The oldest answer that waits. */
  next(): HeldAnswer
  close(): Promise<void>
}

export interface HeldAnswer {
  begin(contentType: string): void
  piece(bytes: string): void
  end(): void
  /** Settled when the peer has gone. */
  readonly gone: Promise<unknown>
}

export async function plainBackend(): Promise<PlainBackend> {
  const asked: PlainRequest[] = []
  const held: HeldAnswer[] = []
  let holding = false
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    if (req.url === '/') {
      res.end()
      return
    }
    const body = await text(req)
    asked.push({ method: req.method ?? '', target: req.url ?? '', headers: req.headers, body })
    if (!holding) {
      res.writeHead(200, { 'content-type': 'application/json', 'set-cookie': 'of=the-backend', server: 'rerank/1.0' })
      res.end(req.method === 'HEAD' ? undefined : '{"results":[]}')
      return
    }
    held.push({
      begin: (contentType) => void res.writeHead(200, { 'content-type': contentType }).flushHeaders(),
      piece: (bytes) => void res.write(bytes),
      end: () => void res.end(),
      gone: once(res, 'close'),
    })
  }
  const server = await listen(createServer((req, res) => void answer(req, res).catch(() => res.destroy())))
  return {
    url: server.url,
    asked,
    waiting: () => held.length,
    hold() {
      holding = true
    },
    next() {
      const oldest = held.shift()
      if (oldest === undefined) throw new Error('no answer waits at the backend')
      return oldest
    },
    close: () => server.close(),
  }
}
