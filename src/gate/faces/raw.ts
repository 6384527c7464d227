import type { Route, Service } from '../../catalog/index.ts'
import { type Plan, rawPlan } from '../../dialects/index.ts'
import { type Envelope, Upload } from '../../http/index.ts'
import { callerHeaders } from '../carry/headers.ts'
import type { Visit } from '../visit.ts'
import { refuseKeyInUrl } from './key-in-url.ts'

const hasBody = ({ headers, incoming }: Envelope): boolean =>
  headers.contentLength > 0 || incoming.headers['transfer-encoding'] !== undefined

/** The same protocol on both sides: whatever came goes on, as bytes that were read already or as a stream. */
export function rawFace(service: Service, route: Route): (visit: Visit, params: Readonly<Record<string, string>>) => Plan {
  const hasParams = route.path.includes(':')
  return (visit, params) => {
    const { envelope } = visit
    const body = visit.body ?? (route.body === 'stream' && hasBody(envelope) ? uploadOf(visit, route) : null)
    // A body that was read may have been changed, and one we do not send has no length; undici counts what it has.
    const headers = callerHeaders(envelope, visit.body === null && body !== null)
    const query = route.query ? envelope.query : ''
    if (query !== '' || hasParams) refuseKeyInUrl(envelope, [query, ...Object.values(params)])
    return rawPlan(
      { method: envelope.method === 'HEAD' ? 'HEAD' : route.method, upstream: route.upstream, params, query, headers, body },
      service.dialect,
    )
  }
}

function uploadOf(visit: Visit, route: Route): Upload {
  const upload = new Upload(visit.envelope, route.bodyBytesMax)
  visit.upload = upload
  return upload
}
