import type { Route, Service } from '../../catalog/index.ts'
import { type Plan, rawPlan, shownModels } from '../../dialects/index.ts'
import { type Envelope, Upload } from '../../http/index.ts'
import type { KeyPrincipal } from '../../kernel/index.ts'
import { callerHeaders } from '../carry/headers.ts'
import type { Visit } from '../visit.ts'
import type { FaceTools } from './face.ts'
import { refuseKeyInUrl } from './key-in-url.ts'

const hasBody = ({ headers, incoming }: Envelope): boolean =>
  headers.contentLength > 0 || incoming.headers['transfer-encoding'] !== undefined

/** The same protocol on both sides: whatever came goes on, as bytes that were read already or as a stream. */
export function rawFace(
  service: Service,
  route: Route,
  { mayAsk }: FaceTools,
): (visit: Visit, params: Readonly<Record<string, string>>) => Plan {
  const hasParams = route.path.includes(':')
  const isList = service.dialect === 'ollama' && LISTS.has(route.upstream)
  return (visit, params) => {
    const { envelope } = visit
    const body = visit.body ?? (route.body === 'stream' && hasBody(envelope) ? uploadOf(visit, route) : null)
    // A body that was read may have been changed, and one we do not send has no length; undici counts what it has.
    const headers = callerHeaders(envelope, visit.body === null && body !== null)
    const query = route.query ? envelope.query : ''
    if (query !== '' || hasParams) refuseKeyInUrl(envelope, [query, ...Object.values(params)])
    const plan = rawPlan(
      { method: envelope.method === 'HEAD' ? 'HEAD' : route.method, upstream: route.upstream, params, query, headers, body },
      service.dialect,
    )
    const key = isList ? boundKey(visit) : null
    return key === null ? plan : { ...plan, ...shownModels((name) => mayAsk(key, name)) }
  }
}

/** What Ollama has, and what it has loaded. */
const LISTS: ReadonlySet<string> = new Set(['/api/tags', '/api/ps'])

/** A key that may use some models only reads no names of others. */
function boundKey({ principal }: Visit): KeyPrincipal | null {
  if (principal?.kind !== 'key') return null
  const key = principal as KeyPrincipal // what a principal of this kind is
  return key.models === null ? null : key
}

function uploadOf(visit: Visit, route: Route): Upload {
  const upload = new Upload(visit.envelope, route.bodyBytesMax)
  visit.upload = upload
  return upload
}
