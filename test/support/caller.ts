import { type Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http'

export interface Call {
  readonly method?: string
  readonly path: string
  readonly key?: string
  readonly headers?: OutgoingHttpHeaders
  /** An object goes as JSON. */
  readonly body?: string | Buffer | Readonly<Record<string, unknown>>
  readonly agent?: Agent
  /** Another address of this host: all of 127.0.0.0/8 is. */
  readonly from?: string
  /** A Unix socket instead of a port. */
  readonly socketPath?: string
  readonly withinMs?: number
}

export interface Answer {
  /** 0 when no answer came. */
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** True when the answer came to the end that its framing promised; a cut connection is never that. */
  readonly complete: boolean
  readonly firstByteMs: number
  readonly totalMs: number
}

const NO_ANSWER = { status: 0, headers: {}, body: '', complete: false, firstByteMs: 0 }

/** One request as a careful client makes it. Never rejects: how an answer ended is part of the answer. */
export function call(
  port: number,
  { method, path, key, headers = {}, body, agent, from, socketPath, withinMs = 20_000 }: Call,
): Promise<Answer> {
  const bytes = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  const startedMs = performance.now()
  const sinceStart = () => performance.now() - startedMs
  return new Promise((resolve) => {
    const asked = request({
      ...(socketPath === undefined ? { port, host: '127.0.0.1' } : { socketPath }),
      ...(from !== undefined && { localAddress: from }),
      path,
      method: method ?? (bytes === undefined ? 'GET' : 'POST'),
      agent: agent ?? false,
      headers: {
        ...(key !== undefined && { 'x-api-key': key }),
        ...(bytes !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(bytes) }),
        ...headers,
      },
    })
    asked.setTimeout(withinMs, () => asked.destroy(new Error(`no end of ${path} within ${withinMs} ms`)))
    asked.once('error', () => resolve({ ...NO_ANSWER, totalMs: sinceStart() }))
    asked.once('response', (answer) => {
      const chunks: Buffer[] = []
      let firstByteMs = 0
      answer.on('data', (chunk: Buffer) => {
        if (chunks.length === 0) firstByteMs = sinceStart()
        chunks.push(chunk)
      })
      answer.on('error', () => {}) // a cut answer errs, and then closes
      answer.once('close', () =>
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers,
          body: Buffer.concat(chunks).toString(),
          complete: answer.complete,
          firstByteMs,
          totalMs: sinceStart(),
        }),
      )
    })
    asked.end(bytes)
  })
}

/** A chat request as Ollama's clients send it. */
export const generate = (key: string, more: Readonly<Record<string, unknown>> = {}, over: Partial<Call> = {}): Call => ({
  path: '/chat/api/generate',
  key,
  body: { model: 'm', prompt: 'hello', ...more },
  ...over,
})
