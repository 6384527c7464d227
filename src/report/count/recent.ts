// Shared by all that are still empty, and never written to: an entry is only changed in a list that holds one.
const NO_NAMES: string[] = []
const NO_TIMES: number[] = []

/**
 * Names seen within a window, and the most that were ever seen within one. Bounded: the name seen longest ago is forgotten first. There are few names, and
 * very many of these, so that two lists are smaller than a map and no slower.
 */
export class Recent {
  readonly #windowMs: number
  readonly #max: number
  #names = NO_NAMES
  #lastMs = NO_TIMES
  /** The most names within a window, up to the bound. */
  peak = 0
  /** True once there were more than the bound. */
  full = false

  constructor(windowMs: number, max: number) {
    this.#windowMs = windowMs
    this.#max = max
  }

  /** True when the name was not in the window before. */
  see(name: string, atMs: number): boolean {
    const fresh = this.learn(name, atMs)
    if (fresh && this.#names.length > this.peak) this.peak = this.#names.length
    return fresh
  }

  /** The same, without counting towards the peak. */
  learn(name: string, atMs: number): boolean {
    const at = this.#names.indexOf(name)
    const known = at !== -1 && atMs - (this.#lastMs[at] ?? 0) < this.#windowMs
    if (known) {
      this.#lastMs[at] = atMs
      return false
    }
    this.#makeRoom(name, atMs)
    // Made anew: a list that is pushed to, or spread, reserves room for seventeen.
    this.#names = this.#names.concat(name)
    this.#lastMs = this.#lastMs.concat(atMs)
    return true
  }

  get size(): number {
    return this.#names.length
  }

  /** How many were seen since a time within the window. */
  since(ms: number): number {
    let count = 0
    for (const at of this.#lastMs) if (at >= ms) count += 1
    return count
  }

  /** Forgets the name itself and what is out of the window, and if that is not enough, what was seen longest ago. */
  #makeRoom(name: string, atMs: number): void {
    const stays = this.#names.map((known, i) => known !== name && Math.abs(atMs - (this.#lastMs[i] ?? 0)) < this.#windowMs)
    if (stays.includes(false)) {
      this.#names = this.#names.filter((_, i) => stays[i])
      this.#lastMs = this.#lastMs.filter((_, i) => stays[i])
    }
    if (this.#names.length < this.#max) return
    this.full = true
    const oldest = this.#lastMs.indexOf(Math.min(...this.#lastMs))
    this.#names.splice(oldest, 1)
    this.#lastMs.splice(oldest, 1)
  }
}
