import type { Verdict } from '../sighting.ts'

export type Bucket = Record<Verdict, number>

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const WIDTHS_MS = [
  MINUTE_MS,
  5 * MINUTE_MS,
  15 * MINUTE_MS,
  HOUR_MS,
  3 * HOUR_MS,
  12 * HOUR_MS,
  DAY_MS,
  7 * DAY_MS,
  28 * DAY_MS,
  364 * DAY_MS,
]
/** More bars than this cannot be told apart in a chart. */
const BUCKETS_MAX = 120

export interface TimelineBucket extends Bucket {
  readonly atMs: number
}

/** Verdicts over time. The buckets widen as the log goes on, so that an hour and a year both fill one chart. */
export class Timeline {
  #width = 0
  #buckets = new Map<number, Bucket>()
  #first = Number.POSITIVE_INFINITY
  #end = Number.NEGATIVE_INFINITY
  #number = Number.NaN
  #bucket: Bucket = emptyBucket()

  add(atMs: number, verdict: Verdict, count: number): void {
    const number = Math.floor(atMs / this.widthMs)
    if (number !== this.#number) this.#turnTo(number, atMs)
    this.#bucket[verdict] += count
  }

  get widthMs(): number {
    return WIDTHS_MS[this.#width] ?? DAY_MS
  }

  /** Every bucket from the first to the last, the empty ones too. */
  buckets(): TimelineBucket[] {
    if (this.#buckets.size === 0) return []
    const length = this.#end - this.#first + 1
    return Array.from({ length }, (_, i) => ({
      atMs: (this.#first + i) * this.widthMs,
      ...(this.#buckets.get(this.#first + i) ?? emptyBucket()),
    }))
  }

  #turnTo(number: number, atMs: number): void {
    this.#first = Math.min(this.#first, number)
    this.#end = Math.max(this.#end, number)
    while (this.#end - this.#first >= BUCKETS_MAX && this.#width < WIDTHS_MS.length - 1) this.#widen()
    this.#number = Math.floor(atMs / this.widthMs)
    this.#bucket = this.#at(this.#number)
  }

  #at(number: number): Bucket {
    const known = this.#buckets.get(number)
    if (known) return known
    const made = emptyBucket()
    this.#buckets.set(number, made)
    return made
  }

  #widen(): void {
    const old = this.#buckets
    const oldWidth = this.widthMs
    this.#width += 1
    const wide = (number: number): number => Math.floor((number * oldWidth) / this.widthMs)
    this.#buckets = new Map()
    for (const [number, counts] of old) {
      const bucket = this.#at(wide(number))
      bucket.served += counts.served
      bucket.failed += counts.failed
      bucket.refused += counts.refused
      bucket.denied += counts.denied
    }
    this.#first = wide(this.#first)
    this.#end = wide(this.#end)
  }
}

const emptyBucket = (): Bucket => ({ served: 0, failed: 0, refused: 0, denied: 0 })
