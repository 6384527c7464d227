import { readForm, type Upload } from '../http/form.ts'
import { type Call, type Handler, pause, Refusal, type StandIn, sendJson, sendText, serve } from '../http/serve.ts'
import { describeSound, type Sound } from './sound.ts'
import { OUTPUTS, transcriptOf, write } from './transcript.ts'

export interface WhisperOptions {
  readonly port?: number
  /** How long a transcription takes. */
  readonly workMs: number
}

const DOCS = '<!doctype html><title>Whisper stand-in</title><p>A stand-in for whisper-asr-webservice: POST /asr, POST /detect-language.'

/** whisper-asr-webservice's interface in front of somebody who only looks at the file. */
export function startWhisperStandIn({ port = 0, workMs }: WhisperOptions): Promise<StandIn> {
  const routes: Readonly<Record<string, Handler>> = {
    'GET /': ({ res }) => void res.writeHead(307, { location: '/docs', 'content-length': 0 }).end(),
    'GET /docs': ({ res }) => sendText(res, 200, DOCS, 'text/html; charset=utf-8'),
    'POST /asr': (call) => asr(call, workMs),
    'POST /detect-language': detectLanguage,
  }
  const paths = new Set(Object.keys(routes).map((route) => route.split(' ')[1]))
  return serve(
    (call) => {
      const handler = routes[`${call.req.method} ${call.path}`]
      if (handler !== undefined) return handler(call)
      const known = paths.has(call.path)
      throw new Refusal(known ? 405 : 404, { detail: known ? 'Method Not Allowed' : 'Not Found' })
    },
    { port },
  )
}

async function asr(call: Call, workMs: number): Promise<void> {
  const output = option(call, 'output', OUTPUTS)
  option(call, 'task', ['transcribe', 'translate'])
  const language = (call.query.get('language') || 'en').toLowerCase()
  if (!/^[a-z]{2,3}$/.test(language)) throw invalid('language', call.query.get('language'), 'a language code such as en')
  const upload = await readUpload(call)
  const sound = heard(upload)
  await pause(workMs, call.left)
  const body = write(transcriptOf(sound, language), output)
  call.res.setHeader('asr-engine', 'stand-in')
  call.res.setHeader('content-disposition', `attachment; filename="${encodeURIComponent(upload.name)}.${output}"`)
  sendText(call.res, 200, body) // text/plain for JSON too, as the real one
}

async function readUpload(call: Call): Promise<Upload> {
  const upload = (await readForm(call)).files.get('audio_file')
  if (upload === undefined) throw new Refusal(422, { detail: [FIELD_MISSING] })
  return upload
}

const FIELD_MISSING = { type: 'missing', loc: ['body', 'audio_file'], msg: 'Field required', input: null }

/** What ffmpeg cannot decode is an uncaught error of the real one, and so it is here. */
function heard({ bytes, totalBytes }: Upload): Sound {
  const sound = describeSound(bytes, totalBytes)
  if (sound === null) throw new Error('no audio in the upload')
  return sound
}

async function detectLanguage(call: Call): Promise<void> {
  heard(await readUpload(call))
  sendJson(call.res, 200, { detected_language: 'english', language_code: 'en', confidence: 0 })
}

/** One of a few words in the query, the first unless told. */
function option<T extends string>({ query }: Call, name: string, words: readonly T[]): T {
  const asked = query.get(name)
  const found = asked === null ? words[0] : words.find((word) => word === asked)
  if (found === undefined) throw invalid(name, asked, words.map((word) => `'${word}'`).join(', '))
  return found
}

function invalid(name: string, input: string | null, expected: string): Refusal {
  return new Refusal(422, { detail: [{ type: 'enum', loc: ['query', name], msg: `Input should be ${expected}`, input }] })
}
