import type { Item } from './batch.ts'

const FIRST_CAPACITY = 1_024

/** Spreads ids by their last letters, which differ from one request to the next. */
function spread(request: string): number {
  let hash = 0
  for (let i = Math.max(0, request.length - 8); i < request.length; i += 1) hash = (Math.imul(hash, 31) + request.charCodeAt(i)) | 0
  return hash
}

/**
 * Requests with an acknowledged intent and no outcome yet: how far back a restart has to look for them.
 * A table of its own (open addressing, linear probing) and not a Map: a Map that gains and loses an entry for each request keeps its old
 * tables, and what they point to, alive until a full collection. Measured on Node 20: 3.7 KB a request.
 */
export class OpenRequests {
  #requests: (string | null)[] = new Array(FIRST_CAPACITY).fill(null)
  #seqs = new Float64Array(FIRST_CAPACITY)
  #size = 0
  /** Until the requests of an earlier process are settled, it is not known which they are. */
  #unsettledFrom: number | undefined

  constructor(unsettledFrom: number | undefined) {
    this.#unsettledFrom = unsettledFrom
  }

  note(items: readonly Item[]): void {
    for (const item of items) {
      if (item.event === 'intent') this.#set(item.entry.request, item.seq)
      else if (item.event === 'outcome') this.#delete(item.entry.request)
    }
  }

  settled(): void {
    this.#unsettledFrom = undefined
  }

  /** Asked when a segment begins, so it may look at all of them. */
  oldest(): number | undefined {
    if (this.#unsettledFrom !== undefined) return this.#unsettledFrom
    let oldest: number | undefined
    for (const [place, request] of this.#requests.entries()) {
      const seq = this.#seqs[place] ?? 0
      if (request !== null && (oldest === undefined || seq < oldest)) oldest = seq
    }
    return oldest
  }

  #set(request: string, seq: number): void {
    if (this.#size * 2 >= this.#requests.length) this.#grow()
    const place = this.#placeOf(request)
    if (this.#requests[place] === null) this.#size += 1
    this.#requests[place] = request
    this.#seqs[place] = seq
  }

  /** The place of a request, or the free one where it would go. */
  #placeOf(request: string): number {
    const mask = this.#requests.length - 1
    let place = spread(request) & mask
    while (this.#requests[place] !== null && this.#requests[place] !== request) place = (place + 1) & mask
    return place
  }

  #delete(request: string): void {
    let hole = this.#placeOf(request)
    if (this.#requests[hole] === null) return
    this.#size -= 1
    const mask = this.#requests.length - 1
    // Whoever stands behind the hole moves up, or it could not be found past it (Knuth, volume 3, algorithm R).
    for (let next = (hole + 1) & mask; ; next = (next + 1) & mask) {
      const other = this.#requests[next] ?? null
      if (other === null) break
      const home = spread(other) & mask
      if (((next - home) & mask) < ((next - hole) & mask)) continue
      this.#requests[hole] = other
      this.#seqs[hole] = this.#seqs[next] ?? 0
      hole = next
    }
    this.#requests[hole] = null
  }

  #grow(): void {
    const [requests, seqs] = [this.#requests, this.#seqs]
    this.#requests = new Array(requests.length * 2).fill(null)
    this.#seqs = new Float64Array(requests.length * 2)
    for (const [place, request] of requests.entries()) {
      if (request === null) continue
      const moved = this.#placeOf(request)
      this.#requests[moved] = request
      this.#seqs[moved] = seqs[place] ?? 0
    }
  }
}
