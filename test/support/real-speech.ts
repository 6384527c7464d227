import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  asText,
  type Call,
  type Handler,
  parseFields,
  Refusal,
  readBytes,
  readForm,
  type StandIn,
  sendJson,
  sendText,
  serve,
} from '../../src/demo/index.ts'
import { lacking, type Tool, toolOrThrow } from './tools.ts'

/** Why the real engines cannot run here; '' when they can. */
export const realSpeechLacking = (): string => lacking('flite', 'sox', 'pocketsphinx_continuous')

const FLITE_VOICES = ['rms', 'kal16', 'slt'] as const
/** What the recogniser's model was trained on. */
const HEARING = ['-r', '16000', '-c', '1', '-b', '16'] as const
const RUN_MS_MAX = 60_000

/** A voice made by flite behind the `/speak` wrapper's interface: real words, as WAV. */
export function realSpeechServer(): Promise<StandIn> {
  const [flite, sox] = [toolOrThrow('flite'), toolOrThrow('sox')]
  const speak: Handler = async (call) => {
    const fields = parseFields(await readBytes(call, 100_000)) ?? {}
    const text = asText(fields.text)
    const voice = FLITE_VOICES.find((name) => name === (asText(fields.voice) || 'rms'))
    if (text === '') throw new Refusal(400, { detail: 'text is empty' })
    if (voice === undefined) throw new Refusal(400, { detail: `unknown voice '${asText(fields.voice)}'` })
    const wav = await inScratch(async (scratch) => {
      await writeFile(join(scratch, 'text'), text)
      await run(flite, ['-voice', voice, '-f', join(scratch, 'text'), '-o', join(scratch, 'raw.wav')], call)
      await run(sox, [join(scratch, 'raw.wav'), ...HEARING, join(scratch, 'spoken.wav')], call)
      return readFile(join(scratch, 'spoken.wav'))
    })
    call.res.writeHead(200, { 'content-type': 'audio/wav' }).end(wav)
  }
  const routes: Readonly<Record<string, Handler>> = {
    'POST /speak': speak,
    'GET /health': ({ res }) => sendJson(res, 200, { status: 'ok', engine: 'flite' }),
    'GET /voices': ({ res }) => sendJson(res, 200, { voices: FLITE_VOICES.map((name) => ({ ShortName: name, Locale: 'en-US' })) }),
  }
  return serve(by(routes))
}

/** A recogniser, pocketsphinx, behind whisper-asr-webservice's interface. */
export function realHearingServer(): Promise<StandIn> {
  const [sox, sphinx] = [toolOrThrow('sox'), toolOrThrow('pocketsphinx_continuous')]
  const asr: Handler = async (call) => {
    const upload = (await readForm(call)).files.get('audio_file')
    if (upload === undefined)
      throw new Refusal(422, { detail: [{ type: 'missing', loc: ['body', 'audio_file'], msg: 'Field required', input: null }] })
    const text = await inScratch(async (scratch) => {
      await writeFile(join(scratch, 'given'), upload.bytes)
      await run(sox, [join(scratch, 'given'), ...HEARING, join(scratch, 'heard.wav')], call)
      return run(sphinx, ['-infile', join(scratch, 'heard.wav'), '-logfn', join(scratch, 'log')], call)
    })
    const heard = text.split('\n').join(' ').trim()
    call.res.setHeader('asr-engine', 'pocketsphinx')
    const json = { text: ` ${heard}`, segments: [{ id: 1, start: 0, end: 0, text: ` ${heard}` }], language: 'en' }
    sendText(call.res, 200, call.query.get('output') === 'json' ? JSON.stringify(json) : `${heard}\n`)
  }
  return serve(by({ 'POST /asr': asr, 'GET /docs': ({ res }) => sendText(res, 200, 'POST /asr') }))
}

const by =
  (routes: Readonly<Record<string, Handler>>): Handler =>
  (call) => {
    const handler = routes[`${call.req.method} ${call.path}`]
    if (handler === undefined) throw new Refusal(404, { detail: 'Not Found' })
    return handler(call)
  }

async function inScratch<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'portcullis-speech-'))
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** What a program prints; it is ended when the caller leaves or after a minute. */
function run(tool: Tool, args: readonly string[], { left }: Call): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool.path, [...tool.args, ...args], {
      env: { ...process.env, ...tool.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: left,
      timeout: RUN_MS_MAX,
    })
    const said = { out: '', err: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said.err += text
    })
    child.on('error', reject)
    child.on('close', (status) => {
      if (status === 0) resolve(said.out)
      else reject(new Error(`${tool.path} ended with ${status}: ${said.err.slice(-300)}`))
    })
  })
}
