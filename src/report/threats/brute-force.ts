import { LIMITS } from '../../kernel/index.ts'
import { Book } from '../count/book.ts'
import { Few } from '../count/few.ts'
import { SlidingCount } from '../count/sliding.ts'
import type { Place, Sighting } from '../sighting.ts'
import { originOf } from './network.ts'
import { RULES } from './rules.ts'
import { Spell } from './spell.ts'
import { type Detector, type Finding, grade, placeSubject, type Severity } from './threat.ts'
import { Trail } from './trail.ts'

interface Suspect {
  readonly trail: Trail
  readonly burst: Spell
  readonly hour: SlidingCount
  readonly day: SlidingCount
  readonly addresses: Few
  readonly keyIds: Few
  peakDay: number
  /** Refusals of keys that once were good: somebody's forgotten script, told of by another detector. */
  dead: number
  letInAs: string
}

interface Guest {
  requests: number
  sinceMs: number
  lastMs: number
}

const newSuspect = (): Suspect => ({
  trail: new Trail(),
  burst: new Spell(),
  hour: new SlidingCount(RULES.hourMs),
  day: new SlidingCount(RULES.dayMs, 24),
  addresses: new Few(),
  keyIds: new Few(),
  peakDay: 0,
  dead: 0,
  letInAs: '',
})

/** Failed sign-ins, by address. */
export class BruteForce implements Detector {
  readonly #suspects = new Book<Suspect>(LIMITS.reportSuspectsMax, newSuspect, (suspect) => suspect.trail.count)
  readonly #guests = new Book<Guest>(
    5 * LIMITS.reportSuspectsMax,
    () => ({ requests: 0, sinceMs: 0, lastMs: 0 }),
    (guest) => guest.requests,
  )

  see(s: Sighting, place: Place): void {
    if (s.address === '' || s.address === 'local') return
    if (s.recognised) this.#welcome(s)
    else if (s.offence === 'sign_in' || s.offence === 'throttled' || s.offence === 'dead_key') this.#suspect(s, place)
  }

  /** How often anybody was let in from there. */
  letIn(subject: string): number {
    return this.#guests.get(subject)?.requests ?? 0
  }

  findings(): Finding[] {
    return [...this.#suspects].flatMap(([subject, suspect]) => {
      const severity = this.#severity(subject, suspect)
      return severity === null ? [] : [finding(subject, suspect, severity, this.letIn(subject))]
    })
  }

  #welcome(s: Sighting): void {
    const { subject } = originOf(s.address)
    const guest = this.#guests.of(subject)
    if (guest.requests === 0) guest.sinceMs = s.atMs
    guest.requests += 1
    guest.lastMs = s.atMs
    if (guest.requests > 1) return
    const suspect = this.#suspects.get(subject)
    if (suspect && suspect.trail.count >= RULES.bruteForce.medium) suspect.letInAs = s.key || s.user
  }

  #suspect(s: Sighting, place: Place): void {
    const suspect = this.#suspects.of(originOf(s.address).subject)
    // Once an address is throttled its keys are not looked at any more; they are taken for what came before.
    if (s.offence === 'dead_key' || (s.offence === 'throttled' && suspect.dead > suspect.trail.count)) {
      suspect.dead += s.count
      return
    }
    suspect.trail.note(s, place)
    const inHour = suspect.hour.add(s.atMs, s.count)
    suspect.burst.note(s, place, inHour === s.count, inHour)
    suspect.peakDay = Math.max(suspect.peakDay, suspect.day.add(s.atMs, s.count))
    suspect.addresses.add(s.address)
    if (s.key !== '') suspect.keyIds.add(s.key)
  }

  #severity(subject: string, suspect: Suspect): Severity | null {
    const { medium, high, dayMedium, dayHigh, requestsPerSlip } = RULES.bruteForce
    const guest = this.#guests.get(subject)
    if (guest === undefined) return grade(suspect.trail.count, medium, high)
    const hours = Math.max(1, (guest.lastMs - guest.sinceMs) / RULES.hourMs)
    const slipsPerHour = guest.requests / hours / requestsPerSlip
    return (
      grade(suspect.burst.score - slipsPerHour, medium, high) ??
      grade(suspect.peakDay - slipsPerHour * Math.min(24, hours), dayMedium, dayHigh)
    )
  }
}

function finding(subject: string, suspect: Suspect, severity: Severity, letIn: number): Finding {
  const { trail, burst, addresses } = suspect
  const everyone = subject === '*'
  // Where honest people sit too, their slips of weeks would hide the burst.
  const shared = letIn > trail.count
  const where = everyone ? 'more addresses than the ledger records one by one' : subject
  const title = shared
    ? `${burst.score} failed sign-ins within an hour from ${where}, from where others are let in (${trail.count} in all)`
    : `${trail.count} failed sign-ins from ${where}`
  return {
    kind: 'brute_force',
    severity,
    title,
    subject: placeSubject(subject),
    trail: shared ? burst.trail : trail,
    addresses: everyone ? [] : addresses.list,
    advice: advise(suspect, shared, letIn),
  }
}

function advise({ trail, keyIds, letInAs }: Suspect, shared: boolean, letIn: number): string {
  if (shared) return `${letIn} requests were let in from there too, so it is shared: find out who it was before anything is blocked.`
  if (letInAs !== '')
    return `Afterwards this address was let in with ${letInAs}. Ask its owner whether that was them; if not, disable that key now.`
  const [only = ''] = keyIds.list
  if (keyIds.size === 1 && trail.count >= RULES.bruteForce.high)
    return `Every try that could be read named the key id ${only}: most likely a client with a wrong or cut key. Ask its owner first; block the address if nobody knows it.`
  return 'Block the address at the firewall (portcullis report --format fail2ban) unless its owner is known. Keys have 190 bits, so guessing cannot succeed; the load and the noise are the harm.'
}
