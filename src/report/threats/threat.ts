import type { Place, Sighting } from '../sighting.ts'
import type { Evidence, Trail } from './trail.ts'

export type { Evidence } from './trail.ts'

export const THREAT_KINDS = [
  'brute_force',
  'key_spraying',
  'many_networks',
  'dead_key',
  'probing',
  'path_tricks',
  'unusual_volume',
] as const
export type ThreatKind = (typeof THREAT_KINDS)[number]

export const SEVERITIES = ['high', 'medium', 'low'] as const
export type Severity = (typeof SEVERITIES)[number]

export interface Subject {
  readonly type: 'address' | 'network' | 'key' | 'user'
  readonly id: string
  /** Whose key it is, where the log says. */
  readonly user: string
}

export interface Threat {
  readonly kind: ThreatKind
  readonly severity: Severity
  readonly title: string
  readonly subject: Subject
  readonly count: number
  readonly first: string
  readonly last: string
  /** The first and the latest lines that show it; not all of them. */
  readonly evidence: readonly Evidence[]
  /** Where it came from, as far as it was kept. */
  readonly addresses: readonly string[]
  /** Requests let in from the same address: who shares it with honest people cannot simply be blocked. */
  readonly let_in: number
  readonly advice: string
}

/** A threat whose evidence still points into the list of files. */
export interface Finding extends Pick<Threat, 'kind' | 'severity' | 'title' | 'subject' | 'addresses' | 'advice'> {
  readonly trail: Trail
}

/** Each detector watches every sighting in range, keeps bounded state, and says at the end what it found. */
export interface Detector {
  see(s: Sighting, place: Place): void
  findings(): Finding[]
}

/** The key, or where a format has no key ids the user, that a recognised caller is known by; '' for strangers. */
export const callerOf = (s: Sighting): string => (s.recognised ? s.key || (s.user === '' ? '' : `user:${s.user}`) : '')

export function callerSubject(caller: string, user: string): Subject {
  return caller.startsWith('user:') ? { type: 'user', id: caller.slice('user:'.length), user } : { type: 'key', id: caller, user }
}

/** An address, or the network that a prefix names. */
export const placeSubject = (id: string): Subject => ({ type: id.includes('/') ? 'network' : 'address', id, user: '' })

export const grade = (count: number, medium: number, high: number): Severity | null =>
  count >= high ? 'high' : count >= medium ? 'medium' : null
