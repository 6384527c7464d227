/** Whatever can stand in a `Slots`; the number is the slots' own. */
export interface Slotted {
  slot: number
}

/**
 * A set of things that come and go by the thousand a second. A `Set` whose members change that fast keeps the ones that left alive over
 * several collections (measured on Node 20: 2.6 KB and 5 µs of collection for each request); a slot that is emptied keeps nothing.
 */
export class Slots<T extends Slotted> {
  readonly #slots: (T | null)[] = []
  readonly #free: number[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(member: T): void {
    const slot = this.#free.pop() ?? this.#slots.length
    this.#slots[slot] = member
    member.slot = slot
    this.#size += 1
  }

  /** Deleting what is not there is harmless. */
  delete(member: T): void {
    if (this.#slots[member.slot] !== member) return
    this.#slots[member.slot] = null
    this.#free.push(member.slot)
    this.#size -= 1
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const member of this.#slots) if (member !== null) yield member
  }
}
