import { type StandIns, startStandIns } from '../../src/demo/index.ts'
import { type AnthropicBackend, anthropicBackend } from './anthropic-backend.ts'
import { call } from './caller.ts'
import { freePort } from './free-port.ts'
import { type GatewayUnderTest, startTestGateway } from './gateway.ts'
import { type OpenaiBackend, openaiBackend } from './openai-backend.ts'
import { until } from './until.ts'

/** The same tests against the backends themselves show whose fault a failure is: PORTCULLIS_SDK_DIRECT=1. */
export const THROUGH_GATE = process.env.PORTCULLIS_SDK_DIRECT !== '1'

const PROVIDER_KEY = 'sk-provider-0001'
const MESSAGES_KEY = 'messages-provider-0001'

/** What stands behind the names: models of the scripted backends, and those that the stand-ins list themselves. */
const MODELS = [
  { name: 'scripted', capability: 'text', endpoint: 'open', upstream: 'scripted' },
  { name: 'org/model:7b', capability: 'text', endpoint: 'open', upstream: 'org/model:7b' },
  { name: 'renamed', capability: 'text', endpoint: 'open', upstream: 'weights-of-august' },
  { name: 'vectors', capability: 'embedding', endpoint: 'open', upstream: 'vectors' },
  { name: 'voice', capability: 'speech', endpoint: 'open', upstream: 'kokoro' },
  { name: 'ears', capability: 'transcription', endpoint: 'open', upstream: 'whisper-large' },
  { name: 'brush', capability: 'image', endpoint: 'open', upstream: 'brush-xl' },
  { name: 'prose', capability: 'text', endpoint: 'letters', upstream: 'prose-4' },
  { name: 'nowhere', capability: 'text', endpoint: 'dead', upstream: 'nowhere' },
] as const
const DISCOVERED = ['stand-in:latest', 'stand-in-embed:latest', 'tts-1', 'whisper-1', 'stable-diffusion'] as const

export interface SdkScene {
  readonly standIns: StandIns
  /** vLLM, speaches and the like: scripted, with a key of its own. */
  readonly open: OpenaiBackend
  /** Anthropic's protocol: scripted, with a key of its own. */
  readonly letters: AnthropicBackend
  /** Without a gateway there is none to ask. */
  readonly gate: GatewayUnderTest
  /** What an OpenAI client is made of, to reach this model. */
  to(model: string): { readonly baseURL: string; readonly apiKey: string }
  /** The same for Anthropic's clients, which add `/v1` themselves. */
  toMessages(model: string): { readonly baseURL: string; readonly apiKey: string }
  /** Backends behave again and remember nothing, and the gate, which leaves alone for a while what fails five times in a row, knows it. */
  forget(): Promise<void>
  close(): Promise<void>
}

/** Clients, the gate and everything behind it, on loopback. */
export async function openSdkScene(env: Readonly<Record<string, string>> = {}): Promise<SdkScene> {
  const standIns = await startStandIns({ tokensPerSecond: Number.POSITIVE_INFINITY, imageStepMs: 0, whisperMs: 0 })
  const open = await openaiBackend({ apiKey: PROVIDER_KEY })
  const letters = await anthropicBackend({ apiKey: MESSAGES_KEY })
  const gate = THROUGH_GATE ? await openGate(standIns, open, letters, env) : null
  const key = gate === null ? PROVIDER_KEY : (await gate.key()).text
  const direct = (model: string): string => (model.startsWith('stand-in') ? standIns.ollama.url : open.url)
  return {
    standIns,
    open,
    letters,
    get gate() {
      if (gate === null) throw new Error('this test is only for the gate')
      return gate
    },
    to: (model) => ({ baseURL: `${gate?.url ?? direct(model)}/v1`, apiKey: key }),
    toMessages(model) {
      if (gate !== null) return { baseURL: gate.url, apiKey: key }
      return { baseURL: model.startsWith('stand-in') ? standIns.ollama.url : letters.url, apiKey: MESSAGES_KEY }
    },
    async forget() {
      open.forget()
      letters.forget()
      if (gate !== null) await Promise.all(SERVED.map((body) => serve(gate, key, body)))
      open.forget()
      letters.forget()
    },
    async close() {
      await gate?.stop()
      await Promise.all([standIns.close(), open.close(), letters.close()])
      const faults = [...open.faults, ...letters.faults]
      if (faults.length > 0) throw new AggregateError(faults, 'a backend of the scene failed')
    },
  }
}

const SERVED = [
  { path: '/v1/chat/completions', body: { model: 'scripted', messages: [{ role: 'user', content: 'Are you well?' }] } },
  { path: '/v1/messages', body: { model: 'prose', max_tokens: 9, messages: [{ role: 'user', content: 'Are you well?' }] } },
] as const

async function serve({ port }: GatewayUnderTest, key: string, { path, body }: (typeof SERVED)[number]): Promise<void> {
  const answer = await call(port, { path, key, body })
  if (answer.status !== 200) throw new Error(`a backend that behaves was not reached: ${answer.status} ${answer.body}`)
}

async function openGate(
  standIns: StandIns,
  open: OpenaiBackend,
  letters: AnthropicBackend,
  env: Readonly<Record<string, string>>,
): Promise<GatewayUnderTest> {
  const gate = await startTestGateway({
    OLLAMA_URL: standIns.ollama.url,
    TTS_ENABLED: 'true',
    TTS_URL: standIns.tts.url,
    IMAGE_ENABLED: 'true',
    IMAGE_URL: standIns.image.url,
    WHISPER_ENABLED: 'true',
    WHISPER_URL: standIns.whisper.url,
    ...env,
  })
  const endpoints = [
    { name: 'open', url: open.baseUrl, dialect: 'openai', key: PROVIDER_KEY },
    { name: 'letters', url: `${letters.url}/v1`, dialect: 'anthropic', key: MESSAGES_KEY },
    { name: 'dead', url: `http://127.0.0.1:${await freePort()}/v1`, dialect: 'openai' },
  ]
  for (const endpoint of endpoints) await manage(gate, '/admin/api/endpoints', endpoint)
  for (const { name, capability, endpoint, upstream } of MODELS)
    await manage(gate, '/admin/api/models', { name, capability, endpoints: [{ endpoint, upstream }] })
  const { text: key } = await gate.key()
  await until(async () => lists(await call(gate.port, { path: '/v1/models', key })), {
    withinMs: 10_000,
    what: `the models ${DISCOVERED.join(', ')} to appear by themselves`,
  })
  return gate
}

const lists = ({ body }: { readonly body: string }): boolean => DISCOVERED.every((name) => body.includes(`"${name}"`))

async function manage(gate: GatewayUnderTest, path: string, body: Readonly<Record<string, unknown>>): Promise<void> {
  const answer = await call(0, { method: 'POST', path, socketPath: gate.gateway.house.socket, body })
  if (answer.status !== 201) throw new Error(`${path} answered ${answer.status}: ${answer.body}`)
}

export async function collect<T>(parts: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const part of parts) all.push(part)
  return all
}

/** What something throws; fails when it does not. */
export async function thrown(doing: Promise<unknown>): Promise<unknown> {
  try {
    await doing
  } catch (fault) {
    return fault
  }
  throw new Error('nothing was thrown')
}
