import { own } from '../kernel/index.ts'

/** What stands behind a refusal, so that a detector need not know every code and reason. */
export type Offence = 'sign_in' | 'throttled' | 'dead_key' | 'keyless' | 'rights' | 'path' | 'missing' | 'other'

/**
 * `served` and `failed` went through the gate (and ended well or not), `refused` were turned away for their form or a limit,
 * `denied` for who asked or what was asked.
 */
export type Verdict = 'served' | 'failed' | 'refused' | 'denied'

/** One request as a log tells it, or `count` refusals that were recorded together. The same shape for each format; '' is unknown. */
export interface Sighting {
  readonly event: string
  /** False for the further parts of a line that was divided, so that lines are not counted twice. */
  readonly firstOfLine: boolean
  readonly atMs: number
  /** Earlier than `atMs` only where several were recorded together. */
  readonly sinceMs: number
  readonly count: number
  readonly verdict: Verdict
  readonly offence: Offence | ''
  readonly request: string
  readonly address: string
  readonly method: string
  readonly route: string
  readonly path: string
  readonly service: string
  readonly model: string
  /** Set only where the caller was recognised. */
  readonly user: string
  /** Whether the gate knew who asked: a key id on a refused sign-in is only what the caller claimed. */
  readonly recognised: boolean
  readonly key: string
  readonly oldSecret: boolean
  readonly status: number
  readonly code: string
  readonly reason: string
  readonly bytesIn: number
  readonly bytesOut: number
  readonly units: Readonly<Record<string, unknown>> | null
  readonly estimated: boolean
  /** -1 where it was not measured. */
  readonly firstByteMs: number
  readonly totalMs: number
  readonly ended: string
}

/** What a detector and a counter know about where a sighting was read. */
export interface Place {
  /** Position in the list of files that were read. */
  readonly file: number
  readonly line: number
}

export const BLANK: Sighting = {
  event: '',
  firstOfLine: true,
  atMs: 0,
  sinceMs: 0,
  count: 1,
  verdict: 'served',
  offence: '',
  request: '',
  address: '',
  method: '',
  route: '',
  path: '',
  service: '',
  model: '',
  user: '',
  recognised: false,
  key: '',
  oldSecret: false,
  status: 0,
  code: '',
  reason: '',
  bytesIn: 0,
  bytesOut: 0,
  units: null,
  estimated: false,
  firstByteMs: -1,
  totalMs: -1,
  ended: '',
}

const BY_CODE: Readonly<Record<string, Offence>> = {
  TOO_MANY_FAILURES: 'throttled',
  FORBIDDEN: 'rights',
  POLICY_REFUSED: 'rights',
  BAD_PATH: 'path',
  NOT_FOUND: 'missing',
  METHOD_NOT_ALLOWED: 'missing',
}
const DEAD_KEY_REASONS: ReadonlySet<string> = new Set(['expired', 'disabled', 'rotated_out', 'user_disabled', 'wrong_network'])
const GUESS_REASONS: ReadonlySet<string> = new Set(['malformed', 'bad_crc', 'unknown_key', 'wrong_secret'])

/** The offence behind an error code and its private reason. A 401 that bears no key id and names no fault of a key had no key. */
export function offenceOf(code: string, reason: string, key: string): Offence {
  if (code !== 'UNAUTHORIZED') return own(BY_CODE, code) ?? 'other'
  if (DEAD_KEY_REASONS.has(reason)) return 'dead_key'
  // A fault of our own store, and nobody's attack.
  if (reason === 'unusable_hash') return 'other'
  return key !== '' || GUESS_REASONS.has(reason) ? 'sign_in' : 'keyless'
}

const DENIALS: ReadonlySet<Offence> = new Set(['sign_in', 'throttled', 'dead_key', 'keyless', 'rights'])
export const verdictOfRefusal = (offence: Offence): Verdict => (DENIALS.has(offence) ? 'denied' : 'refused')

/** What the request was aimed at, for counting: the table's pattern, else the path as it was spelled. */
export const endpointOf = (s: Sighting): string => `${s.method} ${s.route === '' ? s.path : s.route}`.trim() || '(not recorded)'
