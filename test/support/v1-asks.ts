import Anthropic from '@anthropic-ai/sdk'
import OpenAI, { toFile } from 'openai'
import { toneWav } from './media.ts'
import { collect } from './sdk-scene.ts'

/** One way to ask over /v1, as people's programs do it. */
export interface V1Ask {
  readonly name: string
  /** The path on both sides of the gate. */
  readonly path: string
  readonly speaks: 'openai' | 'anthropic'
  readonly capability: 'text' | 'embedding' | 'speech' | 'transcription' | 'image'
  /** How an answer is told from half of one: by its last event, by its closing brace, or, where it is bytes, by HTTP alone. */
  readonly kind: 'events' | 'object' | 'bytes'
  /** Everything that the client gives to its program, as text; rejects where it throws. */
  ask(clients: V1Clients, model: string): Promise<string>
}

export interface V1Clients {
  readonly openai: OpenAI
  readonly anthropic: Anthropic
}

/** Clients that never ask again by themselves. */
export const v1Clients = (url: string, apiKey: string): V1Clients => ({
  openai: new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 }),
  anthropic: new Anthropic({ baseURL: url, apiKey, maxRetries: 0 }),
})

const messages = [{ role: 'user' as const, content: 'Who goes there?' }]
const max_tokens = 50
const told = (value: unknown): string => JSON.stringify(value)
const sound = () => toFile(toneWav(0.01), 'tone.wav', { type: 'audio/wav' })
const bytesOf = async (answer: Response): Promise<string> => Buffer.from(await answer.arrayBuffer()).toString('base64')

/** Events of speech are handed on as text, so that whoever reads them sees an error among them. */
async function eventsOf(answer: Response): Promise<string> {
  const text = await answer.text()
  if (/^data: \{"error":/m.test(text)) throw new Error('an error among the events')
  return text.trimEnd()
}

const of = (capability: V1Ask['capability'], path: string, kind: V1Ask['kind'], speaks: V1Ask['speaks'] = 'openai') => ({
  capability,
  path,
  kind,
  speaks,
})
const chat = (kind: V1Ask['kind']) => of('text', '/v1/chat/completions', kind)
const completions = (kind: V1Ask['kind']) => of('text', '/v1/completions', kind)
const responses = (kind: V1Ask['kind']) => of('text', '/v1/responses', kind)
const letters = (kind: V1Ask['kind']) => of('text', '/v1/messages', kind, 'anthropic')
const speech = (kind: V1Ask['kind']) => of('speech', '/v1/audio/speech', kind)
const transcripts = (kind: V1Ask['kind']) => of('transcription', '/v1/audio/transcriptions', kind)
const stream = true

/** Every protocol of the face, whole and as a stream where it has one. */
export const V1_ASKS: readonly V1Ask[] = [
  { name: 'a chat', ...chat('object'), ask: async ({ openai }, model) => told(await openai.chat.completions.create({ model, messages })) },
  {
    name: 'a chat as a stream',
    ...chat('events'),
    ask: async ({ openai }, model) => told(await collect(await openai.chat.completions.create({ model, messages, stream }))),
  },
  {
    name: 'a completion',
    ...completions('object'),
    ask: async ({ openai }, model) => told(await openai.completions.create({ model, prompt: 'Once' })),
  },
  {
    name: 'a completion as a stream',
    ...completions('events'),
    ask: async ({ openai }, model) => told(await collect(await openai.completions.create({ model, prompt: 'Once', stream }))),
  },
  {
    name: 'a response',
    ...responses('object'),
    ask: async ({ openai }, model) => told(await openai.responses.create({ model, input: 'Who goes there?' })),
  },
  {
    name: 'a response as a stream',
    ...responses('events'),
    ask: async ({ openai }, model) => told(await collect(await openai.responses.create({ model, input: 'Who goes there?', stream }))),
  },
  {
    name: 'a message',
    ...letters('object'),
    ask: async ({ anthropic }, model) => told(await anthropic.messages.create({ model, max_tokens, messages })),
  },
  {
    name: 'a message as a stream',
    ...letters('events'),
    ask: async ({ anthropic }, model) => told(await collect(await anthropic.messages.create({ model, max_tokens, messages, stream }))),
  },
  {
    name: 'vectors',
    ...of('embedding', '/v1/embeddings', 'object'),
    ask: async ({ openai }, model) => told(await openai.embeddings.create({ model, input: ['one', 'two'] })),
  },
  {
    name: 'speech',
    ...speech('bytes'),
    ask: async ({ openai }, model) => bytesOf(await openai.audio.speech.create({ model, voice: 'v', input: 'Good evening' })),
  },
  {
    name: 'speech as events',
    ...speech('events'),
    ask: async ({ openai }, model) =>
      eventsOf(await openai.audio.speech.create({ model, voice: 'v', input: 'Good evening', stream_format: 'sse' })),
  },
  {
    name: 'a transcript',
    ...transcripts('object'),
    ask: async ({ openai }, model) => told(await openai.audio.transcriptions.create({ model, file: await sound() })),
  },
  {
    name: 'a transcript as a stream',
    ...transcripts('events'),
    ask: async ({ openai }, model) =>
      told(await collect(await openai.audio.transcriptions.create({ model, file: await sound(), response_format: 'json', stream }))),
  },
  {
    name: 'a translation',
    ...of('transcription', '/v1/audio/translations', 'object'),
    ask: async ({ openai }, model) => told(await openai.audio.translations.create({ model, file: await sound() })),
  },
  {
    name: 'a picture',
    ...of('image', '/v1/images/generations', 'object'),
    ask: async ({ openai }, model) => told((await openai.images.generate({ model, prompt: 'a gate' })).data),
  },
  {
    name: 'a picture over another',
    ...of('image', '/v1/images/edits', 'object'),
    ask: async ({ openai }, model) => {
      const image = await toFile(Buffer.from('a picture'), 'a.png', { type: 'image/png' })
      return told((await openai.images.edit({ model, image, prompt: 'a gate' })).data)
    },
  },
]
