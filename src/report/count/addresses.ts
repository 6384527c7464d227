import { heavierHalf } from './book.ts'

export interface AddressCount {
  readonly address: string
  readonly requests: number
  readonly denied: number
  readonly firstMs: number
  readonly lastMs: number
}

/**
 * Client addresses, as columns instead of objects: 200,000 of them take about 25 MiB. Beyond the bound the half seen least is forgotten, so that the
 * busiest stay and the number of distinct ones is marked as a lower bound.
 */
export class Addresses {
  readonly #max: number
  #rows = new Map<string, number>()
  #requests = new Uint32Array(1_024)
  #denied = new Uint32Array(1_024)
  #first = new Float64Array(1_024)
  #last = new Float64Array(1_024)
  #pruned = false

  constructor(max: number) {
    this.#max = max
  }

  see(address: string, count: number, denied: boolean, sinceMs: number, atMs: number): void {
    const row = this.#rows.get(address) ?? this.#open(address, sinceMs)
    this.#requests[row] = (this.#requests[row] ?? 0) + count
    if (denied) this.#denied[row] = (this.#denied[row] ?? 0) + count
    if (sinceMs < (this.#first[row] ?? 0)) this.#first[row] = sinceMs
    if (atMs > (this.#last[row] ?? 0)) this.#last[row] = atMs
  }

  get distinct(): number {
    return this.#pruned ? this.#max : this.#rows.size
  }

  get exact(): boolean {
    return !this.#pruned
  }

  top(count: number, by: 'requests' | 'denied'): AddressCount[] {
    const column = by === 'requests' ? this.#requests : this.#denied
    return this.#heaviest(count, column)
      .filter(([, row]) => (column[row] ?? 0) > 0)
      .map(([address, row]) => ({
        address,
        requests: this.#requests[row] ?? 0,
        denied: this.#denied[row] ?? 0,
        firstMs: this.#first[row] ?? 0,
        lastMs: this.#last[row] ?? 0,
      }))
  }

  #heaviest(count: number, column: Uint32Array): [string, number][] {
    return [...this.#rows].sort(([a, x], [b, y]) => (column[y] ?? 0) - (column[x] ?? 0) || (a < b ? -1 : 1)).slice(0, count)
  }

  #open(address: string, sinceMs: number): number {
    if (this.#rows.size >= this.#max) this.#prune()
    const row = this.#rows.size
    if (row >= this.#requests.length) this.#grow()
    this.#rows.set(address, row)
    this.#requests[row] = 0
    this.#denied[row] = 0
    this.#first[row] = sinceMs
    this.#last[row] = sinceMs
    return row
  }

  #grow(): void {
    const length = this.#requests.length * 2
    this.#requests = widened(new Uint32Array(length), this.#requests)
    this.#denied = widened(new Uint32Array(length), this.#denied)
    this.#first = widened(new Float64Array(length), this.#first)
    this.#last = widened(new Float64Array(length), this.#last)
  }

  #prune(): void {
    this.#pruned = true
    const keep = heavierHalf(this.#requests.subarray(0, this.#rows.size))
    const rows = new Map<string, number>()
    // Rows only ever move towards the beginning, so the columns can be closed up in place.
    for (const [address, from] of this.#rows) {
      if (!keep(from)) continue
      const to = rows.size
      rows.set(address, to)
      this.#requests[to] = this.#requests[from] ?? 0
      this.#denied[to] = this.#denied[from] ?? 0
      this.#first[to] = this.#first[from] ?? 0
      this.#last[to] = this.#last[from] ?? 0
    }
    this.#rows = rows
  }
}

function widened<T extends Uint32Array | Float64Array>(wide: T, narrow: T): T {
  wide.set(narrow)
  return wide
}
