import { gzipSync } from 'node:zlib'
import { chunk, type HeaderList, head, LAST_CHUNK, whole } from './http.ts'
import type { Behaviour, Exchange } from './upstream.ts'
import { PeerLeft } from './wire.ts'

/** How a connection breaks: a clean TCP end, or the reset of a process that died. */
export type Cut = 'fin' | 'rst'

const JSON_TYPE = { 'content-type': 'application/json' }

/** Reads the body and answers, as a good server does. */
export const answer =
  (status: number, body: string | Buffer = '', headers: HeaderList = {}): Behaviour =>
  async (x) => {
    await x.body()
    if (x.seen.method === 'HEAD') await x.send(head(status, { ...headers, 'content-length': Buffer.byteLength(body) }))
    else await x.send(whole(status, body, headers))
  }

export const json = (value: unknown, status = 200): Behaviour => answer(status, JSON.stringify(value), JSON_TYPE)

export const html500 = (): Behaviour =>
  answer(500, '<!doctype html>\n<title>500 Internal Server Error</title>\n<h1>Internal Server Error</h1>\n', {
    'content-type': 'text/html; charset=utf-8',
  })

/** Tells what arrived, so that a caller can see that the answer belongs to its own request. */
export const echo = (): Behaviour => async (x) => {
  const body = await x.body()
  const { connection, method, target, rawHeaders, bodyBytes, sha256 } = x.seen
  const told = { connection, method, target, headers: rawHeaders, bodyBytes, sha256, body: body.toString('utf8', 0, 4_096) }
  await x.send(whole(200, JSON.stringify(told), JSON_TYPE))
}

export interface StreamOptions {
  readonly everyMs?: number
  readonly headers?: HeaderList
  /** `clean` closes the chunked body; `hang` never says another word. */
  readonly end?: 'clean' | 'hang' | Cut
}

/** A chunked answer, one write per part. */
export const stream =
  (type: string, parts: readonly (string | Buffer)[], { everyMs = 0, headers = {}, end = 'clean' }: StreamOptions = {}): Behaviour =>
  async (x) => {
    await x.body()
    await x.send(head(200, { 'content-type': type, 'transfer-encoding': 'chunked', ...headers }))
    for (const part of parts) {
      if (everyMs > 0) await x.wait(everyMs)
      await x.send(chunk(part))
    }
    if (end === 'clean') await x.send(LAST_CHUNK)
    else if (end === 'hang') await x.gone
    else x[end]()
  }

/** Nothing at all, until the peer gives up. */
export const silent = (): Behaviour => async (x) => {
  await x.body()
  await x.gone
}

/** Takes the body, is silent for a while, and goes on. */
export const delayed =
  (ms: number, then: Behaviour): Behaviour =>
  async (x) => {
    await x.body()
    await x.wait(ms)
    await then(x)
  }

/** Breaks before a byte of an answer. */
export const cutBeforeHeaders = (how: Cut): Behaviour => cutAfter(0, how, answer(200, 'never sent'))

/** Breaks between two headers. */
export const cutMidHeaders = (how: Cut): Behaviour => cutAfter(24, how, json({ never: 'whole' }))

/** Breaks half way through a body that was announced with its length. */
export const cutMidBody = (how: Cut, bytes = 1_000): Behaviour => underlong(bytes, Math.floor(bytes / 2), how)

/** Announces more than it sends. */
export const underlong =
  (announced: number, sent: number, how: Cut): Behaviour =>
  async (x) => {
    await x.body()
    await x.send(head(200, { ...JSON_TYPE, 'content-length': announced }))
    await x.send(Buffer.alloc(sent, 'x'))
    x[how]()
  }

/** A body that only the end of the connection ends, as HTTP/1.0 had it: nobody can tell a whole one from a cut one. */
export const untilClose =
  (type: string, parts: readonly (string | Buffer)[], how: Cut): Behaviour =>
  async (x) => {
    await x.body()
    await x.send(head(200, { 'content-type': type, connection: 'close' }))
    for (const part of parts) await x.send(part)
    x[how]()
  }

/** Lets another behaviour speak and breaks the connection after exactly this many of its bytes. */
export function cutAfter(bytes: number, how: Cut, inner: Behaviour): Behaviour {
  return async (x) => {
    await x.body()
    let left = bytes
    const cut = (): never => {
      x[how]()
      throw new PeerLeft('cut here')
    }
    const send: Exchange['send'] = async (data) => {
      const all = Buffer.from(data)
      await x.send(all.subarray(0, left))
      left -= Math.min(left, all.length)
      if (left === 0) cut()
    }
    if (left === 0) cut()
    await inner({ ...x, send })
  }
}

