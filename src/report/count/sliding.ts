/** How many within the last `windowMs`, to one slot of it. */
export class SlidingCount {
  readonly #slotMs: number
  readonly #length: number
  /** Made when a second slot is needed: most who fail once never fail again. */
  #slots: number[] | null = null
  #head = Number.NEGATIVE_INFINITY
  #total = 0

  constructor(windowMs: number, slots = 12) {
    this.#slotMs = windowMs / slots
    this.#length = slots
  }

  /** Adds `count` at a time, and tells how many the window that ends there holds. */
  add(atMs: number, count: number): number {
    const slot = Math.floor(atMs / this.#slotMs)
    const ahead = slot - this.#head
    // Forward by more than the window, or back by more than it (another ledger, read after this one): begin anew.
    if (Math.abs(ahead) >= this.#length) {
      this.#slots = null
      this.#total = 0
      this.#head = slot
    } else if (ahead !== 0) this.#turn(slot)
    if (this.#slots !== null) this.#slots[slot % this.#length] = (this.#slots[slot % this.#length] ?? 0) + count
    this.#total += count
    return this.#total
  }

  #turn(slot: number): void {
    if (this.#slots === null) {
      this.#slots = new Array(this.#length).fill(0)
      this.#slots[this.#head % this.#length] = this.#total
    }
    for (let n = this.#head + 1; n <= slot; n += 1) {
      this.#total -= this.#slots[n % this.#length] ?? 0
      this.#slots[n % this.#length] = 0
    }
    if (slot > this.#head) this.#head = slot
  }
}
