import {
  type Call,
  describeSound,
  type Form,
  type Handler,
  pause,
  Refusal,
  readForm,
  type StandIn,
  send,
  sendJson,
  sendText,
  serve,
  type Transcript,
  transcriptOf,
  writeTranscript,
} from '../../src/demo/index.ts'

export interface WhisperServer extends StandIn {
  /** What each transcription request carried, in order. */
  readonly asked: readonly { readonly path: string; readonly query: string; readonly form: Form }[]
  /** Requests to routes that load, unload, download or delete models. */
  readonly managed: readonly string[]
}

export interface WhisperOpenaiOptions {
  readonly apiKey?: string
  readonly models?: readonly string[]
  readonly workMs?: number
}

/** speaches (faster-whisper-server): OpenAI's transcription route, FastAPI's errors. */
export async function whisperOpenai(options: WhisperOpenaiOptions = {}): Promise<WhisperServer> {
  const { apiKey, models = ['whisper-1', 'Systran/faster-whisper-small'], workMs = 0 } = options
  const asked: WhisperServer['asked'][number][] = []
  const managed: string[] = []
  const transcribe: Handler = async (call) => {
    if (apiKey !== undefined && call.req.headers.authorization !== `Bearer ${apiKey}`)
      throw new Refusal(403, { detail: 'Not authenticated' })
    const form = await readForm(call)
    asked.push({ path: call.path, query: call.query.toString(), form })
    const transcript = hear(form, models)
    await pause(workMs, call.left)
    await answer(call, transcript, form)
  }
  const list = { object: 'list', data: models.map((id) => ({ id, object: 'model', created: 0, owned_by: 'stand-in' })) }
  const routes: Readonly<Record<string, Handler>> = {
    'POST /v1/audio/transcriptions': transcribe,
    'POST /v1/audio/translations': transcribe,
    'GET /v1/models': ({ res }) => sendJson(res, 200, list),
    'GET /health': ({ res }) => sendJson(res, 200, { message: 'OK' }),
  }
  const server = await serve((call) => {
    const line = `${call.req.method} ${call.path}`
    const handler = routes[line]
    if (handler !== undefined) return handler(call)
    if (/^(?:POST|DELETE) \/(?:v1\/models|api\/ps)\/./.test(line)) managed.push(line)
    throw new Refusal(404, { detail: 'Not Found' })
  })
  return { ...server, asked, managed }
}

function hear({ files, fields }: Form, models: readonly string[]): { readonly transcript: Transcript; readonly seconds: number } {
  const missing = [files.has('file') ? [] : ['file'], fields.has('model') ? [] : ['model']].flat()
  if (missing.length > 0) {
    throw new Refusal(422, {
      detail: missing.map((part) => ({ type: 'missing', loc: ['body', part], msg: 'Field required', input: null })),
    })
  }
  const model = fields.get('model') ?? ''
  if (!models.includes(model))
    throw new Refusal(404, { detail: `Model '${model}' is not installed locally. You can download the model using \`POST /v1/models\`` })
  const upload = files.get('file')
  if (upload === undefined || upload.totalBytes === 0) throw new Refusal(400, { detail: 'Empty audio file' })
  const sound = describeSound(upload.bytes, upload.totalBytes)
  if (sound === null) throw new Refusal(415, { detail: 'Failed to decode audio' })
  return { transcript: transcriptOf(sound, fields.get('language') ?? 'en'), seconds: sound.seconds }
}

async function answer(call: Call, { transcript, seconds }: ReturnType<typeof hear>, { fields }: Form): Promise<void> {
  if (fields.get('stream') === 'true') return streamEvents(call, transcript)
  const { res } = call
  const format = fields.get('response_format') ?? 'json'
  const verbose = {
    task: 'transcribe',
    language: transcript.language,
    duration: seconds,
    text: transcript.text.trim(),
    segments: transcript.segments,
  }
  const writers: Readonly<Record<string, () => void>> = {
    json: () => sendJson(res, 200, { text: transcript.text.trim() }),
    verbose_json: () => sendJson(res, 200, verbose),
    text: () => sendText(res, 200, transcript.text.trim()),
    srt: () => sendText(res, 200, writeTranscript(transcript, 'srt')),
    vtt: () => sendText(res, 200, writeTranscript(transcript, 'vtt'), 'text/vtt; charset=utf-8'),
  }
  const write = writers[format]
  if (write === undefined)
    throw new Refusal(422, {
      detail: [{ type: 'enum', loc: ['body', 'response_format'], msg: 'Input should be a known format', input: format }],
    })
  write()
}

/** Frames of data alone, the last text empty, and no `[DONE]`. */
async function streamEvents(call: Call, { segments }: Transcript): Promise<void> {
  call.res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  const frame = (event: object): string => `data: ${JSON.stringify({ ...event, logprobs: null })}\n\n`
  for (const { text } of segments) await send(call, frame({ type: 'transcript.text.delta', delta: text }))
  call.res.end(frame({ type: 'transcript.text.done', text: '' }))
}
