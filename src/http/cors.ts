import type { ServerResponse } from 'node:http'
import { dropBody } from './body.ts'
import type { Envelope } from './envelope.ts'
import { mustBeTaken } from './taken.ts'

const DAY_S = '86400'
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'
/** What a page may read of an answer beside its body; without this list it sees none of them. */
const EXPOSED = [
  'x-request-id',
  'request-id',
  'retry-after',
  'x-should-retry',
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-tokens',
].join(', ')

/** Which web pages may call the gate from a browser; nobody's, unless configuration names them. */
export interface CorsRules {
  /** `*`, or origins as browsers write them. */
  readonly origins: ReadonlySet<string>
}

export const NO_CORS: CorsRules = { origins: new Set() }

/**
 * Tells a browser that a page may read the answer. True when the request was a preflight, which is answered here: it bears no key, asks for nothing, and its
 * answer says nothing but what configuration says.
 */
export function answersPreflight({ origins }: CorsRules, { method, headers, incoming, outgoing }: Envelope): boolean {
  const { origin } = headers
  if (origin === '' || origins.size === 0) return false
  const anybody = origins.has('*')
  if (!anybody) outgoing.setHeader('vary', 'origin')
  if (!anybody && !origins.has(origin)) return false
  outgoing.setHeader('access-control-allow-origin', anybody ? '*' : origin)
  outgoing.setHeader('access-control-expose-headers', EXPOSED)
  if (method !== 'OPTIONS' || incoming.headers['access-control-request-method'] === undefined) return false
  mustBeTaken(outgoing)
  outgoing.once('finish', () => dropBody(incoming))
  allowAll(outgoing, String(incoming.headers['access-control-request-headers'] ?? ''))
  return true
}

/** Whatever headers the page wants: SDKs send a dozen of their own, and the gate's lists decide what becomes of them. */
function allowAll(outgoing: ServerResponse, wanted: string): void {
  const headers = /^[A-Za-z0-9-]{1,64}(?:\s*,\s*[A-Za-z0-9-]{1,64}){0,63}$/.test(wanted) ? { 'access-control-allow-headers': wanted } : {}
  outgoing.writeHead(204, { ...headers, 'access-control-allow-methods': METHODS, 'access-control-max-age': DAY_S })
  outgoing.end()
}
