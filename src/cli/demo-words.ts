import { join } from 'node:path'
import pc from 'picocolors'
import type { Service } from '../catalog/index.ts'
import { PACKAGE_ROOT } from '../config.ts'
import { visible } from '../kernel/index.ts'
import type { Backend } from './demo-backends.ts'

export interface Demo {
  readonly port: number
  readonly wanted: number
  readonly real: boolean
  readonly dir: string
  readonly backends: readonly Backend[]
  readonly key: { readonly text: string; readonly file: string }
}

/** What the demo says of itself: what runs where, the key, and lines to paste. */
export async function introduction(demo: Demo): Promise<readonly string[]> {
  const { port, wanted, backends, key } = demo
  return [
    ...(wanted !== 0 && port !== wanted ? [`Port ${wanted} is taken by another program, so the demo runs on ${port}.`] : []),
    `${pc.bold('Portcullis')} listens on http://127.0.0.1:${port}`,
    ...(demo.real && backends.every(({ real }) => !real) ? ['None of the real backends answers, so stand-ins take all their places.'] : []),
    ...backends.map((backend) => `  ${backend.service.prefix.padEnd(10)}${behind(backend)}`),
    '',
    `A new key, shown this once: ${pc.bold(key.text)}`,
    `(the lines below read it from ${key.file})`,
    '',
    ...(await pasteLines(demo)).flatMap((line) => [line, '']),
    `OpenAI's and Anthropic's clients take the same key: base URL http://127.0.0.1:${port}/v1 (Anthropic's without /v1); what they can ask for:`,
    `curl -sS http://127.0.0.1:${port}/v1/models -H "Authorization: Bearer $(cat ${q(key.file)})"`,
    '',
    'Another key, here one that may ask once a minute; what stands before the command has it speak to the demo and not to a gate of yours:',
    `${placesOf(demo)} ${q(join(PACKAGE_ROOT, 'scripts', 'apikey'))} generate -u you -s all --rate 1/m`,
    '',
    'Ctrl-C ends the demo and removes everything it made.',
  ]
}

function behind({ service, real, why }: Backend): string {
  if (real) return visible(service.url)
  return why === '' ? 'a stand-in, made for this demo' : `a stand-in, made for this demo, because ${visible(why)}`
}

/** A path or body as one word of the shell. */
const q = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
const body = (value: object): string => q(JSON.stringify(value))

/** By which commands find the demo's own gate. */
const placesOf = ({ dir }: Demo): string => `DATA_DIR=${q(join(dir, 'data'))} AUDIT_LOG_FILE=${q(join(dir, 'audit.log'))}`

async function pasteLines({ port, dir, backends, key }: Demo): Promise<readonly string[]> {
  const header = `-H "X-API-Key: $(cat ${q(key.file)})"`
  const at = (name: string, path: string): string => {
    const prefix = backends.find(({ service }) => service.name === name)?.service.prefix ?? `/${name}`
    return `http://127.0.0.1:${port}${prefix}${path} ${header}`
  }
  const [speech, sound] = speechOf(backends.find(({ service }) => service.name === 'tts'))
  const [soundFile, picture] = [q(join(dir, sound)), q(join(dir, 'castle.png'))]
  return [
    `curl -sSN ${at('chat', '/api/generate')} -d ${body({ model: await modelOf(backends), prompt: 'Why is the sky blue?' })}`,
    `curl -sSf ${at('tts', '/api/speak')} -d ${body(speech)} -o ${soundFile} && ls -l ${soundFile}`,
    `curl -sSf ${at('image', '/api/generate/simple')} -H 'Accept: image/png' -d ${body({ prompt: 'a castle at dawn' })} -o ${picture} && ls -l ${picture}`,
    `curl -sS ${at('whisper', '/api/transcribe')} -F file=@${soundFile}`,
    `${q(join(PACKAGE_ROOT, 'scripts', 'analyze-logs'))} --log-file ${q(join(dir, 'audit.log'))}`,
  ]
}

/** Edge-TTS makes mp3 and the stand-in WAV, whatever they are asked for; the others have voices of their own, and make WAV, which every whisper reads. */
function speechOf(tts: Backend | undefined): readonly [fields: object, file: string] {
  const text = 'Hello from behind the gate'
  if (tts?.real && tts.service.dialect === 'openai') return [{ text, format: 'wav' }, 'hello.wav']
  return [{ text, voice: 'en-US-JennyNeural' }, tts?.real ? 'hello.mp3' : 'hello.wav']
}

const PULL_THIS = 'llama3.2'

/** A model that is there: the stand-in's only one, or one that the real Ollama has on its disk. */
async function modelOf(backends: readonly Backend[]): Promise<string> {
  const chat = backends.find(({ service }) => service.name === 'chat')
  if (chat === undefined || !chat.real) return 'stand-in'
  const models = await modelsAt(chat.service).catch(() => [])
  return models.find(canTalk)?.name ?? PULL_THIS
}

interface Model {
  readonly name: string
  readonly capabilities?: readonly string[]
  readonly remote_host?: string
}

/** The demo asks as any client would, before there is anything for the gate to carry. */
async function modelsAt({ url, auth }: Service): Promise<readonly Model[]> {
  const address = new URL(`${url}/api/tags`)
  const headers: Record<string, string> = auth === null ? {} : { [auth.header]: auth.value.reveal() }
  const answer = await fetch(address, { headers, signal: AbortSignal.timeout(3_000) })
  const { models = [] } = (await answer.json()) as { models?: readonly Model[] } // Ollama's own shape; a liar's would only spoil a line to paste
  return models
}

const canTalk = ({ name, capabilities, remote_host }: Model): boolean =>
  typeof name === 'string' && remote_host === undefined && (capabilities?.includes('completion') ?? !/embed/i.test(name))
