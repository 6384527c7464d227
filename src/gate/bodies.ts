import type { BodyPolicy, Route, Service } from '../catalog/index.ts'
import { inspectOllamaBody } from '../dialects/index.ts'
import { type Envelope, parseObject, readBody, refuseAmbiguousKeys, type Share, scanObject } from '../http/index.ts'
import { GatewayError } from '../kernel/index.ts'
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

function readJson({ envelope }: Visit, route: Route, room: Share): Promise<Buffer> {
  wantJson(envelope)
  return readBody(envelope, route.bodyBytesMax, room)
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

const BODIES: Readonly<Record<BodyPolicy, ((service: Service, route: Route) => NonNullable<Policy['body']>) | null>> = {
  none: null,
  stream: null, // carried as it comes, by the face
  ollama: (service, route) => async (visit, room) => {
    const body = await readJson(visit, route, room)
    visit.held(body.length)
    const mayManage = visit.principal?.rights.has(`manage:${service.name}`) ?? false
    const inspected = inspectOllamaBody(body, { mayManage, allowCloudModels: service.allowCloudModels })
    visit.model = inspected.model
    visit.body = inspected.body
  },
  json: (_service, route) => async (visit, room) => {
    const body = await readJson(visit, route, room)
    visit.held(body.length)
    refuseAmbiguousKeys(scanObject(body), FACE_FIELDS)
    visit.fields = parseObject(body)
  },
}

export function bodyPolicy(service: Service, route: Route): Pick<Policy, 'body'> {
  const make = BODIES[route.body]
  return make === null ? {} : { body: make(service, route) }
}
