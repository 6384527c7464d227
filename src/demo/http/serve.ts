import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** One request at a stand-in. `path` is still encoded: each backend decodes, or does not, in its own way. */
export interface Call {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly path: string
  readonly query: URLSearchParams
  /** Aborted when the client has gone before its answer was whole. */
  readonly left: AbortSignal
}

export type Handler = (call: Call) => void | Promise<void>

export interface StandIn {
  readonly url: string
  /** Requests that are being worked on, whether or not somebody still waits for them. */
  busy(): number
  close(): Promise<void>
}

/** An answer thrown from the depth of a handler. */
export class Refusal extends Error {
  readonly status: number
  readonly body: unknown

  constructor(status: number, body: unknown) {
    super(`answered ${status}`)
    this.status = status
    this.body = body
  }
}

/** Serves on loopback. A handler that throws anything but a `Refusal` answers as an uncaught error of that backend would: `onFault`. */
export async function serve(
  handle: Handler,
  { port = 0, onFault = plainFault }: { port?: number; onFault?: Handler } = {},
): Promise<StandIn> {
  let busy = 0
  const server = createServer((req, res) => {
    const call = open(req, res)
    busy += 1
    void run(call, handle, onFault).finally(() => {
      busy -= 1
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const { port: got } = server.address() as AddressInfo // a TCP server's address is never a pipe name
  return {
    url: `http://127.0.0.1:${got}`,
    busy: () => busy,
    async close() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function open(req: IncomingMessage, res: ServerResponse): Call {
  const [path = '/', search = ''] = (req.url ?? '/').split(/\?(.*)/s)
  const gone = new AbortController()
  res.on('close', () => {
    if (!res.writableFinished) gone.abort()
  })
  return { req, res, path, query: new URLSearchParams(search), left: gone.signal }
}

async function run(call: Call, handle: Handler, onFault: Handler): Promise<void> {
  const { res, left } = call
  try {
    await handle(call)
  } catch (fault) {
    if (left.aborted) return
    if (res.headersSent) res.destroy()
    else if (fault instanceof Refusal) sendJson(res, fault.status, fault.body)
    else await onFault(call)
  }
}

const plainFault: Handler = ({ res }) => sendText(res, 500, 'Internal Server Error')

export function sendJson(res: ServerResponse, status: number, body: unknown, type = 'application/json'): void {
  const bytes = Buffer.from(JSON.stringify(body))
  res.writeHead(status, { 'content-type': type, 'content-length': bytes.length }).end(bytes)
}

export function sendText(res: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  res.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text)
}

/** Writes no faster than the client reads; rejects when the client leaves. */
export async function send({ res, left }: Call, bytes: Buffer | string): Promise<void> {
  left.throwIfAborted()
  if (!res.write(bytes)) await once(res, 'drain', { signal: left })
}

/** Rejects when the client leaves, which ends whatever was being made for it. */
export async function pause(ms: number, left: AbortSignal): Promise<void> {
  left.throwIfAborted()
  if (ms > 0) await delay(ms, undefined, { signal: left })
}
