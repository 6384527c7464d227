import { ERRORS } from '../../kernel/index.ts'
import { BLANK, offenceOf, type Sighting, verdictOfRefusal } from '../sighting.ts'
import { type Fields, isFields, malformed, numberOf, type Told, textOf, timeOf } from './told.ts'

/** A line of the ledger (src/contract/ledger.ts), already parsed. */
export function tellLedger(line: Fields): Told {
  if (line.v !== 1) return malformed('a ledger line of another version')
  const atMs = timeOf(textOf(line.time))
  if (Number.isNaN(atMs)) return malformed('a ledger line without a time')
  switch (line.event) {
    case 'intent':
      return tellIntent(line, atMs)
    case 'outcome':
      return { what: 'sightings', atMs, list: [outcome(line, atMs)] }
    case 'refused':
      return { what: 'sightings', atMs, list: [refused(line, atMs)] }
    case 'refused_summary':
      return { what: 'sightings', atMs, list: summary(line, atMs) }
    case 'lifecycle':
      return { what: 'note', atMs, event: 'lifecycle', detail: textOf(line.what) }
    case 'open':
    case 'seal':
      return { what: 'note', atMs, event: line.event, detail: '' }
    default:
      return malformed('a ledger line of an unknown event')
  }
}

function tellIntent(line: Fields, atMs: number): Told {
  const endpoint = `${textOf(line.method)} ${textOf(line.route)}`
  const { request, user, key, address } = line
  return {
    what: 'intent',
    atMs,
    intent: { request: textOf(request), user: textOf(user), key: textOf(key), address: textOf(address), endpoint },
  }
}

function outcome(line: Fields, atMs: number): Sighting {
  const status = numberOf(line.status, 0)
  const code = textOf(line.code)
  return {
    event: 'outcome',
    firstOfLine: true,
    atMs,
    sinceMs: atMs,
    count: 1,
    verdict: status >= 100 && status < 400 ? 'served' : 'failed',
    // A body that asks for what a key may not do is refused after the intent was written, and stands here.
    offence: code === '' ? '' : offenceOf(code, textOf(line.reason), textOf(line.key)),
    request: textOf(line.request),
    address: textOf(line.address),
    method: textOf(line.method),
    route: textOf(line.route),
    path: '',
    service: textOf(line.service),
    model: textOf(line.model),
    user: textOf(line.user),
    recognised: line.kind !== undefined,
    key: textOf(line.key),
    oldSecret: line.old_secret === true,
    status,
    code,
    reason: textOf(line.reason),
    bytesIn: numberOf(line.bytes_in, 0),
    bytesOut: numberOf(line.bytes_out, 0),
    units: isFields(line.units) ? line.units : null,
    estimated: line.estimated === true,
    firstByteMs: numberOf(line.first_byte_ms, -1),
    totalMs: numberOf(line.total_ms, -1),
    ended: textOf(line.ended),
  }
}

function refused(line: Fields, atMs: number): Sighting {
  const code = textOf(line.code)
  const reason = textOf(line.reason)
  const key = textOf(line.key)
  const offence = offenceOf(code, reason, key)
  return {
    ...BLANK,
    event: 'refused',
    atMs,
    sinceMs: atMs,
    verdict: verdictOfRefusal(offence),
    offence,
    request: textOf(line.request),
    address: textOf(line.address),
    method: textOf(line.method),
    route: textOf(line.route),
    path: textOf(line.path),
    service: textOf(line.service),
    model: textOf(line.model),
    user: textOf(line.user),
    recognised: line.kind !== undefined,
    key,
    oldSecret: line.old_secret === true,
    status: numberOf(line.status, 0),
    code,
    reason,
    ended: 'refused',
  }
}

const STATUS = new Map<string, number>(Object.entries(ERRORS).map(([code, { status }]) => [code, status]))
const statusOf = (code: string): number => STATUS.get(code) ?? 0

const NO_SAMPLE: Fields = { code: 'UNAUTHORIZED', reason: 'malformed' }

/**
 * Refusals that were only counted, divided among the samples that were kept: they tell a flood of keys from a walk through paths. Those of somebody
 * recognised stand to his account; the line of several keys together names none.
 */
function summary(line: Fields, atMs: number): Sighting[] {
  const count = Math.max(0, Math.floor(numberOf(line.count, 0)))
  const kept = Array.isArray(line.samples) ? line.samples.filter(isFields) : []
  const samples = (kept.length > 0 ? kept : [NO_SAMPLE]).slice(0, Math.max(1, count))
  const share = Math.floor(count / samples.length)
  const since = timeOf(textOf(line.first))
  const recognised = line.kind !== undefined
  const from = textOf(line.address)
  return samples.map((sample, i) => {
    const code = textOf(sample.code)
    const reason = textOf(sample.reason)
    const key = textOf(recognised ? line.key : sample.key)
    const offence = offenceOf(code, reason, key)
    return {
      ...BLANK,
      event: 'refused_summary',
      firstOfLine: i === 0,
      atMs,
      sinceMs: since <= atMs ? since : atMs,
      count: share + (i < count - share * samples.length ? 1 : 0),
      verdict: verdictOfRefusal(offence),
      offence,
      // No network of a key's is called `*`, and it would count as one where the key was never used from.
      address: recognised && from === '*' ? '' : from,
      method: textOf(sample.method),
      route: textOf(sample.route),
      path: textOf(sample.path),
      service: textOf(sample.service) || 'gate',
      user: textOf(line.user),
      recognised,
      key,
      status: recognised ? statusOf(code) : 0,
      code,
      reason,
      ended: 'refused',
    }
  })
}
