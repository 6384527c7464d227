import { isIP } from 'node:net'
import { BLANK, type Offence, type Sighting, verdictOfRefusal } from '../sighting.ts'
import { credible, type Fields, isFields, malformed, numberOf, type Told, textOf } from './told.ts'

/** The body of the front's own 401; where a log keeps no response headers its length tells who answered. */
const OWN_401_BYTES = '401 Unauthorized - API Key Required'.length

export const isCaddyLine = (line: Fields): boolean => isFields(line.request) && typeof line.logger === 'string'

/**
 * A line of Caddy's JSON access log. What reached the gate bears the gate's own X-Request-Id and stands in the ledger, so that only what the front
 * answered itself is counted here: calls without a key, and the gate being away.
 */
export function tellCaddy(line: Fields): Told {
  const request = isFields(line.request) ? line.request : {}
  const atMs = atOf(line.ts)
  if (Number.isNaN(atMs)) return malformed('a line of the front without a time (want ts as seconds or ISO 8601)')
  if (typeof line.status !== 'number' || textOf(request.method) === '') return { what: 'note', atMs, event: 'front', detail: '' }
  const status = line.status
  if (!answeredByFront(line, status)) return { what: 'passed_on', atMs }
  const offence = OFFENCES[status] ?? (status >= 400 ? 'other' : '')
  // Our Caddyfile cuts queries off and leaves an ellipsis.
  const path = textOf(request.uri).replace(/[?#].*$|…$/s, '')
  const seconds = numberOf(line.duration, -1)
  const sighting: Sighting = {
    ...BLANK,
    event: 'front',
    atMs,
    sinceMs: atMs,
    verdict: status < 400 ? 'served' : status >= 500 || offence === '' ? 'failed' : verdictOfRefusal(offence),
    offence,
    address: addressOf(line, request),
    method: textOf(request.method),
    path,
    service: 'front',
    status,
    bytesIn: Math.max(0, numberOf(line.bytes_read, 0)),
    bytesOut: Math.max(0, numberOf(line.size, 0)),
    totalMs: seconds < 0 ? -1 : seconds * 1_000,
  }
  return { what: 'sightings', atMs, list: [sighting] }
}

const OFFENCES: Readonly<Record<number, Offence>> = { 401: 'keyless', 403: 'rights', 404: 'missing', 405: 'missing' }

/** Caddy writes seconds by default; a person may have set `time_format` to a text. */
const atOf = (ts: unknown): number => credible(typeof ts === 'number' ? Math.round(ts * 1_000) : Date.parse(textOf(ts)))

function answeredByFront(line: Fields, status: number): boolean {
  const headers = line.resp_headers
  if (!isFields(headers)) return status === 401 && line.size === OWN_401_BYTES
  return !Object.keys(headers).some((name) => name.toLowerCase() === 'x-request-id')
}

/** Our Caddyfile puts the caller's address into user_id, as it was found behind believed proxies; another front's user_id is a name, and passed by. */
function addressOf(line: Fields, request: Fields): string {
  const found = textOf(line.user_id)
  return isIP(found) !== 0 ? found : textOf(request.client_ip) || textOf(request.remote_ip)
}
