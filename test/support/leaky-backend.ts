import { MP3_BYTES } from './hostile/backends.ts'
import { answer, type Behaviour, type Exchange, type HostileUpstream, hostileUpstream, whole } from './hostile.ts'
import { NDJSON } from './text-backend.ts'

/** What it does with whatever it is asked: the first is a good backend, the others give the whole request back in some place where it may be believed. */
export const MANNERS = [
  'good',
  'json 500',
  'json 400',
  'text 500',
  'json 503',
  'wrong type',
  'redirect',
  'status line',
  'in band',
  'no HTTP',
] as const
export type Manner = (typeof MANNERS)[number]

/** One backend in the place of all, whose answers hold a canary when it is good, and the request itself when it is not. */
export interface LeakyBackend extends Pick<HostileUpstream, 'url' | 'seen' | 'faults' | 'close'> {
  behave(manner: Manner): void
}

const JSON_TYPE = { 'content-type': 'application/json' }

export async function leakyBackend(secretAnswer: () => string): Promise<LeakyBackend> {
  let manner: Manner = 'good'
  const upstream = await hostileUpstream((seen) => {
    const probe = seen.header('x-request-id') === undefined
    return probe || manner === 'good' ? good(seen.target.split('?')[0] ?? '', secretAnswer()) : echoing(manner)
  })
  return {
    ...upstream,
    behave(next) {
      manner = next
    },
  }
}

function good(path: string, said: string): Behaviour {
  const json = (value: unknown): Behaviour => answer(200, JSON.stringify(value), JSON_TYPE)
  const answers: Readonly<Record<string, Behaviour>> = {
    '/api/generate': answer(200, `${JSON.stringify({ response: said, done: true, eval_count: 1 })}\n`, { 'content-type': NDJSON }),
    '/speak': answer(200, Buffer.concat([MP3_BYTES, Buffer.from(said)]), { 'content-type': 'audio/mpeg' }),
    '/sdapi/v1/txt2img': json({ images: [Buffer.from(said).toString('base64')], parameters: { said }, info: JSON.stringify({ said }) }),
    '/sdapi/v1/progress': answer(404), // else the gate asks on and on for a job that it takes to be running
    '/asr': json({ text: said, language: 'en', segments: [{ id: 1, start: 0, end: 1, text: said }] }),
  }
  return answers[path] ?? json({ said })
}

let turns = 0
/** The request as it came. Sentences of backends are clipped, so each time something else stands first. */
export async function wordsOf(x: Exchange): Promise<string> {
  const body = (await x.body()).toString('utf8')
  const headers = x.seen.rawHeaders.map(([name, value]) => `${name}: ${value}`).join(' ')
  turns += 1
  return turns % 2 === 0 ? `${headers} ${body}` : `${body} ${headers}`
}

/** The same in words that look like an error of the backend's own. */
export const echoing =
  (manner: Exclude<Manner, 'good'>): Behaviour =>
  async (x) => {
    await x.send(bytesOf(manner, await wordsOf(x)))
    if (manner === 'status line' || manner === 'no HTTP') x.fin()
  }

function bytesOf(manner: Exclude<Manner, 'good'>, text: string): Buffer {
  const line = text.replaceAll(/[^\x20-\x7e]/g, '?')
  const error = JSON.stringify({ detail: text, error: text })
  const forms: Readonly<Record<Exclude<Manner, 'good'>, () => Buffer>> = {
    'json 500': () => whole(500, error, JSON_TYPE),
    'json 400': () => whole(400, error, JSON_TYPE),
    'text 500': () => whole(500, `RuntimeError: ${text}`, { 'content-type': 'text/plain', 'x-debug': line }),
    'json 503': () => whole(503, error, JSON_TYPE),
    'wrong type': () => whole(200, text, { 'content-type': `text/plain; name="${line.slice(0, 300)}"` }),
    redirect: () => whole(302, text, { location: `http://127.0.0.1:1/${encodeURIComponent(text)}` }),
    'status line': () => Buffer.from(`HTTP/1.1 500 ${line}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`),
    'in band': () => whole(200, `${JSON.stringify({ error: text })}\n`, { 'content-type': NDJSON }),
    'no HTTP': () => Buffer.from(`${line}\r\n\r\n`),
  }
  return forms[manner]()
}
