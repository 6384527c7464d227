import { answer, type Cut, json, stream } from './behaviours.ts'
import { chunk, head, LAST_CHUNK, whole } from './http.ts'
import type { Behaviour, Script } from './upstream.ts'

const NDJSON = 'application/x-ndjson'

export interface OllamaStreamOptions {
  readonly face?: 'generate' | 'chat'
  readonly tokens?: readonly string[]
  readonly everyMs?: number
  /** False leaves out every count and duration, as Ollama does when they are zero. */
  readonly metrics?: boolean
  /** After this many tokens the runner fails: one line `{"error"}`, then a clean HTTP end. */
  readonly failAfter?: number
  /** How it ends after the tokens: `done`, or an EOF that is clean HTTP and no end of the stream, or a broken connection. */
  readonly end?: 'done' | 'eof' | 'hang' | Cut
}

/** The lines that such a stream consists of. */
export function ollamaLines(options: OllamaStreamOptions = {}): readonly string[] {
  const { face = 'generate', tokens = ['The', ' sky', ' is', ' blue', '.'], metrics = true, failAfter, end = 'done' } = options
  const piece = (text: string) => (face === 'chat' ? { message: { role: 'assistant', content: text } } : { response: text })
  const line = (rest: object): string => `${JSON.stringify({ model: 'llama3.2', created_at: '2026-08-21T10:00:00.123456Z', ...rest })}\n`
  const spoken = tokens.slice(0, failAfter).map((token) => line({ ...piece(token), done: false }))
  if (failAfter !== undefined) return [...spoken, '{"error":"an error was encountered while running the model"}\n']
  if (end !== 'done') return spoken
  const counts = metrics
    ? { total_duration: 10_706_818_083, load_duration: 6_338_219_291, prompt_eval_count: 26, eval_count: tokens.length }
    : {}
  return [...spoken, line({ ...piece(''), done: true, done_reason: 'stop', ...counts })]
}

export function ollamaStream(options: OllamaStreamOptions = {}): Behaviour {
  const { everyMs = 0, end = 'done' } = options
  return stream(NDJSON, ollamaLines(options), { everyMs, end: end === 'done' || end === 'eof' ? 'clean' : end })
}

export const ollamaBusy = (): Behaviour => json({ error: 'server busy, please try again.  maximum pending requests exceeded' }, 503)

/** Ollama's own checks: a foreign Origin or Host gets 403 with nothing in it, whoever asks. */
export const ollamaManners =
  (then: Behaviour): Behaviour =>
  (x) => {
    const local = /^(?:localhost|127\.0\.0\.1|\[::1\]|[^:]+\.(?:local|internal|localhost))(?::\d+)?$/i.test(x.seen.header('host') ?? '')
    return (local && x.seen.header('origin') === undefined ? then : answer(403))(x)
  }

/** HTTP Basic, as `--api-auth user:pass` sets it. */
export const basicAuth =
  (user: string, password: string, then: Behaviour): Behaviour =>
  (x) => {
    const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
    if (x.seen.header('authorization') === wanted) return then(x)
    const body = JSON.stringify({ error: 'HTTPException', detail: 'Incorrect username or password', body: '', errors: '' })
    return answer(401, body, { 'content-type': 'application/json', 'www-authenticate': 'Basic' })(x)
  }

/** An A1111 answer around so many bytes of "picture"; `info` as text, empty as sd-server sends it, or no JSON at all. */
export function a1111Answer({
  imageBytes = 300,
  info = '{"seed":1,"all_seeds":[1]}',
}: {
  imageBytes?: number
  info?: string
} = {}): string {
  return JSON.stringify({ images: [Buffer.alloc(imageBytes, 7).toString('base64')], parameters: { prompt: 'a gate' }, info })
}

/** Long silence and then everything at once: 90 s and 8 MiB in life. */
export const a1111Silence = (silenceMs: number, options: { imageBytes?: number; info?: string } = {}): Behaviour => {
  const body = a1111Answer(options)
  return async (x) => {
    await x.body()
    await x.wait(silenceMs)
    await x.send(whole(200, body, { 'content-type': 'application/json', 'x-process-time': String(silenceMs / 1_000) }))
  }
}

export const a1111Fault = (status: number, detail: string): Behaviour =>
  json({ error: 'HTTPException', detail, body: '', errors: '' }, status)

export interface A1111World {
  readonly script: Script
  /** Task ids in the order in which they began. */
  readonly started: string[]
  readonly finished: string[]
  /** Task ids that an interrupt stopped. */
  readonly interrupted: string[]
  /** The interrupts that stopped a job whose caller was still waiting for it: each one is somebody else's picture lost. */
  readonly wronged: string[]
  current(): string | null
  progressAsked(): number
}

