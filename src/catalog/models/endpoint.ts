import { asEndpointId, asTenantId, DEFAULT_TENANT, type EndpointId, LIMITS, NO_LIMITS, Secret, type TenantId } from '../../kernel/index.ts'
import { type Endpoint, PROTOCOLS, type Protocol, protocolsOf } from '../model.ts'
import { type Deadlines, DIALECTS, type DialectName, type Service } from '../service.ts'
import { allowanceOf, type OwnLimits, ownLimitsIn, ownLimitsRow } from './own-limits.ts'
import type { EndpointRow } from './store.ts'

/** An endpoint of the store, as people made it: what it is shown by, and what the endpoint that requests go to is made of. */
export interface EndpointRecord extends OwnLimits {
  readonly id: EndpointId
  readonly tenant: TenantId
  readonly name: string
  /** As it was given. */
  readonly url: string
  readonly dialect: DialectName
  /** Null where it speaks what its dialect does. */
  readonly speaks: readonly Protocol[] | null
  readonly sealedKey: string | null
  readonly concurrency: number
  readonly priority: number
  readonly abort: 'cancel' | 'drain'
  readonly remote: 'refuse' | 'allow'
  readonly discover: boolean
  readonly createdMs: number
  readonly disabledMs: number | null
}

/** Throws on a row that no version of ours wrote. */
export function endpointRecordOf(row: EndpointRow): EndpointRecord {
  const dialect = DIALECTS.find((name) => name === row.dialect)
  if (dialect === undefined) throw new TypeError(`${row.dialect} is no dialect`)
  if (!/^https?:\/\//.test(row.url) || !URL.canParse(row.url)) throw new TypeError('its url is none')
  return {
    id: asEndpointId(row.id),
    tenant: asTenantId(row.tenant),
    name: row.name,
    url: row.url,
    dialect,
    speaks: row.speaks === null ? null : protocolsIn(JSON.parse(row.speaks)),
    sealedKey: row.sealed_key,
    ...ownLimitsIn(row),
    concurrency: row.concurrency,
    priority: row.priority,
    abort: row.abort === 'drain' ? 'drain' : 'cancel',
    remote: row.remote === 'allow' ? 'allow' : 'refuse',
    discover: row.discover === 1,
    createdMs: row.created_ms,
    disabledMs: row.disabled_ms,
  }
}

export const endpointRowOf = (record: EndpointRecord): EndpointRow => ({
  id: record.id,
  tenant: record.tenant,
  name: record.name,
  url: record.url,
  dialect: record.dialect,
  speaks: record.speaks && JSON.stringify(record.speaks),
  sealed_key: record.sealedKey,
  ...ownLimitsRow(record),
  concurrency: record.concurrency,
  priority: record.priority,
  abort: record.abort,
  remote: record.remote,
  discover: record.discover ? 1 : 0,
  created_ms: record.createdMs,
  disabled_ms: record.disabledMs,
})

function protocolsIn(words: unknown): readonly Protocol[] {
  if (!Array.isArray(words)) throw new TypeError('what it speaks is no list')
  return PROTOCOLS.filter((protocol) => words.includes(protocol))
}

/**
 * What a provider's key is sealed for: its row, and the host that it was given for. Whoever may edit an endpoint, or write the store, must not get a key by
 * having it sent to a host of his own.
 */
export const sealRow = ({ id, url }: Pick<EndpointRecord, 'id' | 'url'>): string => `endpoint:${id} ${originOf(url)}`
export const originOf = (url: string): string => new URL(url).origin

/** `usable` is false where its key cannot be opened: without it every request would be refused there, or be made in nobody's name. */
export function endpointOf(record: EndpointRecord, key: Secret | null, usable: boolean): Endpoint {
  const { dialect } = record
  return Object.freeze({
    ref: record.id,
    tenant: record.tenant,
    name: record.name,
    ...addressOf(record.url, dialect),
    dialect,
    deadlines: deadlinesOf(dialect),
    concurrency: record.concurrency,
    auth: key && authOf(dialect, key),
    abort: record.abort,
    speaks: new Set(record.speaks ?? protocolsOf(dialect)),
    limits: allowanceOf(record, 0), // how many at once is the business of its queue
    priority: record.priority,
    discover: record.discover,
    cloudModels: false,
    remote: record.remote,
    active: record.disabledMs === null && usable,
  })
}

/** What each service of the gate is there for; a server behind one may speak more. */
const SERVICES: Readonly<Record<string, readonly Protocol[]>> = {
  chat: ['chat', 'completions', 'embeddings', 'responses', 'messages'],
  tts: ['speech'],
  image: ['images', 'edits'],
  whisper: ['transcriptions', 'translations'],
}

/** The gate's own services as endpoints: those that are enabled, under names that nobody else can have. */
export function builtinEndpoints(services: readonly Service[]): readonly Endpoint[] {
  return services.flatMap((service) => {
    const spoken = Object.hasOwn(SERVICES, service.name) ? SERVICES[service.name] : undefined
    if (!service.enabled || spoken === undefined) return []
    const { url, dialect, deadlines, concurrency, auth, abort } = service
    const name = `builtin:${service.name}` as const
    const speaks = new Set(protocolsOf(dialect).filter((protocol) => spoken.includes(protocol)))
    const endpoint: Endpoint = {
      ref: name,
      tenant: DEFAULT_TENANT,
      name,
      url,
      apiRoot: ROOTED.has(dialect) ? '/v1' : '',
      dialect,
      deadlines,
      concurrency,
      auth,
      abort,
      speaks,
      limits: NO_LIMITS,
      priority: 0,
      discover: true,
      cloudModels: service.allowCloudModels,
      remote: 'refuse',
      active: true,
    }
    return [Object.freeze(endpoint)]
  })
}

/** Languages whose protocols stand below `/v1`. */
const ROOTED: ReadonlySet<DialectName> = new Set(['openai', 'ollama', 'anthropic'])

/**
 * What people give an SDK as `base_url` is with `/v1` for OpenAI's and without it for Anthropic's, and both are often written the other way. OpenAI's clients put
 * `/chat/completions` after whatever was given; so a path of another kind is left as it is, and is all there is before it.
 */
function addressOf(given: string, dialect: DialectName): Pick<Endpoint, 'url' | 'apiRoot'> {
  const url = given.replace(/(?<!\/)\/+$/, '')
  if (!ROOTED.has(dialect)) return { url, apiRoot: '' }
  if (/\/v1$/.test(url)) return { url: url.slice(0, -'/v1'.length), apiRoot: '/v1' }
  const isBare = /^https?:\/\/[^/]+$/.test(url)
  return { url, apiRoot: dialect === 'openai' && !isBare ? '' : '/v1' }
}

/** The first byte of a chat comes after the prompt was read and perhaps the model loaded; a picture's and a transcript's when all is done. */
const FIRST_BYTE_MS: Readonly<Record<DialectName, number>> = {
  ollama: LIMITS.chatFirstByteMsMax,
  openai: LIMITS.chatFirstByteMsMax,
  anthropic: LIMITS.chatFirstByteMsMax,
  speak: LIMITS.speechFirstByteMsMax,
  a1111: LIMITS.imageFirstByteMsMax,
  asr: LIMITS.whisperFirstByteMsMax,
  whispercpp: LIMITS.whisperFirstByteMsMax,
  plain: LIMITS.plainFirstByteMsMax,
}

const deadlinesOf = (dialect: DialectName): Deadlines => ({
  firstByteMs: FIRST_BYTE_MS[dialect],
  idleMs: LIMITS.idleMsMax,
  totalMs: LIMITS.totalMsMax,
})

/** The header that a provider's key goes in. */
function authOf(dialect: DialectName, key: Secret): NonNullable<Endpoint['auth']> {
  if (dialect === 'anthropic') return { header: 'x-api-key', value: key }
  const text = key.reveal()
  const isPair = dialect === 'a1111' && text.includes(':') // user:password, as its --api-auth takes it
  return { header: 'authorization', value: new Secret(isPair ? `Basic ${Buffer.from(text).toString('base64')}` : `Bearer ${text}`) }
}
