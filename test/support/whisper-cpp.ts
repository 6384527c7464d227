import {
  describeSound,
  type Form,
  type Handler,
  pause,
  readForm,
  sendJson,
  sendText,
  serve,
  transcriptOf,
  writeTranscript,
} from '../../src/demo/index.ts'
import type { WhisperServer } from './whisper-openai.ts'

export interface WhisperCppServer extends WhisperServer {
  /** While it loads, its 503 reaches callers as a 404. */
  loading(on: boolean): void
}

/** whisper.cpp's server: one request at a time, WAV only, and an error handler that hides nearly every error. */
export async function whisperCpp({ path = '/inference', workMs = 0 }: { path?: string; workMs?: number } = {}): Promise<WhisperCppServer> {
  const asked: WhisperServer['asked'][number][] = []
  const managed: string[] = []
  let isLoading = false
  let turn: Promise<unknown> = Promise.resolve()

  const invalid: Handler = ({ res }) => sendText(res, 400, 'Invalid request', 'text/plain')
  const masked: Handler = ({ req, res, path: asPath }) => {
    req.resume()
    sendText(res, 404, `File Not Found (${asPath})`, 'text/plain')
  }
  const infer: Handler = async (call) => {
    const form = await readForm(call)
    asked.push({ path: call.path, query: call.query.toString(), form })
    const upload = form.files.get('file')
    const sound = upload === undefined ? null : describeSound(upload.bytes, upload.totalBytes)
    if (sound === null || sound.kind !== 'WAV') return invalid(call)
    const mine = turn.then(() => pause(workMs, call.left))
    turn = mine.catch(() => {})
    await mine
    write(call, form, sound)
  }
  const routes: Readonly<Record<string, Handler>> = {
    [`POST ${path}`]: infer,
    'GET /': ({ res }) => sendText(res, 200, '<html>whisper.cpp</html>', 'text/html'),
    'GET /health': ({ res }) => sendJson(res, 200, { status: 'ok' }),
    'POST /load': ({ req, res }) => {
      managed.push('POST /load')
      req.resume()
      sendText(res, 200, 'Load was successful!', 'text/plain')
    },
  }
  const server = await serve((call) => (isLoading ? masked : (routes[`${call.req.method} ${call.path}`] ?? masked))(call), {
    onFault: masked,
  })
  return {
    ...server,
    asked,
    managed,
    loading(on) {
      isLoading = on
    },
  }
}

function write({ res }: Parameters<Handler>[0], { fields }: Form, sound: NonNullable<ReturnType<typeof describeSound>>): void {
  const transcript = transcriptOf(sound, fields.get('language') ?? 'en')
  const text = `${transcript.text.trim()}\n`
  const verbose = {
    task: 'transcribe',
    language: transcript.language,
    duration: sound.seconds,
    text,
    segments: transcript.segments.map((segment) => ({ ...segment, words: [] })),
    detected_language: transcript.language,
    detected_language_probability: 1,
  }
  const writers: Readonly<Record<string, () => void>> = {
    json: () => sendJson(res, 200, { text }),
    verbose_json: () => sendJson(res, 200, verbose),
    text: () => sendText(res, 200, text, 'text/html; charset=utf-8'),
    srt: () => sendText(res, 200, writeTranscript(transcript, 'srt'), 'application/x-subrip'),
    vtt: () => sendText(res, 200, writeTranscript(transcript, 'vtt'), 'text/vtt'),
  }
  const writer = writers[fields.get('response_format') ?? 'json'] ?? writers.json
  writer?.()
}
