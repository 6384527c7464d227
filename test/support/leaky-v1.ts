import { a1111Answer } from './hostile/backends.ts'
import {
  answer,
  type Behaviour,
  chunk,
  type HostileUpstream,
  head,
  hostileUpstream,
  json,
  LAST_CHUNK,
  MP3_BYTES,
  whole,
} from './hostile.ts'
import { echoing, type Manner, wordsOf } from './leaky-backend.ts'
import { detailFault } from './openai-backend.ts'

/** What it does with whatever it is asked: the first is a good backend, the others give the whole request back in some place where it may be believed. */
export const V1_MANNERS = [
  'good',
  'json 500',
  'json 400',
  'text 500',
  'json 503',
  'wrong type',
  'redirect',
  'status line',
  'no HTTP',
  'json 404',
  'names of an error',
  'after a sign of life',
  'in band',
  'in band, in pieces',
  'with status 200',
  'with status 200, in pieces',
] as const
export type V1Manner = (typeof V1_MANNERS)[number]

/** One backend in the place of all, whose answers hold a canary when it is good, and the request itself when it is not. */
export interface LeakyV1 extends Pick<HostileUpstream, 'url' | 'seen' | 'faults' | 'close'> {
  behave(manner: V1Manner): void
}

const SSE = { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }
const JSON_TYPE = { 'content-type': 'application/json' }
const PIECE_BYTES = 11

export async function leakyV1(secretAnswer: () => string, silentMs: number): Promise<LeakyV1> {
  let manner: V1Manner = 'good'
  const upstream = await hostileUpstream((seen) => {
    const path = seen.target.split('?')[0] ?? ''
    const isProbe = seen.header('x-request-id') === undefined
    if (isProbe) return seen.method === 'GET' ? json({ data: [{ id: 'listed' }], status: 'ok' }) : detailFault(404, 'Not Found')
    return manner === 'good' ? good(path, secretAnswer()) : badly(manner, path, silentMs)
  })
  return {
    ...upstream,
    behave(next) {
      manner = next
    },
  }
}

const events = (...all: readonly object[]): string => all.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')
const COUNTS = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }

/** The stream of a protocol, up to where its last event would stand; and that. */
function streamOf(path: string, said: string): readonly [begun: string, end: string] {
  if (path === '/v1/responses')
    return [
      events({ type: 'response.output_text.delta', delta: said }),
      events({ type: 'response.completed', response: { usage: { input_tokens: 3, output_tokens: 2 } } }),
    ]
  if (path === '/v1/messages')
    return [events({ type: 'content_block_delta', delta: { type: 'text_delta', text: said } }), events({ type: 'message_stop' })]
  return [
    events({ model: 'there', choices: [{ index: 0, delta: { content: said } }] }),
    `${events({ choices: [], usage: COUNTS })}data: [DONE]\n\n`,
  ]
}

const streamed =
  (...parts: readonly (string | Buffer)[]): Behaviour =>
  async (x) => {
    await x.body()
    await x.send(head(200, SSE))
    for (const part of parts) await x.send(chunk(part))
    await x.send(LAST_CHUNK)
  }

function good(path: string, said: string): Behaviour {
  const object = {
    id: 'answer-1',
    model: 'there',
    choices: [{ index: 0, message: { role: 'assistant', content: said }, text: said }],
    content: [{ type: 'text', text: said }],
    output: [{ type: 'message', content: [{ type: 'output_text', text: said }] }],
    data: [{ index: 0, embedding: [1, 2], b64_json: Buffer.from(said).toString('base64'), said }],
    text: said,
    usage: { ...COUNTS, input_tokens: 3, output_tokens: 2 },
  }
  const others: Readonly<Record<string, Behaviour>> = {
    '/v1/audio/speech': answer(200, Buffer.concat([MP3_BYTES, Buffer.from(said)]), { 'content-type': 'audio/mpeg' }),
    '/speak': answer(200, Buffer.concat([MP3_BYTES, Buffer.from(said)]), { 'content-type': 'audio/mpeg' }),
    '/sdapi/v1/txt2img': answer(200, a1111Answer(), JSON_TYPE),
    '/sdapi/v1/progress': answer(404), // else the gate asks on and on for a job that it takes to be running
    '/asr': json({ text: said, language: 'en', segments: [] }),
  }
  return async (x) => {
    const streams = /"stream":\s*true/.test((await x.body()).toString())
    await (others[path] ?? (streams ? streamed(...streamOf(path, said)) : json(object)))(x)
  }
}

function badly(manner: Exclude<V1Manner, 'good'>, path: string, silentMs: number): Behaviour {
  const told =
    (make: (words: string) => Behaviour): Behaviour =>
    async (x) =>
      make(await wordsOf(x))(x)
  const error = (words: string): string => JSON.stringify({ error: { message: words, type: 'server_error', param: words, code: words } })
  const event = (words: string): string =>
    path === '/v1/messages' ? events({ type: 'error', error: { type: 'api_error', message: words } }) : `data: ${error(words)}\n\n`
  const pieces = (text: string): readonly string[] => text.match(new RegExp(`[^]{1,${PIECE_BYTES}}`, 'g')) ?? []
  const own: Readonly<Partial<Record<V1Manner, Behaviour>>> = {
    'json 404': told((words) => json({ error: `model '${words}' not found` }, 404)),
    'names of an error': told((words) => answer(400, error(words), JSON_TYPE)),
    'after a sign of life': async (x) => {
      const words = await wordsOf(x)
      await x.wait(silentMs)
      await answer(500, error(words), JSON_TYPE)(x)
    },
    'in band': told((words) => streamed(streamOf(path, 'a')[0], event(words))),
    'in band, in pieces': told((words) => streamed(streamOf(path, 'a')[0], ...pieces(event(words)))),
    'wrong type': told((words) => answer(200, words, { 'content-type': `text/plain; name="${words.replaceAll(/[^\x20-\x7e]/g, '?')}"` })),
    'with status 200': told((words) => answer(200, error(words), JSON_TYPE)),
    'with status 200, in pieces': async (x) => {
      const bytes = whole(200, error(await wordsOf(x)), JSON_TYPE)
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) await x.send(bytes.subarray(at, at + PIECE_BYTES))
    },
  }
  return own[manner] ?? echoing(manner as Exclude<Manner, 'good'>) // the others are manners of every backend
}
