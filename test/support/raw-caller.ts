import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { until } from './until.ts'

/** How a caller goes: closes, says only that it will send no more, or resets. */
export const LEAVING = {
  close: (socket: Socket) => void socket.destroy(),
  fin: (socket: Socket) => void socket.end(),
  reset: (socket: Socket) => void socket.resetAndDestroy(),
} as const
export type Leaving = keyof typeof LEAVING

/** A caller that writes its own bytes, and leaves when and how a test wants. */
export interface RawCaller {
  readonly socket: Socket
  readonly received: string
  readonly closed: boolean
  /** The code of the connection's error, such as ECONNRESET; '' where it ended by a FIN or stands. */
  readonly fault: string
  write(bytes: string | Buffer): void
  /** Waits until this much of an answer, or this text in it, has come. */
  heard(what: number | string, withinMs?: number): Promise<void>
  /** When it left, on performance.now()'s clock. */
  leave(how: Leaving): number
  /** Waits until the other side has closed. */
  gone(withinMs?: number): Promise<void>
}

export async function rawCaller(port: number, { from = '127.0.0.1', reads = true } = {}): Promise<RawCaller> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true })
  let received = ''
  let closed = false
  socket.setEncoding('latin1')
  let fault = ''
  socket.on('error', (error: NodeJS.ErrnoException) => {
    fault = error.code ?? error.message
  })
  socket.once('close', () => {
    closed = true
  })
  if (reads) {
    socket.on('data', (text: string) => {
      received += text
    })
  }
  await once(socket, 'connect')
  return {
    socket,
    get received() {
      return received
    },
    get closed() {
      return closed
    },
    get fault() {
      return fault
    },
    write: (bytes) => void socket.write(bytes),
    heard: async (what, withinMs = 5_000) => {
      const there = () => (typeof what === 'number' ? received.length >= what : received.includes(what))
      await until(there, { withinMs, what: `${what} in an answer` })
    },
    leave: (how) => {
      const atMs = performance.now()
      LEAVING[how](socket)
      return atMs
    },
    gone: async (withinMs = 5_000) => {
      await until(() => closed, { withinMs, what: 'the connection to be closed' })
    },
  }
}

export interface RawRequest {
  readonly method?: string
  readonly path?: string
  readonly key?: string
  readonly body?: string
  /** Said instead of the body's own length. */
  readonly contentLength?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** A request as bytes. */
export function requestBytes({
  method = 'POST',
  path = '/chat/api/generate',
  key,
  body = '',
  contentLength,
  headers = {},
}: RawRequest): string {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'Host: gate.test',
    ...(key === undefined ? [] : [`X-API-Key: ${key}`]),
    ...(method === 'GET' && contentLength === undefined ? [] : [`Content-Length: ${contentLength ?? Buffer.byteLength(body)}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}
