const STEPS_PER_OCTAVE = 16
/** 2^-4 ms to 2^28 ms: from a sixteenth of a millisecond to three days. */
const LOWEST_OCTAVE = -4
const OCTAVES = 32

export interface Spread {
  readonly count: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
}

const BUCKETS = OCTAVES * STEPS_PER_OCTAVE
/** A route seen a few times needs no buckets, and somebody may fill a log with such routes. */
const FEW = 16

/** Durations in buckets that grow by 4.4 %: 2 KiB however many there are, quantiles true to about 2 %, the maximum exact. */
export class Histogram {
  #few: number[] = []
  #buckets: Uint32Array | null = null
  #count = 0
  #max = 0

  add(ms: number): void {
    const bucket = bucketOf(ms)
    this.#count += 1
    if (ms > this.#max) this.#max = ms
    if (this.#buckets !== null) {
      this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1
      return
    }
    this.#few.push(bucket)
    if (this.#few.length < FEW) return
    this.#buckets = countBuckets(this.#few)
    this.#few = []
  }

  get count(): number {
    return this.#count
  }

  quantile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.#count))
    let passed = 0
    for (const [bucket, n] of (this.#buckets ?? countBuckets(this.#few)).entries()) {
      passed += n
      if (passed >= rank) return Math.min(this.#max, 2 ** ((bucket + 0.5) / STEPS_PER_OCTAVE + LOWEST_OCTAVE))
    }
    return this.#max
  }

  spread(): Spread {
    const p = (share: number): number => Math.round(this.quantile(share) * 10) / 10
    return { count: this.#count, p50: p(0.5), p95: p(0.95), p99: p(0.99), max: Math.round(this.#max * 10) / 10 }
  }
}

// log2 of 0 is -Infinity, and falls into the first bucket with all that is shorter than it.
const bucketOf = (ms: number): number => Math.min(Math.max(Math.floor((Math.log2(ms) - LOWEST_OCTAVE) * STEPS_PER_OCTAVE), 0), BUCKETS - 1)

function countBuckets(list: readonly number[]): Uint32Array {
  const buckets = new Uint32Array(BUCKETS)
  for (const bucket of list) buckets[bucket] = (buckets[bucket] ?? 0) + 1
  return buckets
}
