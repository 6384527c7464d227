import type { DialectName, Endpoint, Listed, Listing } from '../catalog/index.ts'
import type { Capability } from '../kernel/index.ts'
import { isRecord, jsonOf } from './fault.ts'
import { isCloudModel } from './ollama/policy.ts'

/** What each language calls the question for its models, and how its answer reads. None of these loads one. */
const LISTINGS: Readonly<Record<DialectName, Listing>> = {
  ollama: {
    path: () => '/api/tags',
    read: (status, body, { cloudModels }) => listIn(status, body, 'models')?.flatMap((entry) => ollamaModel(entry, cloudModels)) ?? null,
  },
  openai: {
    path: ({ apiRoot }) => `${apiRoot}/models`,
    read: (status, body, endpoint) =>
      (listIn(status, body, 'data') ?? listIn(status, body, 'models'))?.flatMap((entry) => openaiModel(entry, endpoint)) ?? null,
  },
  anthropic: {
    path: ({ apiRoot }) => `${apiRoot}/models?limit=1000`,
    headers: { 'anthropic-version': '2023-06-01' },
    read: (status, body) => listIn(status, body, 'data')?.flatMap((entry) => named(entry, 'id', () => 'text')) ?? null,
  },
  a1111: {
    path: () => '/sdapi/v1/sd-models',
    read: (status, body) => {
      const checkpoints = status === 200 ? jsonOf(body.toString('utf8')) : null
      return Array.isArray(checkpoints) ? [LOADED_CHECKPOINT, ...checkpoints.flatMap(checkpoint)] : null
    },
  },
  speak: onlyOne('/health', { name: 'tts-1', upstream: null, capability: 'speech' }),
  asr: onlyOne('/docs', { name: 'whisper-1', upstream: null, capability: 'transcription' }),
  whispercpp: onlyOne('/health', { name: 'whisper-1', upstream: null, capability: 'transcription' }),
  plain: { path: () => '/', read: () => [] },
}

export const listingOf = ({ dialect }: Pick<Endpoint, 'dialect'>): Listing => LISTINGS[dialect]

/** A backend with one model gives it the name that OpenAI's clients ask for; that it answers at all is what it is asked. */
function onlyOne(path: string, model: Listed): Listing {
  return { path: () => path, read: (status) => (status < 500 ? [model] : null) }
}

/** Where there are no models, Ollama says `null` in the place of a list. */
function listIn(status: number, body: Buffer, field: string): readonly unknown[] | null {
  const answer = status === 200 ? jsonOf(body.toString('utf8')) : null
  if (!isRecord(answer) || !Object.hasOwn(answer, field)) return null
  const list = answer[field]
  return list === null ? [] : Array.isArray(list) ? list : null
}

type Entry = Readonly<Record<string, unknown>>

function named(entry: unknown, field: string, capabilityOf: (name: string, entry: Entry) => Capability): readonly Listed[] {
  const name = isRecord(entry) ? entry[field] : undefined
  return isRecord(entry) && typeof name === 'string' && name !== '' ? [{ name, upstream: name, capability: capabilityOf(name, entry) }] : []
}

function ollamaModel(entry: unknown, cloudModels: boolean): readonly Listed[] {
  // Prompts for such a one go to ollama.com, on the account of the host.
  const isElsewhere = isRecord(entry) && (Boolean(entry.remote_model) || Boolean(entry.remote_host) || isCloudModel(String(entry.name)))
  return isElsewhere && !cloudModels ? [] : named(entry, 'name', ollamaCapability)
}

function ollamaCapability(name: string, { capabilities, details }: Entry): Capability {
  if (Array.isArray(capabilities) && capabilities.length > 0) {
    return capabilities.includes('embedding') && !capabilities.includes('completion') ? 'embedding' : 'text'
  }
  // Older ones tell no more than the family.
  const families = isRecord(details) ? [details.family, ...(Array.isArray(details.families) ? details.families : [])] : []
  return families.some((family) => typeof family === 'string' && /bert/i.test(family)) || EMBEDDING.test(name) ? 'embedding' : 'text'
}

const EMBEDDING = /embed|(?:^|[/-])(?:bge|gte|e5|minilm|paraphrase)\b/i

/** A server of OpenAI's kind does not say what a model is for. Its name does where it is a well-known one. */
const BY_NAME: readonly (readonly [RegExp, Capability])[] = [
  [EMBEDDING, 'embedding'],
  [/whisper|transcribe/i, 'transcription'],
  [/(?:^|[/-])tts\b|^kokoro/i, 'speech'],
  [/dall-e|gpt-image|stable-diffusion|(?:^|\/)flux/i, 'image'],
]

const OF_SERVICE: Readonly<Record<string, Capability>> = { 'builtin:tts': 'speech', 'builtin:whisper': 'transcription' }

const openaiModel = (entry: unknown, { ref }: Endpoint): readonly Listed[] =>
  named(entry, 'id', (name) => OF_SERVICE[ref] ?? BY_NAME.find(([pattern]) => pattern.test(name))?.[1] ?? 'text')

/** The one that is loaded; to name another is to have it loaded. */
const LOADED_CHECKPOINT: Listed = { name: 'stable-diffusion', upstream: null, capability: 'image' }

function checkpoint(entry: unknown): readonly Listed[] {
  if (!isRecord(entry) || typeof entry.model_name !== 'string' || typeof entry.title !== 'string') return []
  return [{ name: entry.model_name, upstream: entry.title, capability: 'image' }]
}