/**
 * One state for everybody, as A1111 has it: jobs run one after the other, go on when their caller leaves, and end early only by
 * `interrupt`, which stops whichever is at work.
 */
export function a1111World({ jobMs }: { jobMs: number }): A1111World {
  const world = { started: [] as string[], finished: [] as string[], interrupted: [] as string[], wronged: [] as string[] } // filled below
  const abandoned = new Set<string>()
  let current: string | null = null
  let asked = 0
  let queue: Promise<unknown> = Promise.resolve()
  let stop = (): void => {}
  const work = async (task: string): Promise<void> => {
    world.started.push(task)
    current = task
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, jobMs)
      stop = () => {
        clearTimeout(timer)
        world.interrupted.push(task)
        if (!abandoned.has(task)) world.wronged.push(task)
        resolve()
      }
    })
    current = null
    world.finished.push(task)
  }
  const txt2img: Behaviour = async (x) => {
    const request = JSON.parse((await x.body()).toString('utf8')) as { force_task_id?: string } // the gate's own request, or the test fails here
    const task = request.force_task_id ?? 'unnamed'
    void x.gone.then(() => abandoned.add(task))
    const job = queue.then(() => work(task))
    queue = job
    await job
    await x.send(whole(200, a1111Answer(), { 'content-type': 'application/json' }))
  }
  const progress: Behaviour = (x) => {
    asked += 1
    const state = { skipped: false, interrupted: false, job: current ?? '', job_count: current === null ? 0 : 1 }
    return json({ progress: current === null ? 0 : 0.5, eta_relative: 0, state, current_image: null, current_task: current })(x)
  }
  const interrupt: Behaviour = (x) => {
    if (current !== null) stop()
    return json({})(x)
  }
  const routes: Readonly<Record<string, Behaviour>> = {
    '/sdapi/v1/txt2img': txt2img,
    '/sdapi/v1/progress': progress,
    '/sdapi/v1/interrupt': interrupt,
    '/sdapi/v1/samplers': json([{ name: 'Euler a', aliases: [], options: {} }]),
  }
  return {
    script: ({ target }) => routes[target.split('?')[0] ?? ''] ?? json({ detail: 'Not Found' }, 404),
    ...world,
    current: () => current,
    progressAsked: () => asked,
  }
}

/** The first bytes of an MP3: what travisvn's server sends under any type when it has no ffmpeg. */
export const MP3_BYTES = Buffer.concat(
  Array.from({ length: 20 }, () => Buffer.concat([Buffer.from([0xff, 0xf3, 0x64, 0xc4]), Buffer.alloc(140)])),
)

export const mislabelledMp3 = (type = 'audio/wav'): Behaviour => answer(200, MP3_BYTES, { 'content-type': type })

/** travisvn's `stream_format: "sse"`, broken at its head: a failure inside a 200. */
export const speechSseError = (): Behaviour =>
  stream('text/event-stream', ['data: {"type": "error", "error": "a coroutine was expected, got <async_generator object>"}\n\n'])

/** whisper.cpp turns every error that is not 400 or 500 into this, its 503 while loading too. */
export const whisperCppMasked = (path: string): Behaviour => answer(404, `File Not Found (${path})`, { 'content-type': 'text/plain' })

/** Any 400 of whisper.cpp. */
export const whisperCppInvalid = (): Behaviour => answer(400, 'Invalid request', { 'content-type': 'text/plain' })

/** whisper-asr-webservice: JSON that says it is text. */
export const asrJson = (text: string): Behaviour =>
  answer(200, JSON.stringify({ language: 'en', segments: [{ id: 1, start: 0, end: 2.5, text }], text }), {
    'content-type': 'text/plain; charset=utf-8',
    'asr-engine': 'faster_whisper',
    'content-disposition': 'attachment; filename="audio.wav.json"',
  })

/** Two NDJSON objects in one chunk and one object in two, both legal. */
export const ollamaUnevenChunks = (): Behaviour => async (x) => {
  const lines = ollamaLines()
  const joined = lines.slice(0, 2).join('')
  const split = lines.slice(2).join('')
  await x.body()
  await x.send(head(200, { 'content-type': NDJSON, 'transfer-encoding': 'chunked' }))
  for (const part of [joined, split.slice(0, 7), split.slice(7)]) await x.send(chunk(part))
  await x.send(LAST_CHUNK)
}

/** Ollama's list of models when there is none. */
export const noModels = (): Behaviour => json({ object: 'list', data: null })
