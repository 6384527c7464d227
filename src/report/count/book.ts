/**
 * Records by name, at most `max` of them. When a new name finds the book full, the half with the least weight is forgotten: a name that matters comes
 * again and stays, and no flood of names can use more memory.
 */
export class Book<T> {
  readonly #max: number
  readonly #make: () => T
  readonly #weight: (record: T) => number
  #records = new Map<string, T>()
  #pruned = false

  constructor(max: number, make: () => T, weight: (record: T) => number) {
    this.#max = max
    this.#make = make
    this.#weight = weight
  }

  /** The record of a name, made if there is none. */
  of(name: string): T {
    const known = this.#records.get(name)
    if (known !== undefined) return known
    if (this.#records.size >= this.#max) this.#prune()
    const made = this.#make()
    this.#records.set(name, made)
    return made
  }

  get(name: string): T | undefined {
    return this.#records.get(name)
  }

  get size(): number {
    return this.#records.size
  }

  /** False once something was forgotten: then sizes and counts are lower bounds. */
  get exact(): boolean {
    return !this.#pruned
  }

  [Symbol.iterator](): IterableIterator<[string, T]> {
    return this.#records.entries()
  }

  top(count: number, weight = this.#weight): [string, T][] {
    return [...this.#records].sort(([a, x], [b, y]) => weight(y) - weight(x) || (a < b ? -1 : 1)).slice(0, count)
  }

  #prune(): void {
    this.#pruned = true
    const keep = heavierHalf([...this.#records.values()].map(this.#weight))
    const kept = new Map<string, T>()
    let row = 0
    for (const [name, record] of this.#records) {
      if (keep(row)) kept.set(name, record)
      row += 1
    }
    this.#records = kept
  }
}

/** Which rows to keep so that half remain: the heavier ones, and among equals the later ones. Sorting numbers is much cheaper than sorting records. */
export function heavierHalf(weights: ArrayLike<number>): (row: number) => boolean {
  const sorted = Float64Array.from(weights).sort()
  const middle = sorted[sorted.length >> 1] ?? 0
  // Of those exactly at the middle, only the ones above it in the order are kept.
  let equalsToDrop = 0
  for (let i = (sorted.length >> 1) - 1; i >= 0 && sorted[i] === middle; i -= 1) equalsToDrop += 1
  return (row) => {
    const weight = weights[row] ?? 0
    if (weight !== middle) return weight > middle
    equalsToDrop -= 1
    return equalsToDrop < 0
  }
}
