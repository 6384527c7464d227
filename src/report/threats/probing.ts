import { LIMITS } from '../../kernel/index.ts'
import { Book } from '../count/book.ts'
import { Few } from '../count/few.ts'
import { Recent } from '../count/recent.ts'
import { SlidingCount } from '../count/sliding.ts'
import { endpointOf, type Place, type Sighting } from '../sighting.ts'
import { originOf } from './network.ts'
import { RULES } from './rules.ts'
import { callerOf, callerSubject, type Detector, type Finding, grade, placeSubject, type Severity, type Subject } from './threat.ts'
import { Trail } from './trail.ts'

/** Management of a backend or of the gate, in the words of all of them; a stranger has no business there, and few keys have. */
const MANAGEMENT =
  /\/api\/(?:pull|push|create|copy|delete|blobs)(?:\/|$)|^\S+ \/(?:[a-z-]+\/)?(?:admin|manage|sdapi\/v1\/(?:options|refresh|reload|unload|server|interrupt|skip))|\/(?:\.env|\.git|wp-|phpmyadmin|cgi-bin|actuator|server-status)/i

interface Prober {
  readonly trail: Trail
  readonly forbidden: Recent
  readonly manage: Recent
  readonly missing: Recent
  readonly asked: Recent
  readonly hour: SlidingCount
  readonly addresses: Few
  readonly answers: Few
  user: string
  peakHour: number
}

const newRecent = (): Recent => new Recent(RULES.dayMs, LIMITS.reportPerSubjectMax)
const newProber = (): Prober => ({
  trail: new Trail(),
  forbidden: newRecent(),
  manage: newRecent(),
  missing: newRecent(),
  asked: newRecent(),
  hour: new SlidingCount(RULES.hourMs),
  addresses: new Few(),
  answers: new Few(),
  user: '',
  peakHour: 0,
})

/** Trying doors: a key that asks for what it may not, and strangers that walk through paths without a key. */
export class Probing implements Detector {
  readonly #keys = new Book<Prober>(LIMITS.reportKeysMax, newProber, (prober) => prober.trail.count)
  readonly #strangers = new Book<Prober>(LIMITS.reportSuspectsMax, newProber, (prober) => prober.trail.count)
  readonly #guests: (subject: string) => boolean

  /** `isGuest` tells whether an address was ever let in. */
  constructor(isGuest: (subject: string) => boolean) {
    this.#guests = isGuest
  }

  see(s: Sighting, place: Place): void {
    if (s.offence === '' || s.address === 'local') return
    const caller = callerOf(s)
    if (caller !== '') {
      if (s.offence === 'rights' || s.offence === 'missing') noteKey(this.#keys.of(caller), s, place)
    } else if (
      s.address !== '' &&
      (s.offence === 'keyless' || s.offence === 'missing' || s.offence === 'sign_in' || s.offence === 'throttled')
    ) {
      noteStranger(this.#strangers.of(originOf(s.address).subject), s, place)
    }
  }

  findings(): Finding[] {
    const keys = [...this.#keys].flatMap(([caller, prober]) => keyFinding(callerSubject(caller, prober.user), prober) ?? [])
    const strangers = [...this.#strangers].flatMap(([subject, prober]) => strangerFinding(subject, prober, this.#guests(subject)) ?? [])
    return [...keys, ...strangers]
  }
}

function note(prober: Prober, s: Sighting, place: Place, endpoint: string): void {
  prober.trail.note(s, place)
  if (s.address !== '') prober.addresses.add(s.address)
  if (MANAGEMENT.test(endpoint) || s.service === 'admin') prober.manage.see(endpoint, s.atMs)
}

function noteKey(prober: Prober, s: Sighting, place: Place): void {
  const endpoint = endpointOf(s)
  if (s.user !== '') prober.user = s.user
  note(prober, s, place, endpoint)
  if (s.offence === 'rights') prober.forbidden.see(endpoint, s.atMs)
  else prober.missing.see(endpoint, s.atMs)
}

function noteStranger(prober: Prober, s: Sighting, place: Place): void {
  const endpoint = endpointOf(s)
  // Bad keys are the other detectors' matter, unless they are tried on the doors of the management.
  const guess = s.offence === 'sign_in' || s.offence === 'throttled'
  if (guess && !MANAGEMENT.test(endpoint)) return
  note(prober, s, place, endpoint)
  prober.asked.see(endpoint, s.atMs)
  if (s.status !== 0) prober.answers.add(String(s.status))
  prober.peakHour = Math.max(prober.peakHour, prober.hour.add(s.atMs, s.count))
}

const worse = (a: Severity | null, b: Severity | null): Severity | null =>
  a === 'high' || b === null ? a : b === 'high' || a === null ? b : a

function keyFinding(subject: Subject, prober: Prober): Finding | null {
  const rule = RULES.probing
  const severity = worse(
    worse(
      grade(prober.forbidden.peak, rule.forbiddenMedium, rule.forbiddenHigh),
      grade(prober.manage.peak, rule.manageMedium, rule.manageHigh),
    ),
    grade(prober.missing.peak, rule.missingMedium, rule.missingHigh),
  )
  if (severity === null) return null
  const kinds = [
    [prober.forbidden.peak, 'forbidden'],
    [prober.missing.peak, 'unknown'],
    [prober.manage.peak, 'management'],
  ]
    .filter(([n]) => n !== 0)
    .map(([n, word]) => `${n} ${word}`)
  return {
    kind: 'probing',
    severity,
    title: `${subject.type === 'key' ? 'Key' : 'User'} ${subject.id} tried routes it may not use: ${kinds.join(', ')} within a day`,
    subject,
    trail: prober.trail,
    addresses: prober.addresses.list,
    advice:
      'Ask the owner what the program is for. If it needs the route, grant the right; if not, disable the key (portcullis key disable) and look at its other requests.',
  }
}

function strangerFinding(subject: string, prober: Prober, guest: boolean): Finding | null {
  const rule = RULES.probing
  const severity =
    worse(
      grade(prober.asked.peak, rule.strangerMedium, rule.strangerHigh),
      grade(prober.manage.peak, rule.manageMedium, rule.manageHigh),
    ) ?? (!guest && prober.peakHour >= rule.knockingLow ? 'low' : null)
  if (severity === null || subject === '*') return null
  const asked = prober.asked.full ? `${prober.asked.peak} or more` : String(prober.asked.peak)
  return {
    kind: 'probing',
    severity,
    title:
      severity === 'low'
        ? `${subject} asks again and again without a good key (${prober.peakHour} times within an hour)`
        : `${subject} walked through ${asked} ${prober.asked.peak === 1 ? 'path' : 'paths'} without a good key${prober.manage.peak > 0 ? ', management among them' : ''}`,
    subject: placeSubject(subject),
    trail: prober.trail,
    addresses: prober.addresses.list,
    advice:
      severity === 'low'
        ? 'Most likely a monitor or a client without its key: point it at /health, or give it one.'
        : `Block the address (portcullis report --format fail2ban). ${answered(prober.answers.list)}`,
  }
}

/** What is seen of a stranger here was turned away; with which statuses is said as the log has it. */
function answered(statuses: readonly string[]): string {
  const list = [...statuses].sort()
  const last = list.pop()
  if (last === undefined) return 'All of it was turned away, so there is nothing to clean up.'
  return `Nothing of it was answered but ${list.length > 0 ? `${list.join(', ')} and ${last}` : last}, so there is nothing to clean up.`
}
