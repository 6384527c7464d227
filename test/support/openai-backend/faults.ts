import { answer, type Behaviour, type HeaderList, json, whole } from '../hostile.ts'

/** OpenAI's own shape. */
export const openaiFault = (status: number, message: string, code: string | null = null, headers: HeaderList = {}): Behaviour =>
  answer(status, JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code } }), {
    'content-type': 'application/json',
    ...headers,
  })

/** FastAPI's, which speaches and whisper servers have: OpenAI's client prints “(no body)” for it. */
export const detailFault = (status: number, detail: string): Behaviour => json({ detail }, status)

export const validationFault = (...path: readonly string[]): Behaviour =>
  json({ detail: [{ type: 'missing', loc: path, msg: 'Field required', input: null }] }, 422)

/** travisvn's, and anybody's who does not know better. */
export const stringFault = (status: number, message: string): Behaviour => json({ error: message }, status)

/** openedai-speech: no `error` around it, and the status as a number. */
export const bareFault = (status: number, message: string): Behaviour =>
  json({ message, code: status, type: 'BadRequestError', param: null }, status)

/** Too many at once: an explicit answer that nothing was begun. */
export const busy = (status: 429 | 503, retryAfter?: string): Behaviour =>
  openaiFault(status, 'The engine is overloaded', null, retryAfter === undefined ? {} : { 'retry-after': retryAfter })

/** What a proxy in front of the model answers when the model is gone. */
export const proxyFault = (status: 502 | 503 | 504 = 502): Behaviour =>
  answer(
    status,
    `<html>\n<head><title>${status} Bad Gateway</title></head>\n<body><center><h1>Bad Gateway</h1></center></body>\n</html>\n`,
    {
      'content-type': 'text/html',
      server: 'nginx/1.22.1',
    },
  )

/** A failure that says it went well. */
export const okFault = (): Behaviour =>
  json({ error: { message: 'The model is not loaded', type: 'server_error', param: null, code: null } })

/** An answer and the same again on one connection: the second waits there for whoever comes next. */
export const duplicated =
  (value: unknown): Behaviour =>
  async (x) => {
    await x.body()
    const bytes = whole(200, JSON.stringify(value), { 'content-type': 'application/json' })
    await x.send(Buffer.concat([bytes, bytes]))
  }

/** Silence before a later write of another behaviour; its first write is the headers. */
export const silentBefore =
  (nth: number, ms: number, inner: Behaviour): Behaviour =>
  (x) => {
    let writes = 0
    return inner({
      ...x,
      async send(data) {
        writes += 1
        if (writes === nth) await x.wait(ms)
        await x.send(data)
      },
    })
  }
