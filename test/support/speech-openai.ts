import {
  asText,
  type Call,
  type Fields,
  type Handler,
  parseFields,
  Refusal,
  readBytes,
  type StandIn,
  send,
  sendJson,
  sendText,
  serve,
  speakWav,
  VOICES,
} from '../../src/demo/index.ts'
import { MP3_BYTES } from './hostile.ts'

/** Servers that take OpenAI's speech request. They agree on the request, and on hardly anything else. */
export type SpeechFlavour = 'travisvn' | 'kokoro' | 'openedai' | 'speaches'

export interface SpeechServer extends StandIn {
  /** Bodies of the speech requests, in order. */
  readonly asked: readonly Fields[]
  /** Their Authorization headers. */
  readonly credentials: readonly (string | undefined)[]
}

interface Manner {
  readonly voices: readonly string[]
  /** Whole with its length, or in chunks. */
  readonly streams: boolean
  readonly badKeyStatus: number
  readonly error: (message: string, status: number) => unknown
  readonly models: unknown
  readonly voiceList: (names: readonly string[]) => unknown
}

const EDGE = VOICES.map(({ shortName }) => shortName)
const OPENAI = ['alloy', 'echo', 'fable', 'nova', 'onyx', 'shimmer']
const openaiModels = (...ids: readonly string[]) => ({
  object: 'list',
  data: ids.map((id) => ({ id, object: 'model', created: 0, owned_by: 'stand-in' })),
})
const namedVoices = (names: readonly string[]) => ({ voices: names.map((id) => ({ id, name: id })) })

const MANNERS: Readonly<Record<SpeechFlavour, Manner>> = {
  travisvn: {
    voices: [...EDGE, ...OPENAI],
    streams: false,
    badKeyStatus: 401,
    error: (message) => ({ error: message }),
    models: { models: [{ id: 'tts-1' }, { id: 'tts-1-hd' }] },
    voiceList: namedVoices,
  },
  kokoro: {
    voices: ['af_heart', 'af_bella', 'am_adam'],
    streams: true,
    badKeyStatus: 401,
    error: (message, status) => ({
      detail: {
        error: status < 500 ? 'validation_error' : 'processing_error',
        message,
        type: status < 500 ? 'invalid_request_error' : 'server_error',
      },
    }),
    models: openaiModels('kokoro', 'tts-1', 'tts-1-hd'),
    voiceList: (names) => ({ voices: names }),
  },
  openedai: {
    voices: OPENAI,
    streams: true,
    badKeyStatus: 401,
    error: (message, status) => ({ message, code: status, type: 'BadRequestError', param: 'voice' }),
    models: openaiModels('tts-1', 'tts-1-hd'),
    voiceList: namedVoices,
  },
  speaches: {
    voices: ['af_heart'],
    streams: true,
    badKeyStatus: 403,
    error: (message) => ({ detail: message }),
    models: openaiModels('speaches-ai/Kokoro-82M-v1.0-ONNX'),
    voiceList: namedVoices,
  },
}

const TYPES: Readonly<Record<string, string>> = {
  mp3: 'audio/mpeg',
  opus: 'audio/ogg',
  aac: 'audio/aac',
  flac: 'audio/flac',
  wav: 'audio/wav',
  pcm: 'audio/L16',
}

export async function speechOpenai({
  flavour = 'travisvn',
  apiKey,
}: {
  flavour?: SpeechFlavour
  apiKey?: string
} = {}): Promise<SpeechServer> {
  const manner = MANNERS[flavour]
  const asked: Fields[] = []
  const credentials: (string | undefined)[] = []
  const speak: Handler = async (call) => {
    credentials.push(call.req.headers.authorization)
    if (apiKey !== undefined && call.req.headers.authorization !== `Bearer ${apiKey}`)
      throw refuse(manner, manner.badKeyStatus, 'Invalid API key')
    const fields = parseFields(await readBytes(call, 1_000_000)) ?? {}
    asked.push(fields)
    await answer(call, fields, flavour, manner)
  }
  const routes: Readonly<Record<string, Handler>> = {
    'POST /v1/audio/speech': speak,
    'POST /audio/speech': speak,
    'GET /v1/audio/voices': ({ res }) => sendJson(res, 200, manner.voiceList(manner.voices)),
    'GET /v1/audio/models': ({ res }) => sendJson(res, 200, { models: [{ id: 'tts-1' }] }),
    'GET /v1/models': ({ res }) => sendJson(res, 200, manner.models),
    'GET /health': ({ res }) => sendJson(res, 200, { status: 'healthy' }),
  }
  const server = await serve((call) => (routes[`${call.req.method} ${call.path}`] ?? notFound)(call))
  return { ...server, asked, credentials }
}

const notFound: Handler = ({ res }) => sendJson(res, 404, { detail: 'Not Found' })

const refuse = (manner: Manner, status: number, message: string): Refusal => new Refusal(status, manner.error(message, status))

async function answer(call: Call, fields: Fields, flavour: SpeechFlavour, manner: Manner): Promise<void> {
  const { res } = call
  const input = asText(fields.input)
  if (input === '') throw missingInput(flavour, manner)
  const name = asText(fields.voice) || (manner.voices[0] ?? '')
  if (!manner.voices.includes(name)) throw refuse(manner, 400, `Voice '${name}' not found. Available voices: ${manner.voices.join(', ')}`)
  if (flavour === 'travisvn' && fields.stream_format === 'sse') {
    // Broken at its head: a failure inside a 200.
    const event = { type: 'error', error: 'a coroutine was expected, got <async_generator object generate_sse_audio_stream>' }
    return sendText(res, 200, `data: ${JSON.stringify(event)}\n\n`, 'text/event-stream')
  }
  const format = asText(fields.response_format) || 'mp3'
  const type = TYPES[format]
  if (type === undefined) throw refuse(manner, 400, `Unsupported format: ${format}`)
  const voice = VOICES.find(({ shortName }) => shortName === name) ?? VOICES[0]
  if (voice === undefined) throw new Error('there are no voices')
  // Only WAV can be made here; for the rest come mp3 bytes under the type that was asked for, as travisvn's server does without ffmpeg.
  const parts = format === 'wav' ? [...speakWav(input, voice, Number(fields.speed ?? 1))] : [MP3_BYTES]
  if (!manner.streams) {
    const bytes = Buffer.concat(parts)
    res.writeHead(200, { 'content-type': type, 'content-length': bytes.length }).end(bytes)
    return
  }
  res.writeHead(200, { 'content-type': type, 'content-disposition': `attachment; filename=speech.${format}`, 'x-accel-buffering': 'no' })
  for (const part of parts) await send(call, part)
  res.end()
}

function missingInput(flavour: SpeechFlavour, manner: Manner): Refusal {
  if (flavour === 'travisvn') return refuse(manner, 400, "Missing 'input' in request body")
  return new Refusal(422, { detail: [{ type: 'missing', loc: ['body', 'input'], msg: 'Field required', input: {} }] })
}
