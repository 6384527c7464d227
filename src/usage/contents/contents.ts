import { reasonOf } from '../../kernel/index.ts'
import { type ContentsTable, dayOf } from '../tables.ts'
import type { UsageLog } from '../types.ts'

/** What contents ask of the store. */
export interface ContentStore {
  days(): Promise<string[]>
  begin(day: string): Promise<void>
  bytesOf(day: string): Promise<number>
  keep(day: string, row: ContentsTable): Promise<void>
  drop(day: string): Promise<void>
}

export interface ContentBounds {
  /** Nothing of a day before this one is kept. */
  readonly firstDay: string
  readonly totalBytesMax: number
}

/** Sealed prompts and answers, by day and within a bound in all: the oldest day goes first, and what would need today's place is not kept. */
export class Contents {
  readonly #store: ContentStore
  readonly #log: UsageLog
  /** Bytes by day, oldest first. */
  #days: Map<string, number> | null = null
  #bounds: ContentBounds
  #told = ''

  constructor(store: ContentStore, log: UsageLog, bounds: ContentBounds) {
    this.#store = store
    this.#log = log
    this.#bounds = bounds
  }

  async add(row: ContentsTable): Promise<void> {
    const day = dayOf(row.time_ms)
    if (day < this.#bounds.firstDay) return
    try {
      const days = await this.#known()
      await this.#makeRoom(days, day, row.bytes)
      if (this.#total(days) + row.bytes > this.#bounds.totalBytesMax) {
        this.#tell(
          `full ${day}`,
          { day, bytes: this.#total(days) },
          'usage: kept contents have reached usage.content_total_max; no more are kept on this day',
        )
        return
      }
      if (!days.has(day)) await this.#store.begin(day)
      await this.#store.keep(day, row)
      days.set(day, (days.get(day) ?? 0) + row.bytes)
    } catch (error) {
      this.#tell('fault', { reason: reasonOf(error) }, 'usage: what a request held could not be kept, and is not')
    }
  }

  /** Lets go of days whose time is over. */
  async tidy(bounds: ContentBounds): Promise<void> {
    this.#bounds = bounds
    const days = await this.#known()
    for (const day of [...days.keys()]) if (day < bounds.firstDay) await this.#drop(days, day)
    await this.#makeRoom(days, [...days.keys()].sort().at(-1) ?? '', 0)
    this.#told = ''
  }

  async #known(): Promise<Map<string, number>> {
    if (this.#days) return this.#days
    const days = new Map<string, number>()
    for (const day of await this.#store.days()) days.set(day, await this.#store.bytesOf(day))
    this.#days = days
    return days
  }

  async #makeRoom(days: Map<string, number>, before: string, bytes: number): Promise<void> {
    for (const day of [...days.keys()].sort()) {
      if (day >= before || this.#total(days) + bytes <= this.#bounds.totalBytesMax) return
      await this.#drop(days, day)
      this.#log.warn({ day }, 'usage: the contents of a day were let go before their time, to stay within usage.content_total_max')
    }
  }

  async #drop(days: Map<string, number>, day: string): Promise<void> {
    await this.#store.drop(day)
    days.delete(day)
  }

  #total(days: ReadonlyMap<string, number>): number {
    let sum = 0
    for (const bytes of days.values()) sum += bytes
    return sum
  }

  #tell(what: string, fields: object, message: string): void {
    if (this.#told === what) return
    this.#told = what
    this.#log.warn(fields, message)
  }
}
