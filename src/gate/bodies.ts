import type { BodyPolicy, Route, Service } from '../catalog/index.ts'
import { inspectOllamaBody, type ReadBody, withOllamaOptions } from '../dialects/index.ts'
import { type Envelope, edited, parseFields, parseObject, readBody, refuseAmbiguousKeys, type Share, scanObject } from '../http/index.ts'
import { GatewayError, LIMITS } from '../kernel/index.ts'
import type { NativeDemand } from './native-demand.ts'
import type { Policy, Visit } from './visit.ts'

/** Form encoding is what curl -d says when nobody says otherwise, and Ollama's own examples use it so. */
const JSON_TYPES =
  /^\s*(?:$|application\/(?:[\w.+-]+\+)?json\b|text\/(?:plain|json)\b|application\/x-www-form-urlencoded\b|application\/octet-stream\b)/i

function wantJson({ headers }: Envelope): void {
  if (headers.contentEncoding !== '' && headers.contentEncoding !== 'identity') {
    throw new GatewayError('UNSUPPORTED_MEDIA', {
      detail: `Content-Encoding ${headers.contentEncoding} is not taken here; send the body as it is`,
      reason: 'a Content-Encoding',
    })
  }
  if (!JSON_TYPES.test(headers.contentType)) {
    throw new GatewayError('UNSUPPORTED_MEDIA', { detail: 'This route takes application/json' })
  }
}

async function readJson(visit: Visit, bytesMax: number, room: Share): Promise<Buffer> {
  const { envelope } = visit
  wantJson(envelope)
  const body = await readBody(envelope, bytesMax, room)
  visit.held(body.length)
  visit.content?.asked(body)
  return body
}

export interface BodyNames {
  /** Every outermost name that a backend knows: none may stand there in another spelling. */
  readonly known: ReadonlySet<string>
  /** Those that the gate itself reads. */
  readonly guarded: ReadonlySet<string>
}

/** Reads a body whose backend may read names without case, and take the last of two. */
export async function readJudged(visit: Visit, bytesMax: number, room: Share, { known, guarded }: BodyNames): Promise<ReadBody> {
  const bytes = await readJson(visit, bytesMax, room)
  const keys = scanObject(bytes)
  refuseAmbiguousKeys(keys, known)
  return { bytes, keys, fields: bytes.length > LIMITS.jsonWholeBytesMax ? parseFields(bytes, keys, guarded) : parseObject(bytes) }
}

/** Guarded names of the JSON bodies that our own faces read; zod reads them exactly, so another spelling would be silently ignored. */
const FACE_FIELDS = new Set([
  'text',
  'voice',
  'rate',
  'format',
  'prompt',
  'init_images',
  'images',
  'mask',
  'model',
  'override_settings',
  'stream',
])

type ReadsBody = NonNullable<Policy['body']>

const BODIES: Readonly<Record<BodyPolicy, ((service: Service, route: Route, demand: NativeDemand | null) => ReadsBody) | null>> = {
  none: null,
  stream: null, // carried as it comes, by the face
  ollama: (service, route, demand) => async (visit, room) => {
    const body = await readJson(visit, route.bodyBytesMax, room)
    const mayManage = visit.principal?.rights.has(`manage:${service.name}`) ?? false
    const inspected = inspectOllamaBody(body, { mayManage, allowCloudModels: service.allowCloudModels })
    visit.model = inspected.model
    visit.demand = demand?.(visit, inspected.read) ?? null
    const options = takesOptions(route) ? visit.found?.options : undefined
    visit.body = edited(body, options === undefined ? inspected.edits : withOllamaOptions(inspected, options))
  },
  json: (_service, route, demand) => async (visit, room) => {
    const body = await readJson(visit, route.bodyBytesMax, room)
    refuseAmbiguousKeys(scanObject(body), FACE_FIELDS)
    visit.fields = parseObject(body)
    visit.demand = demand?.(visit, null) ?? null
  },
}

/** `show` tells what a model is, and has it do nothing. */
const takesOptions = ({ upstream }: Route): boolean => upstream !== '/api/show'

/** `demand` is null where a route asks for no model, or where only its face finds out for which. */
export function bodyPolicy(service: Service, route: Route, demand: NativeDemand | null): Pick<Policy, 'body'> {
  const make = BODIES[route.body]
  if (make !== null) return { body: make(service, route, demand) }
  if (demand === null) return {}
  return {
    body: async (visit) => {
      visit.demand = demand(visit, null)
    },
  }
}
