const SMALLEST = 16

/**
 * The times of the calls within a sliding window, exactly: a ring that grows with what it holds and no further than the limit asks. One ring answers for
 * several rates, because a rate is used up when the call that stands as many places before the end as it counts is within its span still.
 */
export class SlidingWindow {
  #times = new Float64Array(SMALLEST)
  /** The length less one: lengths are powers of two, because a division for each step is most of what a step costs. */
  #mask = SMALLEST - 1
  #first = 0
  #held = 0

  get held(): number {
    return this.#held
  }

  /** Forgets the calls that have left the window, which is open at its old end: a call counts until exactly `perMs` after it. */
  forget(nowMs: number, perMs: number): void {
    while (this.#held > 0 && nowMs - this.oldest() >= perMs) {
      this.#first = (this.#first + 1) & this.#mask
      this.#held -= 1
    }
    if (this.#held === 0 && this.#mask >= SMALLEST) this.#resize(SMALLEST)
  }

  oldest(): number {
    return this.#times[this.#first] ?? 0
  }

  newest(): number {
    return this.#times[(this.#first + this.#held - 1) & this.#mask] ?? 0
  }

  /** How long until one more call fits a rate; 0 when it fits now. */
  waitMs(count: number, perMs: number, nowMs: number): number {
    if (this.#held < count) return 0
    const atMs = this.#times[(this.#first + this.#held - count) & this.#mask] ?? 0
    return nowMs - atMs < perMs ? Math.max(atMs + perMs - nowMs, Number.MIN_VALUE) : 0
  }

  /** How many of the calls are within this span, which may be shorter than the window. */
  within(perMs: number, nowMs: number): number {
    let [low, high] = [0, this.#held]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (nowMs - (this.#times[(this.#first + middle) & this.#mask] ?? 0) >= perMs) low = middle + 1
      else high = middle
    }
    return this.#held - low
  }

  add(nowMs: number): void {
    if (this.#held > this.#mask) this.#resize((this.#mask + 1) * 2)
    this.#times[(this.#first + this.#held) & this.#mask] = nowMs
    this.#held += 1
  }

  /** Takes back the call of that time, if it is still held: the later ones move up. */
  drop(atMs: number): void {
    const [times, mask] = [this.#times, this.#mask]
    let from = this.#held - 1
    while (from >= 0 && (times[(this.#first + from) & mask] ?? 0) > atMs) from -= 1
    if (from < 0 || times[(this.#first + from) & mask] !== atMs) return
    for (let at = this.#first + from; at < this.#first + this.#held - 1; at += 1) times[at & mask] = times[(at + 1) & mask] ?? 0
    this.#held -= 1
  }

  #resize(length: number): void {
    const times = new Float64Array(length)
    for (let at = 0; at < this.#held; at += 1) times[at] = this.#times[(this.#first + at) & this.#mask] ?? 0
    this.#times = times
    this.#mask = length - 1
    this.#first = 0
  }
}
