import { LIMITS } from '../../kernel/index.ts'
import type { Place, Sighting } from '../sighting.ts'

export interface Evidence {
  readonly file: string
  readonly lines: readonly number[]
}

const HALF = Math.floor(LIMITS.reportEvidenceLinesMax / 2)
/** A file and a line as one number, because there are many trails and each would hold ten objects. */
const FILE = 2 ** 32

/** Where something was seen: how often, from when to when, and the first and latest few lines. */
export class Trail {
  #first: readonly number[] = []
  #latest: number[] | null = null
  #noted = 0
  #before = -1
  count = 0
  firstMs = Number.POSITIVE_INFINITY
  lastMs = 0

  note(s: Sighting, place: Place): void {
    this.count += s.count
    if (s.sinceMs < this.firstMs) this.firstMs = s.sinceMs
    if (s.atMs > this.lastMs) this.lastMs = s.atMs
    const at = place.file * FILE + place.line
    // One line may be divided into several sightings.
    if (at === this.#before) return
    this.#before = at
    if (this.#first.length < HALF) this.#first = this.#first.concat(at)
    else {
      this.#latest ??= new Array(HALF).fill(-1)
      this.#latest[this.#noted % HALF] = at
      this.#noted += 1
    }
  }

  evidence(fileName: (file: number) => string): Evidence[] {
    const turn = this.#noted % HALF
    const latest = this.#latest === null ? [] : [...this.#latest.slice(turn), ...this.#latest.slice(0, turn)].filter((at) => at >= 0)
    const byFile = new Map<number, number[]>()
    for (const at of [...this.#first, ...latest]) {
      const file = Math.floor(at / FILE)
      byFile.set(file, [...(byFile.get(file) ?? []), at % FILE])
    }
    return [...byFile].map(([file, lines]) => ({ file: fileName(file), lines }))
  }
}
