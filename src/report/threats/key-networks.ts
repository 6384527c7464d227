import { LIMITS } from '../../kernel/index.ts'
import { Book } from '../count/book.ts'
import { Few } from '../count/few.ts'
import { Recent } from '../count/recent.ts'
import type { Place, Sighting } from '../sighting.ts'
import { originOf } from './network.ts'
import { RULES } from './rules.ts'
import { Spell } from './spell.ts'
import { callerOf, callerSubject, type Detector, type Finding, type Severity } from './threat.ts'

interface Holder {
  readonly spell: Spell
  readonly networks: Recent
  /** The networks the key was first good from, however long ago. */
  home: readonly string[]
  readonly addresses: Few
  user: string
  requests: number
  peakHour: number
}

const newHolder = (): Holder => ({
  spell: new Spell(),
  networks: new Recent(RULES.dayMs, LIMITS.reportPerSubjectMax),
  home: [],
  addresses: new Few(),
  user: '',
  requests: 0,
  peakHour: 0,
})

/** One key from many networks: it is shared, or it has leaked. Also remembers where each key is at home, for the detector of dead keys. */
export class KeyNetworks implements Detector {
  readonly #holders = new Book<Holder>(LIMITS.reportKeysMax, newHolder, (holder) => holder.requests)

  see(s: Sighting, place: Place): void {
    const holder = this.#holderOf(s)
    if (holder === null) return
    const { network } = originOf(s.address)
    if (!holder.networks.see(network, s.atMs)) return
    settle(holder, network)
    const inHour = holder.networks.since(s.atMs - RULES.hourMs)
    // Twice as many in a day are about as bad as in an hour.
    holder.spell.note(s, place, holder.networks.size === 1, 2 * inHour + holder.networks.size)
    holder.addresses.add(s.address)
    holder.peakHour = Math.max(holder.peakHour, inHour)
  }

  /** Where a key is used is learnt from before the range of the report, too. */
  learn(s: Sighting): void {
    const holder = this.#holderOf(s)
    if (holder === null) return
    const { network } = originOf(s.address)
    if (holder.networks.learn(network, s.atMs)) settle(holder, network)
  }

  /** Null where the key was never seen in use, so that nothing is known of its home. */
  isAtHome(caller: string, address: string): boolean | null {
    const holder = this.#holders.get(caller)
    return holder ? holder.home.includes(originOf(address).network) : null
  }

  userOf(key: string): string {
    return this.#holders.get(key)?.user ?? ''
  }

  #holderOf(s: Sighting): Holder | null {
    const caller = callerOf(s)
    if (caller === '' || s.address === '' || s.address === 'local') return null
    const holder = this.#holders.of(caller)
    holder.requests += 1
    if (s.user !== '') holder.user = s.user
    return holder
  }

  findings(): Finding[] {
    return [...this.#holders].flatMap(([caller, holder]) => {
      const severity = grade(holder.peakHour, holder.networks.peak)
      if (severity === null) return []
      const subject = callerSubject(caller, holder.user)
      const day = holder.networks.full ? `${holder.networks.peak} or more` : String(holder.networks.peak)
      return {
        kind: 'many_networks',
        severity,
        title: `${subject.type === 'key' ? 'Key' : 'User'} ${subject.id} was used from ${day} networks within a day, ${holder.peakHour} within an hour`,
        subject,
        trail: holder.spell.trail,
        addresses: holder.addresses.list,
        advice:
          'Ask the owner where the key is used. If it is shared, make one key for each program; if not, rotate it with no grace (portcullis key rotate --grace 0).',
      }
    })
  }
}

function settle(holder: Holder, network: string): void {
  if (holder.home.length < LIMITS.reportPerSubjectMax && !holder.home.includes(network)) holder.home = holder.home.concat(network)
}

function grade(hour: number, day: number): Severity | null {
  const { hourMedium, hourHigh, dayMedium, dayHigh, dayHourMin } = RULES.networks
  const inDay = hour >= dayHourMin ? day : 0
  if (hour >= hourHigh || inDay >= dayHigh) return 'high'
  return hour >= hourMedium || inDay >= dayMedium ? 'medium' : null
}
