import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { listen } from './server.ts'

export interface SeenRequest {
  readonly method: string
  /** The request target as it came, not decoded. */
  readonly target: string
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
}

export interface StandIn {
  readonly address: string
  readonly seen: SeenRequest[]
  /** Replaces the usual answer, 200 with the target as text. */
  answerWith(handler: (req: IncomingMessage, res: ServerResponse) => void): void
  close(): Promise<void>
}

/** Stands where the gatekeeper would, and remembers what reached it. */
export async function standInGatekeeper(): Promise<StandIn> {
  const seen: SeenRequest[] = []
  const usual = (req: IncomingMessage, res: ServerResponse) => {
    req.resume()
    req.once('end', () => res.end(req.url))
  }
  let handler = usual
  const server = createServer({ keepAliveTimeout: 125_000 })
  // Both events, or Node would say 100 Continue before the handler decides, which the real gatekeeper does not.
  for (const event of ['request', 'checkContinue']) {
    server.on(event, (req: IncomingMessage, res: ServerResponse) => {
      seen.push({ method: req.method ?? '', target: req.url ?? '', headers: req.headers, rawHeaders: req.rawHeaders })
      handler(req, res)
    })
  }
  const { port, close } = await listen(server)
  return {
    address: `127.0.0.1:${port}`,
    seen,
    answerWith: (next) => {
      handler = next
    },
    close,
  }
}
