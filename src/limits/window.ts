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

  /** Takes back the call of that time, if it is still held: the later ones move up. */
  drop(atMs: number): void {
    const length = this.#times.length
    let from = this.#held - 1
    while (from >= 0 && (this.#times[(this.#first + from) % length] ?? 0) > atMs) from -= 1
    if (from < 0 || this.#times[(this.#first + from) % length] !== atMs) return
    for (let at = from; at < this.#held - 1; at += 1)
      this.#times[(this.#first + at) % length] = this.#times[(this.#first + at + 1) % length] ?? 0
    this.#held -= 1
  }

  #resize(length: number): void {
    const times = new Float64Array(length)
    for (let at = 0; at < this.#held; at += 1) times[at] = this.#times[(this.#first + at) % this.#times.length] ?? 0
    this.#times = times
    this.#first = 0
  }
}
