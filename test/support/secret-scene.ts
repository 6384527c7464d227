import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { asKeyId, randomBase62 } from '../../src/kernel/index.ts'
import { call } from './caller.ts'
import { type Canary, canaryText } from './canaries.ts'
import type { TestKey } from './gateway.ts'
import { type GatewayPlace, gatewayPlace } from './gateway.ts'

/** Keys that are pasted where no key belongs. */
export const PASTED = [
  'path',
  'encoded path',
  'query',
  'model',
  'agent',
  'wrong header',
  'wrong scheme',
  'second header',
  'file name',
  'json key',
  'text',
  'form field',
  'option of a query',
  'key id',
] as const
export type Pasted = (typeof PASTED)[number]

/** What is said by callers and backends. */
export const TEXTS = [
  'chat prompt',
  'speech text',
  'image prompt',
  'whisper prompt',
  'upload',
  'plain body',
  'plain query',
  'no json',
  'field name',
  'form field name',
  'answer',
  'basic password',
  'cookie',
  'forwarded for',
] as const
export type Text = (typeof TEXTS)[number]

export const SERVICES = ['chat', 'tts', 'image', 'whisper', 'rerank'] as const

/** Where a secret may be: everything else is a leak. */
export const ALLOWED: Readonly<Record<Pasted | Text, readonly string[]>> = {
  // What a caller puts into a body is for the backend, keys too: bodies are carried as they come.
  model: ['backend body', 'passed on'],
  'file name': ['backend body'],
  'json key': ['backend body', 'passed on'],
  text: ['backend body', 'passed on'],
  'chat prompt': ['backend body', 'passed on'],
  'plain body': ['backend body', 'passed on'],
  'plain query': ['backend head', 'passed on'],
  // A backend's sentence about a request is told to the caller who made it.
  'speech text': ['backend body', 'passed on', 'errors'],
  'image prompt': ['backend body', 'passed on', 'errors'],
  'whisper prompt': ['backend head', 'passed on', 'errors'],
  upload: ['backend body', 'passed on', 'errors'],
  // The name of a field that does not exist is told to the caller who wrote it.
  'field name': ['errors'],
  'form field name': ['errors'],
  answer: ['good answers'],
  path: [],
  'encoded path': [],
  query: [],
  agent: [],
  'wrong header': [],
  'wrong scheme': [],
  'second header': [],
  'form field': [],
  'option of a query': [],
  'key id': [],
  'no json': [],
  'basic password': [],
  cookie: [],
  'forwarded for': [],
}

export interface SecretScene {
  readonly place: GatewayPlace
  readonly legacyFile: string
  readonly texts: Readonly<Record<Text, string>>
  readonly canaries: Canary[]
  /** A key out of a legacy file. */
  readonly legacy: string
  /** Notes a secret that may be nowhere, and gives it back. */
  secret(name: string, text: string, allowed?: readonly string[]): string
}

/** Headers hold plain characters only. */
const IN_HEADERS: ReadonlySet<Text> = new Set(['basic password', 'cookie', 'forwarded for'])
const textOf = (name: Text): string => (IN_HEADERS.has(name) ? randomBase62(40) : canaryText())

/** A gateway's place with a credential for each backend, a legacy key file, and a secret for every place where one is ever written. */
export function secretScene(backendUrl: string): SecretScene {
  const canaries: Canary[] = []
  const secret = (name: string, text: string, allowed: readonly string[] = []): string => {
    canaries.push({ name, secret: text, allowed })
    return text
  }
  const texts = Object.fromEntries(TEXTS.map((name) => [name, secret(name, textOf(name), ALLOWED[name])])) as Record<Text, string> // one for each name
  const urls = { OLLAMA_URL: backendUrl, TTS_URL: backendUrl, IMAGE_URL: backendUrl, WHISPER_URL: backendUrl }
  const on = { TTS_ENABLED: 'true', IMAGE_ENABLED: 'true', WHISPER_ENABLED: 'true', LOG_LEVEL: 'trace', AUDIT_ROTATE_MIB: '1' }
  const place = gatewayPlace({ ...urls, ...on })
  const legacyFile = join(place.dir, 'old-keys.json')
  const legacy = randomUUID()
  secret('legacy key', legacy.slice(8))
  writeFileSync(
    legacyFile,
    JSON.stringify({ [legacy]: { user: 'eve', service: 'tts', created_at: '2025-06-04T08:20:54', expires_at: null } }),
    {
      mode: 0o600,
    },
  )
  const credentials = SERVICES.map((service) => {
    const file = join(place.dir, `${service}.credential`)
    const value = secret(`credential of ${service}`, `sk-${randomBase62(40)}`, ['backend head'])
    writeFileSync(file, `Bearer ${value}\n`, { mode: 0o600 })
    return [`${service.toUpperCase()}_AUTH_VALUE_FILE`, file] as const
  })
  const config = join(place.dir, 'portcullis.yaml')
  const [name = '', file = ''] = credentials.at(-1) ?? []
  writeFileSync(config, `${configText(backendUrl)}    auth: {value_file: '${file}'}\n`)
  const env = {
    ...place.env,
    ...Object.fromEntries(credentials.filter(([other]) => other !== name)),
    API_KEYS_FILE: legacyFile,
    PORTCULLIS_CONFIG: config,
  }
  return { place: { ...place, env }, legacyFile, texts, canaries, legacy, secret }
}

export const configText = (backendUrl: string): string =>
  `services:\n  rerank:\n    url: ${backendUrl}\n    routes: ['POST /api/rerank -> /v1/rerank', 'GET /api/models/:id{[A-Za-z0-9_%-]+}']\n`

/** Key management as the owner's tools do it, at the socket. */
export class Owner {
  readonly #socketPath: string
  /** Every answer, but for those that show a new key once. */
  readonly answers: string[] = []

  constructor({ dataDir }: GatewayPlace) {
    this.#socketPath = join(dataDir, 'portcullis.sock')
  }

  async ask(method: string, path: string, body?: Readonly<Record<string, unknown>>): Promise<string> {
    const answer = await call(0, { method, path: `/admin/api${path}`, socketPath: this.#socketPath, ...(body !== undefined && { body }) })
    this.answers.push(`${JSON.stringify(answer.headers)} ${answer.body}`)
    return answer.body
  }

  /** A new key, or a new secret: the one answer in which it stands. */
  async shown(path: string, body: Readonly<Record<string, unknown>>): Promise<TestKey> {
    const made = JSON.parse(await this.ask('POST', path, body)) as { id: string; api_key: string } // the contract of these routes
    this.answers.pop()
    return { id: asKeyId(made.id), text: made.api_key }
  }
}

/** What of a key must not be seen: its id may. */
export const secretOf = (key: string): string => key.slice('pcl_'.length + 12 + 1)

/** The secrets that the gateway made for itself, each in the one file that is its own. */
export const ownSecrets = ({ dataDir }: GatewayPlace): readonly Canary[] =>
  OWN_FILES.filter((name) => existsSync(join(dataDir, name))).map((name) => {
    const lines = readFileSync(join(dataDir, name), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('-----'))
    return { name, secret: lines.join('\n').slice(-40), allowed: [`own ${name}`] }
  })
/** The last is made when a key first wants its prompts kept. */
export const OWN_FILES = ['lookup.pepper', 'ledger.key', 'endpoints.key', 'contents.key'] as const
