import type { Backend } from '../../catalog/index.ts'
import { backendFault, type LocalAnswer, type Plan, type WholeAnswer } from '../../dialects/index.ts'
import { type Collected, NOTHING } from './collected.ts'
import { hiderOf, withoutCredential } from './credential.ts'
import { TOWARDS_CALLER } from './headers.ts'

/**
 * An answer that is translated, and an error that would pass untouched, of a backend for which the gate has a credential: it may repeat the request's
 * headers. What answers HEAD has no body.
 */
export const mustBeRead = ({ request, reshape, reshapes }: Plan, status: number, contentType: string, { auth }: Backend): boolean =>
  (reshape !== undefined && reshapes?.(contentType) !== false) || (status >= 400 && auth !== null && request.method !== 'HEAD')

/** The backend's error as it came, but for the gate's credential. One that cannot be searched, being too long or encoded, is told in the gate's words. */
export function relayedError(answer: WholeAnswer, { headers, isWhole }: Collected, backend: Backend, plan: Plan): LocalAnswer {
  const encoding = headers['content-encoding'] ?? 'identity'
  if (!isWhole || encoding.toLowerCase() !== 'identity') throw backendFault({ ...answer, body: NOTHING })
  const hide = hiderOf(backend)
  const relayed: Record<string, string> = {}
  for (const name of Object.keys(TOWARDS_CALLER)) {
    const value = name === 'content-type' ? (plan.contentType ?? headers[name]) : headers[name]
    if (typeof value === 'string') relayed[name] = hide(value)
  }
  return { status: answer.status, headers: relayed, body: withoutCredential(answer, backend).body }
}
