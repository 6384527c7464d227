import { BLANK, type Sighting } from '../sighting.ts'
import { credible, malformed, type Told } from './told.ts'

// All of them with `s`: where `.` stops at U+2028, a long line that holds one is begun anew from each of its signs.
const HEAD = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?: UTC)? \| *[A-Za-z]+ *\| *([A-Z_]+) *\| *(.*)$/s
const FIELD = /^([A-Za-z][A-Za-z ]*): ?(.*)$/s
const REQUEST = /^([A-Z]+) (\/.*|\*)$/s

/** Events of the Python gatekeeper's audit log, and what each means here. */
const EVENTS: Readonly<Record<string, Pick<Sighting, 'verdict' | 'offence' | 'status' | 'recognised'>>> = {
  AUTHORIZED: { verdict: 'served', offence: '', status: 200, recognised: true },
  PUBLIC: { verdict: 'served', offence: '', status: 200, recognised: false },
  UNAUTHORIZED: { verdict: 'denied', offence: 'sign_in', status: 401, recognised: false },
  TEMP_KEY_GENERATED: { verdict: 'served', offence: '', status: 200, recognised: true },
}

/** `2025-06-04 08:20:54 UTC | INFO | AUTHORIZED | POST /chat/api/generate | User: NAME | Service: tts | IP: 172.18.0.1` */
export function tellLegacy(text: string): Told {
  const head = HEAD.exec(text)
  if (!head) return malformed('neither a ledger line nor a line of the old audit log')
  const [, day = '', time = '', event = '', rest = ''] = head
  const meaning = Object.hasOwn(EVENTS, event) ? EVENTS[event] : undefined
  if (!meaning) return malformed('an unknown event of the old audit log')
  const atMs = credible(Date.parse(`${day}T${time}Z`))
  if (Number.isNaN(atMs)) return malformed('a line of the old audit log without a time')
  const { method, path, fields } = divide(rest)
  const field = (name: string): string => fields.get(name) ?? ''
  const status = /^\d{3}$/.test(field('status')) ? Number(field('status')) : meaning.status
  const shown = field('key').replace(/\.{3}.*$/s, '')
  const sighting: Sighting = {
    ...BLANK,
    ...meaning,
    event,
    atMs,
    sinceMs: atMs,
    verdict: meaning.verdict === 'served' && status >= 400 ? 'failed' : meaning.verdict,
    method,
    // The old log named a refused path in the place of a route; only what was let through had one.
    route: meaning.verdict === 'denied' ? '' : path,
    path: meaning.verdict === 'denied' ? path : '',
    status,
    user: field('user'),
    service: field('service') || serviceOf(path),
    address: field('ip'),
    key: shown === '' || /^none$/i.test(shown) ? '' : `legacy_${shown.slice(0, 8)}`,
  }
  return {
    what: 'sightings',
    atMs,
    list: [sighting.offence === 'sign_in' && sighting.key === '' ? { ...sighting, offence: 'keyless' } : sighting],
  }
}

function divide(rest: string): { method: string; path: string; fields: Map<string, string> } {
  const fields = new Map<string, string>()
  let method = ''
  let path = ''
  for (const part of rest.split(' | ')) {
    const request = method === '' ? REQUEST.exec(part.trim()) : null
    if (request) {
      method = request[1] ?? ''
      path = (request[2] ?? '').replace(/\?.*$/s, '')
      continue
    }
    const field = FIELD.exec(part.trim())
    const name = field?.[1]?.toLowerCase()
    // The last of a name holds: the path stands first, and one that spells " | IP: 9.9.9.9" must not hide the address written after it.
    if (name !== undefined) fields.set(name, field?.[2]?.trim() ?? '')
  }
  return { method, path, fields }
}

/** A denial names no service; its path does, where it is one of those that the old gatekeeper had. */
const serviceOf = (path: string): string => /^\/(chat|tts|image|whisper)\//.exec(path)?.[1] ?? ''
