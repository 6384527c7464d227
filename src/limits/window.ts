const SMALLEST = 16

/** The times of the calls within a sliding window, exactly: a ring that grows with what it holds and no further than the limit asks. */
export class SlidingWindow {
  #times = new Float64Array(SMALLEST)
  #first = 0
  #held = 0

  get held(): number {
    return this.#held
  }

  /** Forgets the calls that have left the window, which is open at its old end: a call counts until exactly `perMs` after it. */
  forget(nowMs: number, perMs: number): void {
    while (this.#held > 0 && nowMs - this.oldest() >= perMs) {
      this.#first = (this.#first + 1) % this.#times.length
      this.#held -= 1
    }
    if (this.#held === 0 && this.#times.length > SMALLEST) this.#resize(SMALLEST)
  }

  oldest(): number {
    return this.#times[this.#first] ?? 0
  }

  add(nowMs: number): void {
    if (this.#held === this.#times.length) this.#resize(this.#times.length * 2)
    this.#times[(this.#first + this.#held) % this.#times.length] = nowMs
    this.#held += 1
  }

  #resize(length: number): void {
    const times = new Float64Array(length)
    for (let at = 0; at < this.#held; at += 1) times[at] = this.#times[(this.#first + at) % this.#times.length] ?? 0
    this.#times = times
    this.#first = 0
  }
}
