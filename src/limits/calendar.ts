import type { Clock } from '../kernel/index.ts'

const DAY_MS = 86_400_000

/** The UTC day and month of this moment, as numbers: a budget is of one of them. */
export class Calendar {
  readonly #clock: Clock
  #nowMs = 0
  #beginsMs = 0
  #endsMs = 0
  day = 0
  month = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Has to be called before the fields are read; the clock may have been set, so it may go back. */
  look(): void {
    this.#nowMs = this.#clock.nowMs()
    if (this.#nowMs >= this.#beginsMs && this.#nowMs < this.#endsMs) return
    this.day = Math.floor(this.#nowMs / DAY_MS)
    this.#beginsMs = this.day * DAY_MS
    this.#endsMs = this.#beginsMs + DAY_MS
    const date = new Date(this.#beginsMs)
    this.month = date.getUTCFullYear() * 12 + date.getUTCMonth()
  }

  untilNextMs(span: 'day' | 'month'): number {
    const endsMs = span === 'day' ? this.#endsMs : Date.UTC(Math.floor(this.month / 12), (this.month % 12) + 1)
    return endsMs - this.#nowMs
  }
}
