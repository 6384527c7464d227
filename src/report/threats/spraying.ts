import { LIMITS } from '../../kernel/index.ts'
import { Book } from '../count/book.ts'
import { Few } from '../count/few.ts'
import { Recent } from '../count/recent.ts'
import type { Place, Sighting } from '../sighting.ts'
import { originOf } from './network.ts'
import { RULES } from './rules.ts'
import { Spell } from './spell.ts'
import { type Detector, type Finding, placeSubject, type Severity, type Subject } from './threat.ts'

interface Sprayer {
  readonly spell: Spell
  readonly keyIds: Recent
  readonly addresses: Few
}

const newSprayer = (): Sprayer => ({
  spell: new Spell(),
  keyIds: new Recent(RULES.dayMs, LIMITS.reportPerSubjectMax),
  addresses: new Few(),
})
const weight = (sprayer: Sprayer): number => sprayer.keyIds.peak

/** Many key ids tried from one place. Keys that once were good do not count: an office whose keys all ran out is not guessing. */
export class Spraying implements Detector {
  readonly #bySubject = new Book<Sprayer>(LIMITS.reportSuspectsMax, newSprayer, weight)
  readonly #byNetwork = new Book<Sprayer>(LIMITS.reportSuspectsMax, newSprayer, weight)

  see(s: Sighting, place: Place): void {
    if (s.recognised || s.key === '' || s.address === '' || (s.offence !== 'sign_in' && s.offence !== 'throttled')) return
    const { subject, network } = originOf(s.address)
    note(this.#bySubject.of(subject), s, place)
    note(this.#byNetwork.of(network), s, place)
  }

  findings(): Finding[] {
    const { medium, high, networkMedium, networkHigh, networkAddresses } = RULES.spraying
    const found: Finding[] = []
    const told = new Set<string>()
    for (const [subject, sprayer] of this.#bySubject) {
      const { peak } = sprayer.keyIds
      if (peak < medium) continue
      told.add(originOf(subject).network)
      found.push(finding(placeSubject(subject), sprayer, peak >= high ? 'high' : 'medium'))
    }
    for (const [network, sprayer] of this.#byNetwork) {
      const { peak } = sprayer.keyIds
      if (peak < networkMedium || sprayer.addresses.size < networkAddresses || told.has(network)) continue
      found.push(finding(placeSubject(network), sprayer, peak >= networkHigh ? 'high' : 'medium'))
    }
    return found
  }
}

function note(sprayer: Sprayer, s: Sighting, place: Place): void {
  const fresh = sprayer.keyIds.see(s.key, s.atMs)
  sprayer.spell.note(s, place, fresh && sprayer.keyIds.size === 1, sprayer.keyIds.size)
  sprayer.addresses.add(s.address)
}

function finding(subject: Subject, sprayer: Sprayer, severity: Severity): Finding {
  const { keyIds, spell, addresses } = sprayer
  return {
    kind: 'key_spraying',
    severity,
    title: `${keyIds.full ? `${keyIds.peak} or more` : keyIds.peak} different key ids tried from ${subject.id} within a day`,
    subject,
    trail: spell.trail,
    addresses: addresses.list,
    advice:
      'Block it. Look whether the key ids exist here (portcullis key list --all): real ones mean that a list of ids has leaked, for instance from a copy of this log.',
  }
}
