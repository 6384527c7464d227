import { LIMITS } from '../../kernel/index.ts'

/** Sums by unit (tokens_in, characters, images, seconds …). A backend names units, so their number is bounded. */
export class Amounts {
  readonly #sums = new Map<string, number>()

  add(units: Readonly<Record<string, unknown>>): void {
    for (const unit in units) {
      const amount = units[unit]
      if (typeof amount !== 'number' || !Number.isFinite(amount)) continue
      const known = this.#sums.get(unit)
      if (known === undefined && this.#sums.size >= LIMITS.reportPerSubjectMax) continue
      this.#sums.set(unit, (known ?? 0) + amount)
    }
  }

  toRecord(): Record<string, number> {
    const rounded = [...this.#sums].map(([unit, sum]): [string, number] => [unit, Math.round(sum * 1_000) / 1_000])
    // A unit is a name from the log: `__proto__` must become a field and not a prototype.
    return Object.assign(Object.create(null), Object.fromEntries(rounded.sort(([a], [b]) => (a < b ? -1 : 1))))
  }
}
