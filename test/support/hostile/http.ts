import { STATUS_CODES } from 'node:http'

export type HeaderList = Readonly<Record<string, string | number>>

/** A status line and headers with the empty line after them; nothing is added, so nothing keeps a test from lying. */
export function head(status: number, headers: HeaderList = {}): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n${lines.join('')}\r\n`
}

/** A whole answer with its true length. */
export function whole(status: number, body: string | Buffer, headers: HeaderList = {}): Buffer {
  return Buffer.concat([Buffer.from(head(status, { ...headers, 'content-length': Buffer.byteLength(body) }), 'latin1'), Buffer.from(body)])
}

export function chunk(data: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${Buffer.byteLength(data).toString(16)}\r\n`), Buffer.from(data), Buffer.from('\r\n')])
}

export const LAST_CHUNK = '0\r\n\r\n'
