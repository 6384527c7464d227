import type { Place, Sighting } from '../sighting.ts'
import { Trail } from './trail.ts'

/** The worst stretch of something that comes and goes, so that evidence shows the attack and not the harmless days around it. */
export class Spell {
  #current: Trail | null = null
  #worst: Trail | null = null
  #score = 0

  /** `begins` says that nothing else is within the window any more; `score` how bad the stretch is by now. */
  note(s: Sighting, place: Place, begins: boolean, score: number): void {
    if (this.#current === null || begins) this.#current = new Trail()
    this.#current.note(s, place)
    if (score <= this.#score) return
    this.#score = score
    this.#worst = this.#current
  }

  get score(): number {
    return this.#score
  }

  get trail(): Trail {
    return this.#worst ?? new Trail()
  }
}
