import type { Calendar } from './calendar.ts'

export type SpentBy = 'key' | 'user' | 'model' | 'endpoint'

/** What a key or user (by id), or a model or endpoint (by name), has spent in this UTC day and month. */
export interface SpentRow {
  readonly kind: SpentBy
  readonly id: string
  readonly dayMicro: number
  readonly monthMicro: number
}

export interface Spent {
  /** What the store knows of this day and month, at start; it takes the place of what was known here. */
  load(rows: Iterable<SpentRow>): void
  /** A cost without a hold, as of a request that a crash had left open. */
  add(kind: SpentBy, id: string, micro: number): void
  of(kind: SpentBy, id: string): { readonly dayMicro: number; readonly monthMicro: number; readonly reservedMicro: number }
}

/**
 * The sum of one day or month. The one before is kept as well: a clock that is set back over midnight finds what was spent there, and the way back again
 * what was spent here.
 */
class Sum {
  #at = 0
  #micro = 0
  #otherAt = 0
  #otherMicro = 0

  of(at: number): number {
    if (at === this.#at) return this.#micro
    return at === this.#otherAt ? this.#otherMicro : 0
  }

  set(at: number, micro: number): void {
    if (at !== this.#at) {
      this.#otherAt = this.#at
      this.#otherMicro = this.#micro
      this.#at = at
    }
    this.#micro = micro
  }

  /** Nothing of this moment, nor of the one before it, to which the clock may go back. */
  forgotten(at: number): boolean {
    return this.of(at) === 0 && this.of(at - 1) === 0
  }
}

export class Spending {
  reservedMicro = 0
  readonly #day = new Sum()
  readonly #month = new Sum()

  dayMicro(calendar: Calendar): number {
    return this.#day.of(calendar.day)
  }

  monthMicro(calendar: Calendar): number {
    return this.#month.of(calendar.month)
  }

  spend(micro: number, calendar: Calendar): void {
    this.set(this.dayMicro(calendar) + micro, this.monthMicro(calendar) + micro, calendar)
  }

  set(dayMicro: number, monthMicro: number, { day, month }: Calendar): void {
    this.#day.set(day, dayMicro)
    this.#month.set(month, monthMicro)
  }

  idle({ day, month }: Calendar): boolean {
    return this.reservedMicro === 0 && this.#day.forgotten(day) && this.#month.forgotten(month)
  }
}

export class SpentBook implements Spent {
  readonly #calendar: Calendar
  readonly #byKind: Readonly<Record<SpentBy, Map<string, Spending>>> = {
    key: new Map(),
    user: new Map(),
    model: new Map(),
    endpoint: new Map(),
  }
  #sweptMonth = 0

  constructor(calendar: Calendar) {
    this.#calendar = calendar
  }

  entry(kind: SpentBy, id: string): Spending {
    let spending = this.#byKind[kind].get(id)
    if (spending === undefined) {
      spending = new Spending()
      this.#byKind[kind].set(id, spending)
    }
    return spending
  }

  load(rows: Iterable<SpentRow>): void {
    this.#calendar.look()
    for (const { kind, id, dayMicro, monthMicro } of rows) this.entry(kind, id).set(dayMicro, monthMicro, this.#calendar)
  }

  add(kind: SpentBy, id: string, micro: number): void {
    this.#calendar.look()
    this.spend(kind, id, micro)
  }

  /** The same, when the calendar has just been looked at. */
  spend(kind: SpentBy, id: string, micro: number): void {
    this.entry(kind, id).spend(micro, this.#calendar)
  }

  of(kind: SpentBy, id: string): ReturnType<Spent['of']> {
    const spending = this.#byKind[kind].get(id)
    if (spending === undefined) return { dayMicro: 0, monthMicro: 0, reservedMicro: 0 }
    this.#calendar.look()
    const { reservedMicro } = spending
    return { dayMicro: spending.dayMicro(this.#calendar), monthMicro: spending.monthMicro(this.#calendar), reservedMicro }
  }

  /** Once a month: until then an entry counts, and there may be one for each key. */
  *sweep(): Generator<void> {
    this.#calendar.look()
    if (this.#calendar.month === this.#sweptMonth) return
    this.#sweptMonth = this.#calendar.month
    for (const entries of Object.values(this.#byKind)) {
      for (const [id, spending] of entries) {
        yield
        if (spending.idle(this.#calendar)) entries.delete(id)
      }
    }
  }
}
