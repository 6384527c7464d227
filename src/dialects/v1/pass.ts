import type { DialectName, Endpoint, Protocol } from '../../catalog/index.ts'
import { type Edit, edited, isEventStream, isJson } from '../../http/index.ts'
import { isRecord } from '../fault.ts'
import { judgedEdits } from '../ollama/policy.ts'
import type { Plan, StreamReader } from '../plan.ts'
import type { ReadBody } from '../tokens.ts'
import { AnswerReader, renamed } from './answer.ts'
import { embeddingsAs } from './embeddings.ts'
import { v1FaultOf } from './fault.ts'
import { CHAT, type Grammar, MEDIA, MESSAGES, RESPONSES } from './grammar.ts'
import { renamer } from './rename.ts'
import { EventReader } from './stream.ts'

/** The same protocol on both sides: the bytes pass, but for what must change. */
export interface Passing {
  readonly protocol: Protocol
  readonly endpoint: PassedTo
  /** Whether the caller may manage what stands there. */
  readonly mayManage: boolean
  readonly body: ReadBody
  /** The model's name there; null leaves the caller's. */
  readonly upstream: string | null
  /** Its public name. */
  readonly name: string
  /** Fields that the body gets where it does not say them itself. */
  readonly options: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
}

/** Some providers have the protocol under a path of their own, which stands there for `/v1`. */
type PassedTo = Pick<Endpoint, 'ref' | 'dialect' | 'apiRoot' | 'cloudModels'>

const PATHS: Readonly<Record<Protocol, string>> = {
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
  embeddings: '/v1/embeddings',
  responses: '/v1/responses',
  messages: '/v1/messages',
  speech: '/v1/audio/speech',
  transcriptions: '/v1/audio/transcriptions',
  translations: '/v1/audio/translations',
  images: '/v1/images/generations',
  edits: '/v1/images/edits',
}

const GRAMMARS: Readonly<Record<Protocol, Grammar>> = {
  chat: CHAT,
  completions: CHAT,
  embeddings: CHAT,
  responses: RESPONSES,
  messages: MESSAGES,
  speech: MEDIA,
  transcriptions: MEDIA,
  translations: MEDIA,
  images: MEDIA,
  edits: MEDIA,
}

/** Dialects that speak the protocols of the /v1 face themselves; all others are translated to. */
const NATIVE: ReadonlySet<DialectName> = new Set(['openai', 'ollama', 'anthropic'])
export const passesThrough = (dialect: DialectName): boolean => NATIVE.has(dialect)

export const v1Path = (protocol: Protocol): string => PATHS[protocol]
export const v1PathAt = (root: string, protocol: Protocol): string => root + PATHS[protocol].slice('/v1'.length)

export function passPlan(passing: Passing): Plan {
  const { protocol, body, headers } = passing
  const rename = passing.upstream === null ? null : renamer(passing.upstream, passing.name)
  const asksUsage = needsUsageAsked(protocol, body.fields)
  const edits = editsOf(passing, asksUsage)
  const plan = {
    request: {
      method: 'POST',
      path: v1PathAt(passing.endpoint.apiRoot, protocol),
      headers: { 'content-type': 'application/json', ...headers },
      body: edited(body.bytes, edits),
    },
    reader: readerOf(protocol, { dropUnasked: asksUsage, rename }),
    passes: passesOf(protocol),
    fault: v1FaultOf(passing.upstream, passing.name),
  }
  if (protocol === 'embeddings') return { ...plan, ...embeddingsReshape(body.fields, rename) }
  return rename === null ? plan : { ...plan, reshape: renamed(protocol, rename), reshapes: isJson }
}

/** Without it a stream tells no counts; who did not ask for them does not see them. */
const needsUsageAsked = (protocol: Protocol, { stream, stream_options: options }: ReadBody['fields']): boolean =>
  (protocol === 'chat' || protocol === 'completions') && stream === true && !(isRecord(options) && options.include_usage === true)

const BODY_OPEN = 0x7b

function editsOf(passing: Passing, asksUsage: boolean): readonly Edit[] {
  const { upstream, options } = passing
  const { bytes, keys, fields } = passing.body
  const edits: Edit[] = [...judged(passing)]
  const added: Record<string, unknown> = {}
  const set = (name: string, value: unknown): void => {
    const span = keys.find((key) => key.name === name)
    if (span === undefined) added[name] = value
    else edits.push({ start: span.start, end: span.end, text: `${JSON.stringify(value)} ` })
  }
  if (upstream !== null && fields.model !== upstream) set('model', upstream)
  for (const name in options) if (!keys.some((key) => key.name === name)) added[name] = options[name]
  if (asksUsage) set('stream_options', { ...(isRecord(fields.stream_options) ? fields.stream_options : {}), include_usage: true })
  const front = JSON.stringify(added).slice(1, -1)
  if (front !== '') {
    const open = bytes.indexOf(BODY_OPEN) + 1
    edits.push({ start: open, end: open, text: keys.length === 0 ? front : `${front},` })
  }
  return edits.sort((one, other) => one.start - other.start)
}

/**
 * What an ordinary key may not do to everybody over /chat it may not over /v1: Ollama reads neither field there as yet, and need not tell when it does. Cloud
 * models are a decision of the configuration for the gate's own service, and of whoever made it for an endpoint of the store.
 */
function judged({ endpoint, body, mayManage, upstream, name }: Passing): readonly Edit[] {
  if (endpoint.dialect !== 'ollama') return NO_EDITS
  const allowCloudModels = endpoint.cloudModels || !endpoint.ref.startsWith('builtin:')
  return judgedEdits(body, upstream ?? name, { mayManage, allowCloudModels })
}
const NO_EDITS: readonly Edit[] = Object.freeze([])

const PAGE = /^text\/html\b/i

/** A page of a proxy, which asks for a login or for patience, is no answer though it has status 200. What sounds and pictures come as is as varied as their makers. */
export const passesOf =
  (protocol: Protocol) =>
  (contentType: string): boolean =>
    MEDIA_PROTOCOLS.has(protocol) ? !PAGE.test(contentType) : isJson(contentType) || isEventStream(contentType)

const MEDIA_PROTOCOLS: ReadonlySet<Protocol> = new Set(['speech', 'transcriptions', 'translations', 'images', 'edits'])

export const readerOf =
  (protocol: Protocol, options: { readonly dropUnasked: boolean; readonly rename: ((bytes: Buffer) => Buffer) | null }) =>
  (status: number, contentType: string): StreamReader | null => {
    if (status >= 400) return null
    if (isEventStream(contentType)) return new EventReader({ grammar: GRAMMARS[protocol], ...options })
    return isJson(contentType) ? new AnswerReader(protocol) : null
  }

function embeddingsReshape(fields: ReadBody['fields'], rename: ((bytes: Buffer) => Buffer) | null): Pick<Plan, 'reshape' | 'reshapes'> {
  return { reshape: embeddingsAs(fields.encoding_format === 'base64' ? 'base64' : 'float', rename), reshapes: isJson }
}
