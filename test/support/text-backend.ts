import {
  type Behaviour,
  chunk,
  type HostileOptions,
  type HostileUpstream,
  head,
  hostileUpstream,
  json,
  LAST_CHUNK,
  type SeenRequest,
  whole,
} from './hostile.ts'

/** A hostile backend in Ollama's place. */
export interface TextBackend extends Pick<HostileUpstream, 'url' | 'port' | 'sockets' | 'faults' | 'connections' | 'close'> {
  /** What callers asked for; the gate's own health checks are answered and not listed. */
  readonly asked: readonly SeenRequest[]
  /** What it does from now on. */
  behave(next: Behaviour): void
  choose(next: (seen: SeenRequest) => Behaviour): void
  forget(): void
}

/** A caller's request has its request id with it; the gate's own check of health has not. */
const isProbe = (seen: SeenRequest): boolean => seen.header('x-request-id') === undefined

export async function textBackend(first: Behaviour = generation(), options: HostileOptions = {}): Promise<TextBackend> {
  let asked: SeenRequest[] = []
  let choose: (seen: SeenRequest) => Behaviour = () => first
  const upstream = await hostileUpstream((seen) => {
    if (isProbe(seen)) return json({ version: '0.0.0' })
    asked.push(seen)
    return choose(seen)
  }, options)
  return {
    url: upstream.url,
    port: upstream.port,
    sockets: upstream.sockets,
    faults: upstream.faults,
    get connections() {
      return upstream.connections
    },
    get asked() {
      return asked
    },
    close: () => upstream.close(),
    behave(next) {
      choose = () => next
    },
    choose(next) {
      choose = next
    },
    forget() {
      asked = []
    },
  }
}

export const NDJSON = 'application/x-ndjson'
export const token = (text: string): string =>
  `${JSON.stringify({ model: 'm', created_at: '2026-11-20T00:00:00Z', response: text, done: false })}\n`
export const LAST_LINE = `${JSON.stringify({ model: 'm', response: '', done: true, done_reason: 'stop', prompt_eval_count: 3, eval_count: 2 })}\n`
export const ONE_OBJECT = JSON.stringify({
  model: 'm',
  response: 'ab',
  done: true,
  done_reason: 'stop',
  prompt_eval_count: 3,
  eval_count: 2,
})

export const streamHead = head(200, { 'content-type': NDJSON, 'transfer-encoding': 'chunked' })
export const streamBytes = Buffer.concat([
  Buffer.from(streamHead),
  chunk(token('a')),
  chunk(token('b')),
  chunk(LAST_LINE),
  Buffer.from(LAST_CHUNK),
])

/** A short generation that goes well, streamed or not as the body wishes. */
export const generation = (): Behaviour => async (x) => {
  const body = await x.body()
  const streams = !/"stream":\s*false/.test(body.toString())
  await x.send(streams ? streamBytes : whole(200, ONE_OBJECT, { 'content-type': 'application/json; charset=utf-8' }))
}

/** Exactly these bytes after the body, and then the end of the connection. */
export const sayAndEnd =
  (bytes: string | Buffer, how: 'fin' | 'rst'): Behaviour =>
  async (x) => {
    await x.body()
    if (bytes.length > 0) await x.send(bytes)
    x[how]()
  }

/** So many tokens and then silence, until the peer leaves. */
export const endlessStream =
  (tokens = 1): Behaviour =>
  async (x) => {
    await x.body()
    await x.send(streamHead)
    for (let sent = 0; sent < tokens; sent += 1) await x.send(chunk(token('a')))
    await x.gone
  }
