const SECOND_MS = 1_000
/** Sixty whole seconds and the one that is running: what is counted in a second leaves when the last of it is a minute old, so that no minute holds more than the limit. */
const SECONDS = 61

/** What was counted within the last minute, by the second. A request of a thousand tokens is one addition, and an exact window would be a thousand. */
export class TokenMinute {
  readonly #bySecond = new Float64Array(SECONDS)
  #second = 0
  #held = 0

  held(nowMs: number): number {
    this.#advance(nowMs)
    return this.#held
  }

  /** Returns the second in which it was counted. */
  add(tokens: number, nowMs: number): number {
    this.#advance(nowMs)
    this.#bySecond[this.#second % SECONDS] = this.#of(this.#second) + tokens
    this.#held += tokens
    return this.#second
  }

  /** Takes back what was counted in that second, if that is not over a minute ago: then it is gone already. */
  giveBack(tokens: number, second: number, nowMs: number): void {
    this.#advance(nowMs)
    if (second <= this.#second - SECONDS) return
    this.#bySecond[second % SECONDS] = this.#of(second) - tokens
    this.#held -= tokens
  }

  /** How long until so many fit; 0 when they fit now, Infinity when they are more than the limit. */
  waitMs(tokens: number, limit: number, nowMs: number): number {
    if (tokens > limit) return Number.POSITIVE_INFINITY
    let over = this.held(nowMs) + tokens - limit
    if (over <= 0) return 0
    let second = this.#second - SECONDS
    while (over > 0) {
      second += 1
      over -= this.#of(second)
    }
    return (second + SECONDS) * SECOND_MS - nowMs
  }

  /** How long until nothing is held. */
  emptyMs(nowMs: number): number {
    if (this.held(nowMs) === 0) return 0
    let second = this.#second
    while (this.#of(second) === 0) second -= 1
    return (second + SECONDS) * SECOND_MS - nowMs
  }

  #of(second: number): number {
    return this.#bySecond[(second + SECONDS) % SECONDS] ?? 0
  }

  #advance(nowMs: number): void {
    const second = Math.floor(nowMs / SECOND_MS)
    if (second <= this.#second) return
    // After a silence of any length this is at most once around: then nothing is held.
    for (let gone = this.#second + 1; gone <= second && this.#held > 0; gone += 1) {
      this.#held -= this.#of(gone)
      this.#bySecond[gone % SECONDS] = 0
    }
    this.#second = second
  }
}
