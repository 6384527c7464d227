import { LIMITS } from '../../kernel/index.ts'
import { Book } from '../count/book.ts'
import { Few } from '../count/few.ts'
import type { Place, Sighting } from '../sighting.ts'
import type { KeyNetworks } from './key-networks.ts'
import type { Detector, Finding, Severity } from './threat.ts'
import { Trail } from './trail.ts'

interface Corpse {
  readonly trail: Trail
  readonly reasons: Few
  readonly addresses: Few
  fromElsewhere: boolean
}

const newCorpse = (): Corpse => ({ trail: new Trail(), reasons: new Few(), addresses: new Few(), fromElsewhere: false })

/**
 * Reasons by how much they say: a good secret outside the networks of its key is most likely stolen, a disabled key was taken from somebody on purpose, an
 * expired one is most often forgotten.
 */
const WORDS: Readonly<Record<string, { severity: Severity; word: string }>> = {
  wrong_network: { severity: 'high', word: 'Network-bound' },
  disabled: { severity: 'medium', word: 'Disabled' },
  user_disabled: { severity: 'medium', word: "Disabled user's" },
  rotated_out: { severity: 'medium', word: 'Rotated-out' },
  expired: { severity: 'low', word: 'Expired' },
}

/** Use of a key that is disabled, expired or rotated out, or outside its networks. Whoever sends one holds a secret that is good, or once was. */
export class DeadKeys implements Detector {
  readonly #homes: KeyNetworks
  readonly #corpses = new Book<Corpse>(LIMITS.reportKeysMax, newCorpse, (corpse) => corpse.trail.count)

  constructor(homes: KeyNetworks) {
    this.#homes = homes
  }

  see(s: Sighting, place: Place): void {
    if (s.offence !== 'dead_key' || s.key === '') return
    const corpse = this.#corpses.of(s.key)
    corpse.trail.note(s, place)
    corpse.reasons.add(s.reason)
    corpse.addresses.add(s.address)
    if (this.#homes.isAtHome(s.key, s.address) === false) corpse.fromElsewhere = true
  }

  findings(): Finding[] {
    return [...this.#corpses].map(([key, corpse]) => {
      // The worst reason names it.
      const worst = Object.entries(WORDS).find(([reason]) => corpse.reasons.list.includes(reason))?.[1] ?? { severity: 'low', word: 'Dead' }
      const isOutside = corpse.reasons.list.includes('wrong_network')
      const from = isOutside
        ? ', from a network it may not be used from'
        : corpse.fromElsewhere
          ? ', from a network it was never used from before'
          : ''
      const times = corpse.trail.count === 1 ? 'once' : `${corpse.trail.count} times`
      return {
        kind: 'dead_key',
        severity: corpse.fromElsewhere ? 'high' : worst.severity,
        title: `${worst.word} key ${key} was used ${times}${from}`,
        subject: { type: 'key', id: key, user: this.#homes.userOf(key) },
        trail: corpse.trail,
        addresses: corpse.addresses.list,
        advice: isOutside
          ? 'Treat the secret as leaked: rotate the key, and find out where it was kept. If the device has moved, name its new network.'
          : corpse.fromElsewhere
            ? 'Treat the old secret as leaked. Find out where it was kept, and rotate what was kept beside it.'
            : 'Find the program that still uses it and give it a new key. It is refused, so nothing is lost but its work.',
      }
    })
  }
}