/** Splits what another behaviour writes into TCP writes of so many bytes: through characters, JSON and chunk sizes. */
export function shredded(bytesPerWrite: number, inner: Behaviour, everyMs = 1): Behaviour {
  return (x) =>
    inner({
      ...x,
      async send(data) {
        const all = Buffer.from(data)
        for (let at = 0; at < all.length; at += bytesPerWrite) {
          await x.send(all.subarray(at, at + bytesPerWrite))
          await x.wait(everyMs)
        }
      },
    })
}

/** Holds back what another behaviour writes and sends it as one write. */
export function inOneWrite(inner: Behaviour): Behaviour {
  return async (x) => {
    const held: Buffer[] = []
    await inner({
      ...x,
      async send(data) {
        held.push(Buffer.from(data))
      },
    })
    await x.send(Buffer.concat(held))
  }
}

/** Answers before the body has been read, and reads it afterwards. */
export const early =
  (status: number, body: string, headers: HeaderList = JSON_TYPE): Behaviour =>
  async (x) => {
    await x.send(whole(status, body, headers))
    await x.body()
  }

/** 413 after a first look at the body, the rest never read; then the end, as nginx does, or silence with a full pipe. */
export const early413 =
  (end: Cut | 'stall' = 'fin'): Behaviour =>
  async (x) => {
    await x.readSome(1)
    await x.send(whole(413, '{"error":"too large"}', { ...JSON_TYPE, connection: 'close' }))
    if (end === 'stall') await x.gone
    else x[end]()
  }

/** Two whole answers to one request: the second waits on the connection for whoever comes next. */
export const twice =
  (first: string, second: string): Behaviour =>
  async (x) => {
    await x.body()
    await x.send(Buffer.concat([whole(200, first, JSON_TYPE), whole(200, second, JSON_TYPE)]))
  }

/** A good answer and, on the idle connection a little later, one that nobody asked for. */
export const unprompted =
  (inner: Behaviour, bytes: string | Buffer, afterMs: number): Behaviour =>
  async (x) => {
    await inner(x)
    setTimeout(() => x.socket.writable && x.socket.write(bytes), afterMs).unref()
  }

/** More bytes than `content-length` says: the start of a poisoned next answer. */
export const overlong =
  (body: string, extra: string | Buffer = whole(200, '{"poison":true}', JSON_TYPE)): Behaviour =>
  async (x) => {
    await x.body()
    await x.send(Buffer.concat([whole(200, body, JSON_TYPE), Buffer.from(extra)]))
  }

/** Interim answers without number before the real one. */
export const informational =
  (count: number, inner: Behaviour, status: 102 | 103 = 102): Behaviour =>
  async (x) => {
    await x.body()
    const interim = head(status, status === 103 ? { link: '</style.css>; rel=preload' } : {})
    for (let sent = 0; sent < count; sent += 1) await x.send(interim)
    await inner(x)
  }

/** A header block of about this size. */
export const hugeHeaders = (bytes: number): Behaviour => {
  const count = Math.max(1, Math.floor(bytes / 1_000))
  const headers = Object.fromEntries(Array.from({ length: count }, (_value, index) => [`x-huge-${index}`, 'h'.repeat(985)]))
  return answer(200, '{}', { ...JSON_TYPE, ...headers })
}

export const redirect = (location: string, status: 301 | 302 | 303 | 307 | 308 = 307): Behaviour => answer(status, '', { location })

/** Statuses that have no body, with no length either. */
export const bodiless =
  (status: 204 | 304): Behaviour =>
  async (x) => {
    await x.body()
    await x.send(head(status))
  }

/** A chunked body with fields after it. */
export const trailers =
  (body: string, fields: HeaderList): Behaviour =>
  async (x) => {
    await x.body()
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
    await x.send(head(200, { ...JSON_TYPE, 'transfer-encoding': 'chunked', trailer: Object.keys(fields).join(', ') }))
    await x.send(chunk(body))
    await x.send(`0\r\n${lines.join('')}\r\n`)
  }

/** Compressed, whether or not that was asked for. */
export const gzipped = (value: unknown): Behaviour =>
  answer(200, gzipSync(JSON.stringify(value)), { ...JSON_TYPE, 'content-encoding': 'gzip', vary: 'accept-encoding' })

/** Bytes that are no HTTP. */
export const rubbish =
  (bytes: string | Buffer = 'SSH-2.0-OpenSSH_9.2\r\n'): Behaviour =>
  async (x) => {
    await x.body()
    await x.send(bytes)
    x.fin()
  }
