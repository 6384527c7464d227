import { LIMITS, own, type Right } from '../kernel/index.ts'
import type { BodyPolicy, DialectName, OperationName, Route, ServiceSettings } from './service.ts'

type Row = readonly [method: string, path: string, right: Right, operation: OperationName, body: BodyPolicy, upstream: string]

const MODEL_DIGEST = '{sha256[:-][0-9a-f]{64}}'

/** The built-in services' routes: [method, path below the prefix, right, operation, body policy, path on the backend]. */
const ROUTES: Readonly<Record<string, readonly Row[]>> = {
  chat: [
    ['POST', '/api/generate', 'text', 'raw', 'ollama', '/api/generate'],
    ['POST', '/api/chat', 'text', 'raw', 'ollama', '/api/chat'],
    ['POST', '/api/embed', 'embedding', 'raw', 'ollama', '/api/embed'],
    ['POST', '/api/embeddings', 'embedding', 'raw', 'ollama', '/api/embeddings'],
    ['POST', '/api/show', 'text', 'raw', 'ollama', '/api/show'],
    ['GET', '/api/tags', 'text', 'raw', 'none', '/api/tags'],
    ['GET', '/api/ps', 'text', 'raw', 'none', '/api/ps'],
    ['GET', '/api/version', 'text', 'raw', 'none', '/api/version'],
    ['POST', '/api/pull', 'manage:chat', 'raw', 'stream', '/api/pull'],
    ['POST', '/api/push', 'manage:chat', 'raw', 'stream', '/api/push'],
    ['POST', '/api/create', 'manage:chat', 'raw', 'stream', '/api/create'],
    ['POST', '/api/copy', 'manage:chat', 'raw', 'stream', '/api/copy'],
    ['DELETE', '/api/delete', 'manage:chat', 'raw', 'stream', '/api/delete'],
    ['HEAD', `/api/blobs/:digest${MODEL_DIGEST}`, 'manage:chat', 'raw', 'none', '/api/blobs/:digest'],
    ['POST', `/api/blobs/:digest${MODEL_DIGEST}`, 'manage:chat', 'raw', 'stream', '/api/blobs/:digest'],
  ],
  tts: [
    ['POST', '/api/speak', 'speech', 'speech', 'json', ''],
    ['GET', '/api/voices', 'speech', 'voices', 'none', ''],
  ],
  image: [
    ['POST', '/api/generate', 'image', 'image', 'json', ''],
    ['POST', '/api/generate/simple', 'image', 'simple-image', 'json', ''],
    ['GET', '/api/models', 'image', 'image-models', 'none', ''],
    ['GET', '/api/samplers', 'image', 'image-samplers', 'none', ''],
  ],
  whisper: [['POST', '/api/transcribe', 'transcription', 'transcribe', 'stream', '']],
}

/** Bodies that are larger than their service's bound: model blobs are files of many gigabytes. */
const BODY_BYTES_MAX: Readonly<Record<string, number>> = { 'POST /api/blobs': LIMITS.blobBodyBytesMax }

export function builtinRoutes(service: Pick<ServiceSettings, 'name' | 'prefix' | 'bodyBytesMax'>): readonly Route[] {
  return (own(ROUTES, service.name) ?? []).map(([method, path, right, operation, body, upstream]) => ({
    method,
    path: `${service.prefix}${path}`,
    right,
    operation,
    body,
    upstream,
    query: false,
    bodyBytesMax: BODY_BYTES_MAX[`${method} ${path.split('/:')[0]}`] ?? service.bodyBytesMax,
  }))
}

interface BuiltinDefaults {
  readonly url: string
  readonly dialect: DialectName
  /** The dialects this service can be given. */
  readonly dialects: readonly DialectName[]
  readonly firstByteMs: number
  readonly bodyBytesMax: number
  readonly concurrency: number
}

/** The four services of the gate, as the defaults of the same block that a configured service has. */
export const BUILTIN: Readonly<Record<string, BuiltinDefaults>> = {
  chat: {
    url: 'http://127.0.0.1:11434',
    dialect: 'ollama',
    dialects: ['ollama'],
    firstByteMs: LIMITS.chatFirstByteMsMax,
    bodyBytesMax: LIMITS.chatBodyBytesMax,
    concurrency: 0,
  },
  tts: {
    url: 'http://127.0.0.1:8090',
    dialect: 'speak',
    dialects: ['speak', 'openai'],
    firstByteMs: LIMITS.speechFirstByteMsMax,
    bodyBytesMax: LIMITS.speechBodyBytesMax,
    concurrency: 0,
  },
  image: {
    url: 'http://127.0.0.1:7860',
    dialect: 'a1111',
    dialects: ['a1111'],
    firstByteMs: LIMITS.imageFirstByteMsMax,
    bodyBytesMax: LIMITS.imageBodyBytesMax,
    concurrency: 1, // the backend has one lock anyway; in our queue a caller who leaves frees the place
  },
  whisper: {
    url: 'http://127.0.0.1:9000',
    dialect: 'asr',
    dialects: ['asr', 'openai', 'whispercpp'],
    firstByteMs: LIMITS.whisperFirstByteMsMax,
    bodyBytesMax: LIMITS.audioBodyBytesMax,
    concurrency: 0,
  },
}
