import { LIMITS } from '../../kernel/index.ts'
import { iso } from '../iso.ts'
import type { Place, Sighting } from '../sighting.ts'
import { BruteForce } from './brute-force.ts'
import { DeadKeys } from './dead-key.ts'
import { KeyNetworks } from './key-networks.ts'
import { PathTricks } from './path-tricks.ts'
import { Probing } from './probing.ts'
import { Spraying } from './spraying.ts'
import { type Detector, type Finding, SEVERITIES, THREAT_KINDS, type Threat } from './threat.ts'
import { UnusualVolume } from './volume.ts'

/** All detectors together. */
export class Watch {
  readonly #bruteForce = new BruteForce()
  readonly #networks = new KeyNetworks()
  readonly #volume: UnusualVolume
  readonly #detectors: readonly Detector[]

  constructor(fromMs: number) {
    this.#volume = new UnusualVolume(fromMs, this.#networks)
    const probing = new Probing((subject) => this.#bruteForce.letIn(subject) > 0)
    // The volume is asked before the networks learn of an address, or none would ever be new.
    this.#detectors = [
      this.#bruteForce,
      new Spraying(),
      this.#volume,
      this.#networks,
      new DeadKeys(this.#networks),
      probing,
      new PathTricks(),
    ]
  }

  see(s: Sighting, place: Place): void {
    for (const detector of this.#detectors) detector.see(s, place)
  }

  /** What lies before the range of the report teaches what is usual. */
  learn(s: Sighting, place: Place): void {
    this.#volume.see(s, place)
    this.#networks.learn(s)
  }

  /** The worst first, and not more of them than somebody can read. */
  result(fileName: (file: number) => string): { threats_total: number; threats: Threat[] } {
    const rank = (f: Finding): number => SEVERITIES.indexOf(f.severity)
    const found = this.#detectors
      .flatMap((detector) => detector.findings())
      .sort(
        (a, b) =>
          rank(a) - rank(b) ||
          THREAT_KINDS.indexOf(a.kind) - THREAT_KINDS.indexOf(b.kind) ||
          b.trail.count - a.trail.count ||
          (a.subject.id < b.subject.id ? -1 : 1),
      )
    return {
      threats_total: found.length,
      threats: found
        .slice(0, LIMITS.reportThreatsMax)
        .map((finding) => toThreat(finding, this.#bruteForce.letIn(finding.subject.id), fileName)),
    }
  }
}

const toThreat = (
  { kind, severity, title, subject, trail, addresses, advice }: Finding,
  letIn: number,
  fileName: (file: number) => string,
): Threat => ({
  kind,
  severity,
  title,
  subject: { type: subject.type, id: subject.id, user: subject.user },
  count: trail.count,
  first: iso(trail.firstMs),
  last: iso(trail.lastMs),
  evidence: trail.evidence(fileName),
  addresses,
  let_in: letIn,
  advice,
})
