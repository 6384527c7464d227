import { LIMITS } from '../../kernel/index.ts'
import { Book } from '../count/book.ts'
import { Few } from '../count/few.ts'
import { SlidingCount } from '../count/sliding.ts'
import type { Place, Sighting } from '../sighting.ts'
import { originOf } from './network.ts'
import { RULES } from './rules.ts'
import type { Detector, Finding, Severity } from './threat.ts'
import { Trail } from './trail.ts'

interface Suspect {
  readonly trail: Trail
  readonly hour: SlidingCount
  readonly day: SlidingCount
  readonly addresses: Few
  readonly keyIds: Few
  peakHour: number
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
  hour: new SlidingCount(RULES.hourMs),
  day: new SlidingCount(RULES.dayMs, 24),
  addresses: new Few(),
  keyIds: new Few(),
  peakHour: 0,
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

  /** Whether anybody was ever let in from there. */
  isGuest(subject: string): boolean {
    return this.#guests.get(subject) !== undefined
  }

  findings(): Finding[] {
    return [...this.#suspects].flatMap(([subject, suspect]) => {
      const severity = this.#severity(subject, suspect)
      return severity === null ? [] : [finding(subject, suspect, severity)]
    })
  }

  #welcome(s: Sighting): void {
    const { subject } = originOf(s.address)
    const guest = this.#guests.of(subject)
    if (guest.requests === 0) guest.sinceMs = s.atMs
    guest.requests += 1
    guest.lastMs = s.atMs
    const suspect = this.#suspects.get(subject)
    if (suspect && suspect.letInAs === '' && suspect.peakHour >= RULES.bruteForce.medium) suspect.letInAs = s.key || s.user
  }

  #suspect(s: Sighting, place: Place): void {
    const suspect = this.#suspects.of(originOf(s.address).subject)
    // Once an address is throttled its keys are not looked at any more; they are taken for what came before.
    if (s.offence === 'dead_key' || (s.offence === 'throttled' && suspect.dead > suspect.trail.count)) {
      suspect.dead += s.count
      return
    }
    suspect.trail.note(s, place)
    suspect.peakHour = Math.max(suspect.peakHour, suspect.hour.add(s.atMs, s.count))
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
      grade(suspect.peakHour - slipsPerHour, medium, high) ??
      grade(suspect.peakDay - slipsPerHour * Math.min(24, hours), dayMedium, dayHigh)
    )
  }
}

const grade = (count: number, medium: number, high: number): Severity | null => (count >= high ? 'high' : count >= medium ? 'medium' : null)

function finding(subject: string, suspect: Suspect, severity: Severity): Finding {
  const { trail, keyIds, letInAs, addresses } = suspect
  const everyone = subject === '*'
  return {
    kind: 'brute_force',
    severity,
    title: everyone
      ? `${trail.count} failed sign-ins from more addresses than the ledger records one by one`
      : `${trail.count} failed sign-ins from ${subject}`,
    subject: { type: subject.includes('/') ? 'network' : 'address', id: subject, user: '' },
    trail,
    addresses: everyone ? [] : addresses.list,
    advice: advise(trail.count, keyIds, letInAs),
  }
}

function advise(count: number, keyIds: Few, letInAs: string): string {
  if (letInAs !== '')
    return `Afterwards this address was let in with ${letInAs}. Ask its owner whether that was them; if not, disable that key now.`
  const [only] = keyIds.list
  if (keyIds.size === 1 && count >= RULES.bruteForce.high)
    return `Every try that could be read named the key id ${only ?? ''}: most likely a client with a wrong or cut key. Ask its owner first; block the address if nobody knows it.`
  return 'Block the address at the firewall (report --format fail2ban) unless its owner is known. Keys have 190 bits, so guessing cannot succeed; the load and the noise are the harm.'
}
